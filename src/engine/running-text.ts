/**
 * A text that is still being written, and what may be let go of it. Found is what is found where the text has grown to a
 * place that its bytes alone decide (`grow`), so verdicts do not depend on how they came; in between `look` says how far
 * it may be let go, and never finds. Holds a window; linear.
 */
import { ANSWER_REACH, inspectAnswer, inspectAnswerDeep } from "../detect/answers.ts";
import type { Finding } from "../model/finding.ts";
import type { AnswerProfile } from "./answer-profile.ts";
import type { AnswerTally } from "./answer-tally.ts";
import type { Ruled } from "./engine.ts";

const NOTHING = new Uint8Array(0);
/** Behind the first piece. */
const FIRST_ROOM = 256;
/** Bytes that a text may grow by at a time. */
export const MOST_GROWTH = 4096;
/** Before what is open: names and words that say what a value is. */
const CONTEXT = 192;
/** What a deep look repeats of the one before. */
const DEEP_REACH = 2048;
const DEEP_STEP = 4096;
const FIRST_DEEP = 256;
/** Never more than what one look may need: 8 KiB that are open, what stands before them, and what comes. */
const ROOM = 8192 + CONTEXT + 64 + 2 * MOST_GROWTH;
/** What is only watched is looked for so far. */
const WATCHED_BYTES = 1024 * 1024;
/** A run that was open for so long may have been a disguise. */
const LONG_RUN = 24;
/** Looked at before it: the word that says how it is to be read. */
const RUN_REACH = 256;

export class RunningText {
  readonly #profile: AnswerProfile;
  readonly #tally: AnswerTally;
  readonly #host: string;
  #wanted: ReadonlySet<string>;
  #bytes = NOTHING;
  #used = 0;
  /** Of the text, where `#bytes` begins. */
  #base = 0;
  /** The text has been looked at up to here, and before `#open` nothing in it can become anything. */
  #grown = 0;
  #open = 0;
  #deepTo = 0;
  #nextDeep = FIRST_DEEP;
  /** Between these places nothing was found, whatever comes behind; -1: something was. */
  #quietFrom = -1;
  #quietTo = -1;
  /** Where what was open when it last grew began. */
  #runFrom = 0;
  #whole = true;
  /** Of what is not grown yet: looked at up to here, and where something open begins. */
  #seen = 0;
  #ahead = 0;
  #stopped = false;

  constructor(profile: AnswerProfile, tally: AnswerTally, host: string) {
    this.#profile = profile;
    this.#tally = tally;
    this.#host = host;
    this.#wanted = profile.wanted;
  }

  /** Bytes that were added so far. */
  get length(): number {
    return this.#base + this.#used;
  }

  /** Bytes of memory. */
  get size(): number {
    return this.#bytes.length;
  }

  get grown(): number {
    return this.#grown;
  }

  /** Up to here the text may be let go. */
  get free(): number {
    return this.#profile.holds ? this.#open : this.#grown;
  }

