/** The last letters of each session, so that a phrase spread over consecutive requests is one. */
import type { Finding } from "../model/finding.ts";
import { judge } from "./judge.ts";
import { isJson, readLeaves } from "./leaves.ts";
import { readLetters } from "./letters.ts";
import { ASSEMBLED } from "./vectors.ts";

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
  readonly #tails = new Map<string, Tail>();
  /** The key used last, which is at the end of the order already. */
  #newest: string | null = null;
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
    const tail = this.#tails.get(key) ?? { letters: new Uint8Array(TAIL_LETTERS), count: 0 };
    const before = tail.count;
    const first = edge(body, false);
    const head = Math.min(first.count, TAIL_LETTERS);
    const joined = this.#joined;
    copy(joined, 0, { from: tail.letters, at: 0, count: before });
    copy(joined, before, { from: first.letters, at: 0, count: head });
    // Of a short body the letters are the same from either end. Kept first: judging may read something else.
    const short = body.length <= EDGE_BYTES;
    if (short) keep(tail, first);
    const found = before === 0 ? null : this.#judge(before, before + head);
    if (!short) keep(tail, edge(body, true));
    if (tail.count > 0) this.#use(key, tail);
    return found;
  }

  /** The session is from now on the one used last. */
  #use(key: string, tail: Tail): void {
    if (key === this.#newest) return;
    this.#newest = key;
    this.#tails.delete(key);
    this.#tails.set(key, tail);
    if (this.#tails.size > this.#sessions) {
      const oldest = this.#tails.keys().next();
      if (!oldest.done) this.#tails.delete(oldest.value);
    }
  }

  /** What is joined: `tail` letters of the requests before, and this one's up to `count`. */
  #judge(tail: number, count: number): Finding | null {
    const letters = this.#joined;
    const match = judge({ letters, count, text: letters.subarray(0, count), learned: false });
    if (match === null || match.start >= tail || match.end <= tail) return null;
    return {
      pillar: "128",
      vector: ASSEMBLED,
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

interface Tail {
  /** Room for `TAIL_LETTERS`. */
  readonly letters: Uint8Array;
  count: number;
}

interface Edge {
  /** Until anything is read again. */
  readonly letters: Uint8Array;
  readonly count: number;
}

/** The letters at the beginning of a body, or at its end; of JSON, those of its strings. */
function edge(body: Uint8Array, last: boolean): Edge {
  const cut = last && body.length > EDGE_BYTES;
  const part = edgeOf(body, last);
  return readLetters(isJson(body) ? leaves.subarray(0, readLeaves(part, cut, leaves)) : part);
}

function edgeOf(body: Uint8Array, last: boolean): Uint8Array {
  if (body.length <= EDGE_BYTES) return body;
  return last ? body.subarray(body.length - EDGE_BYTES) : body.subarray(0, EDGE_BYTES);
}

/** The last letters of `read` from now on; a request of a few goes on with what was before it. */
function keep(tail: Tail, { letters, count }: Edge): void {
  const added = Math.min(count, TAIL_LETTERS);
  const stays = Math.min(tail.count, TAIL_LETTERS - added);
  tail.letters.copyWithin(0, tail.count - stays, tail.count);
  copy(tail.letters, stays, { from: letters, at: count - added, count: added });
  tail.count = stays + added;
}

/** Letter by letter: of so few, a view of each would cost more than the copying. */
function copy(target: Uint8Array, to: number, { from, at, count }: Part): void {
  for (let i = 0; i < count; i++) target[to + i] = from[at + i] as number;
}

interface Part {
  readonly from: Uint8Array;
  readonly at: number;
  readonly count: number;
}
