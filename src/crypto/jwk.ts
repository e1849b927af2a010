import { Fault } from "../errors.ts";
import { fromBase64Url, toBase64Url } from "./base64url.ts";
import { canonicalize } from "./canonical.ts";
import type { Digest } from "./digest.ts";
import { ASYMMETRIC, type AsymmetricAlgorithm } from "./signature.ts";

/** A public key as published: the RFC 7517 members this project uses, nothing private. */
export interface PublicJwk {
  readonly kty: "OKP" | "EC";
  readonly crv: "Ed25519" | "P-256";
  readonly x: string;
  readonly y?: string;
}

export interface Jwks {
  readonly keys: readonly (PublicJwk & { readonly kid: string; readonly alg: string; readonly use: "sig" })[];
}

/** The public part of a JWK, or null when it is of a kind this project does not sign with. */
export function publicPart(jwk: JsonWebKey): PublicJwk | null {
  const { kty, crv, x, y } = jwk;
  if (kty === "OKP" && crv === "Ed25519" && typeof x === "string") return { kty, crv, x };
  if (kty === "EC" && crv === "P-256" && typeof x === "string" && typeof y === "string") return { kty, crv, x, y };
  return null;
}

export function algorithmOf(jwk: PublicJwk): AsymmetricAlgorithm {
  return jwk.crv === "Ed25519" ? "Ed25519" : "ECDSA-P256-SHA256";
}

/** RFC 7638 thumbprint with SHA-256: 43 characters of base64url. It is the `kid` of an asymmetric key. */
export function thumbprint(jwk: PublicJwk, digest: Digest): string {
  const { crv, kty, x, y } = jwk;
  const hex = digest.sha256(canonicalize(kty === "EC" ? { crv, kty, x, y } : { crv, kty, x }));
  return toBase64Url(Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)));
}

/** The document to publish so that others can verify. */
export function jwks(keys: readonly PublicJwk[], digest: Digest): Jwks {
  return {
    keys: keys.map((key) => ({
      ...key,
      kid: thumbprint(key, digest),
      alg: algorithmOf(key) === "Ed25519" ? "EdDSA" : "ES256",
      use: "sig",
    })),
  };
}

/** Rejects with Fault `key_invalid` unless the coordinates are the one spelling of a point on the curve. */
export async function importPublic(jwk: PublicJwk): Promise<CryptoKey> {
  for (const coordinate of [jwk.x, jwk.y]) {
    if (coordinate !== undefined && fromBase64Url(coordinate)?.length !== 32) {
      throw new Fault("key_invalid", "read a JWK: a coordinate is not 32 bytes of base64url");
    }
  }
  try {
    return await crypto.subtle.importKey("jwk", { ...jwk }, ASYMMETRIC[algorithmOf(jwk)].key, true, ["verify"]);
  } catch (cause) {
    throw new Fault("key_invalid", `read a JWK: not a valid ${jwk.crv} public key`, { cause });
  }
}
