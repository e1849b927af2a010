import { expect, test } from "bun:test";
import { isUtf8, Utf8 } from "../../src/wire/utf8.ts";
import { Random } from "../fuzz/random.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

function decodes(bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

test("isUtf8 is what the decoder of the runtime takes, at any length and alignment", () => {
  const random = new Random(3629);
  let valid = 0;
  for (let i = 0; i < 60_000; i++) {
    const offset = random.below(5);
    const length = random.below(random.once(2) ? 12 : 200);
    const bytes = new Uint8Array(offset + length).subarray(offset);
    if (random.once(2)) {
      const text = Array.from({ length: 60 }, () =>
        random.pick(["abcd", "plain text", "ä", "€", "🙂", "\u07ff", "\uffff"]),
      ).join("");
      bytes.set(new TextEncoder().encode(text).subarray(0, length));
      if (length > 0 && random.once(3)) bytes[random.below(length)] = random.below(256);
    } else for (let j = 0; j < length; j++) bytes[j] = random.once(6) ? random.below(256) : 0x61;
    const expected = decodes(bytes);
    if (isUtf8(bytes) !== expected) throw new Error(`${expected ? "refused" : "taken"}: ${[...bytes].join()}`);
    if (expected) valid++;
  }
  expect(valid).toBeGreaterThan(10_000);
  expect(valid).toBeLessThan(50_000);
});

test("every sequence of two bytes behind a lead, and every split of it", () => {
  for (const lead of [0x7f, 0xc1, 0xc2, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf4, 0xf5]) {
    for (let second = 0; second < 256; second++) {
      for (const rest of [[], [0x80], [0xbf, 0x80], [0x41]]) {
        const bytes = Uint8Array.of(lead, second, ...rest);
        const expected = decodes(bytes);
        expect(isUtf8(bytes)).toBe(expected);
        for (let at = 0; at <= bytes.length; at++) {
          const utf8 = new Utf8();
          const fine = utf8.push(bytes.subarray(0, at)) && utf8.push(bytes.subarray(at)) && utf8.whole;
          expect(fine).toBe(expected);
        }
      }
    }
  }
});
