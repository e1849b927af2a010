import { canonicalize, textJson } from "../crypto/canonical.ts";
import type { Algorithm, CertificateDraft, CertifiedRequest, ChainLink } from "../model/certificate.ts";
import { diallable } from "../model/permit.ts";

/** The longest serialized certificate, in the log or in a header, bytes. */
export const MAX_CERTIFICATE_BYTES = 4096;

/** What evidence assigns to a draft, all at the same moment. */
export interface Assigned {
  readonly id: string;
  readonly orgId: string;
  readonly timestamp: string;
  readonly kid: string;
  readonly algorithm: Algorithm;
  readonly chain: ChainLink | null;
}

/** A certificate but for its signature. Its bytes, and its text until somebody asked for it, are gone with the next `seal`. */
export interface Sealed {
  /** What is signed: RFC 8785 canonical JSON of everything but `signature`. */
  readonly text: string;
  /** The same in UTF-8. */
  readonly bytes: Uint8Array;
  /** True when `text` is printable ASCII, so that it can stand in a header as it is. */
  readonly ascii: boolean;
}

/**
 * Writes down what will be signed, its members in canonical order (a test holds this equal to `canonicalize`).
 *
 * Free text is bounded: reason and path 256 bytes, agent 128; tighter when escapes would still carry the whole over
 * MAX_CERTIFICATE_BYTES.
 */
export function seal(draft: CertificateDraft, assigned: Assigned): Sealed {
  const frame = framed(draft, assigned);
  const length = frame.ascii ? lay({ frame, draft, assigned }) : -1;
  if (length >= 0 && length + SIGNATURE_ROOM <= MAX_CERTIFICATE_BYTES) return new Laid(scratch.subarray(0, length));
  for (let shrink = 1; ; shrink *= 2) {
    const text = joined({ frame: shrink === 1 ? frame : frameOf(draft, assigned, shrink), draft, assigned });
    const { written } = encoder.encodeInto(text, scratch);
    // Only ASCII takes one byte a UTF-16 unit. Of control characters JSON leaves only DEL as it is.
    const ascii = written === text.length && !text.includes("\x7f");
    const length = ascii ? text.length : asciiJson(text).length;
    if (length + SIGNATURE_ROOM <= MAX_CERTIFICATE_BYTES || shrink >= 256) {
      return { text, bytes: scratch.subarray(0, written), ascii };
    }
  }
}

/** More than the longest signature member takes. */
const SIGNATURE_ROOM = 130;

