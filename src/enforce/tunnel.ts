import { Fault, messageOf, unforeseen } from "../errors.ts";
import type { Taken } from "../model/exchange.ts";
import type { Permit } from "../model/permit.ts";
import { normalizeHost } from "../wire/authority.ts";
import { UNRECOGNIZED_NAME_ALERT } from "../wire/client-hello.ts";
import { badGateway } from "./answers.ts";
import type { Dialled } from "./dial.ts";
import { endedBy, NOTHING } from "./ended.ts";
import { type Interceptor, intercept, NO_APPLICATION_PROTOCOL_ALERT, offersHttp } from "./intercept.ts";
import { hangUp, Opening, type TunnelCarried, type TunnelEnv, type TunnelVeto } from "./opening.ts";
import { poolKey } from "./pool.ts";
import { keep } from "./reach.ts";
import { relay } from "./relay.ts";
import { type First, SILENCE_MS, Sniffer } from "./sniff.ts";

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
  const interceptor = readsFor(env, permit, carried.opaque);
  // What stands open to the place will do for requests inside; a tunnel whose bytes are passed on needs one of its own.
  const standing = interceptor === null ? null : env.pool.standing(poolKey(permit, "https"));
  let dialled: Dialled | null = null;
  try {
    if (standing === null) dialled = await env.route.dial(permit, opening.cancel);
  } catch (thrown) {
    if (opening.over === null) {
      opening.settle({ answered: 502, error: thrown instanceof Fault ? thrown.code : "dial_failed" });
      badGateway(exchange, carried.certificate, messageOf(thrown), true);
    } else opening.settle({ severed: opening.revoked, error: opening.over });
    return;
  }
  opening.dialled = dialled;
  if (opening.over !== null) {
    // Given up at a moment when there was nothing to cancel.
    dialled?.conn.destroy();
    opening.settle({ severed: opening.revoked, error: opening.over });
    return;
  }
  const taken = exchange.responder.takeover(200, "Connection Established", [], "", carried.certificate);
  opening.taken = taken;
  if (carried.opaque && dialled !== null) {
    pass(env, carried, opening, { taken, dialled, protocol: "opaque" });
    return;
  }
  const sniffer = new Sniffer(taken, env.deadlines);
  opening.sniffer = sniffer;
  const said = await sniffer.first;
  // What was said in the very moment of a revocation is not heard any more.
  const first: First = opening.revoked ? { kind: "gone" } : said;
  const address = dialled?.address ?? standing?.address ?? null;
  if (first.kind === "http" || first.kind === "h2c") {
    const multiplexed = first.kind === "h2c";
    // The connection just dialled waits for the first inner request: same place, same vetted set. Through an upstream
    // proxy plain requests are not tunnelled, so there it serves nobody.
    if (env.route.proxied !== null) dialled?.conn.destroy();
    else if (dialled !== null) keep(env, dialled, poolKey(permit, "http"), multiplexed);
    const destination = { ...permit.destination, scheme: "http" } as const;
    const protocol = multiplexed ? "h2" : "http/1.1";
    const inside = opening.read(taken.conn, {
      address,
      status: 200,
      answered: 200,
      protocol: multiplexed ? "h2c" : "http",
    });
    env.serveInside(inside, sniffer, { destination, parent: carried.certificateId, protocol });
    return;
  }
  const veto = first.kind === "gone" ? null : judge(first, permit, interceptor !== null);
  if (veto === null && first.kind === "tls") {
    const { ech, alpn: offers } = first.hello;
    if (interceptor !== null)
      await intercept(env, interceptor, carried, opening, { taken, dialled, standing, sniffer, offers });
    else if (dialled !== null) pass(env, carried, opening, { taken, dialled, protocol: ech ? "tls+ech" : "tls" });
    return;
  }
  dialled?.conn.destroy();
  if (veto !== null) await carried.veto(veto);
  if (veto !== null && first.kind === "tls")
    taken.conn.write(veto.vector === "tunnel_protocol" ? NO_APPLICATION_PROTOCOL_ALERT : UNRECOGNIZED_NAME_ALERT);
  hangUp(taken, sniffer.gone);
  const severed = veto !== null || opening.revoked;
  const error = veto === null ? (opening.over ?? "client_gone") : endedBy(veto.vector);
  opening.settle({ status: 200, answered: 200, address, severed, error });
}

/** Who reads the TLS of this tunnel; null: nobody does. */
function readsFor({ interceptor }: TunnelEnv, { destination }: Permit, opaque: boolean): Interceptor | null {
  return opaque || interceptor === null || interceptor.excepted(destination.host) !== null ? null : interceptor;
}

interface Passing {
  readonly taken: Taken;
  readonly dialled: Dialled;
  /** What the outcome calls it; nothing is decided by that. */
  readonly protocol: "opaque" | "tls" | "tls+ech";
}

/** From here on the bytes are nobody's business but the two ends'. */
function pass(env: TunnelEnv, carried: TunnelCarried, opening: Opening, { taken, dialled, protocol }: Passing): void {
  const { sniffer } = opening;
  const near =
    sniffer === null ? { ...taken, parked: null } : { ...taken, leftover: null, ended: false, parked: sniffer };
  relay(
    env,
    { egress: opening.egress, opaque: carried.opaque },
    near,
    { ...dialled, leftover: null, ended: false },
    (end) => opening.settle({ ...end, status: 200, answered: 200, protocol }),
  );
}

function judge(first: First, permit: Permit, read: boolean): TunnelVeto | null {
  const { host, literal } = permit.destination;
  switch (first.kind) {
    case "tls": {
      const { sni, alpn } = first.hello;
      if (sni === null) {
        if (literal) return read ? unspoken(alpn) : null;
        return { vector: "sni_missing", reason: `TLS without a server name in a tunnel to "${host}"` };
      }
      if (normalizeHost(sni)?.host === host) return read ? unspoken(alpn) : null;
      return { vector: "sni_mismatch", reason: `server name "${sni}" in a tunnel to "${host}"` };
    }
    case "silent":
      return { vector: "tunnel_silent", reason: `nothing was said in the tunnel for ${SILENCE_MS / 1000} s` };
    case "other":
      return { vector: "tunnel_protocol", reason: `${first.detail} in the tunnel` };
    // HTTP is judged by its requests; of who has gone nothing is left to judge.
    case "http":
    case "h2c":
    case "gone":
      return null;
    default:
      return unforeseen(first);
  }
}

/** TLS that is to be read must carry what can be. */
function unspoken(offers: readonly string[]): TunnelVeto | null {
  if (offersHttp(offers)) return null;
  const named = offers.slice(0, 4).map((offer) => JSON.stringify(offer.slice(0, 32)));
  return { vector: "tunnel_protocol", reason: `TLS that offers ${named.join(", ")} and no HTTP in the tunnel` };
}
