/**
 * What comes from a peer, handed on in turns. A runtime may deliver many megabytes of one connection before it looks at any
 * other (Bun: eleven reads of 512 KiB), and what they lead to is done at once: whoever sends what is dear to read would have
 * the event loop for seconds. All connections share a turn's time; what comes behind it waits its turn, in order.
 */
import type { ConnHandler } from "./contract.ts";

/** Reads below this go on at once, unmeasured: a runtime delivers no second one in the same turn. */
const SMALL = 8 * 1024;
/** Work of handlers in one turn, over all connections, ms. One read may take longer: it ends the turn. */
const TURN_MS = 4;
/** Bytes of one connection in one turn. What TLS makes of them is not seen by the clock. */
const TURN_BYTES = 1024 * 1024;

/** Shares the time of each turn of the event loop. */
export class Turns {
  /** Changes with each turn that matters. */
  turn = 0;
  readonly clock: () => number;
  readonly #afterTurn: (run: () => void) => void;
  #spent = 0;
  #armed = false;
  #waiting: Inflow[] = [];

  /** `clock`: monotonic ms. */
  constructor(clock: () => number, afterTurn: (run: () => void) => void) {
    this.clock = clock;
    this.#afterTurn = afterTurn;
  }

  get full(): boolean {
    return this.#spent >= TURN_MS;
  }

  charge(ms: number): void {
    this.#spent += ms;
    this.#arm();
  }

  /** It goes on in a later turn. */
  wait(inflow: Inflow): void {
    this.#waiting.push(inflow);
    this.#arm();
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#afterTurn(this.#next);
  }

  readonly #next = (): void => {
    this.#armed = false;
    this.#spent = 0;
    this.turn++;
    const due = this.#waiting;
    if (due.length === 0) return;
    this.#waiting = [];
    let at = 0;
    while (at < due.length && !this.full) (due[at++] as Inflow).goOn();
    // Who was not served is the first of the next turn.
    if (at < due.length) this.#waiting = [...due.slice(at), ...this.#waiting];
    if (this.#waiting.length > 0) this.#arm();
  };
}

/** The connection that bytes come from. */
export interface Source {
  readonly handler: ConnHandler;
  /** The kernel is to be read no more for now, or again. */
  stopReading(): void;
  readAgain(): void;
  /** Everything that had come was handed on. */
  emptied(): void;
  /** The handler threw, with nobody above to catch it. */
  broke(thrown: unknown): void;
}

/** Of one connection. */
export class Inflow {
  readonly #source: Source;
  readonly #turns: Turns;
  #parts: Uint8Array[] = [];
  #offset = 0;
  /** The handler wants nothing for now. */
  #held = false;
  /** The kernel is not read because of what waits here. */
  #stopped = false;
  #listed = false;
  #running = false;
  #given = 0;
  #turn = -1;

  constructor(source: Source, turns: Turns) {
    this.#source = source;
    this.#turns = turns;
  }

  /** Something has come that was not handed on. */
  get waiting(): boolean {
    return this.#parts.length > 0;
  }

  get held(): boolean {
    return this.#held;
  }

  received(bytes: Uint8Array): void {
    if (bytes.length < SMALL && this.#parts.length === 0) {
      this.#source.handler.data(bytes);
      return;
    }
    this.#parts.push(bytes);
    if (!this.#listed && !this.#running) this.#run();
  }

  pause(): void {
    this.#held = true;
    if (!this.#stopped) this.#source.stopReading();
  }

  resume(): void {
    this.#held = false;
    if (this.#running) {
      // The rest of it follows, and then the kernel.
      this.#stopped = true;
    } else if (this.#parts.length > 0) this.#later();
    else {
      this.#stopped = false;
      this.#source.readAgain();
    }
  }

  /** Nothing more is handed on. */
  drop(): void {
    this.#parts = [];
    this.#offset = 0;
  }

  /** Its turn has come. */
  goOn(): void {
    this.#listed = false;
    try {
      this.#run();
    } catch (thrown) {
      this.#source.broke(thrown);
    }
  }

  #run(): void {
    this.#running = true;
    try {
      while (this.#parts.length > 0 && !this.#held && this.#mayGive) this.#give();
    } finally {
      this.#running = false;
    }
    if (this.#parts.length > 0) {
      if (!this.#held) this.#later();
    } else {
      if (this.#stopped && !this.#held) {
        this.#stopped = false;
        this.#source.readAgain();
      }
      this.#source.emptied();
    }
  }

  get #mayGive(): boolean {
    if (this.#turns.full) return false;
    if (this.#turn === this.#turns.turn) return this.#given < TURN_BYTES;
    this.#turn = this.#turns.turn;
    this.#given = 0;
    return true;
  }

  #give(): void {
    const { handler } = this.#source;
    const first = this.#parts[0] as Uint8Array;
    const size = Math.min(first.length - this.#offset, handler.atOnce ?? first.length);
    const piece = size === first.length ? first : first.subarray(this.#offset, this.#offset + size);
    this.#offset += size;
    this.#given += size;
    if (this.#offset === first.length) {
      this.#parts.shift();
      this.#offset = 0;
    }
    const since = this.#turns.clock();
    handler.data(piece);
    this.#turns.charge(this.#turns.clock() - since);
  }

  #later(): void {
    if (!this.#stopped) {
      this.#stopped = true;
      this.#source.stopReading();
    }
    if (this.#listed) return;
    this.#listed = true;
    this.#turns.wait(this);
  }
}

/** Of the whole process. */
export const turns = new Turns(() => performance.now(), setImmediate);
