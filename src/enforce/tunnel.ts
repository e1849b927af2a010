import { Fault, type FaultCode, messageOf } from "../errors.ts";
import type { CertificateDraft } from "../model/certificate.ts";
import type { Destination, Egress } from "../model/egress.ts";
import type { Exchange, Feeder, Responder, Taken } from "../model/exchange.ts";
import type { Permit } from "../model/permit.ts";
import { normalizeHost } from "../wire/authority.ts";
import { UNRECOGNIZED_NAME_ALERT } from "../wire/client-hello.ts";
import type { Cancel, Dialled } from "./dial.ts";
import type { Ended, ForwardEnv } from "./forward.ts";
import type { Live, SeverReason } from "./live.ts";
import type { Parked } from "./parked.ts";
import { poolKey } from "./pool.ts";
import { relay } from "./relay.ts";
import { type First, Sniffer } from "./sniff.ts";
import { UpstreamConn } from "./upstream-conn.ts";

/** Why a tunnel that was allowed by name is cut by what it carries. */
export interface TunnelVeto {
  readonly vector: "sni_mismatch" | "sni_missing" | "tunnel_protocol" | "tunnel_silent";
  readonly reason: string;
}

export interface TunnelEnv extends ForwardEnv {
  /** Serves HTTP requests from inside the tunnel, each decided by itself. Takes the client's connection over. */
  serveInside(taken: Taken, parked: Parked, tunnel: Destination, parent: string): void;
}

export interface TunnelCarried {
  readonly exchange: Exchange;
  readonly permit: Permit;
  /** Of the tunnel; the parent of everything inside. */
  readonly certificateId: string;
  /** The tunnel's certificate as a header value. */
  readonly certificate: string;
  readonly draft: CertificateDraft;
  /** Policy lets anything through here. */
  readonly opaque: boolean;
  /** Signs the veto; resolves when its evidence is written (or could not be). */
  veto(veto: TunnelVeto): Promise<unknown>;
}

/** Dials, answers 200, looks at the first bytes and goes on as they ask. Ends through `env.settle`, once; never throws. */
export async function tunnel(env: TunnelEnv, carried: TunnelCarried): Promise<void> {
  const { exchange, permit } = carried;
  if (exchange.responder.abandoned) {
    env.settle(carried, { ...NOTHING, error: "client_gone" });
    return;
  }
  const opening = new Opening(exchange);
  env.live.add(opening);
  let dialled: Dialled;
  try {
    dialled = await env.route.dial(permit, opening.cancel);
  } catch (thrown) {
    env.live.delete(opening);
    if (opening.over === null) badGateway(env, carried, thrown);
    else env.settle(carried, { ...NOTHING, severed: opening.revoked, error: opening.over });
    return;
  }
  if (opening.over !== null) {
    // Given up at a moment when there was nothing to cancel.
    env.live.delete(opening);
    dialled.conn.destroy();
    env.settle(carried, { ...NOTHING, severed: opening.revoked, error: opening.over });
    return;
  }
  const taken = exchange.responder.takeover(200, "Connection Established", [], "", carried.certificate);
  opening.taken = taken;
  const upstream = {
    conn: dialled.conn,
    leftover: null,
    ended: false,
    parked: dialled.parked,
    address: dialled.address,
  };
  const pass = (client: Sniffer | null, protocol: string) => {
    const near = {
      conn: taken.conn,
      leftover: client === null ? taken.leftover : null,
      ended: client === null && taken.ended,
      parked: client,
      done: taken.done,
    };
    relay(env, exchange.egress, near, upstream, (end) =>
      env.settle(carried, { ...end, status: 200, answered: 200, protocol }),
    );
  };
  if (carried.opaque) {
    env.live.delete(opening);
    pass(null, "opaque");
    return;
  }
  const sniffer = new Sniffer(taken, env.deadlines);
  const said = await sniffer.first;
  // What was said in the very moment of a revocation is not heard any more.
  const first: First = opening.revoked ? { kind: "gone" } : said;
  env.live.delete(opening);
  if (first.kind === "http") {
    // The connection just dialled waits for the first inner request: same place, same vetted set. Through an upstream
    // proxy plain requests are not tunnelled, so there it serves nobody.
    if (env.route.proxied === null) env.pool.give(new UpstreamConn(dialled, poolKey(permit, "http"), env));
    else dialled.conn.destroy();
    env.serveInside(taken, sniffer, permit.destination, carried.certificateId);
    env.settle(carried, { ...NOTHING, address: dialled.address, status: 200, answered: 200, protocol: "http" });
    return;
  }
  const veto = first.kind === "gone" ? null : judge(first, permit);
  if (veto === null && first.kind === "tls") {
    pass(sniffer, first.hello.ech ? "tls+ech" : "tls");
    return;
  }
  dialled.conn.destroy();
  if (veto !== null) await carried.veto(veto);
  if (veto !== null && first.kind === "tls") taken.conn.write(UNRECOGNIZED_NAME_ALERT);
  hangUp(taken, sniffer);
  env.settle(carried, {
    ...NOTHING,
    status: 200,
    answered: 200,
    address: dialled.address,
    severed: veto !== null || opening.revoked,
    error: veto?.vector ?? opening.over ?? "client_gone",
  });
}

