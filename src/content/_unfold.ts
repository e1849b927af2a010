/** What is packed in something: archives, documents, encoded texts, each in its turn whatever the other holds. */

import { allOf, giveInflater, gzipStart, takeInflater } from "./_inflaters.ts";
import {
  type Inner,
  isWorth,
  MAX_DEPTH,
  MAX_ENTRIES,
  opaque,
  opaqueAs,
  type Place,
  SAMPLE,
  turns,
  under,
  type Walk,
} from "./_inner.ts";
import { cut, filtered, Pieces, through } from "./_pieces.ts";
import { decodeRun, nextRun, type Run } from "./base64-runs.ts";
import { MarkupText, type TextFilter } from "./markup-text.ts";
import { isOpaque, magicKind, narrowed, type PackKind, packKind } from "./pack-kinds.ts";
import { RtfText } from "./rtf-text.ts";
import { TarText } from "./tar-text.ts";
import { type ZipEntry, type ZipWalk, zipEntries } from "./zip.ts";

/** An archive inside of an archive is held whole, up to this. */
const MAX_HELD = 16 * 1024 * 1024;

export function* inRuns(text: Uint8Array, place: Place, walk: Walk): Generator<Inner, void> {
  for (let at = 0; ; ) {
    const run: Run | null = yield* turns(nextRun(text, at, isWorth));
    if (run === null) return;
    at = run.end;
    const bytes = yield* turns(decodeRun(text, run));
    const whole = place.depth === 0 ? { ...place, start: run.start, end: run.end } : place;
    yield* unfold(bytes, packKind(bytes.subarray(0, SAMPLE)), under(whole, "base64"), walk);
    if (walk.left < 0) return;
  }
}

/** What bytes of a kind hold. */
export function* unfold(bytes: Uint8Array, kind: PackKind, place: Place, walk: Walk): Generator<Inner, void> {
  if (kind === "other") return;
  if (isOpaque(kind)) yield opaque(opaqueAs(kind), place);
  if (place.depth > MAX_DEPTH) yield opaque("deep-archive", place);
  else if (kind === "zip") yield* unzip(bytes, under(place, "zip"), walk);
  else if (kind === "gzip") yield* gunzip(bytes, under(place, "gzip"), walk);
  else if (kind === "zlib") yield* inflate(bytes, 2, { place: under(place, "zlib"), office: false, sure: false }, walk);
  else if (kind === "wide") yield* textOf(narrowed(bytes), "text", under(place, "utf-16"), walk);
  // A PDF says in the clear what is not compressed.
  else if (kind === "pdf" || !isOpaque(kind)) yield* textOf(bytes, kind, place, walk);
}

/** One member or several, each a text of its own (RFC 1952 section 2.2). */
export function* gunzip(bytes: Uint8Array, place: Place, walk: Walk): Generator<Inner, void> {
  for (let at = 0; at !== -1 && walk.left >= 0; ) {
    const from = gzipStart(bytes, at);
    if (from === -1) return yield opaque("damaged-archive", place);
    const end = yield* inflate(bytes, from, { place, office: false, sure: true }, walk);
    walk.entries += 1;
    if (walk.entries > MAX_ENTRIES) return yield opaque("large-archive", place);
    // Behind checksum and length.
    at = end !== -1 && magicKind(bytes.subarray(end + 8, end + 18)) === "gzip" ? end + 8 : -1;
  }
}

/** Bytes that are text, or have text in them, all at once. */
function* textOf(bytes: Uint8Array, kind: PackKind, place: Place, walk: Walk): Generator<Inner, void> {
  const filter = filterOf(kind);
  // The body itself is inspected as it stands.
  if (place.view !== "" && kind !== "tar") yield* pieces(cut(bytes), place, walk);
  if (walk.left < 0) return;
  if (filter !== null) yield* pieces(filtered(bytes, filter), under(place, kind), walk);
}

function filterOf(kind: PackKind): TextFilter | null {
  if (kind === "markup") return new MarkupText();
  if (kind === "tar") return new TarText();
  return kind === "rtf" ? new RtfText() : null;
}

/** Text that comes in chunks, handed out in pieces; what is encoded in each piece is looked for in its turn. */
export function* pieces(chunks: Generator<Uint8Array, void>, place: Place, walk: Walk): Generator<Inner, void> {
  const held = new Pieces();
  for (const chunk of chunks) {
    walk.left -= chunk.length;
    if (walk.left < 0) return;
    for (let at = 0; at < chunk.length; ) {
      at += held.take(chunk.subarray(at));
      if (held.full) yield* handed(held.give(), place, walk);
    }
    yield null;
  }
  if (held.fresh) yield* handed(held.give(), place, walk);
}

export function* handed(bytes: Uint8Array, place: Place, walk: Walk): Generator<Inner, void> {
  yield { kind: "text", bytes, view: place.view, start: place.start, end: place.end };
  if (walk.left < 0) return;
  if (place.depth <= MAX_DEPTH) yield* inRuns(bytes, place, walk);
  else if ((yield* turns(nextRun(bytes, 0, isWorth))) !== null) yield opaque("deep-archive", place);
}

