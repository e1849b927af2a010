/** What both runtimes answer alike, over node:* modules. bun.ts and deno.ts add the rest and export the whole. */
import { Buffer } from "node:buffer";
import { randomFillSync } from "node:crypto";
import dns from "node:dns";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Fault } from "../errors.ts";
import { decode } from "./_decode.ts";
import { dial } from "./_dial.ts";
import { httpClient } from "./_http.ts";
import { listen, listenUnix } from "./_listen.ts";
import { addressesOf, unresolved } from "./_names.ts";
import { redis } from "./_redis.ts";
import { secureClient, secureServer } from "./_secure.ts";
import { serve } from "./_serve.ts";
import { ZlibDecoder } from "./_stream-decode.ts";
import { publicRoots } from "./_trust.ts";
import type { ContentCoding, FileInfo, ResolvedAddress, Runtime } from "./contract.ts";

/** Members each runtime answers in its own way. */
export type Own =
  | "name"
  | "version"
  | "args"
  | "sha256"
  | "hasher"
  | "hmacSha256"
  | "openAppend"
  | "spawnSelf"
  | "ownCommand"
  | "sendDatagram"
  | "spawn"
  | "systemCall"
  | "capture";

const READ_CHUNK = 256 * 1024;
const BROKEN_PIPE_STATUS = 141;

const sleepCell = new Int32Array(new SharedArrayBuffer(4));

/** A pipe whose reader is slow answers EAGAIN when someone has made it non-blocking: wait, never drop. */
function writeAll(fd: number, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += fs.writeSync(fd, bytes, at, bytes.length - at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(sleepCell, 0, 0, 1);
    }
  }
}

const randomPool = Buffer.alloc(4096);
let randomUsed = randomPool.length;

function randomHex(bytes: number): string {
  if (bytes > randomPool.length) return randomFillSync(Buffer.alloc(bytes)).toString("hex");
  if (randomUsed + bytes > randomPool.length) {
    randomFillSync(randomPool);
    randomUsed = 0;
  }
  const hex = randomPool.toString("hex", randomUsed, randomUsed + bytes);
  randomPool.fill(0, randomUsed, randomUsed + bytes);
  randomUsed += bytes;
  return hex;
}

function missing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ENOTDIR";
}

async function resolve(name: string): Promise<readonly ResolvedAddress[]> {
  const found = await dns.promises.lookup(name, { all: true, verbatim: true }).catch((error: unknown) => {
    throw unresolved(name, error);
  });
  return addressesOf(name, found);
}

/** What it says of descriptors is meant for this process alone (sd_listen_fds(3)), so children are not told. */
function environment(): Runtime["env"] {
  const env = Object.freeze({ ...process.env });
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) {
    if (env[name] !== undefined) delete process.env[name];
  }
  return env;
}

