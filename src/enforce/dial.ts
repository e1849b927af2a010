import type { UpstreamProxy } from "../config/config.ts";
import { Fault, messageOf } from "../errors.ts";
import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Permit } from "../model/permit.ts";
import type { Dialing, DialTarget, Runtime, Securing, TlsClientOptions } from "../runtime/contract.ts";
import { Parked } from "./parked.ts";

/** RFC 8305's connection attempt delay. */
const ATTEMPT_DELAY_MS = 250;

/** A fresh connection, parked until its owner takes it over. */
export interface Dialled {
  readonly conn: Conn;
  readonly parked: Parked;
  readonly address: string;
}

export interface DialEnv {
  readonly runtime: Runtime;
  readonly timeoutMs: number;
  readonly tls: TlsFor;
  /** Told of each connection before a byte is sent on it. */
  dialled?(conn: Conn): void;
}

/**
 * Connects to the permit's addresses and to nothing else, staggered as RFC 8305 asks; the first to answer wins.
 * Rejects with Fault dial_failed, dial_timeout or tls_failed. Aborting `cancel` gives up at once.
 */
export function dialPermit(env: DialEnv, permit: Permit, cancel: Cancel, alpn: Alpn): Promise<Dialled> {
  const { scheme, host, port } = permit.destination;
  const tls = scheme === "https" ? env.tls(host, alpn) : null;
  return dialAddresses(env, permit.addresses, port, tls, cancel);
}

/** Where the proxy is, resolved anew for every dial: proxies move. */
export type ResolveProxy = (host: string) => readonly string[] | Promise<readonly string[]>;

/**
 * Connects to the enterprise's proxy: the one place that is dialled for a permit and does not stand in it. Whose proxy it is
 * says the configuration, not a request, so its addresses, which may be private ones, are not guarded. Rejects as `dialPermit`.
 */
export async function dialProxy(
  env: DialEnv,
  proxy: UpstreamProxy,
  resolve: ResolveProxy,
  cancel: Cancel,
): Promise<Dialled> {
  let givenUp = false;
  cancel.run = () => {
    givenUp = true;
  };
  const addresses = await resolve(proxy.host);
  if (givenUp) throw new Fault("dial_failed", "given up");
  return dialAddresses(env, addresses, proxy.port, proxy.tls ? env.tls(proxy.host, HTTP1) : null, cancel);
}

/** A hook the dial hangs its own undoing on; called by whoever no longer wants the connection. */
export interface Cancel {
  run: (() => void) | null;
}

/** What is offered to an upstream, the best first. */
export type Alpn = readonly ("h2" | "http/1.1")[];

export const HTTP1: Alpn = ["http/1.1"];
export const HTTP2: Alpn = ["h2", "http/1.1"];

/** What a TLS dial verifies and shows, by the host it is for. */
export type TlsFor = (host: string, alpn: Alpn) => TlsClientOptions;

/** TLS with the permit's host on a connection that leads there. Rejects with Fault tls_failed; the connection is gone then. */
export async function dialSecure(
  env: DialEnv,
  dialled: Dialled,
  options: TlsClientOptions,
  cancel: Cancel,
): Promise<Dialled> {
  try {
    const begin = (handler: ConnHandler): Securing => env.runtime.secureClient(dialled.conn, options, handler);
    return { ...(await secure(dialled, begin, env.timeoutMs, cancel)), address: dialled.address };
  } catch (fault) {
    dialled.conn.destroy();
    throw fault;
  }
}

/** What has been read of a connection that is not anybody's yet. */
export type Gathered = Pick<Dialled, "conn" | "parked">;

/** TLS on a connection in either role. Rejects with Fault tls_failed, and then the connection is the caller's again. */
export async function secure(
  { conn: below, parked: gathered }: Gathered,
  begin: (handler: ConnHandler) => Securing,
  withinMs: number,
  cancel: Cancel,
): Promise<Gathered> {
  const parked = new Parked();
  const securing = begin(parked);
  gathered.handOver(below, securing.feed);
  cancel.run = () => securing.cancel();
  const timer = setTimeout(() => securing.cancel(), withinMs);
  try {
    const conn = await securing.conn;
    parked.attach(conn);
    return { conn, parked };
  } finally {
    clearTimeout(timer);
    cancel.run = null;
  }
}

function dialAddresses(
  env: DialEnv,
  addresses: readonly string[],
  port: number,
  tls: TlsClientOptions | null,
  cancel: Cancel,
): Promise<Dialled> {
  return new Promise((resolve, reject) => {
    const race = new DialRace(env, addresses, port, tls, resolve, reject);
    cancel.run = () => race.fail(new Fault("dial_failed", "given up"));
    race.next();
  });
}

class DialRace {
  readonly #env: DialEnv;
  readonly #addresses: readonly string[];
  readonly #port: number;
  readonly #tls: TlsClientOptions | null;
  readonly #resolve: (dialled: Dialled) => void;
  readonly #reject: (fault: unknown) => void;
  readonly #timer: ReturnType<typeof setTimeout>;
  #stagger: ReturnType<typeof setTimeout> | undefined;
  #attempts = new Set<Dialing>();
  #index = 0;
  #over = false;
  #lastFault: unknown = null;

  constructor(
    env: DialEnv,
    addresses: readonly string[],
    port: number,
    tls: TlsClientOptions | null,
    resolve: (dialled: Dialled) => void,
    reject: (fault: unknown) => void,
  ) {
    this.#env = env;
    this.#addresses = addresses;
    this.#port = port;
    this.#tls = tls;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = setTimeout(
      () => this.fail(new Fault("dial_timeout", `no connection within ${env.timeoutMs / 1000} s`)),
      env.timeoutMs,
    );
  }

  next(): void {
    clearTimeout(this.#stagger);
    const address = this.#addresses[this.#index++];
    if (address === undefined) {
      if (this.#attempts.size === 0) this.fail(this.#lastFault ?? new Fault("dial_failed", "no address to dial"));
      return;
    }
    const target: DialTarget =
      this.#tls === null ? { address, port: this.#port } : { address, port: this.#port, tls: this.#tls };
    const parked = new Parked();
    const dialing = this.#env.runtime.dial(target, parked);
    this.#attempts.add(dialing);
    if (this.#index < this.#addresses.length) this.#stagger = setTimeout(() => this.next(), ATTEMPT_DELAY_MS);
    dialing.conn.then(
      (conn) => this.#won(dialing, { conn, parked, address }),
      (fault) => this.#lost(dialing, fault),
    );
  }

  #won(dialing: Dialing, dialled: Dialled): void {
    this.#attempts.delete(dialing);
    if (this.#over) {
      dialled.conn.destroy();
      return;
    }
    this.#finish();
    this.#env.dialled?.(dialled.conn);
    dialled.parked.attach(dialled.conn);
    this.#resolve(dialled);
  }

  #lost(dialing: Dialing, fault: unknown): void {
    this.#attempts.delete(dialing);
    this.#lastFault = fault;
    if (!this.#over) this.next();
  }

  fail(fault: unknown): void {
    if (this.#over) return;
    this.#finish();
    this.#reject(fault instanceof Fault ? fault : new Fault("dial_failed", messageOf(fault), { cause: fault }));
  }

  #finish(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#stagger);
    for (const attempt of this.#attempts) attempt.cancel();
  }
}
