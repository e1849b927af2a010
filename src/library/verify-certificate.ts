import type { Verifier } from "../crypto/signature.ts";
import { messageOf } from "../errors.ts";
import { readCertificate } from "../evidence/read-certificate.ts";
import { checkSignature } from "../evidence/verify.ts";
import type { Certificate } from "../model/certificate.ts";
import { readVerifiers, type VerifyingKey } from "./keys.ts";

export type VerificationCode =
  | "malformed"
  | "duplicate_key"
  | "unknown_version"
  | "unknown_key"
  | "wrong_algorithm"
  | "bad_signature"
  | "key_invalid";

/** An object either way: ask for `valid`. */
export type Verification =
  | {
      readonly valid: true;
      /** What was verified, read anew from the signed text: trust this, not the object handed in. */
      readonly certificate: Certificate;
    }
  | {
      readonly valid: false;
      /** A stable code a program may switch over. */
      readonly code: VerificationCode;
      readonly reason: string;
    };

/** Longer than any certificate, and than any with members unknown to us. */
const MAX_TEXT = 64 * 1024;

/**
 * Checks one certificate offline: an object, its JSON text, or the value of `X-EVE-Decision-Cert` (with or without the
 * name). Never rejects. The key is found by `kid` and the algorithm is the key's own; what the certificate claims about
 * it must agree and decides nothing. The place in a log is not looked at: that is `sallyport verify`.
 */
export async function verifyCertificate(certificate: unknown, key: VerifyingKey): Promise<Verification> {
  const text = textOf(certificate);
  if (text === null || text.length > MAX_TEXT) return invalid("malformed", "it is no certificate");
  const read = readCertificate(text);
  if ("code" in read) return invalid(read.code, read.detail);
  const keys = new Map<string, Verifier>();
  try {
    for (const verifier of await readVerifiers(key)) keys.set(verifier.kid, verifier);
  } catch (thrown) {
    return invalid("key_invalid", messageOf(thrown));
  }
  try {
    const problem = await checkSignature(read, keys);
    if (problem !== null) return invalid(problem.code, problem.detail);
  } catch (thrown) {
    return invalid("bad_signature", `the verifier failed: ${messageOf(thrown)}`);
  }
  return { valid: true, certificate: read.certificate };
}

function textOf(certificate: unknown): string | null {
  try {
    if (typeof certificate === "string") return certificate.trim().replace(/^x-eve-decision-cert:\s{0,8}/i, "");
    return JSON.stringify(certificate) ?? null;
  } catch {
    return null;
  }
}

function invalid(code: VerificationCode, reason: string): Verification {
  return { valid: false, code, reason };
}
