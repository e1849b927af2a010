import { describe, expect, test } from "bun:test";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { Inflate } from "fflate/browser";
import { MessageInflater } from "../../src/wire/websocket.ts";
import { join, Packer } from "./_websocket.ts";

const TAIL = Uint8Array.of(0, 0, 0xff, 0xff);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The message, or why there is none. */
function inflate(inflater: MessageInflater, payload: Uint8Array, budget = 1 << 20): string {
  inflater.start(payload);
  for (let turns = 0; ; turns++) {
    if (turns > 1_000_000) throw new Error("it never ends");
    const state = inflater.run(budget);
    if (state === "done") return text(inflater.take());
    if (state !== "more") return `!${state}`;
  }
}

describe("refused", () => {
  const fresh = (bound = 1000) => new MessageInflater(true, 15, bound);
  const cases: [string, number[]][] = [
    ["nothing at all", []],
    ["a stream that ends inside the message", [0x4b, 0x04, 0x00]],
    ["a final empty block", [0x03, 0x00]],
    ["a block of the reserved type", [0x06]],
    ["a stored block whose lengths disagree", [0x00, 0x01, 0x00, 0xff, 0xff, 0x61]],
    ["a stored block that reaches into what was left out", [0x00, 0x04, 0x00, 0xfb, 0xff, 0x61]],
    ["a block without its end", [0x4a]],
    ["a distance before the beginning", [0x02, 0x06, 0x00]],
    ["a message whose left out end is not a block of its own", [0x4a, 0x04, 0x00, 0x00]],
    ["a dynamic block of nothing", [0x04, 0x00, 0x00, 0x00]],
    ["an oversubscribed dynamic block", [0x04, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  ];
  for (const [what, bytes] of cases) {
    test(what, () => {
      expect(inflate(fresh(), Uint8Array.from(bytes))).toBe("!malformed");
    });
  }

  test("every prefix of a message, and every message with a byte behind it", async () => {
    const payload = await new Packer().pack("hello hello hello hello, and other words");
    expect(inflate(fresh(), payload)).toStartWith("hello hello");
    for (let i = 0; i < payload.length; i++) expect(inflate(fresh(), payload.slice(0, i))).toBe("!malformed");
    expect(inflate(fresh(), join([payload, Uint8Array.of(0x55)]))).toBe("!malformed");
  });

  test("a bomb, at the bound and not behind it", async () => {
    const payload = await new Packer().pack(new Uint8Array(50_000_000));
    expect(payload.length).toBeLessThan(50_000);
    const inflater = fresh(100_000);
    inflater.start(payload);
    let state = inflater.run(4096);
    while (state === "more") state = inflater.run(4096);
    expect(state).toBe("too_large");
    expect(inflater.output.length).toBeLessThanOrEqual(100_000);
    expect(inflater.output.buffer.byteLength).toBeLessThanOrEqual(100_000);
  });

  test("a message of exactly the bound passes, one byte more does not", async () => {
    for (const level of [0, 9]) {
      expect(inflate(fresh(), await new Packer({ level }).pack("a".repeat(1000)))).toBe("a".repeat(1000));
      expect(inflate(fresh(), await new Packer({ level }).pack("a".repeat(1001)))).toBe("!too_large");
    }
  });

  test("a message that refers to the one before, when windows are fresh, or beyond the window that was promised", async () => {
    const packer = new Packer();
    const words = "a sentence that comes again ".repeat(3);
    const far = Array.from({ length: 700 }, (_, i) => (i * 7919).toString(36)).join(" ");
    const [first, again] = [await packer.pack(words), await packer.pack(words)];
    const forgetful = new MessageInflater(false, 15, 1 << 20);
    expect(inflate(forgetful, first)).toBe(words);
    expect(inflate(forgetful, again)).toBe("!malformed");
    const distant = await new Packer().pack(`${words}${far}${words}`);
    expect(inflate(new MessageInflater(true, 9, 1 << 20), distant)).toBe("!malformed");
    expect(inflate(new MessageInflater(true, 15, 1 << 20), distant)).toBe(`${words}${far}${words}`);
  });

  test("distances at the promised window pass, one byte farther does not, in any slices", async () => {
    for (let windowBits = 8; windowBits <= 14; windowBits++) {
      const size = 2 ** windowBits;
      for (const [distance, passes] of [
        [size, true],
        [size + 1, false],
      ] as const) {
        const plain = Array.from({ length: distance }, (_, i) => String.fromCharCode(48 + (i % 10))).join("");
        const payload = repeats(plain, distance);
        const inflated = inflateRawSync(join([payload, TAIL]), { finishFlush: constants.Z_SYNC_FLUSH }).toString();
        expect(inflated).toBe(`${plain}${plain.slice(0, 3)}`);
        for (const budget of [1 << 20, 100]) {
          const said = inflate(new MessageInflater(true, windowBits, 1 << 20), payload, budget);
          expect(said).toBe(passes ? inflated : "!malformed");
        }
      }
    }
  });

  test("a final block with more behind it, which receivers read in two ways: on to the next stream, or not at all", () => {
    const final = deflateRawSync("good");
    const more = deflateRawSync("evil", { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
    // One that stops there, as every zlib does, has not seen the rest; one that goes on has.
    expect(inflateRawSync(join([final, more, TAIL]), { finishFlush: constants.Z_SYNC_FLUSH }).toString()).toBe("good");
    expect(inflate(fresh(), join([final, more]))).toBe("!malformed");
    // As RFC 7692 section 7.2.3.4 has it.
    expect(inflate(fresh(), join([final, Uint8Array.of(0)]))).toBe("!malformed");
    expect(inflate(fresh(), join([more.subarray(0, -1), final, Uint8Array.of(0)]))).toBe("!malformed");
  });

  test("a million empty blocks are passed in slices", () => {
    const empty = new Uint8Array(1_000_000);
    for (let i = 0; i < empty.length; i += 5) empty.set([0, 0, 0, 0xff, 0xff], i);
    const inflater = fresh();
    inflater.start(join([empty, Uint8Array.of(0)]));
    let turns = 1;
    while (inflater.run(128 * 1024) === "more") turns++;
    expect(turns).toBeGreaterThan(100);
    expect(inflater.take().length).toBe(0);
  });
});

describe("why it is not fflate, which is a dependency already", () => {
  /** What fflate makes of messages with their ends, one inflater for all of them. */
  function byFflate(...payloads: Uint8Array[]): string[] {
    let said = "";
    const inflate = new Inflate((chunk) => {
      said += text(chunk);
    });
    return payloads.map((payload) => {
      said = "";
      inflate.push(payload);
      inflate.push(TAIL);
      return said;
    });
  }

  test("behind a final block it reads nothing any more, and says nothing of it", () => {
    const final = join([deflateRawSync("good"), Uint8Array.of(0)]);
    const next = deflateRawSync("evil", { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
    expect(byFflate(next)).toEqual(["evil"]);
    expect(byFflate(final, next)).toEqual(["good", ""]);
  });

  test("it reads a stored block whose lengths disagree, and a message that ends inside a block is an empty one", () => {
    expect(byFflate(Uint8Array.of(0, 1, 0, 0xff, 0xff, 0x61, 0))).toEqual(["a"]);
    // 255 bytes, of which one has come.
    expect(byFflate(Uint8Array.of(0, 0xff, 0, 0, 0xff, 0x61))).toEqual([""]);
  });
});

describe("read", () => {
  const { Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = constants;
  for (const strategy of [Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE]) {
    test(`conversations by zlib with strategy ${strategy}, at every level and window, in any slices`, async () => {
      for (const level of [0, 1, 6, 9]) {
        for (const windowBits of [9, 11, 15]) {
          const packer = new Packer({ level, strategy, windowBits });
          const whole = new MessageInflater(true, windowBits, 1 << 20);
          const sliced = new MessageInflater(true, windowBits, 1 << 20);
          for (const message of conversation(level * 31 + windowBits)) {
            const payload = await packer.pack(message);
            expect(inflate(whole, payload)).toBe(message);
            expect(inflate(sliced, payload, 1 + (message.length % 777))).toBe(message);
          }
        }
      }
    }, 60_000);
  }

  test("messages of a sender that begins anew each time", () => {
    const inflater = new MessageInflater(false, 15, 1 << 20);
    for (const message of conversation(7)) {
      const packed = deflateRawSync(message, { finishFlush: constants.Z_SYNC_FLUSH });
      expect(inflate(inflater, packed.subarray(0, -4))).toBe(message);
    }
  });

  test("every length whole, of noise, text and zeros, at every level and window", async () => {
    const noise = Uint8Array.from({ length: 2000 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24);
    const words = Buffer.from("messages of words that come again, in words that came before; ".repeat(40));
    for (const [level, strategy] of [[0], [1], [6], [9], [6, Z_FIXED]] as const) {
      const packers = [8, 9, 12, 15].map((windowBits) => ({
        packer: new Packer({ level, windowBits, strategy: strategy ?? Z_DEFAULT_STRATEGY }),
        // zlib makes nine of eight.
        inflater: new MessageInflater(true, Math.max(9, windowBits), 2000),
      }));
      for (let length = 0; length <= 2000; length += length < 300 ? 1 : 17) {
        const { packer, inflater } = packers[length % packers.length] as (typeof packers)[0];
        for (const source of [noise, words, new Uint8Array(2000)]) {
          const message = source.subarray(0, length);
          inflater.start(await packer.pack(message));
          expect(inflater.run(1 << 20)).toBe("done");
          expect(Buffer.compare(inflater.take(), message)).toBe(0);
        }
      }
    }
  }, 60_000);

  test("the empty message", () => {
    expect(inflate(new MessageInflater(true, 15, 10), Uint8Array.of(0))).toBe("");
  });
});

/** A message that says `plain` and then three bytes of it again, from `distance` back. */
function repeats(plain: string, distance: number): Uint8Array {
  const stored = Uint8Array.of(0, plain.length, plain.length >> 8, ~plain.length, ~plain.length >> 8);
  const bases = [1, 2, 3, 4].concat(Array.from({ length: 26 }, (_, i) => 1 + ((2 + (i & 1)) << ((i >> 1) + 1))));
  const code = bases.findLastIndex((base) => base <= distance);
  const extra = code < 4 ? 0 : (code >> 1) - 1;
  let bits = "010"; // Not final, fixed codes; what follows is in the order of the stream.
  bits += "0000001"; // Length 3.
  bits += code.toString(2).padStart(5, "0");
  const over = distance - (bases[code] as number);
  for (let i = 0; i < extra; i++) bits += (over >> i) & 1;
  bits += "0000000"; // The end of the block.
  bits += "000"; // The header of the one that is left out.
  const packed = new Uint8Array(Math.ceil(bits.length / 8));
  for (let i = 0; i < bits.length; i++) packed[i >> 3] = (packed[i >> 3] ?? 0) | (Number(bits[i]) << (i & 7));
  return join([stored, new TextEncoder().encode(plain), packed]);
}

/** Messages that repeat themselves near and far, and some that do not. */
function conversation(seed: number): string[] {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 8;
  };
  const noise = (length: number) => Array.from({ length }, () => String.fromCharCode(32 + (next() % 95))).join("");
  const known = noise(300);
  return [
    "",
    "a",
    known,
    known.slice(20, 200),
    noise(3000),
    known,
    "ab".repeat(20_000),
    noise(40_000),
    known,
    noise(9).repeat(5000),
  ];
}
