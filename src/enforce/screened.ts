import type { Certified } from "../model/certificate.ts";
import { type Decision, failClosed } from "../model/decision.ts";
import type { Responder } from "../model/exchange.ts";
import type { Fields, HeaderList } from "../model/headers.ts";
import type { MessageRoom, RoomWaiter } from "../model/room.ts";
import type { AnswerGuard, ScreenStep } from "../model/screen.ts";
import type { Within } from "../model/within.ts";
import { Pieces } from "../wire/pieces.ts";
import { AnswerRoom } from "./_answer-room.ts";
import { refuse } from "./answers.ts";
import type { AnswerHead } from "./upstream.ts";

/** Whose answer it is. */
export interface Screening {
  /** As in the Runtime contract. */
  afterTurn(run: () => void): void;
  /** What has come is being looked at: no more for now, and go on. */
  holdAnswer(holding: boolean): void;
  /** Something was handed to the responder, not from inside of what the upstream said. */
  turn(): void;
  /** So many bytes were handed to the responder. */
  delivered(bytes: number): void;
  /** Nothing more leaves, and nothing more is wanted of the upstream. */
  stopped(decision: Decision): void;
  /** It ends before its end, and this was found in it and would have been a veto. At most once, instead of `passed`. */
  watched(decision: Decision): void;
  /** The veto is certified and about to be told to the client. Told once, and nothing after it. */
  vetoed(decision: Decision): void;
  /** The whole answer has left; `decision` says what was only watched. Told once, and nothing after it. */
  passed(decision: Decision): void;
  /** A defect. */
  crashed(thrown: unknown): void;
}

/** One answer, with everybody who has to do with it. */
export interface Screened {
  readonly owner: Screening;
  readonly guard: AnswerGuard;
  readonly within: Pick<Within, "vetoed">;
  readonly responder: Responder;
  readonly head: AnswerHead;
  readonly fields: Fields;
  readonly certificate: Certified;
  /** For what is held of it, in the share of its client. */
  readonly room: () => MessageRoom;
}

const GO_ON: ScreenStep = { release: 0, veto: null, more: false };
/** Some kilobytes each: what has left and is not looked at is about a turn's. */
const MOST_STEPS = 512;

/** Begins at once: what the head alone says may be the veto already. */
export function screened(about: Screened): ScreenedAnswer {
  const made = new ScreenedAnswer(about);
  made.start();
  return made;
}

/**
 * An answer on its way past whoever decides it: bytes leave, in their order, as far as they have been found clean. What
 * waits is what the guard has not let go of, and while it is busy the upstream is not read. Where it only watches, nobody
 * waits for it: what comes leaves first, and is looked at behind that. All that is held is counted; without room for more the
 * upstream is not read until there is some, and when there is none the answer ends. What is whole goes on.
 */
export class ScreenedAnswer implements RoomWaiter {
  /** Told `stopped` or `passed`, or not wanted any more. */
  over = false;
  readonly #about: Screened;
  /** Received and not released. */
  readonly #waiting = new Pieces();
  /** Of those, what has not been given to the guard. */
  readonly #unread = new Pieces();
  readonly #room: AnswerRoom;
  #busy = false;
  #ended = false;
  #unwanted = false;
  /** The guard only watches. */
  #behind = false;
  /** Bytes that have left and that the guard has not let go of. */
  #ahead = 0;
  #trailers: HeaderList | null = null;

  constructor(about: Screened) {
    this.#about = about;
    this.#room = new AnswerRoom(about.room, this);
  }

  start(): void {
    const { atHead, holdWhole, watchesOnly } = this.#about.guard;
    this.#behind = watchesOnly && !holdWhole;
    if (atHead !== null) this.#veto(atHead);
    else if (!holdWhole) this.#open();
  }

  body(bytes: Uint8Array): void {
    if (this.over) return;
    this.#unread.push(bytes);
    if (this.#behind) {
      this.#ahead += bytes.length;
      this.#about.responder.body(bytes);
      this.#about.owner.delivered(bytes.length);
      return;
    }
    this.#waiting.push(bytes);
  }

