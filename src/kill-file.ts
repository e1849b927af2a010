/** The kill switch as a file: while it is there, nothing leaves. Looked for, not watched: that works on every file system. */
import { MAX_KILL_REASON } from "./model/kill-order.ts";
import type { Runtime } from "./runtime/contract.ts";

const LOOK_MS = 250;
/** A look that takes longer is one that failed: a file system that hangs must not hide the file. */
const PATIENCE_MS = 1_000;
/** Between two ticks further apart this process stood still: nothing left meanwhile, and what a look found was not heard. */
const STOOD_MS = 2 * LOOK_MS;
/** A longer file has no first line that anybody wrote by hand. */
const MAX_BYTES = 64 * 1024;

const UNSEEN = "the kill file cannot be looked for";

type Machine = Pick<Runtime, "stat" | "hasName" | "readFile" | "monotonic">;

export class KillFile {
  readonly #runtime: Machine;
  readonly #path: string;
  readonly #directory: string;
  readonly #tell: (on: boolean, reason: string) => void;
  #on = false;
  #reason = "";
  /** Which file the reason was read from, as it was then. */
  #read = "";
  #looking = false;
  /** What the look under way has taken so far, without the time in which this process stood still. */
  #taken = 0;
  #ticked = 0;
  #gaveUp: () => void = () => {};
  #timer: ReturnType<typeof setInterval> | null = null;

  /** `tell` hears of every change, and of the file's first line when it is known. */
  constructor(runtime: Machine, path: string, tell: (on: boolean, reason: string) => void) {
    this.#runtime = runtime;
    this.#path = path;
    this.#directory = path.slice(0, path.lastIndexOf("/") + 1) || ".";
    this.#tell = tell;
  }

  /** Resolves when it is known whether the file is there, or that nobody can tell. */
  async start(): Promise<void> {
    this.#ticked = this.#runtime.monotonic();
    this.#timer = setInterval(() => this.#tick(), LOOK_MS);
    const { promise: gaveUp, resolve } = Promise.withResolvers<void>();
    this.#gaveUp = resolve;
    await Promise.race([this.#look(), gaveUp]);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /**
   * However long the process stood still, that counts as one period: an answer that came meanwhile is heard before the
   * next tick, and a look that hangs is given up after four of them all the same.
   */
  #tick(): void {
    const now = this.#runtime.monotonic();
    const gap = now - this.#ticked;
    this.#ticked = now;
    if (!this.#looking) {
      void this.#look();
      return;
    }
    this.#taken += gap > STOOD_MS ? LOOK_MS : gap;
    if (this.#taken < PATIENCE_MS) return;
    this.#set(true, UNSEEN);
    this.#gaveUp();
  }

  async #look(): Promise<void> {
    this.#looking = true;
    this.#taken = 0;
    try {
      const info = await this.#runtime.stat(this.#path);
      if (info === null) {
        this.#read = "";
        // Somebody has put a link there, wherever it leads.
        if (await this.#runtime.hasName(this.#path)) {
          this.#set(true, "");
          return;
        }
        // A file that is not there and a directory that is not there are two things: only of the first is anything known.
        const directory = await this.#runtime.stat(this.#directory);
        if (directory?.directory === true) this.#set(false, "");
        else this.#set(true, UNSEEN);
        return;
      }
      const seen = `${info.inode} ${info.size}`;
      if (seen === this.#read) {
        this.#set(true, this.#reason);
        return;
      }
      // First things first: what the file says can wait.
      if (!this.#on) this.#set(true, "");
      const legible = !info.directory && info.size > 0 && info.size <= MAX_BYTES;
      const bytes = legible ? await this.#runtime.readFile(this.#path).catch(() => null) : null;
      this.#read = seen;
      this.#set(true, bytes === null ? "" : firstLine(bytes));
    } catch {
      this.#read = "";
      this.#set(true, UNSEEN);
    } finally {
      this.#looking = false;
    }
  }

  #set(on: boolean, reason: string): void {
    if (on === this.#on && reason === this.#reason) return;
    this.#on = on;
    this.#reason = reason;
    if (this.#timer !== null) this.#tell(on, reason);
  }
}

/** What a client may be shown of it: no control characters, none that turn text around, and not much. */
function firstLine(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  const line = (/^\s*([^\r\n]*)/.exec(text)?.[1] ?? "").replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, " ").trim();
  return [...line].slice(0, MAX_KILL_REASON).join("");
}