/** A tunnel from its permit to its first bytes: it can be left by its client and revoked like one that carries bytes. */
class Opening implements Live, Feeder {
  place = -1;
  readonly egress: Egress;
  readonly cancel: Cancel = { run: null };
  taken: Taken | null = null;
  /** Why it will not open, or null. */
  over: "client_gone" | SeverReason | null = null;
  readonly #responder: Responder;

  constructor(exchange: Exchange) {
    this.egress = exchange.egress;
    this.#responder = exchange.responder;
    this.#responder.feeder = this;
  }

  get revoked(): boolean {
    return this.over !== null && this.over !== "client_gone";
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

  #end(why: "client_gone" | SeverReason): void {
    this.over ??= why;
    this.cancel.run?.();
  }
}

const NOTHING: Ended = {
  status: null,
  answered: null,
  bytesUp: 0,
  bytesDown: 0,
  address: null,
  severed: false,
  protocol: null,
  error: null,
};

function judge(first: First, permit: Permit): TunnelVeto | null {
  const { host, literal } = permit.destination;
  switch (first.kind) {
    case "tls": {
      const { sni } = first.hello;
      if (sni === null) {
        return literal ? null : { vector: "sni_missing", reason: `TLS without a server name in a tunnel to "${host}"` };
      }
      if (normalizeHost(sni)?.host === host) return null;
      return { vector: "sni_mismatch", reason: `server name "${sni}" in a tunnel to "${host}"` };
    }
    case "silent":
      return { vector: "tunnel_silent", reason: "nothing was said in the tunnel for 2 s" };
    case "other":
      return { vector: "tunnel_protocol", reason: `${first.detail} in the tunnel` };
    default:
      return null;
  }
}

/** FIN behind what was written, a reset shortly after for whoever stays. */
function hangUp(taken: Taken, sniffer: Sniffer): void {
  const { conn } = taken;
  if (sniffer.gone) {
    taken.done();
    return;
  }
  conn.handler = {
    data() {},
    end() {},
    drain() {},
    close: () => taken.done(),
  };
  conn.end();
  conn.resume();
  setTimeout(() => conn.reset(), SEVER_MS);
}

/** Long enough for an alert to be read, short for whoever keeps writing. */
const SEVER_MS = 50;

function badGateway(env: TunnelEnv, carried: TunnelCarried, thrown: unknown): void {
  const code: FaultCode = thrown instanceof Fault ? thrown.code : "dial_failed";
  env.settle(carried, { ...NOTHING, answered: 502, error: code });
  carried.exchange.responder.answer(
    502,
    "Bad Gateway",
    ["Content-Type", "text/plain; charset=utf-8", "X-EVE-Decision-Cert", carried.certificate],
    `upstream error: ${messageOf(thrown)}\n`,
    true,
  );
}
