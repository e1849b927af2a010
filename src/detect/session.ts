/** The last letters of each session, so that a phrase spread over consecutive requests is one. */
import type { Finding } from "../model/finding.ts";
import { judge } from "./judge.ts";
import { isJson, readLeaves } from "./leaves.ts";
import { readLetters } from "./letters.ts";

/** Letters kept of a session, and looked at of its next request: no phrase is longer. */
export const TAIL_LETTERS = 192;
/** Bytes of a request in which its first letters are looked for, and its last. */
const EDGE_BYTES = 2048;

const leaves = new Uint8Array(2 * EDGE_BYTES + 64);

export interface SessionBounds {
  /** Sessions remembered; the one longest unused goes first. */
  readonly sessions: number;
}

/** Holds at most `sessions * TAIL_LETTERS` bytes. Not for two threads: each has its own. */
export class SessionTails {
  readonly #sessions: number;
  /** In the order of their last use. */
  readonly #tails = new Map<string, Uint8Array>();
  readonly #joined = new Uint8Array(2 * TAIL_LETTERS);

  constructor({ sessions }: SessionBounds) {
    this.#sessions = Math.max(1, sessions);
  }

  get size(): number {
    return this.#tails.size;
  }

  /**
   * Remembers how the body of a session's request ends; a finding when what it begins with completes what the last one
   * ended with. `key` names agent and host. A phrase that is whole in one request is not told here.
   */
  next(key: string, body: Uint8Array): Finding | null {
    const before = this.#tails.get(key);
    let { letters, count } = edge(body, false);
    // Of a short body the reading is the same from either end. Taken before anything else may read.
    const short = body.length <= EDGE_BYTES;
    let kept = short ? ending(before, letters, count) : null;
    const found = before === undefined ? null : this.#judge(before, letters, Math.min(count, TAIL_LETTERS));
    if (kept === null) {
      ({ letters, count } = edge(body, true));
      kept = ending(before, letters, count);
    }
    this.#tails.delete(key);
    if (kept.length > 0) this.#tails.set(key, kept);
    if (this.#tails.size > this.#sessions) {
      const oldest = this.#tails.keys().next();
      if (!oldest.done) this.#tails.delete(oldest.value);
    }
    return found;
  }

  #judge(tail: Uint8Array, head: Uint8Array, length: number): Finding | null {
    const letters = this.#joined;
    letters.set(tail);
    letters.set(head.subarray(0, length), tail.length);
    const count = tail.length + length;
    const match = judge({ letters, count, text: letters.subarray(0, count), learned: false });
    if (match === null || match.start >= tail.length || match.end <= tail.length) return null;
    return {
      pillar: "128",
      vector: "706",
      name: match.name,
      severity: match.severity,
      view: "session",
      where: "body",
      start: 0,
      end: 0,
      reason: "consecutive requests of a session assemble a forbidden instruction",
    };
  }
}

/** The letters at the beginning of a body, or at its end; of JSON, those of its strings. Until anything is read again. */
function edge(body: Uint8Array, last: boolean): { readonly letters: Uint8Array; readonly count: number } {
  const cut = last && body.length > EDGE_BYTES;
  const part = last ? body.subarray(Math.max(0, body.length - EDGE_BYTES)) : body.subarray(0, EDGE_BYTES);
  return readLetters(isJson(body) ? leaves.subarray(0, readLeaves(part, cut, leaves)) : part);
}

/** What is kept: a request of a few letters goes on with what was before it. */
function ending(before: Uint8Array | undefined, letters: Uint8Array, count: number): Uint8Array {
  if (before === undefined || count >= TAIL_LETTERS) return letters.slice(Math.max(0, count - TAIL_LETTERS), count);
  const from = Math.max(0, before.length + count - TAIL_LETTERS);
  const kept = new Uint8Array(before.length + count - from);
  kept.set(before.subarray(from));
  kept.set(letters.subarray(0, count), before.length - from);
  return kept;
}
