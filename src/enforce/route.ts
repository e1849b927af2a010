import type { UpstreamProxy } from "../config/config.ts";
import { Fault } from "../errors.ts";
import type { ConnHandler } from "../model/conn.ts";
import type { Permit } from "../model/permit.ts";
import { formatAuthority } from "../wire/authority.ts";
import { ResponseParser, type WireLimits } from "../wire/http1.ts";
import {
  type Alpn,
  type Cancel,
  type DialEnv,
  type Dialled,
  dialPermit,
  dialProxy,
  dialSecure,
  HTTP1,
  type ResolveProxy,
} from "./dial.ts";
import { Parked } from "./parked.ts";

/** How requests reach their upstream: straight, or through the enterprise's proxy. */
export interface Route {
  /** Opens a connection the permit allows; `alpn` is what TLS offers where the permit's scheme has it. */
  dial(permit: Permit, cancel: Cancel, alpn?: Alpn): Promise<Dialled>;
  /** Lines a proxied plain request needs in its head; null when requests go straight. */
  readonly proxied: { readonly lines: string } | null;
}

/** Straight to the vetted addresses. */
export function directRoute(env: DialEnv): Route {
  return { proxied: null, dial: (permit, cancel, alpn = HTTP1) => dialPermit(env, permit, cancel, alpn) };
}

/**
 * Through an enterprise's proxy: plain requests in absolute form, everything else in a CONNECT tunnel. Names go to the
 * proxy unresolved. `via` is this gateway's pseudonym, by which a proxy that leads back here is noticed.
 */
export function proxyRoute(
  env: DialEnv,
  proxy: UpstreamProxy,
  via: string,
  limits: WireLimits,
  resolve: ResolveProxy,
): Route {
  const credentials = proxy.authorization === null ? "" : `Proxy-Authorization: ${proxy.authorization}\r\n`;

  async function through({ host, port }: Permit["destination"], cancel: Cancel): Promise<Dialled> {
    const dialled = await dialProxy(env, proxy, resolve, cancel);
    const authority = formatAuthority(host, port);
    const head = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nVia: ${via}\r\n${credentials}\r\n`;
    return new Promise((resolve, reject) => {
      const shake = new Handshake(dialled, limits, env.timeoutMs, resolve, reject);
      cancel.run = () => shake.fail("given up");
      shake.start(head);
    });
  }

  async function dial({ destination }: Permit, cancel: Cancel, alpn = HTTP1): Promise<Dialled> {
    const { scheme, host } = destination;
    if (scheme === "http") return dialProxy(env, proxy, resolve, cancel);
    const dialled = await through(destination, cancel);
    return scheme === "tcp" ? dialled : dialSecure(env, dialled, env.tls(host, alpn), cancel);
  }

  return { proxied: { lines: `Via: ${via}\r\n${credentials}` }, dial };
}

/** Waits for the proxy's answer to CONNECT. */
class Handshake implements ConnHandler {
  readonly #dialled: Dialled;
  readonly #parser: ResponseParser;
  readonly #resolve: (dialled: Dialled) => void;
  readonly #reject: (fault: Fault) => void;
  readonly #timer: ReturnType<typeof setTimeout>;
  #status = 0;
  #over = false;

  constructor(
    dialled: Dialled,
    limits: WireLimits,
    timeoutMs: number,
    resolve: (dialled: Dialled) => void,
    reject: (fault: Fault) => void,
  ) {
    this.#dialled = dialled;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#parser = new ResponseParser(limits, {
      informational() {},
      head: (head) => {
        this.#status = head.status;
      },
      body() {},
      end() {},
    });
    this.#timer = setTimeout(() => this.fail("no answer in time"), timeoutMs);
  }

  start(head: string): void {
    this.#parser.start("CONNECT");
    this.#dialled.parked.handOver(this.#dialled.conn, this);
    this.#dialled.conn.write(head);
  }

  data(bytes: Uint8Array): void {
    const used = this.#parser.push(bytes, 0);
    if (this.#parser.fault !== null) this.fail("malformed answer");
    else if (this.#status !== 0 && (this.#status < 200 || this.#status > 299)) this.fail(`answered ${this.#status}`);
    else if (this.#parser.complete) this.#succeed(bytes.subarray(used));
  }

  end(): void {
    this.fail("closed the connection");
  }

  drain(): void {}

  close(): void {
    this.fail("closed the connection");
  }

  #succeed(rest: Uint8Array): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    const parked = new Parked();
    parked.attach(this.#dialled.conn);
    if (rest.length > 0) parked.data(rest);
    this.#resolve({ ...this.#dialled, parked });
  }

  fail(detail: string): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#dialled.conn.destroy();
    this.#reject(new Fault("dial_failed", `upstream proxy ${detail}`));
  }
}