export const shared: Omit<Runtime, Own> = {
  platform: process.platform,
  arch: process.arch,
  pid: process.pid,
  env: environment(),

  stdout(data) {
    try {
      writeAll(1, typeof data === "string" ? Buffer.from(data) : data);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EPIPE") process.exit(BROKEN_PIPE_STATUS);
      throw error;
    }
  },
  stderr(text) {
    try {
      writeAll(2, encodeOnce(text));
    } catch {
      // Nowhere left to say so.
    }
  },
  stdoutIsTerminal: process.stdout.isTTY === true,
  stderrIsTerminal: process.stderr.isTTY === true,
  async *stdin() {
    for await (const chunk of process.stdin)
      yield new Uint8Array(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  },
  onSignal(name, run) {
    process.on(name, run);
  },
  onUncaught(run) {
    process.on("uncaughtException", run);
    process.on("unhandledRejection", run);
  },
  exit(code) {
    process.exit(code);
  },

  listen,
  listenUnix,
  serve,
  dial,
  secureServer,
  secureClient,
  resolve,
  localAddresses() {
    const addresses = new Set<string>();
    for (const list of Object.values(os.networkInterfaces())) {
      for (const one of list ?? []) addresses.add(one.address.split("%")[0] ?? one.address);
    }
    return [...addresses];
  },
  publicRoots,
  httpClient,
  redis,
  decode,
  decoder: (coding: ContentCoding) => new ZlibDecoder(coding),

  async readFile(file) {
    const bytes = await fs.promises.readFile(file);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  },
  async *readChunks(file) {
    const handle = await fs.promises.open(file, "r");
    try {
      for (;;) {
        const chunk = new Uint8Array(READ_CHUNK);
        const { bytesRead } = await handle.read(chunk, 0, READ_CHUNK, null);
        if (bytesRead === 0) return;
        yield bytesRead === READ_CHUNK ? chunk : chunk.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  },
  async readTail(file, length) {
    const handle = await fs.promises.open(file, "r");
    try {
      const { size } = await handle.stat();
      const tail = new Uint8Array(Math.min(size, length));
      let at = 0;
      while (at < tail.length) {
        const { bytesRead } = await handle.read(tail, at, tail.length - at, size - tail.length + at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      return tail.subarray(0, at);
    } finally {
      await handle.close();
    }
  },
  async writeNew(file, data, mode) {
    await fs.promises.writeFile(file, data, { flag: "wx", mode });
  },
  async stat(file): Promise<FileInfo | null> {
    try {
      const info = await fs.promises.stat(file);
      const { size, mode, ino: inode, mtimeMs: modified } = info;
      return { size, mode: mode & 0o7777, directory: info.isDirectory(), regular: info.isFile(), inode, modified };
    } catch (error) {
      if (missing(error)) return null;
      throw error;
    }
  },
  async hasName(file) {
    try {
      await fs.promises.lstat(file);
      return true;
    } catch (error) {
      if (missing(error)) return false;
      throw error;
    }
  },
  async list(directory) {
    return (await fs.promises.readdir(directory)).sort();
  },
  async makeDirectory(directory) {
    await fs.promises.mkdir(directory, { recursive: true });
  },
  async syncDirectory(directory) {
    const handle = await fs.promises.open(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  rename(from, to) {
    fs.renameSync(from, to);
  },
  async remove(file) {
    await fs.promises.rm(file, { recursive: true, force: true });
  },
  makeTempDirectory() {
    return fs.promises.mkdtemp(path.join(os.tmpdir(), "sallyport-"));
  },

  afterTurn(run) {
    setImmediate(run);
  },
  monotonic: () => performance.now(),
  now: () => Date.now(),
  randomHex,
  signalNumber: (name) => (os.constants.signals as Readonly<Record<string, number>>)[name] ?? null,
  memory: () => process.memoryUsage.rss(),
  cpuMicros() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
};

/** What `openAppend` needs from a runtime: a descriptor that holds the lock, and the two calls on it. */
export interface LockedFile {
  size(): number;
  regular(): boolean;
  write(bytes: Uint8Array): number;
  sync(): Promise<void>;
  close(): void;
}

const encoder = new TextEncoder();
let encodeBuffer = new Uint8Array(64 * 1024);

/** Encodes into one buffer that is used again: nothing may keep it after the write returns. */
function encodeOnce(text: string): Uint8Array {
  if (encodeBuffer.length < text.length * 3) {
    if (text.length > 1024 * 1024) return encoder.encode(text);
    encodeBuffer = new Uint8Array(text.length * 3);
  }
  const { written } = encoder.encodeInto(text, encodeBuffer);
  return encodeBuffer.subarray(0, written);
}

export function appendFile(file: LockedFile): ReturnType<Runtime["openAppend"]> {
  let size = file.size();
  let open = true;
  return {
    get size() {
      return size;
    },
    regular: file.regular(),
    append(data) {
      let bytes = typeof data === "string" ? encodeOnce(data) : data;
      while (bytes.length > 0) {
        const written = file.write(bytes);
        size += written;
        if (written === bytes.length) return;
        bytes = bytes.subarray(written);
      }
    },
    sync: () => file.sync(),
    close() {
      if (!open) return;
      open = false;
      file.close();
    },
  };
}

const BLOCK = 64;

/** SHA-256 in one call. */
export interface OneShot {
  bytes(data: Uint8Array): Uint8Array;
  hex(data: Uint8Array): string;
}

/** RFC 2104 over one-shot hashes: a keyed hash object a message costs more to make and to collect than two hashes. */
export function hmacOver(sha256: OneShot): Runtime["hmacSha256"] {
  return (key) => {
    const block = new Uint8Array(BLOCK);
    block.set(key.length > BLOCK ? sha256.bytes(key) : key);
    let inner = new Uint8Array(8192);
    const outer = new Uint8Array(BLOCK + 32);
    const pad = (buffer: Uint8Array, byte: number): void => {
      for (let at = 0; at < BLOCK; at++) buffer[at] = (block[at] ?? 0) ^ byte;
    };
    pad(inner, 0x36);
    pad(outer, 0x5c);
    return (data) => {
      const room = typeof data === "string" ? data.length * 3 : data.length;
      if (inner.length < BLOCK + room) {
        inner = new Uint8Array(BLOCK + room);
        pad(inner, 0x36);
      }
      let written = data.length;
      if (typeof data === "string") written = encoder.encodeInto(data, inner.subarray(BLOCK)).written;
      else inner.set(data, BLOCK);
      outer.set(sha256.bytes(inner.subarray(0, BLOCK + written)), BLOCK);
      return sha256.hex(outer);
    };
  };
}

export function lockHeld(file: string): Fault {
  return new Fault("evidence_locked", `"${file}" is locked by another process`);
}
