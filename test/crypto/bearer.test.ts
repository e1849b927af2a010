import { expect, test } from "bun:test";
import { bearerHash, mayScrape } from "../../src/crypto/bearer.ts";

const hashing = { sha256: (text: string) => `hash of ${text}` };

test("a token is what stands behind bearer, in any case, and nothing else is one", () => {
  for (const field of ["Bearer abc", "bearer   abc  ", "BEARER abc"])
    expect(bearerHash(hashing, field)).toBe("hash of abc");
  for (const field of [
    undefined,
    "",
    "abc",
    "Bearer",
    "Bearer ",
    "Bearer a b",
    "Basic abc",
    "Bearer ab\u00e9",
    "x Bearer abc",
  ])
    expect(bearerHash(hashing, field)).toBeNull();
});

test("metrics are for whoever has the token; without one set, for this host", () => {
  for (const peer of ["127.0.0.1", "127.9.9.9", "::1"]) {
    expect(mayScrape(hashing, null, peer, undefined)).toBe(true);
    expect(mayScrape(hashing, "hash of abc", peer, undefined)).toBe(false);
  }
  for (const peer of ["10.0.0.1", "::2", "1127.0.0.1"]) {
    expect(mayScrape(hashing, null, peer, "Bearer abc")).toBe(false);
    expect(mayScrape(hashing, "hash of abc", peer, "Bearer abc")).toBe(true);
    expect(mayScrape(hashing, "hash of abc", peer, "Bearer abd")).toBe(false);
  }
});
