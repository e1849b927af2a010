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

/** Holds at most `sessions * 2 * TAIL_LETTERS` bytes. Not for two threads: each has its own. */
export class SessionTails {
  readonly #most: number;
  /** In the order of their last use. */
  readonly #sessions = new Map<string, Session>();
  /** The key used last, which is at the end of the order already. */
  #newest: string | null = null;
  #turn = 0;
  readonly #asked = new Joined();
  readonly #left = new Joined();

  constructor({ sessions }: SessionBounds) {
    this.#most = Math.max(1, sessions);
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Of the request `next` was last asked about. */
  get turn(): number {
    return this.#turn;
  }

  /**
   * A finding when what the body of a session's request begins with completes what was ended with before it: by what left,
   * and by what was asked about last. The one cannot be pushed out by requests that are refused, the other sees those under
   * way at the same time. `key` names agent and host. A phrase that is whole in one request is not told here.
   */
  next(key: string, body: Uint8Array): Finding | null {
    const session = this.#sessions.get(key) ?? { asked: emptyTail(), left: emptyTail(), level: 0 };
    const { asked, left } = session;
    const level = same(asked, left);
    const first = edge(body, false);
    // Both joined, and of a short body kept, before anything is judged: judging may read something else.
    this.#asked.join(asked, first);
    if (!level) this.#left.join(left, first);
    // Of a short body the letters are the same from either end.
    const short = body.length <= EDGE_BYTES;
    if (short) keep(asked, first);
    const found = this.#asked.judge() ?? (level ? null : this.#left.judge());
    if (!short) keep(asked, edge(body, true));
    this.#turn++;
    session.level = level ? this.#turn : 0;
    if (asked.count > 0) this.#use(key, session);
    return found;
  }

  /** The request of that turn, of the session `key`, is on its way. */
  left(key: string, body: Uint8Array, turn: number): void {
    const session = this.#sessions.get(key);
    if (session === undefined) return;
    const { asked, left } = session;
    // Most often nothing came in between, and what was asked about is what left.
    if (session.level === turn) copyTail(left, asked);
    else keep(left, edge(body, true));
    session.level = 0;
  }

  /** The session is from now on the one used last. */
  #use(key: string, session: Session): void {
    if (key === this.#newest) return;
    this.#newest = key;
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    if (this.#sessions.size > this.#most) {
      const oldest = this.#sessions.keys().next();
      if (!oldest.done) this.#sessions.delete(oldest.value);
    }
  }
}

interface Session {
  /** Of what was asked about, whatever became of it. */
  readonly asked: Tail;
  /** Of what left. */
  readonly left: Tail;
  /** The last turn, if both were equal before it and nothing has left since; otherwise 0. */
  level: number;
}

interface Tail {
  /** Room for `TAIL_LETTERS`. */
  readonly letters: Uint8Array;
  count: number;
}

function emptyTail(): Tail {
  return { letters: new Uint8Array(TAIL_LETTERS), count: 0 };
}

function same(one: Tail, other: Tail): boolean {
  if (one.count !== other.count) return false;
  for (let i = 0; i < one.count; i++) if (one.letters[i] !== other.letters[i]) return false;
  return true;
}

function copyTail(target: Tail, from: Tail): void {
  target.letters.set(from.letters);
  target.count = from.count;
}

/** The letters of requests before, and this one's. */
class Joined {
  readonly #letters = new Uint8Array(2 * TAIL_LETTERS);
  #before = 0;
  #count = 0;

  join(tail: Tail, first: Edge): void {
    const head = Math.min(first.count, TAIL_LETTERS);
    this.#before = tail.count;
    this.#count = tail.count + head;
    copy(this.#letters, 0, { from: tail.letters, at: 0, count: tail.count });
    copy(this.#letters, tail.count, { from: first.letters, at: 0, count: head });
  }

  judge(): Finding | null {
    const before = this.#before;
    if (before === 0) return null;
    const letters = this.#letters;
    const count = this.#count;
    const match = judge({ letters, count, text: letters.subarray(0, count), learned: false });
    if (match === null || match.start >= before || match.end <= before) return null;
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
