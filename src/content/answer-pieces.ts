/**
 * The texts in one JSON message of a streamed answer: which running text each of them goes on, whatever dialect it is
 * (OpenAI chat and responses, Anthropic, Gemini, Ollama, Cohere, Bedrock). What a client puts together stands under one
 * path of names, told apart by the indices that the message gives: choice, output, content block.
 */
import { decodeJsonText } from "./coding.ts";
import { ARRAY, type JsonLimits, type JsonTape, KEY, NUMBER, OBJECT, STRING } from "./json.ts";
import { isKey, member, textOf } from "./json-look.ts";

export interface PieceSink {
  /** Valid until it returns. `key`: of the running text it goes on. */
  running(key: number, text: Uint8Array): void;
  /** A text by itself: an identifier, a name, a key. `key`: of the place, where the last message may have had the same. */
  lone(key: number, text: Uint8Array): void;
}

export const MESSAGE_LIMITS: JsonLimits = { bytes: 8 * 1024 * 1024, depth: 64, nodes: 1 << 18 };

/** Shorter keys and lone texts are nothing. */
const MIN_LONE = 12;

/** Values that are each whole, in every message anew. */
const LONE: ReadonlySet<number> = new Set(
  [
    "id object model type role status name phase logprobs signature thoughtsignature thought_signature obfuscation",
    "finish_reason finishreason stop_reason stopreason done_reason stop_sequence system_fingerprint service_tier",
    "created_at create_time createtime modelversion responseid response_id item_id previous_response_id event_id",
    "request_id tool_call_id tool_use_id toolcallid tooluseid call_id callid encrypted_content event jsonrpc p bytes",
    "user safety_identifier prompt_cache_key provider generation_id native_finish_reason",
  ]
    .join(" ")
    .split(" ")
    .map((name) => hashOfName(new TextEncoder().encode(name), 0, name.length)),
);

const INDICES = ["index", "output_index", "content_index", "summary_index", "contentBlockIndex"] as const;

let hashes = new Int32Array(256);
let positions = new Int32Array(256);
/** Node → 1: what is in it is whole in itself. */
let wholes = new Uint8Array(256);
const NOBODY: ReadonlySet<number> = new Set();

/** What `tape` holds, in its order; its outcome is "ok". Linear in its nodes. */
export function piecesOf(tape: JsonTape, sink: PieceSink): void {
  const { count, kind, parent } = tape;
  if (hashes.length < count) {
    hashes = new Int32Array(2 * count);
    positions = new Int32Array(2 * count);
    wholes = new Uint8Array(2 * count);
  }
  const rootType = typeOf(tape);
  const replaced = tape.duplicateAt === -1 ? NOBODY : replacedIn(tape);
  for (let node = 0; node < count; node++) {
    const sort = kind[node];
    if (sort === KEY) {
      keyAt(tape, node, sink);
      continue;
    }
    if (sort !== OBJECT && sort !== ARRAY && sort !== STRING) {
      if (sort === NUMBER && length(tape, node) >= MIN_LONE) sink.lone(NUMBER, bytesOf(tape, node));
      if (node > 0 && kind[parent[node] as number] === ARRAY)
        positions[parent[node] as number] = (positions[parent[node] as number] as number) + 1;
      continue;
    }
    const around = parent[node] as number;
    let name = 0;
    if (around === -1) name = 0x5bd1;
    else if (kind[around] === ARRAY) {
      positions[around] = (positions[around] as number) + 1;
      name = positions[around] as number;
    } else name = nameOf(tape, node - 1);
    if (sort !== STRING) {
      hashes[node] = sort === OBJECT ? objectHash(tape, node, around, name) : mixed(hashOf(around), name);
      positions[node] = 0;
      const inWhole = around !== -1 && (wholes[around] === 1 || replaced.has(node));
      wholes[node] = inWhole || (around === -1 && isWhole(tape, node)) ? 1 : 0;
      continue;
    }
    const key = mixed(hashOf(around), around === 0 ? mixed(name, rootType) : name);
    const inArray = around !== -1 && kind[around] === ARRAY;
    if (around !== -1 && (wholes[around] === 1 || (!inArray && LONE.has(name)) || replaced.has(node))) {
      if (length(tape, node) >= MIN_LONE) sink.lone(key, bytesOf(tape, node));
    } else if (length(tape, node) > 0) sink.running(key, bytesOf(tape, node));
  }
}

/** A name may be long, and it may say that its value is secret: both are then told in one. */
function keyAt(tape: JsonTape, node: number, sink: PieceSink): void {
  const place = hashes[tape.parent[node] as number] as number;
  const value = node + 1;
  const size = tape.kind[value] === STRING ? length(tape, value) : 0;
  if (size >= 8 && size <= MAX_SECRET && isSecret(tape, node)) {
    const name = bytesOf(tape, node);
    const said = bytesOf(tape, value);
    const both = new Uint8Array(name.length + said.length + 4);
    both.set(name);
    both.set(ASSIGNS, name.length);
    both.set(said, name.length + 3);
    both[both.length - 1] = 0x22;
    sink.lone(mixed(place, nameOf(tape, node)), both);
  } else if (length(tape, node) >= MIN_LONE) sink.lone(place, bytesOf(tape, node));
}

const ASSIGNS = Uint8Array.of(0x3d, 0x20, 0x22);
const MAX_SECRET = 600;
const SECRET = /token|secret|key|cred|auth|passw|pwd/i;
const MAX_NAMES = 4096;
const MAX_NAME = 64;
/**
 * Hash of a name → whether it says so. Names of protocols are few. The name itself is compared, too: of two with one hash,
 * which are easily made, the first must not speak for the other, in every answer there is.
 */
