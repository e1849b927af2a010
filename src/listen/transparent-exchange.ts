import type { Conn, Original } from "../model/conn.ts";
import type { Destination, Egress, Principal } from "../model/egress.ts";
import type { Exchange, Feeder, Held, Objection, Responder, Taken } from "../model/exchange.ts";
import { formatAuthority } from "../wire/authority.ts";

/** What a redirected connection is found to be before it is decided. */
export interface Judged {
  /** Server name of its TLS; null: it names nothing, and goes by its address. */
  readonly name: { readonly host: string; readonly literal: boolean } | null;
  readonly objection: Objection | null;
}

/** Whoever owns the connection while it is decided. */
interface Owner {
  readonly conn: Conn;
  /** The connection goes to somebody else. */
  taken(): Taken;
  /** It does not go on: told in its own protocol where that has a word for it, and ended. `allowed`: it was let go, and leads nowhere. */
  refused(allowed: boolean): void;
}

/** A redirected connection as an egress of its own: where it goes is all that is known of it. */
class TransparentEgress implements Egress {
  readonly door = "transparent";
  readonly phase = "tunnel";
  readonly caller = "sidecar.transparent.egress";
  readonly method = "CONNECT";
  readonly destination: Destination;
  readonly target: string;
  readonly path = "";
  readonly headers = [];
  readonly block = null;
  readonly coded = false;
  readonly wordy = false;
  readonly upgrade = null;
  readonly conflict = null;
  readonly principal: Principal;
  readonly parent = null;

  constructor({ remoteAddress, remotePort }: Conn, { address, port }: Original, { name }: Judged) {
    const { host, literal } = name ?? { host: address, literal: true };
    this.destination = { scheme: "tcp", host, port, literal };
    this.target = formatAuthority(host, port);
    this.principal = { address: remoteAddress, port: remotePort, agent: null, parentAgent: null };
  }
}

/** Of what was allowed and could not be carried out; no refusal has it. */
const BAD_GATEWAY = 502;

/** Nobody asked for an answer in HTTP: an allow hands the connection over as it is, everything else ends it. */
class TransparentResponder implements Responder {
  readonly modern = true;
  readonly lines = false;
  started = false;
  abandoned = false;
  feeder: Feeder | null = null;
  readonly #owner: Owner;

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  interim(): void {}
  head(): void {}
  body(): void {}
  end(): void {}

  flush(): boolean {
    return true;
  }

  answer(status: number): void {
    this.started = true;
    this.feeder = null;
    this.#owner.refused(status === BAD_GATEWAY);
  }

  takeover(): Taken {
    this.started = true;
    this.feeder = null;
    return this.#owner.taken();
  }

  sever(): void {
    this.feeder = null;
    this.#owner.conn.reset();
  }

  gone(): void {
    const { feeder } = this;
    this.abandoned = true;
    this.feeder = null;
    feeder?.clientGone();
  }
}

export class TransparentExchange implements Exchange {
  readonly egress: Egress;
  readonly protocol = "http/1.1";
  readonly declaredLength = -1;
  readonly startedAt: number;
  readonly waitedMs = 0;
  readonly responder: TransparentResponder;
  readonly stream = null;
  readonly objection: Objection | null;

  constructor(owner: Owner, startedAt: number, original: Original, judged: Judged) {
    this.egress = new TransparentEgress(owner.conn, original, judged);
    this.startedAt = startedAt;
    this.responder = new TransparentResponder(owner);
    this.objection = judged.objection;
  }

  hold(): Held {
    return { kind: "none" };
  }

  release(): void {}
}
