import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Deadlined, Deadlines } from "../model/deadlines.ts";
import type { Egress } from "../model/egress.ts";
import type { Taken } from "../model/exchange.ts";
import { CRASHED, type Ended } from "./ended.ts";
import type { Live, LiveSet, SeverReason } from "./live.ts";

export interface RelayEnv {
  readonly deadlines: Deadlines;
  readonly idleMs: number;
  readonly live: LiveSet;
  /** Told what a defect threw; what it threw into has been cut. */
  crashed(thrown: unknown): void;
}

export type RelayEnd = Omit<Ended, "status" | "answered" | "protocol">;

/** One direction: what `from` says, on its way to `to`. */
interface OneWay extends ConnHandler {
  readonly from: Conn;
  readonly to: Conn;
  /** Handed to `to`. */
  readonly bytes: number;
}

/** What two connections have come with. */
interface TwoConns {
  readonly client: Pick<Taken, "conn" | "leftover" | "ended">;
  readonly upstream: Pick<Taken, "conn" | "leftover">;
}

/**
 * What lies between a client's connection and an upstream's that are nobody else's any more: live until both are gone, cut
 * when it is revoked or stands still, and its end is told once. What passes, and how, is its heirs'.
 */
export abstract class Between<W extends OneWay, Env extends RelayEnv> implements Deadlined, Live {
  place = -1;
  deadline: number;
  readonly egress: Egress;
  readonly env: Env;
  protected abstract readonly up: W;
  protected abstract readonly down: W;
  protected error: Ended["error"] = null;
  protected severed = false;
  readonly #done: () => void;
  readonly #address: string;
  readonly #ended: (end: RelayEnd) => void;
  /** Connections that have not told their end; at 0 or below ours has been told. */
  #open = 2;

  /** `done`: tells the door that the client's connection is over. `address`: the upstream's. */
  constructor(
    env: Env,
    egress: Egress,
    { done, address, ended }: { done: () => void; address: string; ended: (end: RelayEnd) => void },
  ) {
    this.env = env;
    this.egress = egress;
    this.#done = done;
    this.#address = address;
    this.#ended = ended;
    this.deadline = env.deadlines.now + env.idleMs;
  }

  /** Takes both over, with what they have said already; neither is read on yet. */
  protected take({ client, upstream }: TwoConns): void {
    const { up, down } = this;
    this.env.live.add(this);
    this.env.deadlines.add(this);
    // Both handlers first: what one side is told can close the other.
    client.conn.handler = up;
    upstream.conn.handler = down;
    if (client.leftover !== null) up.data(client.leftover);
    if (upstream.leftover !== null) down.data(upstream.leftover);
    if (client.ended) up.end();
  }

  moved(): void {
    this.deadline = this.env.deadlines.now + this.env.idleMs;
  }

  expired(): void {
    this.cut("idle_timeout");
  }

  sever(reason: SeverReason): void {
    this.cut(reason);
  }

  /** `from` of this way is gone. */
  closed(error: Error | null, way: W): void {
    if (error !== null) {
      this.error ??= way === this.up ? "client_reset" : "upstream_reset";
      way.to.reset();
    }
    this.#open--;
    if (this.#open === 0) this.finish();
  }

  crashed(thrown: unknown): void {
    this.env.crashed(thrown);
    this.cut(CRASHED);
  }

  /** Half set up: a side that was gone before will not tell its end any more, so none is waited for. */
  abandoned(): void {
    if (this.#open <= 0) return;
    this.#open = 0;
    this.finish();
  }

  protected finish(): void {
    this.env.live.delete(this);
    this.env.deadlines.remove(this);
    this.#done();
    this.#ended({
      bytesUp: this.up.bytes,
      bytesDown: this.down.bytes,
      address: this.#address,
      severed: this.severed,
      error: this.error,
    });
  }

  protected cut(error: Ended["error"]): void {
    this.error = error;
    this.severed = true;
    this.reset();
  }

  protected reset(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    this.up.from.reset();
    this.down.from.reset();
  }
}

/** `start` of what was made; a defect in it cuts both connections. Never throws. */
export function started<T extends { crashed(thrown: unknown): void; abandoned(): void }>(
  made: T,
  start: () => void,
): T {
  try {
    start();
  } catch (thrown) {
    made.crashed(thrown);
    made.abandoned();
  }
  return made;
}
