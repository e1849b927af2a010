import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

/** The synchronous hashing that chain and HMAC need. A Runtime is one; `portableDigest` is for where there is none. */
export interface Digest {
  /** 64 lower-case hex digits; a string is hashed as UTF-8. */
  sha256(data: string | Uint8Array): string;
  /** HMAC-SHA256 under `key` of the UTF-8 of the argument, as 64 lower-case hex digits. */
  hmacSha256(key: Uint8Array): (data: string | Uint8Array) => string;
}

/** The same answers as a Runtime's native functions, in plain JavaScript. */
export const portableDigest: Digest = {
  sha256: (data) => bytesToHex(sha256(typeof data === "string" ? utf8ToBytes(data) : data)),
  hmacSha256(key) {
    // The key schedule is computed once; a clone a message halves the work for short messages.
    const keyed = hmac.create(sha256, key);
    return (data) =>
      bytesToHex(
        keyed
          .clone()
          .update(typeof data === "string" ? utf8ToBytes(data) : data)
          .digest(),
      );
  },
};

/** Compares without leaving early, so that timing tells nothing about where two secrets differ. */
export function constantTimeEqual(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ (i < b.length ? b.charCodeAt(i) : -1);
  return difference === 0;
}
