import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Deadlined, Deadlines } from "../model/deadlines.ts";
import type { Egress } from "../model/egress.ts";
import type { Taken } from "../model/exchange.ts";
import type { Ended } from "./forward.ts";
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
}

export type RelayEnd = Omit<Ended, "status" | "answered" | "protocol">;

/** Copies bytes both ways until both sides are done; `ended` is called exactly once. */
export function relay(
  env: RelayEnv,
  egress: Egress,
  client: Party & Pick<Taken, "done">,
  upstream: Party & { readonly address: string },
  ended: (end: RelayEnd) => void,
): Live {
  const made = new Relay(env, egress, client, upstream, ended);
  made.start(client, upstream);
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
    this.#client = new Half(this, client.conn, upstream.conn);
    this.#upstream = new Half(this, upstream.conn, client.conn);
  }

  start(client: Party, upstream: Party): void {
    this.env.live.add(this);
    this.env.deadlines.add(this);
    // Both handlers first: each half looks for the other behind its connection's handler.
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
    if (--this.#open > 0) return;
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
  readonly #to: Conn;
  #waiting: Conn | null = null;

  constructor(relay: Relay, from: Conn, to: Conn) {
    this.#relay = relay;
    this.from = from;
    this.#to = to;
  }

  data(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    this.#relay.moved();
    if (!this.#to.write(bytes)) {
      this.from.pause();
      (this.#to.handler as Half).#waiting = this.from;
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