const names = new Map<number, { readonly name: Uint8Array; readonly said: boolean }>();

function isSecret(tape: JsonTape, node: number): boolean {
  if (length(tape, node) > MAX_NAME) return false;
  const hash = nameOf(tape, node);
  const known = names.get(hash);
  if (known !== undefined && stands(tape, node, known.name)) return known.said;
  const said = SECRET.test(textOf(tape, node));
  if (known !== undefined) return said;
  if (names.size >= MAX_NAMES) names.clear();
  names.set(hash, { name: tape.bytes.slice(tape.start[node], tape.end[node]), said });
  return said;
}

function stands(tape: JsonTape, node: number, name: Uint8Array): boolean {
  const start = tape.start[node] as number;
  if (length(tape, node) !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (tape.bytes[start + i] !== name[i]) return false;
  return true;
}

/** Values whose key stands again behind them: most readers take the last, so what is in these goes on nothing. */
function replacedIn(tape: JsonTape): ReadonlySet<number> {
  const { count, kind, parent } = tape;
  const last = new Map<string, number>();
  const found = new Set<number>();
  for (let node = 0; node < count; node++) {
    if (kind[node] !== KEY) continue;
    const name = `${parent[node]} ${textOf(tape, node)}`;
    const before = last.get(name);
    if (before !== undefined) found.add(before);
    last.set(name, node + 1);
  }
  return found;
}

/** Whether a message says that what it goes on is complete: a stop, a block's end, the last message of all. */
export function saysEnd(tape: JsonTape): boolean {
  const type = member(tape, 0, "type");
  if (type !== -1 && tape.kind[type] === STRING && length(tape, type) < 64) {
    if (/(?:_stop|\.done|\.completed|\.failed|\.incomplete)$/.test(textOf(tape, type))) return true;
  }
  for (const name of ["choices", "candidates"]) {
    const list = member(tape, 0, name);
    if (list === -1 || tape.kind[list] !== ARRAY) continue;
    for (let each = list + 1; each < (tape.next[list] as number); each = tape.next[each] as number) {
      for (const reason of ["finish_reason", "finishReason"]) {
        const said = member(tape, each, reason);
        if (said !== -1 && tape.kind[said] === STRING) return true;
      }
    }
  }
  const done = member(tape, 0, "done");
  return done !== -1 && textOf(tape, done) === "true";
}

function hashOf(node: number): number {
  return node === -1 ? 0 : (hashes[node] as number);
}

/**
 * An element of a list is told by its index where it gives one, not by its place: a later message may hold it alone. An
 * index is the number, however it is written, and one that is not given is its place: clients take it for that.
 */
function objectHash(tape: JsonTape, node: number, around: number, name: number): number {
  const inList = around !== -1 && tape.kind[around] === ARRAY;
  let hash = 0;
  let told = false;
  for (let key = node + 1; key < (tape.next[node] as number); key = tape.next[key + 1] as number) {
    if (tape.kind[key + 1] !== NUMBER) continue;
    for (let i = 0; i < INDICES.length; i++) {
      if (!isKey(tape, key, INDICES[i] as string)) continue;
      hash = withIndex(hash, i, numberAt(tape, key + 1));
      told = true;
    }
  }
  if (!inList) return mixed(mixed(hashOf(around), name), hash);
  return mixed(hashOf(around), told ? hash : withIndex(0, 0, name - 1));
}

/** The first of all is what is meant where none is given. */
function withIndex(hash: number, which: number, index: number): number {
  return index === 0 ? hash : mixed(hash + which + 1, index);
}

function numberAt(tape: JsonTape, node: number): number {
  const start = tape.start[node] as number;
  const end = tape.end[node] as number;
  // Indices are short; of what is not the text is as good as its value.
  if (end - start > MAX_INDEX) return hashOfName(tape.bytes, start, end);
  const value = Number(textOf(tape, node));
  return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? value : hashOfName(tape.bytes, start, end);
}

const MAX_INDEX = 32;

/** What a text right in the message is of (`delta` of OpenAI's responses): it tells nothing of what stands deeper, by its own names. */
function typeOf(tape: JsonTape): number {
  const type = member(tape, 0, "type");
  if (type === -1 || tape.kind[type] !== STRING) return 0;
  return hashOfName(tape.bytes, tape.start[type] as number, tape.end[type] as number);
}

/** JSON-RPC: each message has its own text, and none goes on another. */
function isWhole(tape: JsonTape, node: number): boolean {
  return tape.kind[node] === OBJECT && member(tape, node, "jsonrpc") !== -1;
}

function nameOf(tape: JsonTape, key: number): number {
  if (tape.escaped[key] === 1) {
    const name = bytesOf(tape, key);
    return hashOfName(name, 0, name.length);
  }
  return hashOfName(tape.bytes, tape.start[key] as number, tape.end[key] as number);
}

function hashOfName(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    hash = Math.imul(hash ^ (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte), 0x01000193);
  }
  return hash;
}

function mixed(hash: number, more: number): number {
  return (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) + Math.imul(more ^ (more >>> 13), 0x297a2d39)) | 0;
}

function length(tape: JsonTape, node: number): number {
  return (tape.end[node] as number) - (tape.start[node] as number);
}

function bytesOf(tape: JsonTape, node: number): Uint8Array {
  const start = tape.start[node] as number;
  const end = tape.end[node] as number;
  return tape.escaped[node] === 1 ? decodeJsonText(tape.bytes, start, end) : tape.bytes.subarray(start, end);
}
