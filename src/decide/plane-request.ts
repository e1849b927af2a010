/** An egress as the plane is told about it. No credential leaves the relay in it. */

import { issuerOf, looksSecret } from "../dlp/credential.ts";
import { redactPath } from "../dlp/redact-path.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import type { HeaderList } from "../model/headers.ts";
import type { Credential, DecisionRequest } from "./governance-schema.ts";
import { nextTurn } from "./inspect-in-turns.ts";

/** HMAC-SHA256 under a key of the relay, as hex. */
export type Fingerprint = (value: string) => string;

type Field = [string, string | Credential];

/** Bodies up to this are sent as text when they are text; longer ones as base64, which is cheaper to make and to read. */
const MAX_TEXT = 256 * 1024;

const CREDENTIAL_HEADER =
  /^(?:authorization|proxy-authorization|cookie|x-amz-security-token)$|(?:api|access|auth|secret|private|goog|signing)[-_]?key|token|secret|passw|credential|session|signature$/i;
const CREDENTIAL_PARAMETER =
  /^(?:key|sig|auth|pwd|code|jwt|x-amz-signature|x-amz-credential|x-goog-signature)$|(?:api|access|secret|private)[-_]?key|token|secret|passw|credential|session|signature/i;

export interface Told {
  readonly id: string;
  readonly org: string;
  readonly fingerprint: Fingerprint;
  /** The held body's; null when there are none. */
  readonly trailers: HeaderList | null;
}

/** Everything but the body's data. */
export function describe(egress: Egress, { id, org, fingerprint, trailers }: Told): Omit<DecisionRequest, "body"> {
  const { destination, path } = egress;
  const mark = path.indexOf("?");
  return {
    v: 1,
    id,
    org,
    caller: egress.caller,
    agent: { id: egress.principal.agent, parent: null },
    parent: egress.parent,
    phase: egress.phase,
    door: egress.door,
    method: egress.method,
    scheme: destination.scheme,
    host: destination.host,
    port: destination.port,
    path: redactPath(path),
    query: mark === -1 ? [] : queryFields(path.slice(mark + 1), fingerprint),
    headers: headerFields(egress.headers, fingerprint),
    upgrade: egress.upgrade,
    trailers: trailers === null ? [] : headerFields(trailers, fingerprint),
  };
}

/** What the plane is asked, as JSON. `decoded` are the bytes after undoing `codings`; length and hash are of what was held. */
export async function questionBytes(
  about: Omit<DecisionRequest, "body">,
  body: { readonly held: HeldBody; readonly decoded: Uint8Array; readonly codings: readonly string[] } | null,
): Promise<Uint8Array> {
  if (body === null) return encoder.encode(JSON.stringify({ ...about, body: null }));
  const { held, decoded, codings } = body;
  const facts = { decoded: codings, length: held.bytes.length, sha256: held.sha256 };
  if (decoded.length <= MAX_TEXT) {
    const text = textOf(decoded);
    if (text !== null) {
      return encoder.encode(JSON.stringify({ ...about, body: { encoding: "utf8", data: text, ...facts } }));
    }
  }
  const before = encoder.encode(`${JSON.stringify(about).slice(0, -1)},"body":{"data":"`);
  const behind = encoder.encode(`",${JSON.stringify({ encoding: "base64", ...facts }).slice(1)}}`);
  const length = 4 * Math.ceil(decoded.length / 3);
  const question = new Uint8Array(before.length + length + behind.length);
  question.set(before);
  await writeBase64(decoded, question.subarray(before.length, before.length + length));
  question.set(behind, before.length + length);
  return question;
}

const encoder = new TextEncoder();

