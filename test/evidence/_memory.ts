/** The parts of Runtime that evidence uses, over files in memory, with a say in every write and sync. */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { Fault } from "../../src/errors.ts";
import type { AppendFile, Runtime } from "../../src/runtime/contract.ts";

export interface MemoryFile {
  bytes: Uint8Array;
  readonly inode: number;
  locked: boolean;
}

/** How many bytes of an append arrive; it throws when that is not all, or when `persisted` says to lie about success. */
export type AppendFault = { readonly arrives: number } | { readonly persisted: true } | null;

export class Memory {
  readonly files = new Map<string, MemoryFile>();
  /** Asked before each append; null lets it through. */
  onAppend: (path: string, text: string) => AppendFault = () => null;
  onSync: (path: string) => void | Promise<void> = () => undefined;
  onRename: (from: string, to: string) => void = () => undefined;
  onOpen: (path: string) => void = () => undefined;
  clock = Date.parse("2026-01-02T03:04:05.678Z");
  ticks = 0;
  appends: { path: string; text: string }[] = [];
  printed = "";
  errors = "";
  #inodes = 0;
  readonly runtime: Runtime;

  constructor() {
    this.runtime = this.#build();
  }

  text(path: string): string {
    return new TextDecoder().decode(this.files.get(path)?.bytes ?? new Uint8Array(0));
  }

  lines(path: string): string[] {
    return this.text(path)
      .split("\n")
      .filter((line) => line !== "");
  }

  put(path: string, data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    this.files.set(path, { bytes, inode: ++this.#inodes, locked: false });
  }

  /** What a kill -9 leaves: the files, no locks. */
  kill(): void {
    for (const file of this.files.values()) file.locked = false;
  }

  #open(path: string): AppendFile {
    this.onOpen(path);
    let file = this.files.get(path);
    if (file === undefined) {
      this.put(path, "");
      file = this.files.get(path) as MemoryFile;
    }
    if (file.locked) throw new Fault("evidence_locked", `"${path}" is locked by another process`);
    file.locked = true;
    const mine = file;
    return {
      get size() {
        return mine.bytes.length;
      },
      regular: true,
      append: (given) => {
        const text = typeof given === "string" ? given : new TextDecoder().decode(given);
        this.appends.push({ path, text });
        const data = new TextEncoder().encode(text);
        const fault = this.onAppend(path, text);
        const arrives = fault !== null && "arrives" in fault ? fault.arrives : data.length;
        const whole = new Uint8Array(mine.bytes.length + arrives);
        whole.set(mine.bytes);
        whole.set(data.subarray(0, arrives), mine.bytes.length);
        mine.bytes = whole;
        if (fault !== null) throw new Error("ENOSPC: no space left on device, write");
      },
      sync: async () => {
        await this.onSync(path);
      },
      close: () => {
        mine.locked = false;
      },
    };
  }

  #read(path: string): Uint8Array {
    const file = this.files.get(path);
    if (file === undefined) throw new Error(`ENOENT: no such file or directory, open '${path}'`);
    return file.bytes;
  }

  #build(): Runtime {
    const parts: Partial<Runtime> = {
      name: "bun",
      stdoutIsTerminal: false,
      stderrIsTerminal: false,
      stdout: (data) => {
        this.printed += typeof data === "string" ? data : new TextDecoder().decode(data);
      },
      stderr: (text) => {
        this.errors += text;
      },
      sha256: (data) => createHash("sha256").update(data).digest("hex"),
      hasher: () => {
        const hash = createHash("sha256");
        return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
      },
      hmacSha256: (key) => (data) => createHmac("sha256", key).update(data).digest("hex"),
      readFile: async (path) => this.#read(path),
      readChunks: (path) => chunked(this.#read(path)),
      readTail: async (path, length) => this.#read(path).slice(-length),
      stat: async (path) => {
        const file = this.files.get(path);
        if (file !== undefined)
          return {
            size: file.bytes.length,
            mode: 0o600,
            directory: false,
            regular: true,
            inode: file.inode,
            modified: 0,
          };
        const inside = [...this.files.keys()].some((name) => name.startsWith(`${path}/`));
        return inside ? { size: 0, mode: 0o700, directory: true, regular: false, inode: 0, modified: 0 } : null;
      },
      list: async (directory) =>
        [...this.files.keys()]
          .filter((name) => name.startsWith(`${directory}/`))
          .map((name) => name.slice(directory.length + 1)),
      makeDirectory: async () => undefined,
      syncDirectory: async (path) => {
        await this.onSync(path);
      },
      rename: (from, to) => {
        this.onRename(from, to);
        const file = this.files.get(from);
        if (file === undefined) throw new Error(`ENOENT: rename '${from}'`);
        this.files.delete(from);
        this.files.set(to, file);
      },
      openAppend: (path) => this.#open(path),
      now: () => this.clock,
      afterTurn: (run) => queueMicrotask(run),
      monotonic: () => this.ticks,
      randomHex: (bytes) => randomBytes(bytes).toString("hex"),
    };
    return parts as Runtime;
  }
}

async function* chunked(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}
