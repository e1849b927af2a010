/** `ca show`: what a CA is, and whether `run` would take it. */
import { daysLeft, keyText, loadCa, WARN_DAYS } from "../crypto/ca.ts";
import { type Certificate, fingerprint, nameText, readCertificates } from "../crypto/certificate.ts";
import { messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { modeText, othersCan } from "../words/file-mode.ts";
import { quote } from "../words/quote.ts";
import { type CommandSpec, columns, EXIT, readArgs, wrong } from "./_args.ts";
import { type CaPlace, placeIn, placeOfSettings, textOf } from "./_ca-place.ts";

const SHOW: CommandSpec = {
  name: "ca show",
  summary: "say what a CA is, and whether run would take it",
  usage: "[--dir DIR | FILE] [--json]",
  options: [
    { name: "dir", value: "DIR", doc: "where ca.crt and ca.key are" },
    { name: "json", doc: "print a JSON object" },
  ],
  operands: [0, 1],
  notes: `
Without DIR and FILE: what EVE_PROXY_CA_CERT and EVE_PROXY_CA_KEY name. Of FILE, such as ca.crt, the key is looked for
beside it, as ca.key. Exits 1 when the CA cannot be used, and says why.`,
};

interface KeyFile {
  readonly path: string;
  readonly mode: string | null;
  readonly matches: boolean;
}

interface Shown {
  readonly file: string;
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  readonly sha256: string;
  readonly key: string;
  readonly not_before: string;
  readonly not_after: string;
  readonly days_left: number;
  readonly path_length: number | null;
  readonly name_constraints: boolean;
  /** Subjects of the certificates above it in the file. */
  readonly chain: readonly string[];
  readonly key_file: KeyFile | null;
  /** Why run would refuse it, or null. */
  readonly problem: string | null;
}

export async function show(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, SHOW, args);
  if (typeof parsed === "number") return parsed;
  const directory = parsed.value("dir");
  const file = parsed.operands[0];
  if (directory !== null && file !== undefined) return wrong(runtime, SHOW, "give --dir or FILE, not both");
  const place = directory ? placeIn(directory) : file ? await beside(runtime, file) : placeOfSettings(runtime);
  if (place === null)
    return wrong(runtime, SHOW, "say which: --dir DIR, FILE, or EVE_PROXY_CA_CERT in the environment");
  const found = await textOf(runtime, place.cert);
  if ("problem" in found) {
    runtime.stderr(`sallyport ca show: ${quote(place.cert, 512)} ${found.problem}\n`);
    return EXIT.failed;
  }
  let shown: Shown;
  try {
    shown = await look(runtime, place, found.text);
  } catch (thrown) {
    runtime.stderr(`sallyport ca show: ${quote(place.cert, 512)}: ${messageOf(thrown)}\n`);
    return EXIT.failed;
  }
  runtime.stdout(parsed.has("json") ? `${JSON.stringify(shown, null, 2)}\n` : columns(rowsOf(shown)));
  if (shown.problem !== null) runtime.stderr(`sallyport ca show: run would refuse it: ${shown.problem}\n`);
  else if (shown.days_left < WARN_DAYS) runtime.stderr(`sallyport ca show: it ends in ${shown.days_left} days\n`);
  return shown.problem === null ? EXIT.ok : EXIT.failed;
}

async function beside(runtime: Runtime, cert: string): Promise<CaPlace> {
  const key = cert.replace(/\.(?:crt|pem|cer)$/, ".key");
  const there = key !== cert && (await runtime.hasName(key).catch(() => false));
  return { cert, key: there ? key : null };
}

async function look(runtime: Runtime, { cert, key }: CaPlace, certPem: string): Promise<Shown> {
  const [certificate, ...above] = readCertificates(certPem);
  if (certificate === undefined) throw new TypeError("there is no certificate in it");
  const now = runtime.now();
  const { keyFile, problem } = await judge(runtime, key, { certPem, certificate, now });
  return {
    file: cert,
    subject: nameText(certificate.subject),
    issuer: nameText(certificate.issuer),
    serial: certificate.serial,
    sha256: await fingerprint(certificate),
    key: keyText(certificate),
    not_before: new Date(certificate.notBefore).toISOString(),
    not_after: new Date(certificate.notAfter).toISOString(),
    days_left: daysLeft(Math.min(...[certificate, ...above].map(({ notAfter }) => notAfter)), now),
    path_length: certificate.pathLength,
    name_constraints: certificate.nameConstraints,
    chain: above.map(({ subject }) => nameText(subject)),
    key_file: keyFile,
    problem,
  };
}

async function judge(
  runtime: Runtime,
  key: string | null,
  { certPem, certificate, now }: { readonly certPem: string; readonly certificate: Certificate; readonly now: number },
): Promise<{ readonly keyFile: KeyFile | null; readonly problem: string | null }> {
  if (key === null) {
    // Of a certificate alone, as clients have it, its time is what can be told.
    const over = now > certificate.notAfter || now < certificate.notBefore;
    const problem = !certificate.ca ? "it is not a CA" : over ? "it is not valid now" : null;
    return { keyFile: null, problem };
  }
  const found = await textOf(runtime, key);
  if ("problem" in found) {
    return { keyFile: { path: key, mode: null, matches: false }, problem: `${quote(key, 512)} ${found.problem}` };
  }
  const mode = modeText(found.mode);
  const fault = await loadCa({ certPem, keyPem: found.text }, now).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  const matches = fault === null || !(fault instanceof Error && "code" in fault && fault.code === "key_invalid");
  const readable = othersCan(found.mode) ? `${quote(key, 512)} has mode ${mode}; chmod 600 it` : null;
  return { keyFile: { path: key, mode, matches }, problem: fault === null ? readable : messageOf(fault) };
}

function rowsOf(shown: Shown): [string, string][] {
  const key = shown.key_file;
  const left = shown.days_left < 0 ? "over" : `${shown.days_left} days left`;
  return [
    ["file", shown.file],
    ["subject", shown.subject],
    ...(shown.issuer === shown.subject ? [] : [["issuer", shown.issuer] as [string, string]]),
    ["serial", shown.serial],
    ["sha256", shown.sha256],
    ["key", shown.key],
    ["valid from", shown.not_before],
    ["valid until", `${shown.not_after} (${left})`],
    ...shown.chain.map((subject): [string, string] => ["chain", subject]),
    ...(shown.name_constraints
      ? [["names", "constrained: clients refuse what it may not name"] as [string, string]]
      : []),
    ["key file", key === null ? "not looked at" : `${key.path}, ${keyFileText(key)}`],
  ];
}

function keyFileText({ mode, matches }: KeyFile): string {
  if (mode === null) return "cannot be read";
  return `mode ${mode}, ${matches ? "matches" : "does not match"}`;
}