function textOf(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function headerFields(headers: readonly string[], fingerprint: Fingerprint): Field[] {
  const fields: Field[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    const secret = CREDENTIAL_HEADER.test(name) || anySecret(value);
    fields.push([name, secret ? headerCredential(name, value, fingerprint) : value]);
  }
  return fields;
}

function headerCredential(name: string, value: string, fingerprint: Fingerprint): Credential {
  const lower = name.toLowerCase();
  if (lower === "cookie") return { kind: "cookie", issuer: null, ...printOf(value, fingerprint) };
  const space = value.indexOf(" ");
  const scheme = space === -1 ? "" : value.slice(0, space).toLowerCase();
  if (scheme === "bearer" || scheme === "token" || scheme === "basic") {
    // The credential is the token: given as a bearer or as an API key, it has one fingerprint.
    const token = value.slice(space + 1).trim();
    return { kind: scheme, issuer: issuerOf(token), ...printOf(token, fingerprint) };
  }
  if (scheme.startsWith("aws4-")) {
    // The signature is new each time; the identity is the access key.
    const key = /Credential=([^/,\s]{1,128})/.exec(value)?.[1] ?? value;
    return { kind: "aws4", issuer: "aws", ...printOf(key, fingerprint) };
  }
  const kind = lower.includes("key") ? "api_key" : "token";
  return { kind, issuer: issuerOf(value), ...printOf(value, fingerprint) };
}

function queryFields(query: string, fingerprint: Fingerprint): Field[] {
  const fields: Field[] = [];
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = equals === -1 ? pair : pair.slice(0, equals);
    const value = equals === -1 ? "" : percentDecoded(pair.slice(equals + 1));
    const plainName = percentDecoded(name);
    if (anySecret(plainName)) {
      // The name is the secret. What stands behind it is still told: nothing may hide there.
      fields.push(["", tokenOf(plainName, fingerprint)]);
      if (value !== "") fields.push(["", anySecret(value) ? tokenOf(value, fingerprint) : pair.slice(equals + 1)]);
    } else if (value !== "" && (CREDENTIAL_PARAMETER.test(plainName) || anySecret(value))) {
      fields.push([name, tokenOf(value, fingerprint)]);
    } else fields.push([name, pair.slice(name.length + 1)]);
  }
  return fields;
}

function tokenOf(value: string, fingerprint: Fingerprint): Credential {
  return { kind: issuerOf(value) === "jwt" ? "jwt" : "token", issuer: issuerOf(value), ...printOf(value, fingerprint) };
}

/** A long value is looked at in part by part: a key may stand anywhere in it. */
function anySecret(value: string): boolean {
  if (value.length < 15) return false;
  for (const part of value.split(/[\s,;="'&:]+/, 256)) if (part.length >= 15 && looksSecret(part)) return true;
  return false;
}

function printOf(value: string, fingerprint: Fingerprint): { fingerprint: string } {
  return { fingerprint: `hmac-${fingerprint(value).slice(0, 32)}` };
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}

/** Divisible by three, so that the parts put together are the whole; less than two milliseconds of work. */
const CHUNK = 0x30000;
const ALPHABET = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const PADDING = 0x3d;

/** From bytes to bytes: by way of strings a mebibyte costs 80 ms. Hands the event loop back after every chunk. */
async function writeBase64(bytes: Uint8Array, into: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += CHUNK) {
    if (at > 0) await nextTurn();
    writeChunk(bytes.subarray(at, at + CHUNK), into.subarray((at / 3) * 4));
  }
}

function writeChunk(bytes: Uint8Array, into: Uint8Array): void {
  let to = 0;
  for (let i = 0; i < bytes.length; i += 3) {
    // What is missing at the end reads as zeros.
    const group = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    into[to] = ALPHABET[group >> 18] as number;
    into[to + 1] = ALPHABET[(group >> 12) & 63] as number;
    into[to + 2] = i + 1 < bytes.length ? (ALPHABET[(group >> 6) & 63] as number) : PADDING;
    into[to + 3] = i + 2 < bytes.length ? (ALPHABET[group & 63] as number) : PADDING;
    to += 4;
  }
}

/** Null when it is not base64. */
export function fromBase64(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return null;
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
