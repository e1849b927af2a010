import { describe, expect, test } from "bun:test";
import { constants, deflateRawSync } from "node:zlib";
import { MessageInflater } from "../../src/wire/websocket.ts";
import { join, Packer } from "./_websocket.ts";

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

  test("the empty message", () => {
    expect(inflate(new MessageInflater(true, 15, 10), Uint8Array.of(0))).toBe("");
  });
});

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
