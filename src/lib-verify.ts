/** `sallyport/verify`: certificates checked offline, and nothing else. */
export type { Verifier } from "./crypto/signature.ts";
export type { Jwk, JwkSet, VerifyingKey } from "./library/keys.ts";
export { type Verification, type VerificationCode, verifyCertificate } from "./library/verify-certificate.ts";
export type { Algorithm, Certificate } from "./model/certificate.ts";
