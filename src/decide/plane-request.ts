/** An egress as the plane is told about it. No credential of its head leaves the relay in it. */
import type { Egress, HeldBody } from "../model/egress.ts";
import type { Question } from "../model/question.ts";
import { fromBase64 } from "../wire/base64.ts";
import type { DecisionRequest } from "./governance-schema.ts";
import { nextTurn } from "./inspect-in-turns.ts";

/** Bodies up to this are sent as text when they are text; longer ones as base64, which is cheaper to make and to read. */
const MAX_TEXT = 256 * 1024;

/** Everything but the body's data. `id` is new for every question. */
export function describe(egress: Egress, question: Question, id: string): Omit<DecisionRequest, "body"> {
  return {
    v: 1,
    id,
    org: question.org,
    caller: question.caller,
    agent: { id: question.agent, parent: question.parentAgent },
    parent: egress.parent,
    phase: question.phase,
    door: question.door,
    method: question.method,
    scheme: question.scheme,
    host: question.host,
    port: question.port,
    path: question.path,
    query: question.query,
    headers: question.headers,
    upgrade: question.upgrade,
    trailers: question.trailers,
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
    const text = bodyText(decoded);
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

/** Null when the bytes are no UTF-8. */
export function bodyText(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Divisible by three, so that the parts put together are the whole; less than two milliseconds of work. */
const CHUNK = 0x30000;
const ALPHABET = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const PADDING = 0x3d;

/** From bytes to bytes: by way of strings a mebibyte costs 80 ms. Hands the event loop back after every chunk. */
export async function writeBase64(bytes: Uint8Array, into: Uint8Array): Promise<void> {
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

/** Null when it is not base64 in its one spelling: padded, without white space. */
export function fromStrictBase64(text: string): Uint8Array | null {
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0 ? fromBase64(text) : null;
}