function* unzip(bytes: Uint8Array, place: Place, walk: Walk): Generator<Inner, void> {
  const seen: ZipWalk = { locals: 0, listed: 0, encrypted: false };
  const names = new Pieces();
  let encrypted = false;
  for (const entry of zipEntries(bytes, seen)) {
    if (entry === null) {
      yield null;
      continue;
    }
    walk.entries += 1;
    if (walk.entries > MAX_ENTRIES) return yield opaque("large-archive", place);
    if (!names.full) {
      names.take(bytes.subarray(entry.nameStart, entry.nameEnd));
      names.take(LINE);
    }
    encrypted ||= entry.encrypted;
    yield* unzipEntry(bytes, entry, place, walk);
    if (walk.left < 0) return;
    yield null;
  }
  if (encrypted || seen.encrypted) yield opaque("encrypted-archive", place);
  // The directory lists what no header was found for.
  if (seen.listed > seen.locals) yield opaque("damaged-archive", place);
  if (names.fresh) yield { ...place, kind: "text", bytes: names.give() };
}

const LINE = new Uint8Array([0x0a]);

function* unzipEntry(bytes: Uint8Array, entry: ZipEntry, place: Place, walk: Walk): Generator<Inner, void> {
  const { start, end, method, encrypted, office } = entry;
  if (method === 0 && !encrypted) {
    const stored = bytes.subarray(start, end);
    const kind = packKind(stored.subarray(0, SAMPLE));
    // The headers of an archive that is stored in this one are seen anyway.
    if (kind === "zip" || stored.length === 0) return;
    if (kind !== "other") return yield* unfold(stored, kind, place, walk);
  }
  // Whatever is said of it: what can be unpacked, somebody unpacks.
  const sure = method === 8 && !encrypted;
  if (method !== 0 && !sure && !encrypted) yield opaque("packed-archive", place);
  yield* inflate(bytes, start, { place, office, sure }, walk);
}

interface Packed {
  readonly place: Place;
  readonly office: boolean;
  /** It is said to be what it is tried as, so it is told when it is not. */
  readonly sure: boolean;
}

/** What is deflated from `from` on. Answers where it ends, or -1 where that is not known. */
function* inflate(bytes: Uint8Array, from: number, packed: Packed, walk: Walk): Generator<Inner, number> {
  const inflater = takeInflater(bytes, from);
  let step = inflater.step(SAMPLE);
  // Blocks of nothing come to nothing, and cost time.
  for (; step === "more" && inflater.made.length === 0; step = inflater.step(SAMPLE)) {
    walk.left -= SAMPLE;
    if (walk.left < 0) return -1;
    yield null;
  }
  const chunks = function* (): Generator<Uint8Array, void> {
    yield inflater.made;
    while (step === "more") {
      step = inflater.step();
      yield inflater.made;
    }
  };
  yield* inflated(chunks(), packKind(inflater.made), { ...packed, again: () => allOf(bytes, from) }, walk);
  if (step === "damaged" && packed.sure && walk.left >= 0) yield opaque("damaged-archive", packed.place);
  const end = step === "end" ? inflater.end : -1;
  giveInflater(inflater);
  return end;
}

interface Inflating extends Packed {
  /** The same once more. */
  again(): Generator<Uint8Array, void>;
}

/** What comes out of a pack, by how it begins. */
function* inflated(
  chunks: Generator<Uint8Array, void>,
  kind: PackKind,
  { place, office, again }: Inflating,
  walk: Walk,
): Generator<Inner, void> {
  if (kind === "other" || isOpaque(kind)) {
    walk.left -= SAMPLE;
    if (isOpaque(kind)) yield opaque(opaqueAs(kind), place);
  } else if (kind === "zip" || kind === "gzip" || kind === "zlib" || kind === "wide") {
    const whole = yield* gathered(chunks, place, walk);
    if (whole !== null) yield* unfold(whole, kind, place, walk);
  } else {
    const filter = filterOf(kind);
    const once = office || kind === "tar";
    if (filter === null || !once) yield* pieces(chunks, place, walk);
    if (filter === null || walk.left < 0) return;
    yield* pieces(through(once ? chunks : again(), filter), under(place, kind), walk);
  }
}

/** Bytes that are put together between two turns: a tenth of a millisecond of copying. */
const JOINED_A_TURN = 1024 * 1024;

function* gathered(chunks: Generator<Uint8Array, void>, place: Place, walk: Walk): Generator<Inner, Uint8Array | null> {
  const list: Uint8Array[] = [];
  let length = 0;
  for (const chunk of chunks) {
    walk.left -= chunk.length;
    length += chunk.length;
    if (walk.left < 0) return null;
    if (length > MAX_HELD) {
      yield opaque("large-archive", place);
      return null;
    }
    list.push(chunk.slice());
    yield null;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  let turn = 0;
  for (const chunk of list) {
    whole.set(chunk, at);
    at += chunk.length;
    if (at - turn < JOINED_A_TURN) continue;
    turn = at;
    yield null;
  }
  return whole;
}
