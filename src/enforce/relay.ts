import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Deadlined, Deadlines } from "../model/deadlines.ts";
import type { Egress } from "../model/egress.ts";
import type { Taken } from "../model/exchange.ts";
import { CRASHED, type Ended } from "./ended.ts";
import type { Live, LiveSet, SeverReason } from "./live.ts";
import type { Parked } from "./parked.ts";

/** One end of a relay. */
export interface Party {
  readonly conn: Conn;
  /** Bytes it already sent, or null; they come before what it is parked with. */
  readonly leftover: Uint8Array | null;
  /** Its FIN has come already, behind `leftover`. */
  readonly ended: boolean;
  readonly parked: Parked | null;
}

export interface RelayEnv {
  readonly deadlines: Deadlines;
  readonly idleMs: number;
  readonly live: LiveSet;
  /** Told what a defect threw; what it threw into has been cut. */
  crashed(thrown: unknown): void;
}

export type RelayEnd = Omit<Ended, "status" | "answered" | "protocol">;

/** Copies bytes both ways until both sides are done; `ended` is called exactly once. Never throws. */
export function relay(
  env: RelayEnv,
  egress: Egress,
  client: Party & Pick<Taken, "done">,
  upstream: Party & { readonly address: string },
  ended: (end: RelayEnd) => void,
): Live {
  const made = new Relay(env, egress, client, upstream, ended);
  try {
    made.start(client, upstream);
  } catch (thrown) {
    env.crashed(thrown);
    made.crashed();
  }
  return made;
}

class Relay implements Deadlined, Live {
  place = -1;
  deadline: number;
  readonly egress: Egress;
  readonly env: RelayEnv;
  readonly #client: Half;
  readonly #upstream: Half;
  readonly #done: () => void;
  readonly #address: string;
  readonly #ended: (end: RelayEnd) => void;
  #error: string | null = null;
  #severed = false;
  #open = 2;

  constructor(
    env: RelayEnv,
    egress: Egress,
    client: Party & Pick<Taken, "done">,
    upstream: Party & { readonly address: string },
    ended: (end: RelayEnd) => void,
  ) {
    this.env = env;
    this.egress = egress;
    this.#done = client.done;
    this.#address = upstream.address;
    this.#ended = ended;
    this.deadline = env.deadlines.now + env.idleMs;
    this.#client = new Half(this, client.conn, upstream.conn, null);
    this.#upstream = this.#client.peer;
  }

  start(client: Party, upstream: Party): void {
    this.env.live.add(this);
    this.env.deadlines.add(this);
    // Both handlers first: what one side is told can close the other.
    client.conn.handler = this.#client;
    upstream.conn.handler = this.#upstream;
    if (client.leftover !== null) this.#client.data(client.leftover);
    if (upstream.leftover !== null) this.#upstream.data(upstream.leftover);
    if (client.ended) this.#client.end();
    if (client.parked === null) client.conn.resume();
    else client.parked.handOver(client.conn, this.#client);
    if (upstream.parked === null) upstream.conn.resume();
    else upstream.parked.handOver(upstream.conn, this.#upstream);
  }

  moved(): void {
    this.deadline = this.env.deadlines.now + this.env.idleMs;
  }

  expired(): void {
    this.#cut("idle_timeout");
  }

  sever(reason: SeverReason): void {
    this.#cut(reason);
  }

  closed(error: Error | null, to: Conn): void {
    if (error !== null) {
      this.#error ??= to === this.#upstream.from ? "client_reset" : "upstream_reset";
      to.reset();
    } else if (!to.closed) to.end();
    this.#open--;
    if (this.#open === 0) this.#finish();
  }

  /** Half set up: a side that was gone before will not tell its end any more, so none is waited for. */
  crashed(): void {
    if (this.#open === 0) return;
    this.#open = 0;
    this.#cut(CRASHED);
    this.#finish();
  }

  #finish(): void {
    this.env.live.delete(this);
    this.env.deadlines.remove(this);
    this.#done();
    this.#ended({
      bytesUp: this.#client.bytes,
      bytesDown: this.#upstream.bytes,
      address: this.#address,
      severed: this.#severed,
      error: this.#error,
    });
  }

  #cut(error: string): void {
    this.deadline = Number.POSITIVE_INFINITY;
    this.#error = error;
    this.#severed = true;
    this.#client.from.reset();
    this.#upstream.from.reset();
  }
}

/** One direction: what `from` says goes to `to`, no faster than `to` takes it. FIN passes on, so half-close is kept. */
class Half implements ConnHandler {
  bytes = 0;
  readonly from: Conn;
  readonly #relay: Relay;
  /** The other direction. */
  readonly peer: Half;
  readonly #to: Conn;
  #waiting: Conn | null = null;

  /** Without a peer it makes its own. */
  constructor(relay: Relay, from: Conn, to: Conn, peer: Half | null) {
    this.#relay = relay;
    this.from = from;
    this.#to = to;
    this.peer = peer ?? new Half(relay, to, from, this);
  }

  data(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    this.#relay.moved();
    if (!this.#to.write(bytes)) {
      this.from.pause();
      this.peer.#waiting = this.from;
    }
  }

  end(): void {
    this.#to.end();
  }

  /** `from` can be written again: whoever was stopped on its account goes on. */
  drain(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#relay.moved();
    waiting?.resume();
  }

  close(error: Error | null): void {
    // A side that was stopped on our account must be read to notice its end.
    this.#waiting?.resume();
    this.#waiting = null;
    this.#relay.closed(error, this.#to);
  }
}