  /** All has come that this turn brought: it is looked at in one go, in however many pieces it came. */
  came(): void {
    if (this.#behind || this.over) return;
    this.#read();
    this.#waiting.stay();
    this.#unread.stay();
  }

  /** What this turn brought is on its way. `whole`: the end has come too, and is told when the upstream is read again. */
  left(whole: boolean): void {
    if (this.over) return;
    if (this.#behind) this.#read();
    this.#weigh();
    // Whether more comes is known at the end of a turn only: the end may stand in the same bytes.
    if (this.over || this.#busy || this.#ended) return;
    if (whole) this.#enough();
    else if (this.#room.wait()) this.#hold();
  }

  end(trailers: HeaderList | null): void {
    if (this.over) return;
    this.#ended = true;
    this.#trailers = trailers;
    this.#enough();
    this.#read();
    this.#weigh();
  }

  #enough(): void {
    if (!this.#room.cramped) return;
    this.#room.enough();
    this.#hold();
  }

  roomAgain(): void {
    if (!this.over) this.#hold();
  }

  noRoom(): void {
    if (!this.over) this.#veto(failClosed("no room to hold the answer for inspection", "held_exhausted"));
  }

  /** Nobody wants it any more. */
  close(): void {
    this.#unwanted = true;
    const early = !this.over;
    this.over = true;
    try {
      if (early) this.#watched();
    } finally {
      this.#drop();
      this.#about.guard.close();
    }
  }

  /** Whoever hangs up has what has left all the same: what was found in it is told, or nobody would ever know. */
  #watched(): void {
    const { guard, owner } = this.#about;
    if (this.#behind) this.#lookOn();
    const { allowed } = guard;
    if (allowed.would !== null) owner.watched(allowed);
  }

  /** What has left and was not looked at, to its end; a guard that only watches has no codings to be undone. */
  #lookOn(): void {
    const { guard } = this.#about;
    let step: ScreenStep | Promise<ScreenStep> = this.#busy ? guard.more() : GO_ON;
    for (let left = MOST_STEPS, ended = false; left > 0; left--) {
      if (step instanceof Promise || step.veto !== null) return;
      if (step.more) {
        step = guard.more();
        continue;
      }
      if (ended) return;
      const next = this.#next();
      ended = next === undefined;
      step = next === undefined ? guard.end() : guard.push(next);
    }
  }

  #drop(): void {
    this.over = true;
    this.#waiting.clear();
    this.#unread.clear();
    this.#room.close();
  }

  #weigh(): void {
    if (!this.over) this.#room.holds(this.#waiting.length + this.#unread.length + this.#about.guard.kept);
  }

  #open(): void {
    const { head, fields, certificate, responder } = this.#about;
    responder.head(head.status, head.reason, fields, head.contentLength, certificate);
  }

  /** What it throws is a defect, and must not fall into the upstream's hands. */
  #read(): void {
    try {
      this.#readOn();
    } catch (thrown) {
      this.#drop();
      this.#about.owner.crashed(thrown);
    }
  }

  #readOn(): void {
    while (!this.#busy && !this.over) {
      const next = this.#next();
      if (next === undefined && !this.#ended) return;
      const step = next === undefined ? this.#about.guard.end() : this.#about.guard.push(next);
      if (step instanceof Promise) this.#await(step, next === undefined);
      else this.#apply(step, next === undefined);
      if (next === undefined) return;
    }
  }

  #next(): Uint8Array | undefined {
    const { first } = this.#unread;
    if (first !== undefined) this.#unread.skip(first.length);
    return first;
  }

  #await(step: Promise<ScreenStep>, last: boolean): void {
    this.#occupied(true);
    step.then((come) => this.#resume(come, last)).catch((thrown) => this.#about.owner.crashed(thrown));
  }

  #resume(step: ScreenStep, last: boolean): void {
    if (this.over) return;
    this.#occupied(false);
    this.#apply(step, last);
    if (!last) this.#read();
    this.#weigh();
    if (!this.over) this.#about.owner.turn();
  }

  #occupied(busy: boolean): void {
    this.#busy = busy;
    this.#hold();
  }

  #hold(): void {
    this.#about.owner.holdAnswer(this.#busy || this.#room.cramped);
  }

  #apply({ release, veto, more }: ScreenStep, last: boolean): void {
    this.#release(release);
    if (veto !== null) {
      this.#veto(veto);
      return;
    }
    if (more) {
      this.#occupied(true);
      this.#about.owner.afterTurn(() => {
        if (this.over) return;
        try {
          this.#resume(this.#about.guard.more(), last);
        } catch (thrown) {
          this.#about.owner.crashed(thrown);
        }
      });
    } else if (last) this.#finish();
  }

  #release(count: number): void {
    if (count > 0 && !this.#about.responder.started) this.#open();
    const before = Math.min(this.#ahead, count);
    this.#ahead -= before;
    let left = count - before;
    const now = left;
    while (left > 0) {
      const { first, at } = this.#waiting;
      if (first === undefined) throw new RangeError("more of an answer is let go than has come");
      const size = Math.min(left, first.length - at);
      const leaving = size === first.length ? first : first.subarray(at, at + size);
      this.#waiting.skip(size);
      left -= size;
      this.#about.responder.body(leaving);
    }
    if (now > 0) this.#about.owner.delivered(now);
  }

  #veto(decision: Decision): void {
    const { owner, within } = this.#about;
    this.#drop();
    owner.stopped(decision);
    within
      .vetoed(decision)
      .then((certificate) => {
        if (this.#unwanted) return;
        owner.vetoed(decision);
        this.#tell(decision, certificate);
      })
      .catch((thrown) => owner.crashed(thrown));
  }

  /** A stream that has begun ends in its own words where it has some, and is severed. */
  #tell(decision: Decision, certificate: Certified): void {
    const { guard, head, responder } = this.#about;
    guard.close();
    if (!responder.started) {
      refuse({ responder, stream: null }, decision, certificate);
      return;
    }
    // An answer that told its length has no room for anything else.
    const last = head.contentLength >= 0 ? null : guard.ending(decision, certificate.id);
    if (last === null) responder.sever();
    else {
      responder.body(last);
      responder.end(null, true);
      responder.flush();
    }
  }

  #finish(): void {
    const { owner, guard, responder } = this.#about;
    if (this.#waiting.length > 0) throw new RangeError("an answer has ended and not all of it was let go");
    if (!responder.started) this.#open();
    this.#drop();
    responder.end(this.#trailers);
    owner.passed(guard.allowed);
    guard.close();
  }
}
