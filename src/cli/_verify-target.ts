import { messageOf } from "../errors.ts";
import { ChainBook } from "../evidence/chain-book.ts";
import { outcomesPath, rotatedNumbers, rotatedPath } from "../evidence/journal.ts";
import type { Report } from "../evidence/report.ts";
import { type Keys, verifyLog } from "../evidence/verify.ts";
import type { LogSource } from "../evidence/verify-outcomes.ts";
import { verifyPasted } from "../evidence/verify-pasted.ts";
import type { Runtime } from "../runtime/contract.ts";

/** A single certificate is looked for in this much; anything longer is a log. */
const MAX_PASTED = 64 * 1024;

export interface VerifyTarget {
  readonly keys: Keys;
  readonly report: Report;
  /** As LogVerification's. */
  readonly complete: boolean;
  readonly progress: (bytes: number) => void;
}

/** Verifies what a path names: a certificate, one file of a log, or every log of a folder; `-` is standard input. */
export async function verifyTarget(runtime: Runtime, target: string, options: VerifyTarget): Promise<void> {
  const { keys, report } = options;
  const info = target === "-" ? null : await runtime.stat(target);
  if (target !== "-" && info === null) throw new Error("there is no such file");
  if (info?.directory === true) {
    const logs = await logsIn(runtime, target);
    if (logs.length === 0) throw new Error("there is no .jsonl log in this folder");
    const chains = new ChainBook();
    for (const path of logs) {
      try {
        const files = await filesOf(runtime, path);
        const outcomes = await outcomesOf(runtime, path);
        await verifyLog({ ...options, runtime, files, outcomes, outcomesExpected: true, chains });
      } catch (thrown) {
        // Of the others there is still something to be said.
        report.add({ severity: "error", code: "unreadable", file: path, line: 0, detail: messageOf(thrown) });
      }
    }
    return;
  }
  const stream = new Peeked(target === "-" ? runtime.stdin() : runtime.readChunks(target), MAX_PASTED);
  // A file called .jsonl is a log, even one that has a single line: its place in the chain is to be looked at.
  const whole = target.endsWith(".jsonl") ? null : await stream.whole();
  if (whole !== null && (await verifyPasted(whole, keys, report, target))) return;
  const outcomes = target === "-" ? null : await outcomesOf(runtime, target);
  await verifyLog({ ...options, runtime, files: [{ name: target, chunks: () => stream.all() }], outcomes });
}

const ROTATED = /\.\d{1,15}\.jsonl$/;
/** What lies beside an audit log and is none: outcomes are verified with theirs, the others are no evidence. */
const BESIDE = /(^|\/)(?:outcomes|findings|candidate)(\.w\d+)?\.jsonl$/;

/** Every file of every audit log of a folder, in the order they were written. Rejects as the file system does. */
export async function auditFilesIn(runtime: Runtime, directory: string): Promise<string[]> {
  const paths: string[] = [];
  for (const log of await logsIn(runtime, directory))
    for (const { name } of await filesOf(runtime, log)) paths.push(name);
  return paths;
}

/** The audit logs of a folder, each by the name of its newest file. */
async function logsIn(runtime: Runtime, directory: string): Promise<string[]> {
  const logs = new Set<string>();
  for (const name of await runtime.list(directory)) {
    if (!name.endsWith(".jsonl")) continue;
    const current = name.replace(ROTATED, ".jsonl");
    if (!BESIDE.test(current)) logs.add(`${directory.replace(/\/+$/, "")}/${current}`);
  }
  return [...logs].sort();
}

/**
 * The files of one log in the order they were written; the newest may be missing after a crash in a rotation. Rejects where
 * a pipe or a device has such a name: no log is one, and to read it would be to wait for ever.
 */
export async function filesOf(runtime: Runtime, path: string): Promise<LogSource[]> {
  const paths = (await rotatedNumbers(runtime, path)).map((number) => rotatedPath(path, number));
  if ((await runtime.stat(path)) !== null) paths.push(path);
  for (const name of paths) {
    const info = await runtime.stat(name);
    if (info?.regular === false) throw new Error(`${JSON.stringify(name)} is no regular file`);
  }
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
