import { describe, expect, test } from "bun:test";
import { deflateSync, inflateSync } from "fflate";
import { Inflater } from "../../src/content/inflate.ts";

/** Small numbers that look like chance. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state >> 8;
  };
}

function inflate(
  bytes: Uint8Array,
  most?: number,
  from = 0,
): { bytes: Uint8Array; outcome: string; end: number; steps: number } {
  const inflater = new Inflater();
  inflater.open(bytes, from);
  const made: Uint8Array[] = [];
  for (let steps = 1; ; steps++) {
    const outcome = inflater.step(most);
    made.push(inflater.made.slice());
    if (outcome !== "more") return { bytes: new Uint8Array(Buffer.concat(made)), outcome, end: inflater.end, steps };
  }
}

const texts = [
  new Uint8Array(0),
  new TextEncoder().encode("a"),
  new TextEncoder().encode("The quarterly report, the quarterly report. ".repeat(9000)),
  Uint8Array.from({ length: 300_000 }, chance(1)).map((byte) => byte & 0xff),
  Uint8Array.from({ length: 200_000 }, chance(2)).map((byte) => "etaoin shrdlu"[byte % 13]?.charCodeAt(0) ?? 0),
  new Uint8Array(1_000_000),
];

describe("what is deflated", () => {
  test("comes out as it went in, at every level and in steps of any size", () => {
    for (const text of texts) {
      for (const level of [0, 1, 6, 9] as const) {
        const packed = deflateSync(text, { level });
        for (const most of [undefined, 512, 1]) {
          if (most === 1 && text.length > 1000) continue;
          const read = inflate(packed, most);
          expect(read.outcome).toBe("end");
          expect(read.end).toBe(packed.length);
          expect(Bun.hash(read.bytes)).toBe(Bun.hash(text));
        }
      }
    }
  });

  test("of other programs is read, too", () => {
    for (const text of texts)
      expect(Bun.hash(inflate(Bun.deflateSync(text as Uint8Array<ArrayBuffer>)).bytes)).toBe(Bun.hash(text));
  });

  test("has an end of its own, whatever stands behind it", () => {
    const text = new TextEncoder().encode("one text and no more ".repeat(100));
    const packed = deflateSync(text);
    const framed = new Uint8Array(Buffer.concat([new Uint8Array(7), packed, new Uint8Array(500).fill(0xaa)]));
    expect(inflate(framed, undefined, 7)).toMatchObject({ outcome: "end", end: 7 + packed.length, bytes: text });
  });

  test("and cut off anywhere is damaged, and what came before is what a whole one begins with", () => {
    const text = (texts[4] as Uint8Array).subarray(0, 3000);
    const packed = deflateSync(text);
    for (let cut = 0; cut < packed.length; cut++) {
      const read = inflate(packed.subarray(0, cut));
      expect(read.outcome).toBe("damaged");
      expect(Buffer.compare(read.bytes, text.subarray(0, read.bytes.length))).toBe(0);
    }
  });

  test("and changed is never read for longer than its bounds, nor otherwise than by another reader that reads it", () => {
    const text = (texts[4] as Uint8Array).subarray(0, 2000);
    const packed = deflateSync(text);
    const next = chance(7);
    let same = 0;
    for (let round = 0; round < 3000; round++) {
      const changed = packed.slice();
      for (let n = next() % 3; n >= 0; n--) changed[next() % changed.length] = next() & 0xff;
      const read = inflate(changed);
      expect(read.bytes.length).toBeLessThan(1032 * changed.length + 1024);
      if (read.outcome !== "end") continue;
      let other: Uint8Array;
      try {
        other = inflateSync(changed);
      } catch {
        continue;
      }
      expect(Buffer.compare(read.bytes, other)).toBe(0);
      same += 1;
    }
    expect(same).toBeGreaterThan(50);
  });

  test("of one place after another is read by one inflater, and nothing of the one before comes again", () => {
    const inflater = new Inflater();
    const first = deflateSync(texts[2] as Uint8Array);
    inflater.open(first, 0);
    expect(inflater.step()).toBe("more");
    // One match of 3 bytes, at a distance of 1, with nothing before it.
    inflater.open(Uint8Array.of(0b00000011, 0b00000010, 0, 0), 0);
    expect(inflater.step()).toBe("damaged");
    expect(inflater.made.length).toBe(0);
    inflater.open(first, 0);
    inflater.step();
    expect(Buffer.compare(inflater.made, (texts[2] as Uint8Array).subarray(0, inflater.made.length))).toBe(0);
    expect(inflater.made.length).toBe(64 * 1024);
  });

  test("comes out in no larger parts than were asked for", () => {
    const inflater = new Inflater();
    inflater.open(deflateSync(new Uint8Array(1_000_000)), 0);
    for (const most of [1, 512, 4096]) {
      inflater.step(most);
      expect(inflater.made.length).toBe(most);
    }
  });

  test("into nothing, block after block, hands back after a few of them", () => {
    const blocks = new Uint8Array(5 * 1000);
    for (let at = 0; at < blocks.length; at += 5) blocks.set([0, 0, 0, 0xff, 0xff], at);
    const read = inflate(blocks);
    expect(read).toMatchObject({ outcome: "damaged", bytes: new Uint8Array(0) });
    expect(read.steps).toBeGreaterThan(20);
  });
});
