import type { Conn } from "../model/conn.ts";
import type { H2Connection } from "./h2-connection.ts";
import { OutBuffer } from "./out-buffer.ts";

/** Bytes read at a time: each frame costs, and the least has nine. */
export const H2_AT_ONCE = 32 * 1024;

/** Filled and sent at once, so all connections of both roles share it. */
const outgoing = new OutBuffer();
/** It is being filled: whoever is told in there that a stream drained may write, and that leaves in the next turn. */
let filling = false;

export interface Pumped {
  /** As in the Runtime contract. */
  afterTurn(run: () => void): void;
  /** What the engine had has been sent, as far as the peer takes it; `blocked`: from now on it takes nothing. */
  pumped(blocked: boolean): void;
}

/** Moves bytes between an engine and its connection, the same for both roles. */
export class H2Pump {
  /** The peer has not yet taken what was written. */
  stuck = false;
  readonly #engine: Pick<H2Connection, "push" | "fill">;
  readonly #conn: Pick<Conn, "send">;
  readonly #owner: Pumped;
  /** Bytes of the peer are being read: what they lead to is sent when all of them have been. */
  #reading = false;
  #soon = false;
  #over = false;

  constructor(engine: Pick<H2Connection, "push" | "fill">, conn: Pick<Conn, "send">, owner: Pumped) {
    this.#engine = engine;
    this.#conn = conn;
    this.#owner = owner;
  }

  /** What it leads to leaves with the next `flush`. */
  read(bytes: Uint8Array, now: number): void {
    this.#reading = true;
    this.#engine.push(bytes, now);
    this.#reading = false;
  }

  /** Something was put into the engine, not from inside an event of it: it leaves in the next turn. */
  soon(): void {
    if (this.#soon || this.#reading) return;
    this.#soon = true;
    this.#owner.afterTurn(() => {
      this.#soon = false;
      this.flush();
    });
  }

  flush(): void {
    if (this.#reading || this.#over) return;
    if (filling) {
      this.soon();
      return;
    }
    const before = this.stuck;
    while (!this.stuck) {
      const more = this.#fill();
      if (outgoing.length > 0 && !this.#conn.send(outgoing.bytes, outgoing.length)) this.stuck = true;
      if (!more) break;
    }
    this.#owner.pumped(this.stuck && !before);
  }

  /** The connection is gone. */
  stop(): void {
    this.#over = true;
  }

  #fill(): boolean {
    filling = true;
    try {
      return this.#engine.fill(outgoing.clear());
    } finally {
      filling = false;
    }
  }
}
