import type { Deadlined } from "../model/deadlines.ts";
import type { Held } from "../model/exchange.ts";
import type { RoomWaiter } from "../model/room.ts";
import type { BodyHolder } from "./body.ts";
import type { Door } from "./door.ts";
import type { HeldShare } from "./held.ts";
import { RoomWait } from "./room.ts";

/** Whose bytes they are: a connection of HTTP/1.1, or a stream. */
export interface BodySource {
  /** No more of the body for now. */
  holdBody(): void;
  readBody(): void;
  /** They are overdue. */
  bodyLate(): void;
}

/** The wait for the rest of one body: for the client, for room, and for a turn in which there is less to do. */
export class BodyWait implements Deadlined, RoomWaiter {
  deadline = Number.POSITIVE_INFINITY;
  readonly #door: Door;
  readonly #body: BodyHolder;
  readonly #source: BodySource;
  readonly #share: HeldShare;
  #room: RoomWait | null = null;
  #watched = false;

  constructor(door: Door, share: HeldShare, body: BodyHolder, source: BodySource) {
    this.#door = door;
    this.#share = share;
    this.#body = body;
    this.#source = source;
  }

  /** The body was asked for and is not whole; whoever asked hears when it is. */
  begin(): void {
    const { deadlines } = this.#door;
    this.#body.begin(deadlines.now);
    this.#watched = true;
    deadlines.add(this);
    this.moved();
  }

  /** The wait is over, however it ended. */
  async until(held: Promise<Held>): Promise<{ readonly held: Held; readonly ms: number }> {
    const { runtime } = this.#door;
    const from = runtime.monotonic();
    const got = await held;
    this.leave();
    return { held: got, ms: runtime.monotonic() - from };
  }

  /** More of it has come. */
  moved(): void {
    const body = this.#body;
    if (body.complete || this.#cramped) return;
    if (!body.awaited) this.#source.holdBody();
    else if (this.#share.full) {
      this.deadline = Number.POSITIVE_INFINITY;
      this.#source.holdBody();
      this.#room ??= new RoomWait(this.#door, this.#share);
      this.#room.begin(this);
    } else {
      this.deadline = body.due(this.#door.deadlines.now);
      if (body.sated) this.#breathe();
      else this.#source.readBody();
    }
  }

  get #cramped(): boolean {
    return this.#room?.waiting === true;
  }

  /** What is read on fills whole turns of the loop: the rest of what is there comes in the next one. */
  #breathe(): void {
    this.#source.holdBody();
    this.#door.runtime.afterTurn(() => {
      if (this.#watched && this.#body.awaited && !this.#cramped) this.#source.readBody();
    });
  }

  roomAgain(): void {
    const body = this.#body;
    if (!body.awaited) return;
    body.excuse(this.#room?.waited ?? 0);
    this.deadline = body.due(this.#door.deadlines.now);
    this.#source.readBody();
  }

  noRoom(): void {
    this.#body.settle({ kind: "exhausted" });
  }

  expired(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    if (!this.#body.complete) this.#source.bodyLate();
  }

  /** Idempotent. */
  leave(): void {
    this.#room?.leave();
    if (this.#watched) this.#door.deadlines.remove(this);
    this.#watched = false;
    this.deadline = Number.POSITIVE_INFINITY;
  }
}
