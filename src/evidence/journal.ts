import { Fault } from "../errors.ts";
import type { AppendFile, Runtime } from "../runtime/contract.ts";
import { type ReadLine, readLogTail, type Tail } from "./tail.ts";

/** Where lines go. Every method but `open` and `sync` is synchronous and throws when it fails. */
export interface Sink<T> {
  /** Opens, or opens again after a failure, and says what the log ends with. Never truncates. */
  open(): Promise<Tail<T>>;
  /** Whole lines, the first of which has this `seq`. After a throw nothing is known of the end: `open` again. */
  append(lines: string | Uint8Array, seq: number): void;
  /** As `append`, but into the file that `open` looked at: for what closes its torn tail. */
  mend(text: string): void;
  sync(): Promise<void>;
  /** True unless somebody moved or removed the file under us. */
  inPlace(): Promise<boolean>;
  close(): void;
}

/**
 * An append-only file of lines that rotates to `<stem>.<seq>.jsonl` (`seq` of its last line) and never deletes.
 * With `lock`, `<path>.lock` is held besides the file's own lock, so that no other process slips in between the two
 * halves of a rotation.
 */
export class JournalFile<T> implements Sink<T> {
  readonly #runtime: Runtime;
  readonly #path: string;
  readonly #rotateBytes: number;
  readonly #read: ReadLine<T>;
  readonly #lockPath: string | null;
  readonly #durable: boolean;
  /** A name was made in the directory that a loss of power could take back. */
  #unsynced = false;
  #lock: AppendFile | null = null;
  #file: AppendFile | null = null;
  #inode = -1;
  #rotateAt: number;
  /** Numbers taken by rotated files: a rename must never replace one. */
  #taken = new Set<number>();

  constructor(
    runtime: Runtime,
    options: {
      readonly path: string;
      readonly rotateBytes: number;
      readonly read: ReadLine<T>;
      readonly lock: boolean;
      /** New names outlive a loss of power, as `sync` makes lines do. */
      readonly durable: boolean;
    },
  ) {
    this.#runtime = runtime;
    this.#path = options.path;
    this.#rotateBytes = options.rotateBytes;
    this.#rotateAt = options.rotateBytes;
    this.#read = options.read;
    this.#durable = options.durable;
    this.#lockPath = options.lock ? `${options.path}.lock` : null;
  }

  async open(): Promise<Tail<T>> {
    this.#closeFile();
    const { directory } = splitPath(this.#path);
    await this.#runtime.makeDirectory(directory);
    if (this.#lockPath !== null) this.#lock ??= this.#opening(this.#lockPath);
    this.#taken = new Set(await rotatedNumbers(this.#runtime, this.#path));
    this.#file = this.#opening(this.#path);
    if (this.#durable) await this.#runtime.syncDirectory(directory);
    this.#unsynced = false;
    const info = await this.#runtime.stat(this.#path);
    this.#inode = info?.inode ?? -1;
    this.#rotateAt = this.#rotateBytes;
    const tail = await readLogTail(this.#runtime, this.#path, this.#file.size, this.#read);
    if (tail.last !== null || this.#taken.size === 0) return tail;
    // Either a rotation was cut off between its halves, or nothing good was written since: go on from the file before.
    const before = rotatedPath(this.#path, Math.max(...this.#taken));
    const size = (await this.#runtime.stat(before))?.size ?? 0;
    return { ...tail, last: (await readLogTail(this.#runtime, before, size, this.#read)).last };
  }

  append(lines: string | Uint8Array, seq: number): void {
    const { size } = this.#opened();
    // The length in UTF-16 units is near enough to decide about a rotation.
    if (size > 0 && size + lines.length > this.#rotateAt && seq > 0) this.#rotate(seq - 1, size);
    this.#opened().append(lines);
  }

  mend(text: string): void {
    this.#opened().append(text);
  }

  async sync(): Promise<void> {
    await this.#file?.sync();
    if (!this.#unsynced) return;
    // Before anybody is told that lines are safe the name of the file they are in must be.
    await this.#runtime.syncDirectory(splitPath(this.#path).directory);
    this.#unsynced = false;
  }

  async inPlace(): Promise<boolean> {
    if (this.#file === null || this.#inode < 0) return true;
    return (await this.#runtime.stat(this.#path))?.inode === this.#inode;
  }

  close(): void {
    this.#closeFile();
    this.#lock?.close();
    this.#lock = null;
  }

  /** Asked of what was opened, not of its name: a pipe, or a link to a device, takes every line and keeps none. */
  #opening(path: string): AppendFile {
    const file = this.#runtime.openAppend(path);
    if (file.regular) return file;
    file.close();
    throw new Fault("evidence_unwritable", `${JSON.stringify(path)} is no regular file, and would keep no evidence`);
  }

  #opened(): AppendFile {
    if (this.#file === null) throw new Error(`append to ${JSON.stringify(this.#path)}: it is not open`);
    return this.#file;
  }

  #rotate(lastSeq: number, size: number): void {
    let number = lastSeq;
    while (this.#taken.has(number)) number++;
    try {
      this.#runtime.rename(this.#path, rotatedPath(this.#path, number));
    } catch {
      // A file that is too long is still evidence; a gateway that stopped for it would be worse. Try again later.
      this.#rotateAt = size + this.#rotateBytes;
      return;
    }
    this.#unsynced = this.#durable;
    this.#taken.add(number);
    this.#closeFile();
    this.#file = this.#opening(this.#path);
    this.#rotateAt = this.#rotateBytes;
    this.#inode = -1;
    const file = this.#file;
    this.#runtime.stat(this.#path).then(
      (info) => {
        if (this.#file === file) this.#inode = info?.inode ?? -1;
      },
      () => undefined,
    );
  }

  #closeFile(): void {
    const file = this.#file;
    this.#file = null;
    file?.close();
  }
}

/** Numbers of the rotated files of a log, ascending: the order in which they were written. */
export async function rotatedNumbers(runtime: Pick<Runtime, "list">, path: string): Promise<number[]> {
  const { directory, name } = splitPath(path);
  const stem = `${stemOf(name)}.`;
  const numbers: number[] = [];
  for (const entry of await runtime.list(directory)) {
    if (!entry.startsWith(stem) || !entry.endsWith(".jsonl")) continue;
    const middle = entry.slice(stem.length, -".jsonl".length);
    if (/^\d{1,15}$/.test(middle)) numbers.push(Number(middle));
  }
  return numbers.sort((a, b) => a - b);
}

export function rotatedPath(path: string, number: number): string {
  const { prefix, name } = splitPath(path);
  return `${prefix}${stemOf(name)}.${number}.jsonl`;
}

/** The outcome log beside an audit log: `outcomes.jsonl`, or `outcomes.wN.jsonl` beside `….wN.jsonl`. */
export function outcomesPath(auditPath: string): string {
  const { prefix, name } = splitPath(auditPath);
  const worker = /\.w\d+$/.exec(stemOf(name));
  return `${prefix}outcomes${worker === null ? "" : worker[0]}.jsonl`;
}

export function splitPath(path: string): { prefix: string; directory: string; name: string } {
  const slash = path.lastIndexOf("/");
  const prefix = path.slice(0, slash + 1);
  return {
    prefix,
    directory: prefix === "" ? "." : prefix.length > 1 ? prefix.slice(0, -1) : prefix,
    name: path.slice(slash + 1),
  };
}

function stemOf(name: string): string {
  return name.endsWith(".jsonl") ? name.slice(0, -".jsonl".length) : name;
}
