/** `sallyport/enforce`: fail-closed execution with a signed certificate, and nothing else. */
export type { Signer } from "./crypto/signature.ts";
export { type Enforced, type EnforceOptions, enforce, MAX_INPUT_BYTES } from "./library/enforce.ts";
export { FailClosedError } from "./library/fail-closed-error.ts";
export type { Jwk, SigningKey } from "./library/keys.ts";
export type { LibraryOutcome } from "./library/outcome.ts";
export type { Algorithm, Certificate } from "./model/certificate.ts";
