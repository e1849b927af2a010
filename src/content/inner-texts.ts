/**
 * Texts that stand in a body in another form than its own: in long base64 and data URLs, in archives and documents (ZIP, OOXML, ODF,
 * EPUB, gzip), in RTF, as UTF-16. The one place where such things are opened; whoever inspects a body asks it for what is to be
 * inspected besides.
 *
 * What cannot be opened is told, never passed over; what unfolds without measure is told as a bomb.
 */
import { MAX_UNFOLDED, mostUnfolded } from "../model/bounds.ts";
import {
  type Inner,
  isWorth,
  MAX_ENTRIES,
  opaque,
  type Place,
  SAMPLE,
  STEP,
  turns,
  under,
  type Walk,
} from "./_inner.ts";
import { filtered } from "./_pieces.ts";
import { inRuns, pieces, unfold } from "./_unfold.ts";
import { mayHaveRun, nextRun } from "./base64-runs.ts";
import { finish } from "./finish.ts";
import { MarkupText } from "./markup-text.ts";
import { MAY_BEGIN, magicKind, packKind } from "./pack-kinds.ts";

export { type Inner, type InnerOpaque, type InnerText, OPAQUE_NAMES, type OpaqueName } from "./_inner.ts";

/** In less there is no run and no archive. */
const LEAST_BODY = 24;

/** A look of some microseconds for a body that is short enough to be ruled on in one go; false: there is nothing inside. */
export function mayHoldTexts(body: Uint8Array): boolean {
  if (body.length < LEAST_BODY) return false;
  if (packAt(body, 0)) return true;
  if (!looksJson(body) && (isMarked(body) || finish(nextPart(body, 0)) !== -1)) return true;
  return mayHaveRun(body) && finish(nextRun(body, 0, isWorth)) !== null;
}

/** All of them, one after the other. */
export function* innerTexts(body: Uint8Array): Generator<Inner, void> {
  const walk: Walk = { left: Math.min(MAX_UNFOLDED, mostUnfolded(body.length)), entries: 0 };
  yield* inBody(body, walk);
  if (walk.left < 0) yield "bomb";
}

function* inBody(body: Uint8Array, walk: Walk): Generator<Inner, void> {
  const whole: Place = { view: "", start: 0, end: body.length, depth: 0 };
  const kind = packAt(body, 0) ? magicKind(body) : null;
  // The headers of an archive are looked for up to the end of the body: one walk finds those of every part.
  let zipped = kind === "zip";
  if (kind !== null) yield* unfold(body, kind, whole, walk);
  if (walk.left >= 0 && !looksJson(body)) {
    if (isMarked(body)) yield* pieces(filtered(body, new MarkupText()), under(whole, "markup"), walk);
    for (let at = yield* turns(nextPart(body, 0)); at !== -1 && walk.left >= 0; at = yield* turns(nextPart(body, at))) {
      yield null;
      walk.entries += 1;
      if (walk.entries > MAX_ENTRIES) return yield opaque("large-archive", whole);
      const part = body.subarray(at);
      const found = packKind(part.subarray(0, SAMPLE));
      if (found === "zip" && zipped) continue;
      zipped ||= found === "zip";
      yield* unfold(part, found, { ...whole, start: at, depth: 1 }, walk);
    }
  }
  if (walk.left >= 0) yield* inRuns(body, whole, walk);
}

function looksJson(body: Uint8Array): boolean {
  let at = 0;
  while (at < body.length && (body[at] as number) <= 0x20) at += 1;
  return body[at] === 0x7b || body[at] === 0x5b || body[at] === 0x22;
}

function packAt(body: Uint8Array, at: number): boolean {
  // JSON begins as RTF does, with a brace.
  if (MAY_BEGIN[body[at] as number] === 0 || (body[at] === 0x7b && body[at + 1] !== 0x5c)) return false;
  const kind = magicKind(body.subarray(at, at + 16));
  return kind !== null && kind !== "wide" && kind !== "zlib";
}

/** Of longer ones all are read as markup. */
const LOOKED_THROUGH = 64 * 1024;

/** Markup whose letters may be written as numbers: what it says is not what stands there. */
function isMarked(body: Uint8Array): boolean {
  let at = 0;
  while (at < 64 && (body[at] as number) <= 0x20) at += 1;
  if (body[at] !== 0x3c) return false;
  if (body.length > LOOKED_THROUGH) return true;
  for (let i = at; i < body.length; i++) if (body[i] === 0x26 && body[i + 1] === 0x23) return true;
  return false;
}

/** Where something packed begins behind an empty line after `from`, as a part of a multipart body does; -1: nowhere. */
function* nextPart(body: Uint8Array, from: number): Generator<void, number> {
  let turn = from;
  for (let at = body.indexOf(0x0a, from); at !== -1; at = body.indexOf(0x0a, at + 1)) {
    let next = at + 1;
    if (body[next] === 0x0d) next += 1;
    if (body[next] === 0x0a && next + 1 < body.length && packAt(body, next + 1)) return next + 1;
    if (at - turn < STEP) continue;
    turn = at;
    yield;
  }
  return -1;
}
