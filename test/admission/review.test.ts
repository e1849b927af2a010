import { describe, expect, test } from "bun:test";
import { MAX_PARTS, readReview } from "../../src/admission/review.ts";
import { MAX_REVIEW } from "../../src/admission/surface.ts";
import { type Anything, recorded } from "./_review.ts";

const bytesOf = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const withMore = (more: unknown): Anything => {
  const review = recorded("create");
  review.request.object.more = more;
  return review;
};
const partsOf = (text: string) => text.match(/[{[,]/g)?.length ?? 0;

describe("a review of too many parts is not read", () => {
  const base = partsOf(JSON.stringify(withMore([0])));

  test("one more than may be, and exactly as many", () => {
    const most = withMore(Array(MAX_PARTS - base + 1).fill(0));
    expect(partsOf(JSON.stringify(most))).toBe(MAX_PARTS);
    expect(typeof readReview(bytesOf(most))).toBe("object");
    most.request.object.more.push(0);
    expect(readReview(bytesOf(most))).toBe("the review has too many parts");
  });

  test("whatever they are, before anything is made of them", () => {
    for (const part of ["{},", "[],", "0,", "[", '{"a":', '{"":0},']) {
      const text = part.repeat(Math.floor(MAX_REVIEW / part.length));
      const bytes = bytesOf(`{"kind":"AdmissionReview","x":[${text}`);
      expect(readReview(bytes)).toBe("the review has too many parts");
    }
  });

  test("a large pod of long texts is", () => {
    const review = withMore("x".repeat(MAX_REVIEW - 100_000));
    expect(typeof readReview(bytesOf(review))).toBe("object");
  });
});
