import type { Certified } from "../model/certificate.ts";
import type { Decision } from "../model/decision.ts";
import type { Responder } from "../model/exchange.ts";
import type { Fields, HeaderList } from "../model/headers.ts";
import type { AnswerGuard, ScreenStep } from "../model/screen.ts";
import type { Within } from "../model/within.ts";
import { Fifo } from "../wire/fifo.ts";
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
}

/** Begins at once: what the head alone says may be the veto already. */
export function screened(about: Screened): ScreenedAnswer {
  const made = new ScreenedAnswer(about);
  made.start();
  return made;
}

/**
 * An answer on its way past whoever decides it: bytes leave, in their order, as far as they have been found clean. What
 * waits is what the guard has not let go of, and while it is busy the upstream is not read.
 */
export class ScreenedAnswer {
  /** Told `stopped` or `passed`, or not wanted any more. */
  over = false;
  readonly #about: Screened;
  /** Received and not released. */
  readonly #waiting = new Fifo<Uint8Array>();
  /** Of those, how many have not been given to the guard. */
  readonly #unread = new Fifo<Uint8Array>();
  #busy = false;
  #ended = false;
  #unwanted = false;
  #trailers: HeaderList | null = null;

  constructor(about: Screened) {
    this.#about = about;
  }

  start(): void {
    const { atHead, holdWhole } = this.#about.guard;
    if (atHead !== null) this.#veto(atHead);
    else if (!holdWhole) this.#open();
  }

  body(bytes: Uint8Array): void {
    if (this.over) return;
    this.#waiting.push(bytes);
    this.#unread.push(bytes);
    this.#read();
  }

  end(trailers: HeaderList | null): void {
    if (this.over) return;
    this.#ended = true;
    this.#trailers = trailers;
    this.#read();
  }

  /** Nobody wants it any more. */
  close(): void {
    this.#unwanted = true;
    this.#drop();
    this.#about.guard.close();
  }

  #drop(): void {
    this.over = true;
    this.#waiting.clear();
    this.#unread.clear();
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
      const next = this.#unread.shift();
      if (next === undefined && !this.#ended) return;
      const step = next === undefined ? this.#about.guard.end() : this.#about.guard.push(next);
      if (step instanceof Promise) this.#await(step, next === undefined);
      else this.#apply(step, next === undefined);
      if (next === undefined) return;
    }
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
    if (!this.over) this.#about.owner.turn();
  }

  #occupied(busy: boolean): void {
    this.#busy = busy;
    this.#about.owner.holdAnswer(busy);
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
    let left = count;
    while (left > 0) {
      const { first } = this.#waiting;
      if (first === undefined) throw new RangeError("more of an answer is let go than has come");
      if (first.length <= left) this.#waiting.shift();
      else this.#waiting.replace(first.subarray(left));
      const leaving = first.length <= left ? first : first.subarray(0, left);
      left -= leaving.length;
      this.#about.responder.body(leaving);
    }
    if (count > 0) this.#about.owner.delivered(count);
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
    if (!responder.started) {
      refuse({ responder, stream: null }, decision, certificate);
      return;
    }
    // An answer that told its length has no room for anything else.
    const last = head.contentLength >= 0 ? null : guard.ending(decision, certificate.id);
    guard.close();
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
    this.over = true;
    responder.end(this.#trailers);
    owner.passed(guard.allowed);
    guard.close();
  }
}
