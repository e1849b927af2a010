/** One direction of a stream of messages, whatever they are framed in. */
import { type Decision, failClosed } from "../model/decision.ts";
import type { Egress } from "../model/egress.ts";
import type { Direction, MessageGate, MessageVeto } from "../model/message.ts";
import type { MessageRoom, RoomWaiter } from "../model/room.ts";
import { Pieces } from "../wire/pieces.ts";

/** Why nothing passes any more. `too_large`: a message is over its bound. `no_room`: nobody could hold it. */
export type Why = "vetoed" | "too_large" | "no_room";

/** Messages of one direction between two turns of the event loop: each is judged, however small. */
const TURN_MESSAGES = 32;

/** What every stream of messages needs. */
export interface MessagesEnv {
  /** As in the Runtime contract. */
  afterTurn(run: () => void): void;
  /** Bytes one message may come to, packed and unpacked. */
  readonly maxMessage: number;
  /** For what one direction of a stream holds, in the share of its client. */
  room(egress: Egress): MessageRoom;
}

/** What both directions of a stream share. */
export interface WaysOf {
  readonly env: MessagesEnv;
  readonly egress: Egress;
  readonly gate: MessageGate;
  crashed(thrown: unknown): void;
}

/**
 * Message by message, each after its answer and no faster than they are taken. While something is awaited (an answer, whoever
 * takes what passes, room) nothing is read, so what is held is one message, what came behind it before its sender stopped, and
 * what has not been taken yet. All of it is counted.
 */
export abstract class OneWay implements RoomWaiter {
  /** Passed. */
  bytes = 0;
  readonly direction: Direction;
  protected readonly ways: WaysOf;
  /** Nothing of it is passed any more. */
  protected over = false;
  /** Whoever takes what passes takes nothing for now. */
  protected blocked = false;
  /** Bytes that it has not taken, where nobody else counts them. */
  #untaken = 0;
  readonly #room: MessageRoom;
  /** Not read yet. */
  readonly #pieces = new Pieces();
  /** A message is being unpacked or judged. */
  #busy = false;
  /** Room is waited for. */
  #cramped = false;
  /** Waits for room with it, in the middle of a message. */
  #next: (() => void) | null = null;
  #paused = false;
  /** Enough was read for this turn. */
  #resting = false;
  /** The sender has said all. */
  #ended = false;

  constructor(ways: WaysOf, direction: Direction) {
    this.ways = ways;
    this.direction = direction;
    this.#room = ways.env.room(ways.egress);
  }

  data(bytes: Uint8Array): void {
    if (this.over) return;
    this.#pieces.push(bytes);
    this.run();
  }

  /** Nothing more passes. */
  stop(): void {
    this.silence();
    this.#flow(false);
  }

  /** How many bytes from `at` on were read: all of them, or up to what `came` deals with. */
  protected abstract read(chunk: Uint8Array, at: number): number;
  /** The message that `read` ended with, if it did; or what was wrong. */
  protected abstract came(): void;
  /** Bytes that are held of the message under way, or being judged. */
  protected abstract get size(): number;
  /** Whoever sends is to be heard no more for now, or again. */
  protected abstract flow(pause: boolean): void;
  /** What was read has been dealt with, as far as may be. */
  protected abstract flush(): void;
  /** The sender's end, behind everything that was said before it. What is not whole by then is nobody's. */
  protected abstract finish(): void;
  protected abstract vetoed(veto: MessageVeto, why: Why): void;

  protected block(untaken: number): void {
    this.blocked = true;
    this.#untaken += untaken;
  }

  /** What passed has been taken. */
  protected taken(): void {
    this.blocked = false;
    this.#untaken = 0;
    this.run();
  }

  protected finishing(): void {
    this.#ended = true;
    // What there is of a message is all there will be: it needs no more room.
    if (!this.#cramped || this.#next !== null) return;
    this.#cramped = false;
    this.#room.close();
  }

  /** What is said from here on was not looked at. */
  protected silence(): void {
    this.over = true;
    this.#pieces.clear();
    this.#room.close();
  }

  /** `first`, then everything that can be read. */
  protected run(first: (() => void) | null = null): void {
    try {
      first?.();
      this.#readOn();
    } catch (thrown) {
      this.ways.crashed(thrown);
    }
  }

  #readOn(): void {
    let left = TURN_MESSAGES;
    while (!this.#waiting && !this.over) {
      const chunk = this.#pieces.first;
      if (chunk === undefined) break;
      if (left-- === 0) {
        this.#rest();
        break;
      }
      this.#pieces.skip(this.read(chunk, this.#pieces.at));
      this.came();
    }
    this.flush();
    this.#count();
    this.#flow(this.#waiting && !this.over);
    if (this.#ended && !this.#waiting) this.finish();
  }

  #rest(): void {
    this.#resting = true;
    this.ways.env.afterTurn(() => {
      this.#resting = false;
      if (!this.over) this.run();
    });
  }

  get #waiting(): boolean {
    return this.#busy || this.blocked || this.#cramped || this.#resting;
  }

  #count(): void {
    if (this.over) return;
    if (this.#waiting) this.#pieces.stay();
    const held = this.#pieces.length + this.size + this.#untaken;
    this.#room.holds(held);
    // What is whole goes on: only more of one that is not has to wait.
    if (held > 0 && !this.#waiting && !this.#ended && this.#room.full) this.#wait();
  }

  #wait(): void {
    this.#cramped = true;
    this.#room.wait(this);
  }

  roomAgain(): void {
    if (this.over) return;
    this.#cramped = false;
    const next = this.#next;
    this.#next = null;
    if (next === null) this.run();
    else this.#later(next);
  }

  noRoom(): void {
    if (this.over) return;
    this.#cramped = false;
    this.#next = null;
    this.#busy = false;
    this.run(() => this.refuse(failClosed("no room to hold the message for inspection", "held_exhausted"), "no_room"));
  }

  /** `then` needs more room than is counted: at once when there is some. */
  protected withRoom(then: () => void): void {
    if (!this.#room.full) {
      then();
      return;
    }
    this.#busy = true;
    this.#next = then;
    this.#wait();
  }

  /** Goes on with a message in a later turn, if there is room for more of it. */
  protected nextTurn(then: () => void): void {
    this.#busy = true;
    this.ways.env.afterTurn(() => this.#later(() => this.withRoom(then)));
  }

  /** `then` at once, or when the promise is kept and nothing is over. */
  protected await<T>(answer: T | Promise<T>, then: (said: T) => void): void {
    if (!(answer instanceof Promise)) {
      then(answer);
      return;
    }
    this.#busy = true;
    answer.then(
      (said) => this.#later(() => then(said)),
      (thrown) => this.ways.crashed(thrown),
    );
  }

  #later(then: () => void): void {
    if (this.over) return;
    this.#busy = false;
    this.run(then);
  }

  protected tooLarge(): void {
    this.await(this.ways.gate.tooLarge(this.direction), (veto) => this.vetoed(veto, "too_large"));
  }

  protected refuse(decision: Decision, why: Why = "vetoed"): void {
    this.await(this.ways.gate.refuse(this.direction, decision), (veto) => this.vetoed(veto, why));
  }

  #flow(pause: boolean): void {
    if (pause === this.#paused) return;
    this.#paused = pause;
    this.flow(pause);
  }

  protected get paused(): boolean {
    return this.#paused;
  }
}
