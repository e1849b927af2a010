import { Fault, messageOf } from "../errors.ts";
import type { Certified } from "../model/certificate.ts";
import type { Destination, Egress } from "../model/egress.ts";
import type { Feeder, Responder, Taken } from "../model/exchange.ts";
import type { Permit } from "../model/permit.ts";
import { normalizeHost } from "../wire/authority.ts";
import { UNRECOGNIZED_NAME_ALERT } from "../wire/client-hello.ts";
import { badGateway } from "./answers.ts";
import type { Cancel, Dialled } from "./dial.ts";
import { CRASHED, type Ended, NOTHING, type Settled } from "./ended.ts";
import type { ForwardEnv } from "./forward.ts";
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

export interface TunnelCarried extends Settled {
  readonly permit: Permit;
  /** The tunnel's; its id is the parent of everything inside. */
  readonly certificate: Certified;
  /** Policy lets anything through here. */
  readonly opaque: boolean;
  /** Signs the veto; resolves when its evidence is written (or could not be). */
  veto(veto: TunnelVeto): Promise<unknown>;
}

/** Dials, answers 200, looks at the first bytes and goes on as they ask. Ends through `env.settle`, once; never throws. */
export async function tunnel(env: TunnelEnv, carried: TunnelCarried): Promise<void> {
  if (carried.exchange.responder.abandoned) {
    env.settle(carried, { ...NOTHING, error: "client_gone" });
    return;
  }
  const opening = new Opening(env, carried);
  env.live.add(opening);
  try {
    await open(env, carried, opening);
  } catch (thrown) {
    env.crashed(thrown);
    opening.crashed();
  } finally {
    env.live.delete(opening);
  }
}

async function open(env: TunnelEnv, carried: TunnelCarried, opening: Opening): Promise<void> {
  const { exchange, permit } = carried;
  let dialled: Dialled;
  try {
    dialled = await env.route.dial(permit, opening.cancel);
  } catch (thrown) {
    if (opening.over === null) {
      opening.settle({ answered: 502, error: thrown instanceof Fault ? thrown.code : "dial_failed" });
      badGateway(exchange.responder, carried.certificate, messageOf(thrown), true);
    } else opening.settle({ severed: opening.revoked, error: opening.over });
    return;
  }
  opening.dialled = dialled;
  if (opening.over !== null) {
    // Given up at a moment when there was nothing to cancel.
    dialled.conn.destroy();
    opening.settle({ severed: opening.revoked, error: opening.over });
    return;
  }
  const taken = exchange.responder.takeover(200, "Connection Established", [], "", carried.certificate);
  opening.taken = taken;
  if (carried.opaque) {
    pass(env, opening, taken, dialled, "opaque");
    return;
  }
  const sniffer = new Sniffer(taken, env.deadlines);
  opening.sniffer = sniffer;
  const said = await sniffer.first;
  // What was said in the very moment of a revocation is not heard any more.
  const first: First = opening.revoked ? { kind: "gone" } : said;
  const { address } = dialled;
  if (first.kind === "http") {
    // The connection just dialled waits for the first inner request: same place, same vetted set. Through an upstream
    // proxy plain requests are not tunnelled, so there it serves nobody.
    if (env.route.proxied === null) env.pool.give(new UpstreamConn(dialled, poolKey(permit, "http"), env));
    else dialled.conn.destroy();
    env.serveInside(taken, sniffer, permit.destination, carried.certificateId);
    opening.settle({ address, status: 200, answered: 200, protocol: "http" });
    return;
  }
  const veto = first.kind === "gone" ? null : judge(first, permit);
  if (veto === null && first.kind === "tls") {
    pass(env, opening, taken, dialled, first.hello.ech ? "tls+ech" : "tls");
    return;
  }
  dialled.conn.destroy();
  if (veto !== null) await carried.veto(veto);
  if (veto !== null && first.kind === "tls") taken.conn.write(UNRECOGNIZED_NAME_ALERT);
  hangUp(taken, sniffer);
  const severed = veto !== null || opening.revoked;
  const error = veto?.vector ?? opening.over ?? "client_gone";
  opening.settle({ status: 200, answered: 200, address, severed, error });
}

/** From here on the bytes are nobody's business but the two ends'. */
function pass(env: TunnelEnv, opening: Opening, taken: Taken, dialled: Dialled, protocol: string): void {
  const { sniffer } = opening;
  const near =
    sniffer === null ? { ...taken, parked: null } : { ...taken, leftover: null, ended: false, parked: sniffer };
  relay(env, opening.egress, near, { ...dialled, leftover: null, ended: false }, (end) =>
    opening.settle({ ...end, status: 200, answered: 200, protocol }),
  );
}

/** A tunnel from its permit to its first bytes: it can be left by its client and revoked like one that carries bytes. */
class Opening implements Live, Feeder {
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
      if (sniffer === null || taken.conn.handler === sniffer) handBack(taken, sniffer);
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
  handBack(taken, sniffer);
  conn.end();
  conn.resume();
  setTimeout(() => conn.reset(), SEVER_MS);
}

/** Nothing is heard any more but the end, which is told to the door; at once when it has come already. */
function handBack(taken: Taken, sniffer: Sniffer | null): void {
  if (sniffer?.gone === true) taken.done();
  else taken.conn.handler = { data() {}, end() {}, drain() {}, close: () => taken.done() };
}

/** Long enough for an alert to be read, short for whoever keeps writing. */
const SEVER_MS = 50;
