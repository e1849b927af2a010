/**
 * A file of JSON lines for people on this host, such as findings: bounded, never evidence. Nothing waits for it and
 * nothing depends on it; what cannot be written is counted and gone.
 */
import { messageOf } from "../errors.ts";
import type { AppendFile, Runtime } from "../runtime/contract.ts";

const FLUSH_MS = 100;
const FLUSH_CHARS = 64 * 1024;
/** Held while the disk is slow or there is none; more is lost. */
const MAX_WAITING_CHARS = 1024 * 1024;
const RETRY_MS = 1_000;
/** Of the file and of the one before it, each. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

type Machine = Pick<Runtime, "openAppend" | "makeDirectory" | "stat" | "readTail" | "rename" | "monotonic">;

export interface LocalLinesOptions {
  /** Ends in `.jsonl`; the older generation is `….1.jsonl`. */
  readonly path: string;
  /** Told at the first failure of a row. */
  readonly failed: (problem: string) => void;
  readonly lost: (lines: number) => void;
  readonly maxBytes?: number;
}

export class LocalLines {
  readonly #runtime: Machine;
  readonly #o: LocalLinesOptions;
  readonly #maxBytes: number;
  #waiting: string[] = [];
  #chars = 0;
  #file: AppendFile | null = null;
  #inode = -1;
  #failing = false;
  #retryAt = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #flushing: Promise<void> | null = null;
  #closed = false;

  constructor(runtime: Machine, options: LocalLinesOptions) {
    this.#runtime = runtime;
    this.#o = options;
    this.#maxBytes = options.maxBytes ?? MAX_FILE_BYTES;
  }

  /** One JSON object without its newline. Never throws and never waits. */
  add(line: string): void {
    if (this.#closed || this.#chars + line.length > MAX_WAITING_CHARS) {
      this.#o.lost(1);
      return;
    }
    this.#waiting.push(line);
    this.#chars += line.length;
    if (this.#chars >= FLUSH_CHARS) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS);
  }

  /** Writes what waits. Never rejects. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = null;
      // What came meanwhile found a flush under way.
      if (this.#waiting.length > 0 && !this.#closed) this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS);
    });
    return this.#flushing;
  }

  async close(): Promise<void> {
    await this.flush();
    if (this.#waiting.length > 0) await this.flush();
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#file?.close();
    this.#file = null;
  }

  async #flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#waiting.length === 0 || this.#closed) return;
    if (this.#failing && this.#runtime.monotonic() < this.#retryAt) return;
    let lines: readonly string[] = [];
    try {
      await this.#open();
      lines = this.#waiting;
      this.#waiting = [];
      this.#chars = 0;
      this.#write(lines);
      this.#failing = false;
    } catch (thrown) {
      // How much of them arrived nobody knows; twice is worse than not at all.
      if (lines.length > 0) this.#o.lost(lines.length);
      this.#file?.close();
      this.#file = null;
      this.#retryAt = this.#runtime.monotonic() + RETRY_MS;
      if (!this.#failing) this.#o.failed(messageOf(thrown));
      this.#failing = true;
    }
  }

  /** Opens it, and again when somebody has moved or removed it. */
  async #open(): Promise<void> {
    const { path } = this.#o;
    const info = await this.#runtime.stat(path);
    if (this.#file !== null && info?.inode === this.#inode) return;
    this.#file?.close();
    this.#file = null;
    const slash = path.lastIndexOf("/");
    if (slash > 0) await this.#runtime.makeDirectory(path.slice(0, slash));
    const file = this.#runtime.openAppend(path);
    this.#file = file;
    this.#inode = (await this.#runtime.stat(path))?.inode ?? -1;
    // A line that a crash has cut off must not spoil the next one.
    const [last] = file.size === 0 ? [NEWLINE] : await this.#runtime.readTail(path, 1);
    if (last !== NEWLINE) file.append("\n");
  }

  #write(lines: readonly string[]): void {
    let text = "";
    for (const line of lines) {
      const more = `${line}\n`;
      const size = this.#file?.size ?? 0;
      // As many bytes as UTF-8 may need: a bound that is met too early is still a bound.
      if (size + 3 * (text.length + more.length) > this.#maxBytes) {
        this.#file?.append(text);
        text = "";
        if ((this.#file?.size ?? 0) > 0) this.#turn();
      }
      text += more;
    }
    this.#file?.append(text);
  }

  #turn(): void {
    const { path } = this.#o;
    this.#file?.close();
    this.#file = null;
    this.#runtime.rename(path, path.replace(/(\.jsonl)?$/, ".1.jsonl"));
    this.#file = this.#runtime.openAppend(path);
    // Not known before the next flush, which opens it once more.
    this.#inode = -1;
  }
}

const NEWLINE = 0x0a;
