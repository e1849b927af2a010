/**
 * Keys as a program has them: a raw secret, PEM, JWK, JWKS, or an object that signs or verifies.
 *
 * What is visibly an asymmetric key in a form that is not read here is refused. Taken for a raw secret, a public key
 * would become an HMAC key that everybody knows.
 */
import { fromBase64Url } from "../crypto/base64url.ts";
import { portableDigest } from "../crypto/digest.ts";
import { loadPrivate, loadVerifiers } from "../crypto/keys.ts";
import { algorithmOfDer } from "../crypto/pem.ts";
import { hmacKey, type Signer, type Verifier } from "../crypto/signature.ts";
import { Fault } from "../errors.ts";

/** Of a JWK, whatever a key of its kind has. */
export type Jwk = Readonly<Record<string, unknown>> & { readonly kty: string };
export type JwkSet = { readonly keys: readonly Readonly<Record<string, unknown>>[] };

/** A raw HMAC secret as text (one trailing newline is dropped) or bytes (taken as they are), a private PEM or JWK, or a Signer. */
export type SigningKey = string | Uint8Array | Jwk | Signer;
/** A raw HMAC secret, a PEM, a JWK or JWKS (as text or object), or a Verifier. */
export type VerifyingKey = string | Uint8Array | Jwk | JwkSet | Verifier;

const encoder = new TextEncoder();

/** Rejects with Fault `key_invalid`. */
export async function readSigner(key: SigningKey): Promise<Signer> {
  if (isObject(key) && "sign" in key) {
    const { sign, kid, algorithm } = key as Partial<Signer>;
    if (typeof sign === "function" && typeof kid === "string" && typeof algorithm === "string") return key as Signer;
    throw new Fault("key_invalid", "use a signer: it needs sign, kid and algorithm");
  }
  const read = keyText(key);
  if (read instanceof Uint8Array) return hmacKey(read, portableDigest);
  if (!/^(?:-----BEGIN |\{)/.test(read)) return hmacKey(secretBytes(read), portableDigest);
  const secret = symmetric(read);
  return secret === null ? (await loadPrivate(read, portableDigest)).signer : hmacKey(secret, portableDigest);
}

/** At least one; rejects with Fault `key_invalid`. */
export async function readVerifiers(key: VerifyingKey): Promise<readonly Verifier[]> {
  if (isObject(key) && "verify" in key) {
    const { verify, kid, algorithm } = key as Partial<Verifier>;
    if (typeof verify === "function" && typeof kid === "string" && typeof algorithm === "string") {
      return [key as Verifier];
    }
    throw new Fault("key_invalid", "use a verifier: it needs verify, kid and algorithm");
  }
  const read = keyText(key);
  return read instanceof Uint8Array ? [hmacKey(read, portableDigest)] : loadVerifiers(read, portableDigest);
}

/** Text to be read as PEM, JSON or raw secret; bytes are a raw secret. */
function keyText(key: unknown): string | Uint8Array {
  if (typeof key === "string") return classified(key) ?? key;
  if (key instanceof Uint8Array) {
    if (key[0] === 0x30 && algorithmOfDer(key) !== null) throw foreign("DER");
    return classified(decoded(key)) ?? key;
  }
  if (isObject(key) && ("kty" in key || "keys" in key)) return JSON.stringify(key);
  throw new Fault("key_invalid", "read a key: it is no text, bytes, JWK, JWKS, signer or verifier");
}

/** Text that is a key and not a secret, as loaders want it; null when it can only be a secret. */
function classified(text: string): string | null {
  const pem = text.indexOf("-----BEGIN ");
  if (pem !== -1) return text.slice(pem);
  const trimmed = text.replace(/^\ufeff/, "").trim();
  if (isJson(trimmed, "{")) return trimmed;
  if (isJson(trimmed, "[")) throw foreign("list of keys");
  if (/^(?:ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)\S+ /.test(trimmed)) throw foreign("OpenSSH key");
  if (trimmed.startsWith("M") && derInBase64(trimmed)) throw foreign("base64 DER");
  return null;
}

/** SPKI and PKCS#8 of our algorithms show their object identifier in the first 32 bytes. */
function derInBase64(text: string): boolean {
  try {
    const head = atob(text.replace(/\s+/g, "").slice(0, 44));
    return algorithmOfDer(Uint8Array.from(head, (char) => char.charCodeAt(0))) !== null;
  } catch {
    return false;
  }
}

function isJson(text: string, open: "{" | "["): boolean {
  if (!text.startsWith(open)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function symmetric(text: string): Uint8Array | null {
  if (!isJson(text, "{")) return null;
  const { kty, k } = JSON.parse(text) as { kty?: unknown; k?: unknown };
  if (kty !== "oct") return null;
  const bytes = typeof k === "string" ? fromBase64Url(k) : null;
  if (bytes === null) throw new Fault("key_invalid", "read a symmetric JWK: k is not base64url");
  return bytes;
}

function secretBytes(text: string): Uint8Array {
  return encoder.encode(text.replace(/\r?\n$/, ""));
}

/** Empty when it is no text. */
function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return "";
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !(value instanceof Uint8Array);
}

function foreign(kind: string): Fault {
  return new Fault("key_invalid", `read a key: it looks like a ${kind}; give PEM, JWK or JWKS`);
}
