/** CAs and verdicts of the openssl command: nothing under test vouches for itself. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Bench {
  /** Runs openssl in the folder; throws with what it said when it fails. */
  run(...args: readonly string[]): string;
  /** As `run`, and a failure is an answer. */
  try(...args: readonly string[]): { readonly ok: boolean; readonly said: string };
  write(name: string, text: string): string;
  read(name: string): string;
  close(): void;
}

export function bench(): Bench {
  const cwd = mkdtempSync(join(tmpdir(), "sallyport-openssl-"));
  const attempt: Bench["try"] = (...args) => {
    const { status, stdout, stderr } = spawnSync("openssl", args, { cwd, encoding: "utf8", timeout: 60_000 });
    return { ok: status === 0, said: `${stdout}${stderr}` };
  };
  return {
    try: attempt,
    run(...args) {
      const { ok, said } = attempt(...args);
      if (!ok) throw new Error(`openssl ${args.join(" ")}: ${said}`);
      return said;
    },
    write(name, text) {
      writeFileSync(join(cwd, name), text, { mode: 0o600 });
      return join(cwd, name);
    },
    read: (name) => readFileSync(join(cwd, name), "utf8"),
    close: () => rmSync(cwd, { recursive: true }),
  };
}

export interface Made {
  readonly certPem: string;
  readonly keyPem: string;
}

const CA_EXTENSIONS = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"];

export interface Wanted {
  readonly name: string;
  /** Arguments of `openssl genpkey`; default a P-256 key. */
  readonly key?: readonly string[];
  readonly extensions?: readonly string[];
  /** Name of the issuer, made before; default itself. */
  readonly by?: string;
  readonly days?: number;
}

const P256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

/** A certificate with exactly these extensions (and a key identifier), in `NAME.crt` and `NAME.key` of the bench. */
export function certify({ run, write, read }: Bench, wanted: Wanted): Made {
  const { name, key = P256, extensions = CA_EXTENSIONS, by = name, days = 30 } = wanted;
  run("genpkey", ...key, "-out", `${name}.key`);
  run("req", "-new", "-key", `${name}.key`, "-subj", `/CN=${name}`, "-out", `${name}.csr`);
  write(`${name}.ext`, ["subjectKeyIdentifier=hash", ...extensions].join("\n"));
  const signed =
    by === name ? ["-signkey", `${name}.key`] : ["-CA", `${by}.crt`, "-CAkey", `${by}.key`, "-CAcreateserial"];
  const out = ["-out", `${name}.crt`, "-days", String(days), "-extfile", `${name}.ext`];
  run("x509", "-req", "-in", `${name}.csr`, ...signed, ...out);
  return { certPem: read(`${name}.crt`), keyPem: read(`${name}.key`) };
}
