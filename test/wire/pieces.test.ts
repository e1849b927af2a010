import { describe, expect, test } from "bun:test";
import { Pieces } from "../../src/wire/pieces.ts";

/** Memory that the closed parts keep alive, each buffer once. */
function kept(pieces: Pieces): number {
  pieces.close();
  const buffers = new Set<ArrayBufferLike>();
  for (let i = 0; i < pieces.count; i++) buffers.add((pieces.part(i) as Uint8Array).buffer);
  let bytes = pieces.count * 200;
  for (const { byteLength } of buffers) bytes += byteLength;
  return bytes;
}

function all(pieces: Pieces): Uint8Array {
  const out: number[] = [];
  for (let first = pieces.first; first !== undefined; first = pieces.first) {
    const { at } = pieces;
    for (let i = at; i < first.length; i++) out.push(first[i] as number);
    pieces.skip(first.length - at);
  }
  return Uint8Array.from(out);
}

/** Reads of 64 KiB, of which a piece of `size` bytes is wanted every `every` bytes. */
function* views(count: number, size: number, every: number): Generator<Uint8Array> {
  for (let given = 0; given < count; ) {
    const read = new Uint8Array(65_536);
    for (let at = 0; at + size <= read.length && given < count; at += every, given++)
      yield read.subarray(at, at + size);
  }
}

describe("Pieces", () => {
  for (const [size, every, count] of [
    [1, 6, 100_000],
    [1, 10_000, 10_000],
    [300, 400, 2_000],
    [1_023, 1_100, 2_000],
    [2_000, 65_536, 300],
    [16_384, 65_536, 100],
  ] as const) {
    test(`${count} pieces of ${size} bytes, one every ${every}, keep about their own bytes alive`, () => {
      const pieces = new Pieces();
      for (const view of views(count, size, every)) {
        pieces.push(view);
        pieces.stay();
      }
      expect(pieces.length).toBe(count * size);
      expect(kept(pieces)).toBeLessThan(2.1 * count * size + 66_000);
    });
  }

  test("small and large by turns do not leave room behind that nobody filled", () => {
    const pieces = new Pieces();
    for (let i = 0; i < 200_000; i++) pieces.push(Uint8Array.of(i));
    for (let i = 0; i < 1_000; i++) {
      pieces.push(Uint8Array.of(i));
      pieces.push(new Uint8Array(1_024));
    }
    expect(kept(pieces)).toBeLessThan(2 * pieces.length);
  });

  test("a first piece is kept as it came until it has to stay, a large one also then, and what follows large too", () => {
    const pieces = new Pieces();
    const read = new Uint8Array(65_536);
    const small = read.subarray(0, 10);
    pieces.push(small);
    expect(pieces.first).toBe(small);
    pieces.stay();
    expect(pieces.first).not.toBe(small);
    expect(pieces.first?.buffer.byteLength).toBe(10);
    pieces.clear();
    const large = [new Uint8Array(20_000), new Uint8Array(1_024), read.subarray(0, 40_000)];
    for (const piece of large) {
      pieces.push(piece);
      pieces.stay();
    }
    pieces.close();
    expect(large.every((piece, i) => pieces.part(i) === piece)).toBe(true);
  });

  test("what was handed out is never written into", () => {
    const pieces = new Pieces();
    pieces.push(Uint8Array.of(1));
    pieces.skip(1);
    pieces.push(Uint8Array.of(2));
    pieces.push(Uint8Array.of(3));
    pieces.skip(1);
    const first = pieces.first as Uint8Array;
    const before = first.slice();
    for (let i = 0; i < 1_000; i++) pieces.push(Uint8Array.of(9));
    expect(first).toEqual(before);
    first.fill(7);
    pieces.skip(first.length);
    expect(all(pieces)).toEqual(new Uint8Array(1_000).fill(9));
  });

  test("cleared, it is empty and goes on", () => {
    const pieces = new Pieces();
    for (let i = 0; i < 10; i++) pieces.push(new Uint8Array(5));
    pieces.skip(3);
    pieces.clear();
    expect([pieces.length, pieces.at, pieces.count, pieces.first]).toEqual([0, 0, 0, undefined]);
    pieces.push(Uint8Array.of(4));
    expect(all(pieces)).toEqual(Uint8Array.of(4));
  });

  test("the bytes come out in their order, however they went in and are read", () => {
    for (let seed = 1; seed <= 300; seed++) {
      let state = seed;
      const random = (below: number): number => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return (state >>> 8) % below;
      };
      const pieces = new Pieces();
      const [wanted, got]: [Uint8Array[], Uint8Array[]] = [[], []];
      let waiting = 0;
      for (let step = 0; step < 120; step++) {
        const read = new Uint8Array([3, 100, 2_000, 9_000][random(4)] as number);
        for (let i = 0; i < read.length; i++) read[i] = (step * 31 + i * 7) >>> (i & 3);
        const from = random(read.length);
        const piece = read.subarray(from, from + 1 + random(read.length - from));
        if (random(3) > 0) {
          wanted.push(piece.slice());
          waiting += piece.length;
          pieces.push(piece);
        }
        if (random(4) === 0) pieces.stay();
        if (random(9) === 0) pieces.close();
        if (random(3) !== 0) continue;
        const { first } = pieces;
        if (first === undefined) continue;
        const count = 1 + random(first.length - pieces.at);
        got.push(first.slice(pieces.at, pieces.at + count));
        pieces.skip(count);
        waiting -= count;
        if (pieces.length !== waiting) throw new Error(`${pieces.length} wait and not ${waiting}, seed ${seed}`);
      }
      got.push(all(pieces));
      expect(Buffer.compare(Buffer.concat(got), Buffer.concat(wanted))).toBe(0);
    }
  });
});