/** The same JSON in printable ASCII, fit for a header field value. */
export function asciiJson(json: string): string {
  return json.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const encoder = new TextEncoder();
/** Room for three bytes of each unit of a text that is not bounded yet. */
const scratch = new Uint8Array(64 * 1024);

const decoder = new TextDecoder();

/** Printable ASCII that lies in the scratch: most are signed and sent as bytes, and never a text. */
class Laid implements Sealed {
  readonly bytes: Uint8Array;
  readonly ascii = true;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get text(): string {
    return decoder.decode(this.bytes);
  }
}

/** A text that stands in one certificate after the other, and its bytes. */
interface Standing {
  readonly text: string;
  readonly bytes: Uint8Array;
}

function standing(text: string): Standing {
  return { text, bytes: encoder.encode(text) };
}

/** The members that one certificate after the other has in common, as the texts around those that it has not. */
interface Frame {
  readonly draft: CertificateDraft;
  readonly assigned: Assigned;
  readonly before: Standing;
  readonly between: Standing;
  readonly behind: Standing;
  readonly last: Standing;
  /** All four are printable. */
  readonly ascii: boolean;
}

/** Of each request that is named: several are certified in turns, and each certificate inside a tunnel has a parent of its own. */
const frames = new WeakMap<CertifiedRequest, Frame>();

/** By identity where the same object is given again and again: what is missed costs time, never truth. */
function fits({ draft: a, assigned: x }: Frame, b: CertificateDraft, y: Assigned): boolean {
  return (
    a.request === b.request &&
    a.addresses === b.addresses &&
    a.verdict === b.verdict &&
    a.reason === b.reason &&
    a.rule === b.rule &&
    a.policy_version === b.policy_version &&
    a.agent === b.agent &&
    a.caller === b.caller &&
    a.mode === b.mode &&
    a.phase === b.phase &&
    a.matched_pillar === b.matched_pillar &&
    a.matched_vector === b.matched_vector &&
    a.attestation_hash === b.attestation_hash &&
    a.would === b.would &&
    a.recovered === b.recovered &&
    x.kid === y.kid &&
    x.algorithm === y.algorithm &&
    x.orgId === y.orgId
  );
}

function frameOf(draft: CertificateDraft, assigned: Assigned, shrink: number): Frame {
  const { recovered } = draft;
  const before =
    `{"addresses":${addressesJson(draft.addresses, shrink)},"agent":${textJson(bounded(draft.agent, 128 / shrink))},` +
    `"algorithm":"${assigned.algorithm}",` +
    `"attestation_hash":${textJson(bounded(draft.attestation_hash, 128 / shrink))},` +
    `"caller":${textJson(bounded(draft.caller, 128 / shrink))},"certificate_id":"`;
  const between = `,"kid":${textJson(bounded(assigned.kid, 128))},"latency_ms":`;
  const behind =
    `,"matched_pillar":${textJson(bounded(draft.matched_pillar, 32))},` +
    `"matched_vector":${textJson(bounded(draft.matched_vector, 128 / shrink))},"mode":"${draft.mode}",` +
    `"org_id":${textJson(bounded(assigned.orgId, 128 / shrink))},"parent":`;
  const last =
    `,"phase":"${draft.phase}","policy_version":${textJson(bounded(draft.policy_version, 128 / shrink))},` +
    `"reason":${textJson(bounded(draft.reason, 256 / shrink))},` +
    (recovered === null || recovered === undefined ? "" : `"recovered":${canonicalize(recovered)},`) +
    `"request":${requestJson(draft.request, shrink)},"rule":${textJson(bounded(draft.rule, 128 / shrink))},"timestamp":"`;
  const ascii = isPrintable(before) && isPrintable(between) && isPrintable(behind) && isPrintable(last);
  return {
    draft,
    assigned,
    before: standing(before),
    between: standing(between),
    behind: standing(behind),
    last: standing(last),
    ascii,
  };
}

function framed(draft: CertificateDraft, assigned: Assigned): Frame {
  const { request } = draft;
  if (request === null) return frameOf(draft, assigned, 1);
  let frame = frames.get(request);
  if (frame === undefined || !fits(frame, draft, assigned)) {
    frame = frameOf(draft, assigned, 1);
    frames.set(request, frame);
  }
  return frame;
}

/** Takes the pieces of a certificate one after the other. */
interface Scribe {
  put(piece: Standing | string): void;
}

/** The members in their order. */
function write(to: Scribe, { frame, draft, assigned }: Written): void {
  const { chain } = assigned;
  to.put(frame.before);
  to.put(assigned.id);
  if (chain === null) to.put('","chain":null,"content_bytes":');
  else {
    to.put('","chain":{"id":"');
    to.put(chain.id);
    to.put('","outcomes":"');
    to.put(chain.outcomes);
    to.put('","prev":"');
    to.put(chain.prev);
    to.put('","seq":');
    to.put(String(chain.seq));
    to.put('},"content_bytes":');
  }
  to.put(String(draft.content_bytes));
  to.put(',"content_hash":');
  putWord(to, draft.content_hash);
  to.put(',"forwarded_hash":');
  putWord(to, draft.forwarded_hash);
  to.put(frame.between);
  to.put(String(Math.round(draft.latency_ms * 1000) / 1000));
  to.put(frame.behind);
  putWord(to, draft.parent);
  to.put(frame.last);
  to.put(assigned.timestamp);
  to.put('","v":1,"verdict":"');
  to.put(draft.verdict);
  to.put('","would":');
  putWord(to, draft.would);
  to.put("}");
}

interface Written {
  readonly frame: Frame;
  readonly draft: CertificateDraft;
  readonly assigned: Assigned;
}

/** A text that is ours: hexadecimal digits, letters and marks that need no escape. */
function putWord(to: Scribe, text: string | null): void {
  if (text === null) to.put("null");
  else {
    to.put('"');
    to.put(text);
    to.put('"');
  }
}

class Joined implements Scribe {
  text = "";

  put(piece: Standing | string): void {
    this.text += typeof piece === "string" ? piece : piece.text;
  }
}

/** Lays them into the scratch. What does not fit is counted all the same. */
class Layer implements Scribe {
  length = 0;
  printable = true;

  put(piece: Standing | string): void {
    if (typeof piece === "string") {
      const { length } = piece;
      let at = this.length;
      // Below zero where any of them is not printable ASCII.
      let beyond = 0;
      for (let i = 0; i < length; i++, at++) {
        const code = piece.charCodeAt(i);
        beyond |= (code - 0x20) | (0x7e - code);
        scratch[at] = code;
      }
      if (beyond < 0) this.printable = false;
      this.length = at;
    } else {
      const { bytes } = piece;
      if (this.length + bytes.length <= scratch.length) scratch.set(bytes, this.length);
      this.length += bytes.length;
    }
  }
}

const layer = new Layer();

/** Into the scratch: how many bytes, or -1 where something is not printable ASCII. */
function lay(written: Written): number {
  layer.length = 0;
  layer.printable = true;
  write(layer, written);
  return layer.printable ? layer.length : -1;
}

function joined(written: Written): string {
  const all = new Joined();
  write(all, written);
  return all.text;
}

function isPrintable(text: string): boolean {
  return !/[^\x20-\x7e]/.test(text);
}

/** Equal requests share the object that names them, and so its text. */
const requests = new WeakMap<CertifiedRequest, string>();

function requestJson(request: CertifiedRequest | null, shrink: number): string {
  if (request === null) return "null";
  if (shrink > 1) return canonicalize(boundedRequest(request, shrink));
  let json = requests.get(request);
  if (json === undefined) {
    json = canonicalize(boundedRequest(request, 1));
    requests.set(request, json);
  }
  return json;
}

function boundedRequest(request: CertifiedRequest, shrink: number): CertifiedRequest {
  return {
    door: request.door,
    host: bounded(request.host, 255).toWellFormed(),
    method: bounded(request.method, 64 / shrink).toWellFormed(),
    path: bounded(request.path, 256 / shrink).toWellFormed(),
    port: request.port,
    scheme: request.scheme,
    target_hash: request.target_hash,
  };
}

function addressesJson(addresses: readonly string[] | null, shrink: number): string {
  if (addresses === null) return "null";
  // Cut last: half an address says nothing, and it is what may have been dialled. Other texts have made room before.
  const most = shrink > 4 ? 64 / shrink : 64;
  return canonicalize(diallable(addresses).map((address) => bounded(address, most).toWellFormed()));
}

function bounded<T extends string | null>(value: T, maxBytes: number): T;
function bounded(value: string | null, maxBytes: number): string | null {
  // No UTF-16 unit takes more than three bytes of UTF-8.
  if (value === null || value.length * 3 <= maxBytes) return value;
  return cut(value, maxBytes);
}

/** At most `maxBytes` of UTF-8 (never under 4), cut between characters and closed with "…" when it was longer. */
function cut(value: string, maxBytes: number): string {
  let bytes = 0;
  let fits = 0;
  for (let i = 0; i < value.length; ) {
    const code = value.codePointAt(i) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes > maxBytes) return `${value.slice(0, fits)}…`;
    i += code < 0x10000 ? 1 : 2;
    if (bytes <= maxBytes - 3) fits = i;
  }
  return value;
}
