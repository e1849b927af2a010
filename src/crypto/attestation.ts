/** An attestation: what a plane ruled on which question, as a compact JWS that outlives the connection it came over. */
import { CompactSign, compactVerify, decodeProtectedHeader, errors, type JWTPayload, jwtVerify, SignJWT } from "jose";
import { Fault } from "../errors.ts";
import { toBase64Url } from "./base64url.ts";
import { canonicalize } from "./canonical.ts";
import type { Digest } from "./digest.ts";
import { algorithmOf, importPublic, type PublicJwk, publicPart, thumbprint } from "./jwk.ts";

export const ATTESTATION_TYPE = "sallyport-decision+jwt";
const ISSUER = "sallyport";
/** Seconds: longer than any question may take, with clocks that disagree a little. */
const LIFE_S = 60;
const SKEW_S = 10;
/** The algorithm is the key's, and only these exist. */
const ALGORITHMS = { Ed25519: "EdDSA", "ECDSA-P256-SHA256": "ES256" } as const;

/** What is vouched for: the words of the answer that say what it is, for whoever reads the attestation alone, and the whole of it by its hash. */
export interface Attested {
  /** Of the question. */
  readonly request: string;
  readonly decision: string;
  readonly pillar: string | null;
  readonly vector: string | null;
  readonly rule: string | null;
  readonly reason: string | null;
  readonly would: string | null;
  readonly policyVersion: string | null;
  readonly paramsHash: string;
  /** "sha256-" + hex of the body to send instead, or null. */
  readonly redactedHash: string | null;
  /** Of everything in the answer but this attestation and that body (`answerHash`): it may not gain or lose a word on its way. */
  readonly answerHash: string;
}

export interface AttestationKey {
  readonly kid: string;
  readonly alg: "EdDSA" | "ES256";
  readonly key: CryptoKey;
}

export interface Attesting extends AttestationKey {
  /** Unix seconds. */
  readonly now: number;
  /** New for every attestation. */
  readonly jti: string;
  /** Who asked. */
  readonly tenant: string;
}

export function signAttestation(attested: Attested, { kid, alg, key, now, jti, tenant }: Attesting): Promise<string> {
  return new SignJWT(claimsOf(attested))
    .setProtectedHeader({ alg, kid, typ: ATTESTATION_TYPE })
    .setIssuer(ISSUER)
    .setSubject(tenant)
    .setIssuedAt(now)
    .setExpirationTime(now + LIFE_S)
    .setJti(jti)
    .sign(key);
}

function claimsOf(attested: Attested): JWTPayload {
  return {
    request: attested.request,
    decision: attested.decision,
    pillar: attested.pillar,
    vector: attested.vector,
    rule: attested.rule,
    reason: attested.reason,
    would: attested.would,
    policy_version: attested.policyVersion,
    params_hash: attested.paramsHash,
    redacted_hash: attested.redactedHash,
    answer_hash: attested.answerHash,
  };
}

/** Keys by `kid`; null: there is none by that name. */
export type FindKey = (kid: string) => AttestationKey | null | Promise<AttestationKey | null>;

/** Null when `token` is a true and timely attestation of exactly this; else why not, without a word of the token. */
export async function attestationProblem(
  token: string,
  wanted: Attested,
  { find, now }: { readonly find: FindKey /** Unix seconds. */; readonly now: number },
): Promise<string | null> {
  try {
    const { payload } = await jwtVerify(
      token,
      async ({ alg, kid, typ }) => {
        if (typ !== ATTESTATION_TYPE) throw new NotOurs("is of another type");
        if (typeof kid !== "string" || kid.length > 128) throw new NotOurs("names no key");
        const found = await find(kid);
        if (found === null) throw new NotOurs("is by an unknown key");
        if (found.alg !== alg) throw new NotOurs("names an algorithm that is not its key's");
        return found.key;
      },
      {
        algorithms: Object.values(ALGORITHMS),
        issuer: ISSUER,
        clockTolerance: SKEW_S,
        maxTokenAge: LIFE_S,
        requiredClaims: ["sub", "jti", "iat", "exp"],
        currentDate: new Date(now * 1000),
      },
    );
    for (const [name, value] of Object.entries(claimsOf(wanted))) {
      if (payload[name] !== value) return `says another ${name}`;
    }
    return null;
  } catch (thrown) {
    if (thrown instanceof NotOurs) return thrown.message;
    if (thrown instanceof errors.JWTExpired) return "has expired";
    if (thrown instanceof errors.JWSSignatureVerificationFailed) return "has a wrong signature";
    if (thrown instanceof errors.JOSEAlgNotAllowed) return "has an algorithm that is not allowed";
    if (thrown instanceof errors.JWTClaimValidationFailed) return `has no right ${thrown.claim}`;
    if (thrown instanceof errors.JOSEError) return "cannot be read";
    throw thrown;
  }
}

