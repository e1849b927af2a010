/**
 * TLS of a tunnel is read: TLS with the upstream first, so that the client is offered what the upstream speaks, then TLS
 * with the client under a leaf of this deployment's own root. What comes out is served like any HTTP inside a tunnel.
 */
import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Taken } from "../model/exchange.ts";
import type { Permit } from "../model/permit.ts";
import type { Securing, TlsClientOptions, TlsIdentity, TlsServerOptions } from "../runtime/contract.ts";
import { type Alpn, type Dialled, type Gathered, HTTP1, HTTP2, secure, type TlsFor } from "./dial.ts";
import { hangUp, type Opening, type TunnelCarried, type TunnelEnv } from "./opening.ts";
import { poolKey, type Standing } from "./pool.ts";
import { takeUp } from "./reach.ts";
import type { Sniffer } from "./sniff.ts";
import { UpstreamConn } from "./upstream-conn.ts";

/** What reading TLS takes. */
export interface Interceptor {
  /** As in the Runtime contract. */
  secureServer(below: Conn, options: TlsServerOptions, handler: ConnHandler): Securing;
  secureClient(below: Conn, options: TlsClientOptions, handler: ConnHandler): Securing;
  /** Why TLS to this host is passed through unread, or null: it is read. */
  excepted(host: string): string | null;
  /** What is shown to clients that ask for this host. Rejects with Fault `leaf_failed`. */
  identity(host: string): TlsIdentity | Promise<TlsIdentity>;
  /** How the host's own certificate is verified, and with what this gateway introduces itself. */
  readonly upstream: TlsFor;
  /** Milliseconds for the upstream's handshake. */
  readonly upstreamMs: number;
  /** Milliseconds for the client's. */
  readonly clientMs: number;
}

/** What is spoken here. */
const SPOKEN: readonly string[] = ["h2", "http/1.1"];

/** Fatal alert no_application_protocol (RFC 7301 section 3.2) as a record of its own. */
export const NO_APPLICATION_PROTOCOL_ALERT: Uint8Array = Uint8Array.of(21, 3, 3, 0, 2, 2, 120);

/** False: it offers something, and nothing that is spoken here. */
export function offersHttp(offers: readonly string[]): boolean {
  return offers.length === 0 || SPOKEN.some((protocol) => offers.includes(protocol));
}

/** What the upstream is offered: HTTP/2 for clients that have it, HTTP/1.1 always, which can carry the same requests. */
function towards(offers: readonly string[]): Alpn {
  return offers.includes("h2") ? HTTP2 : HTTP1;
}

/** What the upstream chose, where the client offers it; where the upstream could not be reached the older of the two. */
function chosen(offers: readonly string[], theirs: string | null): string {
  if (theirs !== null && offers.includes(theirs)) return theirs;
  return offers.includes("http/1.1") ? "http/1.1" : "h2";
}

/** A tunnel whose client has begun TLS with the right name. */
export interface Begun {
  readonly taken: Taken;
  /** Null: what stands open was found to be enough before it was known what the client offers. */
  readonly dialled: Dialled | null;
  readonly standing: Standing | null;
  readonly sniffer: Sniffer;
  /** What it offers by ALPN. */
  readonly offers: readonly string[];
}

/** Ends through `opening`, once. Rejects with what the code threw, never with a failed handshake. */
export async function intercept(
  env: TunnelEnv,
  interceptor: Interceptor,
  carried: TunnelCarried,
  opening: Opening,
  begun: Begun,
): Promise<void> {
  const { taken, sniffer, offers } = begun;
  const { destination } = carried.permit;
  const { host } = destination;
  const far = speaks(begun) ?? (await reach(env, interceptor, carried.permit, opening, begun));
  const ended = { status: 200, answered: 200, address: far?.address ?? begun.dialled?.address ?? null };
  if (opening.over !== null) {
    hangUp(taken, sniffer.gone);
    opening.settle({ ...ended, severed: opening.revoked, error: opening.over });
    return;
  }
  const identity = await interceptor.identity(host);
  const alpn = offers.length === 0 ? null : chosen(offers, far?.alpn ?? null);
  const near = await secured(opening, interceptor.clientMs, { conn: taken.conn, parked: sniffer }, (handler) =>
    interceptor.secureServer(taken.conn, { identity, alpn }, handler),
  );
  if (near === null) {
    hangUp(taken, taken.conn.closed);
    opening.settle({ ...ended, severed: opening.revoked, error: opening.over ?? "client_tls_failed" });
    return;
  }
  const { certificateId: parent } = carried;
  const protocol = near.conn.alpn === "h2" ? "h2" : "http/1.1";
  const inside = opening.read(near.conn, { ...ended, protocol: protocol === "h2" ? "h2" : "https" });
  env.serveInside(inside, near.parked, { destination: { ...destination, scheme: "https" }, parent, protocol });
}

/** What the upstream is spoken to in. */
interface Far {
  readonly address: string;
  readonly alpn: string | null;
}

/** What stands open serves the client as well as a connection of its own would; null: it does not. */
function speaks({ standing, offers }: Begun): Far | null {
  if (standing === null) return null;
  const { address, multiplexed, plain, plainOnly } = standing;
  if (offers.includes("h2")) {
    if (multiplexed) return { address, alpn: "h2" };
    return plain && plainOnly ? { address, alpn: "http/1.1" } : null;
  }
  return plain ? { address, alpn: "http/1.1" } : null;
}

/**
 * TLS with the upstream, on the tunnel's connection where it has one; the first exchange inside finds it open. Null: it
 * cannot be had. A certificate that does not hold is told to every request inside: each is decided, dials by itself and
 * gets its own 502.
 */
async function reach(
  env: TunnelEnv,
  interceptor: Interceptor,
  permit: Permit,
  opening: Opening,
  { dialled: own, offers }: Begun,
): Promise<Far | null> {
  const dialled = own ?? (await env.route.dial(permit, opening.cancel).catch(() => null));
  if (dialled === null) return null;
  const alpn = towards(offers);
  const far = await secured(opening, interceptor.upstreamMs, dialled, (handler) =>
    interceptor.secureClient(dialled.conn, interceptor.upstream(permit.destination.host, alpn), handler),
  );
  if (far === null) {
    dialled.conn.destroy();
    return null;
  }
  const { address } = dialled;
  const key = poolKey(permit, "https");
  const upstream = takeUp(env, { ...far, address }, key, false);
  if (upstream instanceof UpstreamConn) {
    env.pool.give(upstream);
    if (alpn === HTTP2) env.pool.chosePlain(key);
  }
  return { address, alpn: far.conn.alpn };
}

/** Null when the handshake failed, was not done in time, or is not wanted any more. */
async function secured(
  opening: Opening,
  withinMs: number,
  gathered: Gathered,
  begin: (handler: ConnHandler) => Securing,
): Promise<Gathered | null> {
  const securing = secure(gathered, begin, withinMs, opening.cancel);
  if (opening.over !== null) opening.cancel.run?.();
  return securing.catch(() => null);
}
