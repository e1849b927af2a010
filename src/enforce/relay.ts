import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Egress } from "../model/egress.ts";
import type { Taken } from "../model/exchange.ts";
import { Between, type RelayEnd, type RelayEnv, started } from "./between.ts";
import type { Live } from "./live.ts";
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

/** What is carried. `opaque` as in `Live`. */
export interface Passed {
  readonly egress: Egress;
  readonly opaque: boolean;
}

/** Copies bytes both ways until both sides are done; `ended` is called exactly once. Never throws. */
export function relay(
  env: RelayEnv,
  passed: Passed,
  client: Party & Pick<Taken, "done">,
  upstream: Party & { readonly address: string },
  ended: (end: RelayEnd) => void,
): Live {
  const made = new Relay(env, passed, client, upstream, ended);
  return started(made, () => made.start(client, upstream));
}

class Relay extends Between<Half, RelayEnv> {
  protected readonly up: Half;
  protected readonly down: Half;
  readonly opaque: boolean;

  constructor(
    env: RelayEnv,
    { egress, opaque }: Passed,
    client: Party & Pick<Taken, "done">,
    upstream: Party & { readonly address: string },
    ended: (end: RelayEnd) => void,
  ) {
    super(env, egress, { done: client.done, address: upstream.address, ended });
    this.opaque = opaque;
    this.up = new Half(this, client.conn, upstream.conn, null);
    this.down = this.up.peer;
  }

  start(client: Party, upstream: Party): void {
    this.take({ client, upstream });
    if (client.parked === null) client.conn.resume();
    else client.parked.handOver(client.conn, this.up);
    if (upstream.parked === null) upstream.conn.resume();
    else upstream.parked.handOver(upstream.conn, this.down);
  }
}

/** One direction: what `from` says goes to `to`, no faster than `to` takes it. FIN passes on, so half-close is kept. */
class Half implements ConnHandler {
  bytes = 0;
  readonly from: Conn;
  readonly to: Conn;
  readonly #relay: Relay;
  /** The other direction. */
  readonly peer: Half;
  #waiting: Conn | null = null;

  /** Without a peer it makes its own. */
  constructor(relay: Relay, from: Conn, to: Conn, peer: Half | null) {
    this.#relay = relay;
    this.from = from;
    this.to = to;
    this.peer = peer ?? new Half(relay, to, from, this);
  }

  data(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    this.#relay.moved();
    if (!this.to.write(bytes)) {
      this.from.pause();
      this.peer.#waiting = this.from;
    }
  }

  end(): void {
    this.to.end();
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
    if (error === null && !this.to.closed) this.to.end();
    this.#relay.closed(error, this);
  }
}
