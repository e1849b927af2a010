/** What is common to everything that opens a body: what it answers, and how far it goes. */
import { type PackKind, packKind } from "./pack-kinds.ts";

/** A text found inside. `bytes` are valid until the next is asked for. */
export interface InnerText {
  readonly kind: "text";
  readonly bytes: Uint8Array;
  /** What was undone, from the outside in: "base64 > zip". */
  readonly view: string;
  /** Bytes of the body that it stands in. */
  readonly start: number;
  readonly end: number;
}

/** Something that may hold text and was not read. */
export interface InnerOpaque {
  readonly kind: "opaque";
  /** "pdf-document", "encrypted-archive", … */
  readonly name: OpaqueName;
  readonly view: string;
  readonly start: number;
  readonly end: number;
}

export type OpaqueName =
  | "pdf-document"
  | "ole-document"
  | "packed-archive"
  | "encrypted-archive"
  | "damaged-archive"
  | "deep-archive"
  | "large-archive";

export const OPAQUE_NAMES: readonly OpaqueName[] = [
  "pdf-document",
  "ole-document",
  "packed-archive",
  "encrypted-archive",
  "damaged-archive",
  "deep-archive",
  "large-archive",
];

/** "bomb": it unfolds to more than 100 times its size, or to more than 64 MiB. Nothing comes behind it. Null: let others run. */
export type Inner = InnerText | InnerOpaque | "bomb" | null;

export const MAX_DEPTH = 5;
export const MAX_ENTRIES = 65_536;
export const SAMPLE = 512;
/** Bytes read between two turns, at some ten nanoseconds each where they are hostile. */
export const STEP = 16 * 1024;

/** Of one body. */
export interface Walk {
  /** Bytes that may still be unfolded. */
  left: number;
  entries: number;
}

export interface Place {
  readonly view: string;
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

/** The first bytes of a run: text, or something that can be unpacked or at least named. */
export function isWorth(head: Uint8Array): boolean {
  return packKind(head) !== "other";
}

export function under(place: Place, view: string): Place {
  return { ...place, view: place.view === "" ? view : `${place.view} > ${view}`, depth: place.depth + 1 };
}

export function opaqueAs(kind: PackKind): OpaqueName {
  return kind === "pdf" ? "pdf-document" : kind === "ole" ? "ole-document" : "packed-archive";
}

export function opaque(name: OpaqueName, { view, start, end }: Place): InnerOpaque {
  return { kind: "opaque", name, view: view === "" ? "plain" : view, start, end };
}

/** Steps that only let others run. */
export function* turns<T>(steps: Generator<void, T>): Generator<null, T> {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    yield null;
  }
}