  /** At most `MOST_GROWTH` bytes that are not grown yet at any time. */
  add(bytes: Uint8Array): void {
    // Most texts of a raw answer come in one piece.
    if (this.#bytes.length === 0) this.#bytes = bytes.slice();
    else {
      if (this.#used + bytes.length > this.#bytes.length) this.#makeRoom(bytes.length);
      this.#bytes.set(bytes, this.#used);
    }
    this.#used += bytes.length;
    this.#whole = false;
  }

  /** What was added is looked at: a veto, or null. */
  grow(): Ruled | null {
    const before = this.#grown;
    const veto = this.#look(false) ?? this.#deepLook(before);
    this.#seen = this.#grown;
    this.#ahead = this.#open;
    this.#stopped = false;
    return veto;
  }

  /** Nothing comes behind it, for now at least: what its end cuts is what it is. */
  finish(): Ruled | null {
    if (this.#whole) return null;
    this.#whole = true;
    const veto = this.#look(true) ?? (this.#profile.deep ? this.#deepest() : null);
    this.#seen = this.#ahead = this.#open = this.#grown;
    return veto;
  }

  /** How far it may be let go with what was added since it grew: nothing of it is found by this. */
  look(): number {
    const { acting, holds, dlp, holdsPersonal } = this.#profile;
    const end = this.length;
    if (acting.size === 0 && !holds) return end;
    if (this.#stopped || end === this.#seen) return holds ? this.#ahead : this.#seen;
    if (acting.size > 0 && inspectAnswer(this.#from(this.#seen - ANSWER_REACH), acting) !== null) this.#stopped = true;
    if (holds && dlp !== null && !this.#stopped) {
      const start = this.#wordBefore(Math.min(this.#ahead, this.#seen) - CONTEXT);
      const tail = dlp.tail(this.#from(start), { host: this.#host, whole: false, personal: holdsPersonal });
      const acts = tail.findings.some((found) => {
        const isNew = start + found.end >= this.#seen || start + found.start >= this.#ahead;
        return isNew && this.#profile.data(found) === "enforce";
      });
      if (acts) this.#stopped = true;
      else this.#ahead = Math.max(this.#ahead, start + tail.open);
    }
    // Whether it is something is not for this to say: until it is said, nothing more goes.
    if (!this.#stopped) this.#seen = end;
    return holds ? Math.min(this.#ahead, this.#seen) : this.#seen;
  }

  #look(whole: boolean): Ruled | null {
    const before = this.#grown;
    const end = this.length;
    this.#grown = end;
    return this.#attacks(before, end) ?? this.#data(before, end, whole);
  }

  #attacks(before: number, end: number): Ruled | null {
    if (end > WATCHED_BYTES) this.#wanted = this.#profile.acting;
    if (this.#wanted.size === 0 || end === before) return null;
    const start = Math.max(this.#base, before - ANSWER_REACH);
    for (;;) {
      const found = inspectAnswer(this.#from(start), this.#wanted);
      if (found === null) return null;
      const veto = this.#attack(found, start);
      // What is only watched is told once.
      if (veto !== null || this.#wanted.size === 0) return veto;
    }
  }

  #attack(found: Finding, start: number): Ruled | null {
    const veto = this.#tally.attack({ ...found, start: start + found.start, end: start + found.end });
    if (veto !== null) return veto;
    // An assembled text has the number of its assembly, and the name of what it says.
    this.#wanted = this.#profile.acting;
    return null;
  }

  #data(before: number, end: number, whole: boolean): Ruled | null {
    const { dlp, holds, holdsPersonal } = this.#profile;
    if (dlp === null || (!holds && end > WATCHED_BYTES)) {
      this.#open = end;
      return null;
    }
    const earlier = this.#open;
    const start = this.#wordBefore(Math.min(earlier, before) - CONTEXT);
    // The same bytes again, of which it is known now that nothing comes behind them.
    if (whole && this.#quietFrom === start && this.#quietTo === end) return null;
    const tail = dlp.tail(this.#from(start), { host: this.#host, whole, personal: holdsPersonal });
    this.#quietFrom = tail.quiet ? start : -1;
    this.#quietTo = end;
    this.#open = Math.max(earlier, start + tail.open);
    for (const finding of tail.findings) {
      // What began before, and ended, has been told.
      if (start + finding.start < earlier && start + finding.end < before) continue;
      const veto = this.#tally.data({ ...finding, start: start + finding.start, end: start + finding.end });
      if (veto !== null) return veto;
    }
    return null;
  }

  /** At lengths that double and then are even, and where a long run has ended. */
  #deepLook(before: number): Ruled | null {
    if (!this.#profile.deep) return null;
    const from = this.#runFrom;
    const ran = this.#open >= before && before - from >= LONG_RUN;
    this.#runFrom = this.#open;
    if (this.#grown < this.#nextDeep) return ran ? this.#deep(from - RUN_REACH) : null;
    while (this.#nextDeep <= this.#grown) this.#nextDeep += Math.min(this.#nextDeep, DEEP_STEP);
    return this.#deepest();
  }

  #deepest(): Ruled | null {
    const from = this.#deepTo - DEEP_REACH;
    this.#deepTo = this.#grown;
    return this.#deep(from);
  }

  #deep(from: number): Ruled | null {
    const start = Math.max(this.#base, from);
    const found = inspectAnswerDeep(this.#from(start), this.#profile.acting);
    if (found === null || found === "exhausted") return found;
    return this.#tally.attack({ ...found, start: start + found.start, end: start + found.end });
  }

  #from(place: number): Uint8Array {
    const from = Math.max(0, place - this.#base);
    // A view of a small array costs several times the array.
    return from === 0 && this.#used === this.#bytes.length ? this.#bytes : this.#bytes.subarray(from, this.#used);
  }

  /** A place at or before `place` where no word is cut, if there is one near. */
  #wordBefore(place: number): number {
    const at = Math.max(0, place - this.#base);
    const least = Math.max(0, at - 64);
    let i = at;
    while (i > least && (this.#bytes[i - 1] as number) > 0x20) i--;
    return this.#base + (i > least || least === 0 ? i : at);
  }

  /** Lets go of what nothing can need any more. */
  #makeRoom(more: number): void {
    const needed = Math.min(this.#open, this.#grown - DEEP_REACH - MOST_GROWTH) - CONTEXT - 64;
    const drop = Math.max(0, Math.min(this.#used, needed - this.#base));
    if (drop > 0) {
      this.#bytes.copyWithin(0, drop, this.#used);
      this.#used -= drop;
      this.#base += drop;
    }
    if (this.#used + more <= this.#bytes.length) return;
    const wide = new Uint8Array(Math.max(this.#used + more, FIRST_ROOM, Math.min(2 * this.#bytes.length, ROOM)));
    wide.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = wide;
  }
}
