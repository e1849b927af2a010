/** An intercepted tunnel to one HTTP/2 upstream of Node's, and Node's client inside it. */
import {
  type ClientHttp2Session,
  connect,
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import net, { type AddressInfo } from "node:net";
import tls from "node:tls";
import type { Config } from "../../src/config/config.ts";
import type { Interceptor } from "../../src/enforce/intercept.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { authority, type Leaf } from "../conformance/kit.ts";
import { Rig } from "./_rig.ts";

export const HOST = "api.example.test";
export const NAMED = `DNS:${HOST}`;

type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export interface Roots {
  readonly ours: ReturnType<typeof authority>;
  readonly theirs: ReturnType<typeof authority>;
  readonly shown: Leaf;
}

export function roots(): Roots {
  const ours = authority();
  return { ours, theirs: authority(), shown: ours.issue(HOST, NAMED) };
}

export class Intercepted {
  readonly rig: Rig;
  readonly port: number;
  readonly #roots: Roots;
  readonly #upstream: Http2SecureServer | null;
  readonly #sessions: ClientHttp2Session[] = [];

  private constructor(made: { rig: Rig; port: number; roots: Roots; upstream: Http2SecureServer | null }) {
    this.rig = made.rig;
    this.port = made.port;
    this.#roots = made.roots;
    this.#upstream = made.upstream;
  }

  /** `serve`: what answers, or the port of an upstream of the test's own. */
  static async start(known: Roots, serve: number | Serve, config: Partial<Config> = {}): Promise<Intercepted> {
    const { secureClient, secureServer } = runtime;
    const interceptor: Interceptor = {
      secureClient,
      secureServer,
      excepted: () => null,
      identity: () => known.shown,
      upstream: (serverName, alpn) => ({ serverName, alpn, extraRoots: known.theirs.pem }),
      upstreamMs: 5_000,
      clientMs: 5_000,
    };
    const upstream = typeof serve === "number" ? null : await serving(known, serve);
    const names = { [HOST]: ["127.0.0.1"] };
    const rig = await Rig.start({ names, interceptor, roots: known.theirs.pem, config });
    const port = typeof serve === "number" ? serve : ((upstream as Http2SecureServer).address() as AddressInfo).port;
    return new Intercepted({ rig, port, roots: known, upstream });
  }

  /** Node's client on a tunnel of its own. */
  async session(): Promise<ClientHttp2Session> {
    const socket = await new Promise<net.Socket>((resolve) => {
      const raw = net.connect(this.rig.port, "127.0.0.1");
      raw.write(`CONNECT ${HOST}:${this.port} HTTP/1.1\r\nHost: ${HOST}:${this.port}\r\n\r\n`);
      raw.once("data", () => resolve(raw));
    });
    const secured = await new Promise<tls.TLSSocket>((resolve, reject) => {
      const options = { socket, servername: HOST, ca: this.#roots.ours.pem, ALPNProtocols: ["h2"] };
      const made = tls.connect(options, () => resolve(made));
      made.on("error", reject);
    });
    const session = connect(`https://${HOST}:${this.port}`, { createConnection: () => secured });
    session.on("error", () => {});
    this.#sessions.push(session);
    return session;
  }

  async stop(): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    this.#upstream?.close();
    await this.rig.clean();
    await this.rig.stop();
  }
}

async function serving(known: Roots, serve: Serve): Promise<Http2SecureServer> {
  const upstream = createSecureServer(known.theirs.issue("upstream", NAMED));
  upstream.on("stream", serve);
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", () => resolve()));
  return upstream;
}
