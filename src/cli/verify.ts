/**
 * `sallyport verify`: the report goes to stdout (it is the data), progress and usage to stderr. Exit 0: everything given
 * verifies; 1: something does not, cannot be read, or there is nothing to verify; 64: it was not asked properly.
 */
import { isBareSecret, loadVerifiers } from "../crypto/keys.ts";
import type { Verifier } from "../crypto/signature.ts";
import { Fault, messageOf } from "../errors.ts";
import { Report } from "../evidence/report.ts";
import type { Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { whyUnreadable } from "../words/unreadable.ts";
import { type CommandSpec, EXIT, readArgs, wrong } from "./_args.ts";
import { printJson, printReport } from "./_verify-print.ts";
import { verifyTarget } from "./_verify-target.ts";

const SPEC: CommandSpec = {
  name: "verify",
  summary: "check certificates and audit logs offline",
  usage: "FILE|DIR|- --key-file FILE [options]",
  options: [
    { name: "key-file", value: "FILE", repeat: true, doc: "a key to verify with; repeatable" },
    { name: "no-signatures", doc: "check structure and chain only, without a key" },
    { name: "complete", doc: "a log without its beginning or its outcomes is an error" },
    { name: "json", doc: "print a JSON object" },
  ],
  operands: [1, 1],
  notes: `
Takes a certificate, an audit log, or a folder of logs; "-" reads standard input. A folder is verified as a whole: give
it to have rotated files, workers and outcomes compared. Keys are a raw HMAC secret, PEM (SPKI or PKCS#8), JWK or JWKS.
Exits 1 when something does not verify, when a key file cannot be read, and when there is no certificate at all: an empty log proves nothing.`,
};

/** Runs the command with the arguments after `verify`; resolves to the exit code. */
export async function runVerify(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, SPEC, args);
  if (typeof parsed === "number") return parsed;
  const [target = ""] = parsed.operands;
  const signatures = !parsed.has("no-signatures");
  const problems: string[] = [];
  const bare: string[] = [];
  const keys = signatures ? await readKeys(runtime, parsed.values("key-file"), { problems, bare }) : null;
  const unasked = signatures && parsed.values("key-file").length === 0;
  if (unasked) {
    problems.push("signatures need a key: give --key-file, or --no-signatures to check structure and chain only");
  }
  if (problems.length > 0) {
    // Whoever mends one of them should not have to find the next by trying again.
    if (target !== "-" && (await runtime.stat(target)) === null) problems.push(`there is no file ${quote(target)}`);
    if (unasked) return wrong(runtime, SPEC, problems.join("; "));
    runtime.stderr(`sallyport verify: ${problems.join("; ")}\n`);
    return EXIT.failed;
  }
  const report = new Report();
  const progress = progressOn(runtime);
  try {
    await verifyTarget(runtime, target, { keys, report, complete: parsed.has("complete"), progress: progress.add });
  } catch (thrown) {
    report.add({ severity: "error", code: "unreadable", file: target, line: 0, detail: messageOf(thrown) });
  }
  if (report.certificates === 0 && report.counts.error === 0) {
    // Nothing is wrong with it, but a log that was emptied looks the same: a 0 would say that something was verified.
    const detail = "there is no certificate in it: it is not corrupt, and it proves nothing";
    report.add({ severity: "error", code: "empty", file: target, line: 0, detail });
  }
  progress.end();
  const print = parsed.has("json") ? printJson : printReport;
  print(runtime, report, { target, keys: keys === null ? null : keys.size });
  if (report.findings.error.some(({ code }) => code === "unknown_key")) {
    for (const file of bare)
      runtime.stderr(`sallyport verify: ${quote(file, 512)} was read as a raw HMAC secret: it is no PEM and no JWK\n`);
  }
  return report.ok ? 0 : 1;
}

interface Told {
  readonly problems: string[];
  readonly bare: string[];
}

/** The keys of the files that have any; what is wrong with the others goes into `problems`, who is a raw secret into `bare`. */
async function readKeys(
  runtime: Runtime,
  files: readonly string[],
  { problems, bare }: Told,
): Promise<Map<string, Verifier>> {
  const keys = new Map<string, Verifier>();
  for (const file of files) {
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await runtime.readFile(file));
      for (const key of await loadVerifiers(text, runtime)) keys.set(key.kid, key);
      if (isBareSecret(text)) bare.push(file);
    } catch (thrown) {
      const why = thrown instanceof Fault ? `: ${messageOf(thrown)}` : ` ${whyUnreadable(thrown)}`;
      problems.push(`the key file ${quote(file, 512)}${why}`);
    }
  }
  return keys;
}

function progressOn(runtime: Runtime): { add: (bytes: number) => void; end: () => void } {
  let bytes = 0;
  let shown = runtime.monotonic();
  let any = false;
  return {
    add(more) {
      bytes += more;
      const now = runtime.monotonic();
      if (!runtime.stderrIsTerminal || now - shown < 500) return;
      shown = now;
      any = true;
      runtime.stderr(`\r${Math.round(bytes / 1e6).toLocaleString("en")} MB read`);
    },
    end: () => any && runtime.stderr("\r\u001b[K"),
  };
}
