/** Digests, content codings, files and the lock. */
import { createHash, createHmac } from "node:crypto";
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import zlib from "node:zlib";
import type { ContentCoding } from "../../src/runtime/contract.ts";
import { type Check, expect, faultOf, same, scratch, until } from "./kit.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

export const digestsMatchKnownVectors: Check = async (runtime) => {
  same(runtime.sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha256 of nothing");
  same(runtime.sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "sha256 of abc");
  same(runtime.sha256("é"), runtime.sha256(new Uint8Array([0xc3, 0xa9])), "a string is hashed as UTF-8");
  const hasher = runtime.hasher();
  hasher.update(bytesOf("a"));
  hasher.update(new Uint8Array(0));
  hasher.update(bytesOf("bc"));
  same(hasher.hex(), runtime.sha256("abc"), "in pieces");
  const inside = new Uint8Array([0, 97, 98, 99, 0]).subarray(1, 4);
  same(runtime.sha256(inside), runtime.sha256("abc"), "a view into a larger buffer");
};

/** RFC 4231, cases 1, 2 and 6. */
export const hmacMatchesKnownVectors: Check = async (runtime) => {
  const one = runtime.hmacSha256(new Uint8Array(20).fill(0x0b));
  same(one("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", "case 1");
  same(one("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", "the same again");
  const two = runtime.hmacSha256(bytesOf("Jefe"));
  same(
    two("what do ya want for nothing?"),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    "case 2",
  );
  const six = runtime.hmacSha256(new Uint8Array(131).fill(0xaa));
  const text = "Test Using Larger Than Block-Size Key - Hash Key First";
  same(six(text), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", "case 6");
};

export const hmacAgreesWithAnIndependentOneAtEveryLength: Check = async (runtime) => {
  for (const keyLength of [0, 1, 32, 63, 64, 65, 200]) {
    const key = new Uint8Array(keyLength).fill(7);
    const sign = runtime.hmacSha256(key);
    for (const length of [0, 1, 55, 56, 64, 900, 8191, 8192, 30_000, 3]) {
      const text = "aé€😀".repeat(length).slice(0, length);
      same(
        sign(text),
        createHmac("sha256", key).update(text, "utf8").digest("hex"),
        `key ${keyLength}, text ${length}`,
      );
    }
  }
};

const encoders: Record<ContentCoding, (bytes: Uint8Array) => Uint8Array> = {
  gzip: (bytes) => zlib.gzipSync(bytes),
  deflate: (bytes) => zlib.deflateSync(bytes),
  br: (bytes) => zlib.brotliCompressSync(bytes),
  zstd: (bytes) => zlib.zstdCompressSync(bytes),
};
const codings = Object.keys(encoders) as ContentCoding[];

function join2(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

export const decodeRoundTrips: Check = async (runtime) => {
  const noise = new Uint8Array(300_000);
  crypto.getRandomValues(noise.subarray(0, 60_000));
  for (const coding of codings) {
    for (const plain of [new Uint8Array(0), bytesOf("{}"), bytesOf("hello ".repeat(10_000)), noise]) {
      const decoded = await runtime.decode(coding, encoders[coding](plain), plain.length);
      same(runtime.sha256(decoded), runtime.sha256(plain), `${coding} of ${plain.length}`);
      same(decoded.constructor, Uint8Array, "type");
    }
  }
};

export const decodeRawDeflate: Check = async (runtime) => {
  const plain = bytesOf("hello ".repeat(1000));
  const raw = new Uint8Array(zlib.deflateRawSync(plain));
  same(runtime.sha256(await runtime.decode("deflate", raw, 10_000)), runtime.sha256(plain), "raw");
  same(await faultOf(runtime.decode("deflate", raw.subarray(0, raw.length - 2), 10_000)), "decode_failed", "truncated");
  same(await faultOf(runtime.decode("deflate", join2(raw, raw), 100_000)), "decode_failed", "trailing");
};

/** Every length short of the whole is refused: a decoder that shrugs at a lost end would inspect less than is sent. */
export const decodeRefusesEveryTruncation: Check = async (runtime) => {
  const noise = new Uint8Array(400);
  crypto.getRandomValues(noise);
  for (const coding of codings) {
    for (const plain of [bytesOf("attack at dawn ".repeat(200)), noise]) {
      const encoded = encoders[coding](plain);
      const step = Math.max(1, Math.floor(encoded.length / 60));
      for (let length = 0; length < encoded.length; length += length > encoded.length - 12 ? 1 : step) {
        const cut = encoded.subarray(0, length);
        same(
          await faultOf(runtime.decode(coding, cut, 10_000)),
          "decode_failed",
          `${coding} cut to ${length} of ${encoded.length}`,
        );
      }
    }
  }
};

export const decodeSkipsSkippableZstdFrames: Check = async (runtime) => {
  const note = new Uint8Array([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  const frame = encoders.zstd(bytesOf("seen"));
  same(new TextDecoder().decode(await runtime.decode("zstd", join2(note, frame, note), 10)), "seen", "content");
  same(await faultOf(runtime.decode("zstd", join2(frame, note.subarray(0, 10)), 10)), "decode_failed", "cut note");
  same(await faultOf(runtime.decode("zstd", note, 10)), "decode_failed", "a note alone");
  const many = join2(...Array.from({ length: 300 }, () => frame));
  same(await faultOf(runtime.decode("zstd", many, 100_000)), "decode_failed", "300 frames");
};

export const decodeRefusesTruncatedZstdWithChecksum: Check = async (runtime) => {
  const encoded = zlib.zstdCompressSync(bytesOf("sum ".repeat(500)), {
    params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 },
  });
  same((await runtime.decode("zstd", encoded, 10_000)).length, 2000, "whole");
  for (let cut = 1; cut <= 5; cut++) {
    const short = encoded.subarray(0, encoded.length - cut);
    same(await faultOf(runtime.decode("zstd", short, 10_000)), "decode_failed", `cut by ${cut}`);
  }
};

export const decodeRefusesTrailingBytes: Check = async (runtime) => {
  for (const coding of codings) {
    const encoded = encoders[coding](bytesOf("body"));
    for (const tail of ["x", "\0", "\0\0\0\0\0\0\0\0", "trailing bytes", "\x1f", "\x28\xb5"]) {
      const padded = join2(encoded, Buffer.from(tail, "latin1"));
      same(await faultOf(runtime.decode(coding, padded, 1000)), "decode_failed", `${coding} + ${JSON.stringify(tail)}`);
    }
  }
  const twice = join2(encoders.br(bytesOf("a")), encoders.br(bytesOf("b")));
  same(await faultOf(runtime.decode("br", twice, 1000)), "decode_failed", "two brotli streams");
};

export const decodeReadsEveryMember: Check = async (runtime) => {
  for (const coding of ["gzip", "zstd"] as const) {
    const three = join2(...["one ", "two ", "three"].map((part) => encoders[coding](bytesOf(part))));
    same(new TextDecoder().decode(await runtime.decode(coding, three, 13)), "one two three", coding);
    same(await faultOf(runtime.decode(coding, three, 12)), "decode_too_large", `${coding} over the bound together`);
    same(await faultOf(runtime.decode(coding, three.subarray(0, -2), 100)), "decode_failed", `${coding} last one cut`);
  }
};

export const decodeRefusesCorruption: Check = async (runtime) => {
  for (const coding of codings) {
    same(
      await faultOf(runtime.decode(coding, bytesOf("this is not compressed at all"), 1000)),
      "decode_failed",
      coding,
    );
    same(await faultOf(runtime.decode(coding, new Uint8Array(0), 1000)), "decode_failed", `${coding} of nothing`);
  }
  for (const coding of ["gzip", "deflate"] as const) {
    const encoded = Buffer.from(encoders[coding](bytesOf("checked ".repeat(50))));
    encoded[encoded.length - 3] = (encoded[encoded.length - 3] ?? 0) ^ 1;
    same(await faultOf(runtime.decode(coding, encoded, 1000)), "decode_failed", `${coding} with a wrong check`);
  }
};

/** 64 MiB of zeros in a small body: refused, and neither held nor waited for. */
export const decodeStopsABombAtTheBound: Check = async (runtime) => {
  const zeros = new Uint8Array(64 * 1024 * 1024);
  const quick = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } };
  const encode = (coding: ContentCoding) =>
    coding === "br" ? zlib.brotliCompressSync(zeros, quick) : encoders[coding](zeros);
  const bombs = codings.map((coding) => [coding, encode(coding)] as const);
  for (const [coding, bomb] of bombs) {
    const before = runtime.memory();
    const cpu = runtime.cpuMicros();
    same(await faultOf(runtime.decode(coding, bomb, 1_000_000)), "decode_too_large", coding);
    expect(runtime.memory() - before < 32 * 1024 * 1024, `${coding}: memory grew`);
    expect(runtime.cpuMicros() - cpu < 200_000, `${coding}: ${runtime.cpuMicros() - cpu} µs of CPU for a refused bomb`);
  }
};

/** RFC 9659: a window over 8 MiB is memory that the sender chooses. */
export const decodeRefusesAHugeZstdWindow: Check = async (runtime) => {
  const plain = new Uint8Array(1000);
  const params = { [zlib.constants.ZSTD_c_windowLog]: 27, [zlib.constants.ZSTD_c_contentSizeFlag]: 0 };
  const stream = zlib.createZstdCompress({ params });
  const chunks: Buffer[] = [];
  stream.on("data", (chunk) => chunks.push(chunk));
  const done = new Promise((resolve) => stream.on("end", resolve));
  stream.write(plain);
  stream.flush(() => stream.end(plain));
  await done;
  same(await faultOf(runtime.decode("zstd", Buffer.concat(chunks), 10_000)), "decode_failed", "128 MiB window");
};

export const decodeLeavesTheLoopFree: Check = async (runtime) => {
  const encoded = encoders.gzip(new Uint8Array(32 * 1024 * 1024));
  // Turns, not milliseconds: a busy machine may stand still for reasons of its own.
  let turns = 0;
  const timer = setInterval(() => {
    turns++;
  }, 1);
  await runtime.decode("gzip", encoded, 32 * 1024 * 1024);
  clearInterval(timer);
  expect(turns >= 3, `the loop had only ${turns} turns meanwhile`);
};

export const filesReadWholeChunksAndTail: Check = async (runtime) => {
  const dir = scratch();
  const path = join(dir, "data");
  const bytes = new Uint8Array(1_500_000);
  for (let at = 0; at < bytes.length; at += 7) bytes[at] = at;
  writeFileSync(path, bytes);
  same(runtime.sha256(await runtime.readFile(path)), runtime.sha256(bytes), "readFile");
  const hasher = runtime.hasher();
  const kept: Uint8Array[] = [];
  for await (const chunk of runtime.readChunks(path)) {
    hasher.update(chunk);
    kept.push(chunk);
  }
  same(hasher.hex(), runtime.sha256(bytes), "readChunks");
  expect(kept.length > 1, "one chunk");
  same(runtime.sha256(Buffer.concat(kept)), runtime.sha256(bytes), "chunks kept after the next was read");
  same(runtime.sha256(await runtime.readTail(path, 1000)), runtime.sha256(bytes.subarray(-1000)), "readTail");
  same((await runtime.readTail(path, 9_000_000)).length, bytes.length, "readTail of more than there is");
  same((await runtime.readTail(path, 0)).length, 0, "readTail of nothing");
};

export const filesStatListRenameRemove: Check = async (runtime) => {
  const dir = await runtime.makeTempDirectory();
  same((await runtime.stat(dir))?.directory, true, "temp directory");
  await runtime.makeDirectory(join(dir, "a/b"));
  await runtime.makeDirectory(join(dir, "a/b"));
  await runtime.writeNew(join(dir, "a/key"), "secret", 0o600);
  const info = await runtime.stat(join(dir, "a/key"));
  same(`${info?.size} ${info?.mode.toString(8)} ${info?.directory}`, "6 600 false", "stat");
  same(Math.floor(info?.modified ?? 0), Math.floor(statSync(join(dir, "a/key")).mtimeMs), "modified");
  same(`${info?.regular} ${(await runtime.stat(dir))?.regular}`, "true false", "regular");
  same((await runtime.stat("/dev/null"))?.regular, false, "a device is regular");
  same(info?.inode, statSync(join(dir, "a/key")).ino, "inode");
  let refused = false;
  await runtime.writeNew(join(dir, "a/key"), "other", 0o600).catch(() => {
    refused = true;
  });
  expect(refused && readFileSync(join(dir, "a/key"), "utf8") === "secret", "writeNew wrote over a file");
  symlinkSync(join(dir, "elsewhere"), join(dir, "a/link"));
  refused = false;
  await runtime.writeNew(join(dir, "a/link"), "other", 0o600).catch(() => {
    refused = true;
  });
  expect(refused && !existsSync(join(dir, "elsewhere")), "writeNew followed a dangling link");
  same((await runtime.list(join(dir, "a"))).join(), "b,key,link", "list");
  same(await runtime.stat(join(dir, "a/link")), null, "stat of a link that leads nowhere");
  const there = ["a/link", "a/key", "a/b", "a/none", "a/key/under"].map((name) => runtime.hasName(join(dir, name)));
  same((await Promise.all(there)).join(), "true,true,true,false,false", "hasName");
  runtime.rename(join(dir, "a/key"), join(dir, "a/b/moved"));
  same(await runtime.stat(join(dir, "a/key")), null, "stat of what is gone");
  same(await runtime.stat(join(dir, "a/b/moved/under")), null, "stat below a file");
  await runtime.remove(join(dir, "a/b/moved"));
  await runtime.remove(join(dir, "a/b/moved"));
  await runtime.remove(dir);
  expect(!existsSync(dir), "remove left the directory");
};

export const directoriesAreSynced: Check = async (runtime) => {
  const dir = await runtime.makeTempDirectory();
  try {
    runtime.openAppend(join(dir, "log")).close();
    await runtime.syncDirectory(dir);
    runtime.rename(join(dir, "log"), join(dir, "moved"));
    await Promise.all([runtime.syncDirectory(dir), runtime.syncDirectory(`${dir}/`)]);
    for (const wrong of [join(dir, "none"), join(dir, "moved")]) {
      let refused = false;
      await runtime.syncDirectory(wrong).catch(() => {
        refused = true;
      });
      expect(refused, `${wrong} is not a directory and was synced`);
    }
  } finally {
    await runtime.remove(dir);
  }
};

export const appendWritesAtOnceAndCounts: Check = async (runtime) => {
  const path = join(scratch(), "log");
  const file = runtime.openAppend(path);
  same(statSync(path).mode & 0o777, 0o600, "mode");
  same(file.regular, true, "regular");
  same(file.size, 0, "size of a new file");
  file.append("first é\n");
  same(readFileSync(path, "utf8"), "first é\n", "content when append has returned");
  same(file.size, 9, "size counts bytes");
  writeFileSync(path, "foreign\n", { flag: "a" });
  file.append("second\n");
  same(readFileSync(path, "utf8"), "first é\nforeign\nsecond\n", "O_APPEND");
  const long = `${"é".repeat(700_000)}\n`;
  file.append(long);
  file.append("x");
  same(readFileSync(path, "utf8").slice(-long.length - 1), `${long}x`, "a line longer than any buffer");
  await file.sync();
  file.close();
  file.close();
  const again = runtime.openAppend(path);
  same(again.size, statSync(path).size, "size of an existing file");
  again.close();
};

export const appendErrorsThrow: Check = async (runtime) => {
  if (existsSync("/dev/full")) {
    const link = join(scratch(), "full");
    symlinkSync("/dev/full", link);
    const file = runtime.openAppend(link);
    same(file.regular, false, "a device is regular");
    let code = "";
    try {
      file.append("line\n");
    } catch (error) {
      code = (error as { code?: string }).code ?? String(error);
    }
    expect(code.includes("ENOSPC") || /space/i.test(code), `a full disk answered ${code || "nothing"}`);
    file.close();
  }
  let refused = false;
  try {
    runtime.openAppend(join(scratch(), "none", "log"));
  } catch {
    refused = true;
  }
  expect(refused, "a missing directory");
};

export const appendLockHoldsInOneProcess: Check = async (runtime) => {
  const path = join(scratch(), "log");
  const file = runtime.openAppend(path);
  same(await faultOf(Promise.resolve().then(() => runtime.openAppend(path))), "evidence_locked", "second open");
  file.append("still mine\n");
  file.close();
  runtime.openAppend(path).close();
};

export const appendLockDiesWithItsProcess: Check = async (runtime) => {
  const path = join(scratch(), "log");
  const child = runtime.spawnSelf(["role", "hold-lock", path], {});
  await until(() => existsSync(path) && readFileSync(path, "utf8") === "held\n", "the child's lock");
  same(await faultOf(Promise.resolve().then(() => runtime.openAppend(path))), "evidence_locked", "while it lives");
  child.signal("SIGKILL");
  const { code, signal } = await child.exited;
  same(`${code} ${signal}`, "null SIGKILL", "how it ended");
  runtime.openAppend(path).close();
};

export const clocksAndRandom: Check = async (runtime) => {
  const start = runtime.monotonic();
  await until(() => runtime.monotonic() > start, "a later time");
  expect(Math.abs(runtime.now() - Date.now()) < 1000, "now");
  const seen = new Set<string>();
  for (let round = 0; round < 5000; round++) {
    const hex = runtime.randomHex(8);
    expect(/^[0-9a-f]{16}$/.test(hex), `randomHex gave ${hex}`);
    seen.add(hex);
  }
  same(seen.size, 5000, "distinct values");
  same(runtime.randomHex(5000).length, 10_000, "a long one");
  expect(runtime.memory() > 1_000_000, "memory");
  const cpu = runtime.cpuMicros();
  let hash = "";
  await until(() => {
    hash = createHash("sha256").update(hash).digest("hex");
    return runtime.cpuMicros() > cpu;
  }, "CPU time used");
};

export const resolveOrdersAndFails: Check = async (runtime) => {
  const local = await runtime.resolve("localhost");
  expect(local.length > 0, "no address");
  for (const { address, family } of local) {
    expect(
      address === "127.0.0.1" ? family === 4 : address === "::1" && family === 6,
      `${address} of family ${family}`,
    );
  }
  same((await runtime.resolve("127.0.0.1"))[0]?.address, "127.0.0.1", "a literal");
  same(await faultOf(runtime.resolve("no-such-name.invalid")), "resolve_failed", "code");
  expect(runtime.localAddresses().includes("127.0.0.1"), "localAddresses");
};
