/** Heads and URLs as an engine may see them: every credential becomes what it is, never what it says. */
import type { Config } from "../config/config.ts";
import { issuerOf, looksSecret } from "../dlp/credential.ts";
import { issuerWithin } from "../dlp/issuer-within.ts";
import type { HeaderList } from "../model/headers.ts";
import type { Credential, Field } from "../model/question.ts";
import type { Runtime } from "../runtime/contract.ts";

/** HMAC-SHA256 under a key of the relay, as hex. */
export type Fingerprint = (value: string) => string;

type Keys = Pick<Config, "hmacKey" | "signingKey">;

/** Under a key of its own, because a fingerprint must not be a signature of anything; a new one a process without a secret. */
export function fingerprints(
  runtime: Pick<Runtime, "hmacSha256" | "randomHex">,
  { hmacKey, signingKey }: Keys,
): Fingerprint {
  const bytes = new TextEncoder();
  const secret = hmacKey ?? signingKey ?? runtime.randomHex(32);
  const derived = runtime.hmacSha256(bytes.encode(secret))("sallyport credential fingerprint 1");
  return runtime.hmacSha256(bytes.encode(derived));
}

const CREDENTIAL_HEADER =
  /^(?:authorization|proxy-authorization|cookie|x-amz-security-token)$|(?:api|access|auth|secret|private|goog|signing)[-_]?key|token|secret|passw|credential|session|signature$/i;
const CREDENTIAL_PARAMETER =
  /^(?:key|sig|auth|pwd|code|jwt|x-amz-signature|x-amz-credential|x-goog-signature)$|(?:api|access|secret|private)[-_]?key|token|secret|passw|credential|session|signature/i;

/** By the name of a header, its value is a credential whatever it looks like. */
export function namesCredential(header: string): boolean {
  return CREDENTIAL_HEADER.test(header);
}

/** By the name of a parameter, percent-decoded. */
export function namesCredentialParameter(name: string): boolean {
  return CREDENTIAL_PARAMETER.test(name);
}

export function headerFields(headers: HeaderList, fingerprint: Fingerprint): Field[] {
  const fields: Field[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    for (const field of tellHeader(headers[i] as string, headers[i + 1] as string, fingerprint)) fields.push(field);
  }
  return fields;
}

/** One header, which may be several fields when a credential stands in it among other things. */
export function tellHeader(name: string, value: string, fingerprint: Fingerprint): readonly Field[] {
  if (namesCredential(name)) return [[name, headerCredential(name, value, fingerprint)]];
  const fields: Field[] = [];
  tell(fields, name, { value, plain: value }, fingerprint);
  return fields;
}

/** Anything long enough to be a key, up to what usually stands around one. */
const PART = /[^\s,;="'&:]{15,}/g;
const HIDDEN = "[credential]";

/**
 * A field whose name says nothing: what in its `value` is a credential is taken out and told as one, in a field of the
 * same name, and what stands around it is told as text, because nothing may hide behind a key. `plain` is the value as
 * it is told when there is none.
 */
function tell(fields: Field[], name: string, { value, plain }: Spelt, fingerprint: Fingerprint): void {
  const secrets: string[] = [];
  const rest =
    value.length < MIN_SECRET
      ? value
      : value.replace(PART, (part) => {
          if (!looksSecret(part)) return part;
          secrets.push(part);
          return HIDDEN;
        });
  if (secrets.length === 0) {
    fields.push([name, plain]);
    return;
  }
  if (rest !== HIDDEN) fields.push([name, rest]);
  for (const secret of secrets) fields.push([name, tokenOf(secret, fingerprint)]);
}

interface Spelt {
  readonly value: string;
  readonly plain: string;
}

const MIN_SECRET = 15;

function headerCredential(name: string, value: string, fingerprint: Fingerprint): Credential {
  const lower = name.toLowerCase();
  if (lower === "cookie") return { kind: "cookie", issuer: issuerWithin(value, false), ...printOf(value, fingerprint) };
  const space = value.indexOf(" ");
  const scheme = space === -1 ? "" : value.slice(0, space).toLowerCase();
  if (scheme === "bearer" || scheme === "token" || scheme === "basic") {
    // The credential is the token: given as a bearer or as an API key, it has one fingerprint.
    const token = value.slice(space + 1).trim();
    return { kind: scheme, issuer: issuerAmong(token), ...printOf(token, fingerprint) };
  }
  if (scheme.startsWith("aws4-")) {
    // The signature is new each time; the identity is the access key.
    const key = /Credential=([^/,\s]{1,128})/.exec(value)?.[1] ?? value;
    return { kind: "aws4", issuer: "aws", ...printOf(key, fingerprint) };
  }
  const kind = lower.includes("key") ? "api_key" : "token";
  return { kind, issuer: issuerAmong(value), ...printOf(value, fingerprint) };
}

/** What is encoded in a credential is its own affair. */
function issuerAmong(value: string): string | null {
  return issuerOf(value) ?? issuerWithin(value, false);
}

/** False: nothing in this head makes `issuerWithin` look at a text. */
export function mayTellIssuers({ headers, path }: { readonly headers: HeaderList; readonly path: string }): boolean {
  for (let i = 0; i + 1 < headers.length; i += 2)
    if (namesCredential(headers[i] as string) || anySecret(headers[i + 1] as string)) return true;
  return path.includes("?");
}

export function queryFields(query: string, fingerprint: Fingerprint): Field[] {
  const fields: Field[] = [];
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = equals === -1 ? pair : pair.slice(0, equals);
    const plain = equals === -1 ? "" : pair.slice(equals + 1);
    const value = percentDecoded(plain);
    const plainName = percentDecoded(name);
    if (anySecret(plainName)) {
      // The name is the secret. What stands behind it is still told: nothing may hide there.
      tell(fields, "", { value: plainName, plain: name }, fingerprint);
      if (value !== "") tell(fields, "", { value, plain }, fingerprint);
    } else if (value !== "" && namesCredentialParameter(plainName)) fields.push([name, tokenOf(value, fingerprint)]);
    else tell(fields, name, { value, plain }, fingerprint);
  }
  return fields;
}

function tokenOf(value: string, fingerprint: Fingerprint): Credential {
  const issuer = issuerOf(value);
  if (issuer === "jwt") return { kind: "jwt", issuer, ...printOf(value, fingerprint) };
  // It is a credential by its looks: it may be a key of somebody's, encoded.
  return { kind: "token", issuer: issuer ?? issuerWithin(value, true), ...printOf(value, fingerprint) };
}

function anySecret(value: string): boolean {
  return value.length >= MIN_SECRET && (value.match(PART) ?? []).some(looksSecret);
}

function printOf(value: string, fingerprint: Fingerprint): { fingerprint: string } {
  return { fingerprint: `hmac-${fingerprint(value).slice(0, 32)}` };
}

export function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}