class NotOurs extends Error {}

/** The keys of a JWKS document that attestations may be signed with. Rejects with Fault `key_invalid` when there is none. */
export async function attestationKeys(text: string, digest: Digest): Promise<ReadonlyMap<string, AttestationKey>> {
  const keys = new Map<string, AttestationKey>();
  for (const jwk of entriesOf(text)) {
    const open = publicPart(jwk);
    // By the name its publisher gives it, and by its own: a set without names is one too.
    if (open !== null) {
      const key = await importPublic(open);
      const alg = ALGORITHMS[algorithmOf(open)];
      const { kid } = jwk as { kid?: unknown };
      for (const name of [thumbprint(open, digest), kid]) {
        if (typeof name === "string") keys.set(name, { kid: name, alg, key });
      }
    }
    if (keys.size > MAX_KEYS) throw new Fault("key_invalid", "read a JWKS: it has too many keys");
  }
  if (keys.size === 0) throw new Fault("key_invalid", "read a JWKS: no Ed25519 or P-256 key is in it");
  return keys;
}

const MAX_KEYS = 128;

function entriesOf(text: string): readonly JsonWebKey[] {
  try {
    const document: unknown = JSON.parse(text);
    const { keys } = document as { keys?: unknown };
    if (Array.isArray(keys)) return keys.filter((key) => typeof key === "object" && key !== null);
  } catch {
    // Told below.
  }
  throw new Fault("key_invalid", "read a JWKS: it is no JSON object with a list of keys");
}

/** From a private key that `loadPrivate` has read. */
export function attestationKey(key: CryptoKey, jwk: PublicJwk, digest: Digest): AttestationKey {
  return { kid: thumbprint(jwk, digest), alg: ALGORITHMS[algorithmOf(jwk)], key };
}

const BUNDLE_TYPE = "sallyport-bundle";

/** What of a policy bundle is signed. */
export interface BundleContent {
  /** Whose policy it is: that of another tenant is signed by the same key. */
  readonly tenant: string;
  readonly version: string;
  readonly files: readonly { readonly name: string; readonly text: string }[];
}

/**
 * A detached compact JWS (`header..signature`) over the canonical JSON of the content. `signedAt`: ms since the epoch, the
 * signed `iat` of the header in seconds.
 */
export async function signBundle(
  { tenant, version, files }: BundleContent,
  { kid, alg, key }: AttestationKey,
  signedAt?: number,
): Promise<string> {
  const payload = encoder.encode(canonicalize({ tenant, version, files }));
  const time = signedAt === undefined ? {} : { iat: signedAt / 1000 };
  const whole = await new CompactSign(payload).setProtectedHeader({ alg, kid, typ: BUNDLE_TYPE, ...time }).sign(key);
  const [header = "", , signature = ""] = whole.split(".");
  return `${header}..${signature}`;
}

/** When a bundle says it was signed, in ms since the epoch; null when it does not. True only of what `bundleProblem` has nothing against. */
export function bundleSignedAt(signature: string | null): number | null {
  try {
    const { iat } = decodeProtectedHeader(signature ?? "");
    return typeof iat === "number" && Number.isFinite(iat) ? iat * 1000 : null;
  } catch {
    return null;
  }
}

/** Null when `signature` is a true one of this content; else why not. */
export async function bundleProblem(
  { tenant, version, files }: BundleContent,
  signature: string | null,
  find: FindKey,
): Promise<string | null> {
  const [header, payload, mark, ...rest] = (signature ?? "").split(".");
  if (signature === null) return "carries no signature";
  if (header === undefined || payload !== "" || mark === undefined || rest.length > 0)
    return "has a signature of another form";
  const bytes = encoder.encode(canonicalize({ tenant, version, files }));
  try {
    await compactVerify(
      `${header}.${toBase64Url(bytes)}.${mark}`,
      async ({ alg, kid, typ }) => {
        if (typ !== BUNDLE_TYPE) throw new NotOurs("has a signature of another type");
        const found = typeof kid === "string" && kid.length <= 128 ? await find(kid) : null;
        if (found === null) throw new NotOurs("is signed by an unknown key");
        if (found.alg !== alg) throw new NotOurs("names an algorithm that is not its key's");
        return found.key;
      },
      { algorithms: Object.values(ALGORITHMS) },
    );
    return null;
  } catch (thrown) {
    if (thrown instanceof NotOurs) return thrown.message;
    if (thrown instanceof errors.JOSEError) return "has a wrong signature";
    throw thrown;
  }
}

const encoder = new TextEncoder();
