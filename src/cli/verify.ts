/**
 * `sallyport verify`: the report goes to stdout (it is the data), progress and usage to stderr. Exit 0: everything given
 * verifies; 1: something does not; 64: it was not asked properly.
 */
import { loadVerifiers } from "../crypto/keys.ts";
import type { Verifier } from "../crypto/signature.ts";
import { messageOf } from "../errors.ts";
import { outcomesPath, rotatedNumbers, rotatedPath } from "../evidence/journal.ts";
import { Report } from "../evidence/report.ts";
import { type Keys, verifyLog } from "../evidence/verify.ts";
import type { LogSource } from "../evidence/verify-outcomes.ts";
import { verifyPasted } from "../evidence/verify-pasted.ts";
import type { Runtime } from "../runtime/contract.ts";
import { printJson, printReport } from "./_verify-print.ts";

const USAGE = `Usage: sallyport verify FILE|DIR|- [--key-file FILE]... [--json] [--no-signatures]

Verifies a Decision Certificate, an audit log or a folder of logs, offline. "-" reads standard input.

  --key-file FILE   a key to verify with: raw HMAC secret, PEM (SPKI or PKCS#8), JWK or JWKS; repeatable
  --no-signatures   check structure and chain only
  --json            the report as one JSON object
`;

/** A single certificate is looked for in this much; anything longer is a log. */
const MAX_PASTED = 64 * 1024;

interface Options {
  target: string | null;
  readonly keyFiles: string[];
  json: boolean;
  signatures: boolean;
}

/** Runs the command with the arguments after `verify`; resolves to the exit code. */
export async function runVerify(runtime: Runtime, args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    runtime.stdout(USAGE);
    return 0;
  }
  const options = parse(args);
  if (typeof options === "string") return usage(runtime, options);
  const { target, json, signatures } = options;
  if (target === null) return usage(runtime, "a FILE, a DIR or - is needed");
  if (signatures && options.keyFiles.length === 0) {
    return usage(
      runtime,
      "signatures need a key: give --key-file, or --no-signatures to check structure and chain only",
    );
  }
  let keys: Keys;
  try {
    keys = signatures ? await readKeys(runtime, options.keyFiles) : null;
  } catch (thrown) {
    return usage(runtime, messageOf(thrown));
  }
  const report = new Report();
  const progress = progressOn(runtime);
  try {
    await verifyTarget(runtime, target, keys, report, progress.add);
  } catch (thrown) {
    report.add({ severity: "error", code: "unreadable", file: target, line: 0, detail: messageOf(thrown) });
  }
  if (report.certificates === 0 && report.counts.error === 0) {
    report.add({ severity: "error", code: "empty", file: target, line: 0, detail: "there is no certificate in it" });
  }
  progress.end();
  const print = json ? printJson : printReport;
  print(runtime, report, { target, keys: keys === null ? null : keys.size });
  return report.ok ? 0 : 1;
}

async function verifyTarget(
  runtime: Runtime,
  target: string,
  keys: Keys,
  report: Report,
  progress: (bytes: number) => void,
): Promise<void> {
  const info = target === "-" ? null : await runtime.stat(target);
  if (target !== "-" && info === null) throw new Error("there is no such file");
  if (info?.directory === true) {
    const logs = await logsIn(runtime, target);
    if (logs.length === 0) throw new Error("there is no .jsonl log in this folder");
    for (const path of logs) {
      const files = await filesOf(runtime, path);
      await verifyLog({ runtime, keys, files, outcomes: await outcomesOf(runtime, path), report, progress });
    }
    return;
  }
  const stream = new Peeked(target === "-" ? runtime.stdin() : runtime.readChunks(target), MAX_PASTED);
  const whole = await stream.whole();
  if (whole !== null && (await verifyPasted(whole, keys, report, target))) return;
  await verifyLog({
    runtime,
    keys,
    files: [{ name: target, chunks: () => stream.all() }],
    outcomes: target === "-" ? null : await outcomesOf(runtime, target),
    report,
    progress,
  });
}

function parse(args: readonly string[]): Options | string {
  const options: Options = { target: null, keyFiles: [], json: false, signatures: true };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === "--json") options.json = true;
    else if (arg === "--no-signatures") options.signatures = false;
    else if (arg.startsWith("--key-file=")) options.keyFiles.push(arg.slice("--key-file=".length));
    else if (arg === "--key-file") {
      const file = args[++i];
      if (file === undefined) return "--key-file needs a file";
      options.keyFiles.push(file);
    } else if (arg.startsWith("-") && arg !== "-") return `there is no option ${JSON.stringify(arg)}`;
    else if (options.target !== null) return "only one FILE or DIR can be given";
    else options.target = arg;
  }
  return options;
}

async function readKeys(runtime: Runtime, files: readonly string[]): Promise<Map<string, Verifier>> {
  const keys = new Map<string, Verifier>();
  for (const file of files) {
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await runtime.readFile(file));
      for (const key of await loadVerifiers(text, runtime)) keys.set(key.kid, key);
    } catch (thrown) {
      throw new Error(`read the key file ${JSON.stringify(file)}: ${messageOf(thrown)}`);
    }
  }
  return keys;
}

const ROTATED = /\.\d{1,15}\.jsonl$/;
const OUTCOMES = /(^|\/)outcomes(\.w\d+)?\.jsonl$/;

/** The audit logs of a folder, each by the name of its newest file. */
async function logsIn(runtime: Runtime, directory: string): Promise<string[]> {
  const logs = new Set<string>();
  for (const name of await runtime.list(directory)) {
    if (!name.endsWith(".jsonl")) continue;
    const current = name.replace(ROTATED, ".jsonl");
    if (!OUTCOMES.test(current)) logs.add(`${directory.replace(/\/+$/, "")}/${current}`);
  }
  return [...logs].sort();
}

/** The files of one log in the order they were written; the newest may be missing after a crash in a rotation. */
async function filesOf(runtime: Runtime, path: string): Promise<LogSource[]> {
  const paths = (await rotatedNumbers(runtime, path)).map((number) => rotatedPath(path, number));
  if ((await runtime.stat(path)) !== null) paths.push(path);
  return paths.map((name) => ({ name, chunks: () => runtime.readChunks(name) }));
}

async function outcomesOf(runtime: Runtime, auditPath: string): Promise<LogSource[] | null> {
  const files = await filesOf(runtime, outcomesPath(auditPath.replace(ROTATED, ".jsonl")));
  return files.length === 0 ? null : files;
}

/** A stream whose beginning is looked at before it is read. */
class Peeked {
  readonly #rest: AsyncIterator<Uint8Array>;
  readonly #max: number;
  #head: Uint8Array[] = [];

  constructor(chunks: AsyncIterable<Uint8Array>, max: number) {
    this.#rest = chunks[Symbol.asyncIterator]();
    this.#max = max;
  }

  /** Everything, when that is no more than the maximum. */
  async whole(): Promise<Uint8Array | null> {
    let bytes = 0;
    for (;;) {
      const next = await this.#rest.next();
      if (next.done) break;
      this.#head.push(next.value);
      bytes += next.value.length;
      if (bytes > this.#max) return null;
    }
    const whole = new Uint8Array(bytes);
    let at = 0;
    for (const chunk of this.#head) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }

  async *all(): AsyncGenerator<Uint8Array> {
    yield* this.#head;
    this.#head = [];
    for (let next = await this.#rest.next(); !next.done; next = await this.#rest.next()) yield next.value;
  }
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

function usage(runtime: Runtime, problem: string): number {
  runtime.stderr(`sallyport verify: ${problem}\n\n${USAGE}`);
  return 64;
}
