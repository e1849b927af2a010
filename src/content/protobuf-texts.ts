/**
 * The texts of a protobuf message whose schema nobody knows here: what every length-delimited field holds, level by level. In the
 * bytes as they are a text stands between tags and lengths, which may be letters themselves.
 */

/** Messages inside messages. Most readers go no deeper than 100; what is deeper than this is read by nobody here. */
const MAX_LEVELS = 32;
/** Fields with a length, of all levels together. */
const MAX_FIELDS = 1_000_000;
/** Shorter ones hold nothing that is looked for. */
const LEAST = 3;
const LF = 0x0a;
const FIELDS_A_TURN = 4096;

/** One field, read without a schema. */
interface Field {
  /** Behind it; -1: there is none that could be read. */
  next: number;
  /** Of what it holds; -1: nothing with a length. */
  start: number;
}

const field: Field = { next: 0, start: 0 };
let value = 0;

/** A quick look: whether the bytes can be read as fields of a message, one at least with a length, as far as one turn goes. */
export function looksProtobuf(bytes: Uint8Array): boolean {
  let found = false;
  let at = 0;
  for (let count = 0; at < bytes.length && count < FIELDS_A_TURN; count++) {
    readField(bytes, at, bytes.length);
    if (field.next === -1) return false;
    found ||= field.start !== -1;
    at = field.next;
  }
  return found || at < bytes.length;
}

/**
 * The texts of one level after the other, each with a line end behind it; nothing when the bytes are no message. Null: let others
 * run. "bomb": there is more than can be told, and nothing comes behind it.
 */
export function* protobufTexts(bytes: Uint8Array): Generator<Uint8Array | "bomb" | null, void> {
  /** Starts and ends, in turn. */
  let level: number[] = [0, bytes.length];
  let left = MAX_FIELDS;
  for (let depth = 0; level.length > 0; depth++) {
    const found: number[] = [];
    let since = 0;
    for (let i = 0; i < level.length && left >= 0; i += 2) {
      const before = found.length;
      let at = level[i] as number;
      const end = level[i + 1] as number;
      while (at < end && left >= 0) {
        if (++since % FIELDS_A_TURN === 0) yield null;
        readField(bytes, at, end);
        const { start, next } = field;
        // What cannot be read as a message is a text of the level above, and was told there.
        if (next === -1) found.length = before;
        if (next === -1) break;
        left--;
        if (start !== -1 && next - start >= LEAST) found.push(start, next);
        at = next;
      }
    }
    if (left < 0 || (depth === MAX_LEVELS && found.length > 0)) return yield "bomb";
    if (found.length > 0) yield joined(bytes, found);
    level = found;
  }
}

function readField(bytes: Uint8Array, at: number, end: number): void {
  field.start = -1;
  const afterTag = varint(bytes, at, end);
  // A tag is at most 32 bits, and field 0 does not exist.
  if (afterTag === -1 || afterTag - at > 5 || value < 8) {
    field.next = -1;
    return;
  }
  const kind = value & 7;
  if (kind === 0) field.next = varint(bytes, afterTag, end);
  else if (kind === 1) field.next = within(afterTag + 8, end);
  else if (kind === 5) field.next = within(afterTag + 4, end);
  else if (kind === 2) {
    const start = varint(bytes, afterTag, end);
    field.next = start === -1 ? -1 : within(start + value, end);
    field.start = start;
  } else {
    // A group has no length: its fields are read as if they stood beside it.
    field.next = kind === 3 || kind === 4 ? afterTag : -1;
  }
}

/** Sets `value`; behind the number, or -1. */
function varint(bytes: Uint8Array, from: number, end: number): number {
  let scale = 1;
  value = 0;
  for (let at = from; at < end && at < from + 10; at++, scale *= 128) {
    const byte = bytes[at] as number;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return at + 1;
  }
  return -1;
}

function within(at: number, end: number): number {
  return at <= end ? at : -1;
}

function joined(bytes: Uint8Array, ranges: readonly number[]): Uint8Array {
  let length = 0;
  for (let i = 0; i < ranges.length; i += 2) length += (ranges[i + 1] as number) - (ranges[i] as number) + 1;
  const out = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const text = bytes.subarray(ranges[i], ranges[i + 1]);
    out.set(text, at);
    at += text.length;
    out[at++] = LF;
  }
  return out;
}
