/** `sallyport`: the library. Nothing here listens, and nothing names a runtime. */
export { generateKey, generateSecret, type KeyPair } from "./crypto/keys.ts";
export type { Signer, Verifier } from "./crypto/signature.ts";
export { Fault, type FaultCode } from "./errors.ts";
export { type Enforced, type EnforceOptions, enforce, MAX_INPUT_BYTES } from "./library/enforce.ts";
export { FailClosedError } from "./library/fail-closed-error.ts";
export {
  type GovernedFetch,
  type GovernedFetchOptions,
  governedFetch,
  type InnerFetch,
} from "./library/governed-fetch.ts";
export type { Jwk, JwkSet, SigningKey, VerifyingKey } from "./library/keys.ts";
export type { LibraryOutcome } from "./library/outcome.ts";
export { type Verification, type VerificationCode, verifyCertificate } from "./library/verify-certificate.ts";
export type { Algorithm, Certificate } from "./model/certificate.ts";
