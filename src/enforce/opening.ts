import type { Certified } from "../model/certificate.ts";
import type { Conn } from "../model/conn.ts";
import type { Destination, Egress } from "../model/egress.ts";
import type { Exchange, Feeder, Responder, Taken } from "../model/exchange.ts";
import type { Permit } from "../model/permit.ts";
import type { Cancel, Dialled } from "./dial.ts";
import { CRASHED, type Ended, NOTHING, type Settled } from "./ended.ts";
import type { GrpcEnv } from "./grpc.ts";
import type { Interceptor } from "./intercept.ts";
import type { Live, SeverReason } from "./live.ts";
import type { Parked } from "./parked.ts";
import type { Sniffer } from "./sniff.ts";

/** Why a tunnel that was allowed by name is cut by what it carries. */
export interface TunnelVeto {
  readonly vector: "sni_mismatch" | "sni_missing" | "tunnel_protocol" | "tunnel_silent";
  readonly reason: string;
}

/** HTTP that is served inside of a tunnel. */
export interface InnerHttp {
  /** The tunnel's, with the scheme inside. */
  readonly destination: Destination;
  /** `certificate_id` of the tunnel. */
  readonly parent: string;
  readonly protocol: Exchange["protocol"];
}

export interface TunnelEnv extends GrpcEnv {
  /** Null: TLS is passed through. */
  readonly interceptor: Interceptor | null;
  /** Serves HTTP requests from inside the tunnel, each decided by itself. Takes the client's connection over. */
  serveInside(taken: Pick<Taken, "conn" | "done">, parked: Parked, inside: InnerHttp): void;
}

export interface TunnelCarried extends Settled {
  readonly permit: Permit;
  /** The tunnel's; its id is the parent of everything inside. */
  readonly certificate: Certified;
  /** Policy lets anything through here. */
  readonly opaque: boolean;
  /** Signs the veto; resolves when its evidence is written (or could not be). */
  veto(veto: TunnelVeto): Promise<unknown>;
}

/** A tunnel from its permit to its first bytes: it can be left by its client and revoked like one that carries bytes. */
export class Opening implements Live, Feeder {
  place = -1;
  readonly egress: Egress;
  readonly cancel: Cancel = { run: null };
  dialled: Dialled | null = null;
  taken: Taken | null = null;
  sniffer: Sniffer | null = null;
  /** Why it will not open, or null. */
  over: "client_gone" | SeverReason | null = null;
  readonly #env: TunnelEnv;
  readonly #carried: TunnelCarried;
  readonly #responder: Responder;
  #settled = false;

  constructor(env: TunnelEnv, carried: TunnelCarried) {
    this.#env = env;
    this.#carried = carried;
    this.egress = carried.exchange.egress;
    this.#responder = carried.exchange.responder;
    this.#responder.feeder = this;
  }

  get revoked(): boolean {
    return this.over !== null && this.over !== "client_gone";
  }

  /**
   * What is inside is served from here on: the tunnel lasts as long as its connection, which `done` of what is returned
   * ends, and holds its place in limits as long. It is live no more: what runs inside is so by itself, and what comes
   * next is decided anew, so that a client is told of a revocation and not just cut.
   */
  read(conn: Conn, end: Partial<Ended>): Pick<Taken, "conn" | "done"> {
    const { taken } = this;
    const done = (): void => {
      this.settle(end);
      taken?.done();
    };
    return { conn, done };
  }

  settle(end: Partial<Ended>): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#env.settle(this.#carried, { ...NOTHING, ...end });
  }

  clientDrained(): void {}

  clientGone(): void {
    this.#end("client_gone");
  }

  sever(reason: SeverReason): void {
    this.#end(reason);
    if (this.taken === null) this.#responder.sever();
    else this.taken.conn.reset();
  }

  /** A defect of ours, wherever it stood: both ends are cut, so that nobody waits for what will not come. */
  crashed(): void {
    const { taken, sniffer } = this;
    this.dialled?.conn.destroy();
    if (taken === null) this.#responder.sever();
    else {
      // Whoever took the client over since then hears of the end by itself.
      if (sniffer === null || taken.conn.handler === sniffer) handBack(taken, sniffer?.gone === true);
      taken.conn.reset();
    }
    const answered = taken === null ? null : 200;
    this.settle({
      status: answered,
      answered,
      address: this.dialled?.address ?? null,
      severed: true,
      error: CRASHED,
    });
  }

  #end(why: "client_gone" | SeverReason): void {
    this.over ??= why;
    this.cancel.run?.();
  }
}

/**
 * FIN behind what was written, a reset shortly after for whoever stays. Nothing is heard any more but the end, which is
 * told to the door; at once when it is `gone` already.
 */
export function hangUp(taken: Taken, gone: boolean): void {
  const { conn } = taken;
  handBack(taken, gone);
  conn.end();
  conn.resume();
  setTimeout(() => conn.reset(), SEVER_MS);
}

function handBack(taken: Taken, gone: boolean): void {
  if (gone) taken.done();
  else taken.conn.handler = { data() {}, end() {}, drain() {}, close: () => taken.done() };
}

/** Long enough for an alert to be read, short for whoever keeps writing. */
const SEVER_MS = 50;
