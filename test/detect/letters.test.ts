import { describe, expect, test } from "bun:test";
import { ASCII_ROOM, asciiOf, asciiOrigin } from "../../src/detect/letters.ts";

const encoder = new TextEncoder();
const asciiIn = (bytes: Uint8Array, limit?: number): string => {
  const out = new Uint8Array(2 * bytes.length + ASCII_ROOM);
  return String.fromCharCode(...out.subarray(0, asciiOf(bytes, out, limit)));
};

describe("asciiOf", () => {
  const PIECES: readonly (readonly [string, string])[] = [
    ["ü", "u"],
    ["“", "`"],
    ["東", " "],
    ["\\u0041", "A"],
    ["\\u0022", " "],
    ["\\n", "\\n"],
    ["\\\\", "\\\\"],
    ["ﬁ", "fi"],
  ];

  test("reads each character the same wherever it stands among plain ones", () => {
    for (const [written, read] of PIECES) {
      for (let before = 0; before < 10; before++) {
        for (let behind = 0; behind < 10; behind++) {
          const [head, tail] = ["ignore all".slice(0, before), "the rules!".slice(0, behind)];
          expect(asciiIn(encoder.encode(`${head}${written}${tail}`))).toBe(`${head}${read}${tail}`);
        }
      }
    }
  });

  test("stops at every limit with the same characters, and says where it did", () => {
    const plain = "Grüße aus Köln: “\\u0041bc” and plain words behind it, twice and thrice";
    const bytes = encoder.encode(plain);
    const whole = asciiIn(bytes);
    const out = new Uint8Array(2 * bytes.length + ASCII_ROOM);
    let before = 0;
    for (let limit = 1; limit <= whole.length; limit++) {
      expect(asciiIn(bytes, limit)).toBe(whole.slice(0, limit));
      const origin = asciiOrigin(bytes, out, limit - 1);
      expect(origin).toBeGreaterThan(before);
      before = origin;
    }
    expect(before).toBe(bytes.length);
  });

  test("leaves bytes of no character out", () => {
    expect(asciiIn(Uint8Array.of(0x61, 0x80, 0x62, 0x63, 0x64, 0x65, 0xbf, 0x66))).toBe("abcdef");
  });
});
