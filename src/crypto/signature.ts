import { Fault } from "../errors.ts";
import type { Algorithm } from "../model/certificate.ts";
import { fromBase64Url, toBase64Url } from "./base64url.ts";
import { constantTimeEqual, type Digest } from "./digest.ts";

/** Signs bytes, or texts as UTF-8, with one key. */
export interface Signer {
  readonly algorithm: Algorithm;
  readonly kid: string;
  /**
   * With prefix: `hmac-` + hex, `ed25519-` or `es256-` + base64url. Synchronous for HMAC, never otherwise. The bytes are
   * the caller's again when this returns.
   */
  sign(data: string | Uint8Array): string | Promise<string>;
}

/** Checks signatures of one key. The algorithm is the key's; what a certificate claims about it plays no part. */
export interface Verifier {
  readonly algorithm: Algorithm;
  readonly kid: string;
  /**
   * False for anything but a signature of this key over `text`, spelled in the one way there is for its bytes; never
   * throws. Of P-256 there are two such values for every one the key made, (r, s) and (r, n - s), and anybody can turn one
   * into the other; Web Crypto makes both kinds, so both are accepted. Nothing rests on which of them stands in a
   * certificate: it is not among the signed bytes, so neither the chain's hash nor the certificate's id changes with it.
   */
  verify(text: string, signature: string): boolean | Promise<boolean>;
}

const MIN_HMAC_BYTES = 16;

const encoder = new TextEncoder();

/** A Signer and Verifier in one. Throws Fault `key_invalid` for a key under 16 bytes. */
export function hmacKey(key: Uint8Array, digest: Digest): Signer & Verifier {
  if (key.length < MIN_HMAC_BYTES) {
    throw new Fault("key_invalid", `use an HMAC key of ${key.length} bytes: at least ${MIN_HMAC_BYTES} are needed`);
  }
  const mac = digest.hmacSha256(key);
  return {
    algorithm: "HMAC-SHA256",
    kid: mac("kid").slice(0, 16),
    sign: (data) => `hmac-${mac(data)}`,
    verify: (text, signature) => constantTimeEqual(`hmac-${mac(text)}`, signature),
  };
}

export type AsymmetricAlgorithm = Exclude<Algorithm, "HMAC-SHA256">;

/** What Web Crypto and the encodings need to know of each algorithm. */
export const ASYMMETRIC = {
  Ed25519: { prefix: "ed25519-", key: { name: "Ed25519" }, sign: { name: "Ed25519" } },
  "ECDSA-P256-SHA256": {
    prefix: "es256-",
    key: { name: "ECDSA", namedCurve: "P-256" },
    sign: { name: "ECDSA", hash: "SHA-256" },
  },
} as const satisfies Record<AsymmetricAlgorithm, { prefix: string; key: object; sign: object }>;

export function asymmetricSigner(algorithm: AsymmetricAlgorithm, kid: string, key: CryptoKey): Signer {
  const { prefix, sign } = ASYMMETRIC[algorithm];
  return {
    algorithm,
    kid,
    sign: async (data) => {
      const bytes = typeof data === "string" ? encoder.encode(data) : data.slice();
      return prefix + toBase64Url(new Uint8Array(await crypto.subtle.sign(sign, key, bytes)));
    },
  };
}

export function asymmetricVerifier(algorithm: AsymmetricAlgorithm, kid: string, key: CryptoKey): Verifier {
  const { prefix, sign } = ASYMMETRIC[algorithm];
  return {
    algorithm,
    kid,
    verify: async (text, signature) => {
      if (!signature.startsWith(prefix)) return false;
      const bytes = fromBase64Url(signature.slice(prefix.length));
      if (bytes?.length !== 64) return false;
      try {
        return await crypto.subtle.verify(sign, key, bytes, encoder.encode(text));
      } catch {
        return false;
      }
    },
  };
}
