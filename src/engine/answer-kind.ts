/** How an answer is to be read, told of its head. */

/** `raw`: a text as it comes. `perhaps`: said to be none, so its first bytes decide. */
export type AnswerKind = "events" | "lines" | "amazon" | "raw" | "perhaps";

/** What an answer says of itself before its body. */
export interface AnswerMetadata {
  readonly status: number;
  /** The Content-Type field, or null. */
  readonly contentType: string | null;
  /** Content-Length, or -1 when it is not told. */
  readonly length: number;
  /** Nothing acts: all of it is only watched. Absent: false. */
  readonly softened?: boolean;
}

/** Up to here an answer of a known length is held whole, so that a veto can still be the answer. */
export const WHOLE_ANSWER = 256 * 1024;

/** Lower case, without parameters; "" when there is none. */
function mediaTypeOf(contentType: string | null): string {
  return (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

const BINARY =
  /^(?:image\/(?!svg)|audio\/|video\/|font\/|model\/|application\/(?:octet-stream|pdf|zip|gzip|x-gzip|x-tar|x-7z|x-rar|x-bzip|zstd|wasm|vnd\.(?:openxml|ms-|apple|debian)|msword|java-archive|x-(?:executable|protobuf|debian|rpm|shockwave)|protobuf|vnd\.docker|vnd\.oci\.image\.layer))/;

/** What a Content-Type field makes of an answer. */
export interface AnswerType {
  readonly media: string;
  readonly kind: AnswerKind;
}

/** Most answers say what the one before said. */
let last: AnswerType & { readonly field: string | null } = { field: null, media: "", kind: "raw" };

export function typeOfAnswer(contentType: string | null): AnswerType {
  if (contentType !== last.field) {
    const media = mediaTypeOf(contentType);
    last = { field: contentType, media, kind: kindOf(media) };
  }
  return last;
}

function kindOf(type: string): AnswerKind {
  // Whatever stands behind it is passed over by clients that look for the name alone.
  if (/^text\/event-stream(?![\w.+-])/.test(type)) return "events";
  if (type === "application/vnd.amazon.eventstream") return "amazon";
  if (/ndjson|jsonl|json-seq|json-lines|stream\+json/.test(type)) return "lines";
  return BINARY.test(type) ? "perhaps" : "raw";
}

/** Bytes of an answer that is said to be no text, by which it is told whether it is one. */
export const SNIFFED = 512;

const MAGIC = ["%PDF-", "PK\u0003\u0004", "GIF8"].map((text) => Uint8Array.from(text, (char) => char.charCodeAt(0)));

export function looksBinary(bytes: Uint8Array): boolean {
  if (MAGIC.some((magic) => magic.every((byte, i) => bytes[i] === byte))) return true;
  let odd = 0;
  for (const byte of bytes) {
    if (byte === 0) return true;
    if (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d && byte !== 0x1b) odd++;
    else if (byte === 0x7f || byte >= 0xf8 || byte === 0xc0 || byte === 0xc1) odd++;
  }
  return odd * 20 > bytes.length;
}
