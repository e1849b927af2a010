/** TLS of a tunnel is read: real clients and servers on loopback, certificates by openssl. */
import { afterEach, beforeAll, describe, expect } from "bun:test";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { join } from "node:path";
import tls from "node:tls";
import type { Interceptor } from "../../src/enforce/intercept.ts";
import { allow, block } from "../../src/model/decision.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { testUnless, tool } from "../_skip.ts";
import { authority, type Leaf, scratch } from "../conformance/kit.ts";
import { Rig, until } from "./_rig.ts";

const HOST = "api.example.test";
const missing = tool("openssl") ?? tool("curl");
const withOpenssl = (name: string, body: () => Promise<void>): void => testUnless(missing, name, body);

interface Heard {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly string[];
  readonly body: string;
}

let ours: ReturnType<typeof authority>;
let theirs: ReturnType<typeof authority>;
let shown: Leaf;

class Upstream {
  readonly heard: Heard[] = [];
  connections = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(leaf: Leaf, options: tls.SecureContextOptions = {}): Promise<Upstream> {
    let made: Upstream | null = null;
    const server = createServer({ ...leaf, ...options }, (request, response) => {
      let body = "";
      request.on("data", (bytes) => {
        body += bytes;
      });
      request.on("end", () => {
        const { method = "", url = "", rawHeaders: headers } = request;
        made?.heard.push({ method, url, headers, body });
        response.setHeader("X-Upstream", "yes");
        response.end(`heard ${body.length}`);
      });
    });
    made = new Upstream(server);
    server.on("secureConnection", () => {
      if (made !== null) made.connections++;
    });
    server.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    return made;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function interceptor(excepted: (host: string) => string | null = () => null): Interceptor {
  const { secureClient, secureServer } = runtime;
  return {
    secureClient,
    secureServer,
    excepted,
    identity: () => shown,
    upstream: (serverName, alpn) => ({ serverName, alpn, extraRoots: theirs.pem }),
    upstreamMs: 5_000,
    clientMs: 5_000,
  };
}

async function start(excepted?: (host: string) => string | null): Promise<Rig> {
  const names = { [HOST]: ["127.0.0.1"], "other.example.test": ["127.0.0.1"] };
  return Rig.start({ names, interceptor: interceptor(excepted), roots: theirs.pem });
}

interface Curled {
  readonly code: number;
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** What curl was answered inside; `roots` is what it trusts. */
async function curl(rig: Rig, port: number, args: readonly string[], roots = ours.pem): Promise<Curled> {
  const file = join(scratch(), "roots.pem");
  writeFileSync(file, roots);
  const child = spawn(
    "curl",
    [
      ...["-sS", "-i", "--max-time", "20", "--proxy", `http://127.0.0.1:${rig.port}`, "--cacert", file],
      ...["--suppress-connect-headers", ...args, `https://${HOST}:${port}/v1/chat?x=1`],
    ],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  let out = "";
  child.stdout.on("data", (bytes) => {
    out += bytes;
  });
  const code = await new Promise<number>((resolve) => child.on("close", (status) => resolve(status ?? -1)));
  const cut = out.indexOf("\r\n\r\n");
  const status = Number(/^HTTP\/[\d.]+ (\d+)/.exec(out)?.[1] ?? 0);
  return { code, status, head: out.slice(0, cut), body: cut < 0 ? "" : out.slice(cut + 4) };
}

/** A client of its own: CONNECT, then TLS on the tunnel. */
async function inside(rig: Rig, port: number, options: tls.ConnectionOptions): Promise<tls.TLSSocket> {
  const socket = await tunnel(rig, port);
  return new Promise((resolve, reject) => {
    const secured = tls.connect({ socket, servername: HOST, ca: ours.pem, ...options }, () => resolve(secured));
    secured.on("error", reject);
  });
}

function tunnel(rig: Rig, port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(rig.port, "127.0.0.1");
    socket.on("error", reject);
    socket.write(`CONNECT ${HOST}:${port} HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`);
    let head = "";
    const read = (bytes: Buffer): void => {
      head += bytes.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      socket.off("data", read);
      if (head.startsWith("HTTP/1.1 200")) resolve(socket);
      else reject(new Error(head));
    };
    socket.on("data", read);
  });
}

describe("an intercepted tunnel", () => {
  let rig: Rig;
  const upstreams: Upstream[] = [];

  beforeAll(() => {
    if (missing !== null) return;
    ours = authority();
    theirs = authority();
    shown = ours.issue(HOST, `DNS:${HOST}`);
  });
  afterEach(async () => {
    for (const upstream of upstreams.splice(0)) upstream.close();
    await rig.clean();
    await rig.stop();
  });

  async function upstreamOf(alternatives = `DNS:${HOST}`, days = 2, from = theirs): Promise<Upstream> {
    const upstream = await Upstream.start(from.issue("upstream", alternatives, days));
    upstreams.push(upstream);
    return upstream;
  }

  withOpenssl("carries a request that was decided by itself, with the tunnel as its parent", async () => {
    const upstream = await upstreamOf();
    rig = await start();
    const answer = await curl(rig, upstream.port, ["--http1.1", "-d", '{"prompt":"hello"}', "-H", "X-Case: Kept"]);
    expect(answer).toMatchObject({ code: 0, status: 200, body: "heard 18" });
    expect(answer.head).toContain("X-Upstream: yes");
    const [heard] = upstream.heard;
    expect(heard).toMatchObject({ method: "POST", url: "/v1/chat?x=1", body: '{"prompt":"hello"}' });
    expect(heard?.headers).toContain("X-Case");
    expect(
      rig.evidence.proofs.map(({ phase, verdict, parent, request }) => [phase, verdict, parent, request?.scheme]),
    ).toEqual([
      ["tunnel", "allow", null, "tcp"],
      ["request", "allow", "cert_0", "https"],
    ]);
    expect(new TextDecoder().decode(rig.asked[1]?.body?.bytes)).toBe('{"prompt":"hello"}');
    expect(answer.head).toContain("cert_1");
    await until(() => rig.evidence.outcomes.length === 2, "two outcomes");
    expect(rig.evidence.outcomes.map(({ protocol, status }) => [protocol, status])).toEqual([
      ["https", 200],
      ["http", 200],
    ]);
    // The connection that the tunnel dialled is the one that carried the request.
    expect(upstream.connections).toBe(1);
  });

  withOpenssl("answers a veto inside with 451, and nothing reaches the upstream", async () => {
    const upstream = await upstreamOf();
    rig = await start();
    rig.decide = ({ phase }) => (phase === "tunnel" ? allow("test") : block("planted", "706", { pillar: "128" }));
    const answer = await curl(rig, upstream.port, ["--http1.1", "-d", "attack"]);
    expect(answer.status).toBe(451);
    expect(JSON.parse(answer.body)).toMatchObject({ status: "BLOCK", pillar: "128", vector: "706" });
    expect(upstream.heard).toEqual([]);
  });

  withOpenssl("serves request after request on one tunnel over one connection upstream", async () => {
    const upstream = await upstreamOf();
    rig = await start();
    const client = await inside(rig, upstream.port, { ALPNProtocols: ["http/1.1"] });
    let said = "";
    client.on("data", (bytes) => {
      said += bytes;
    });
    for (let i = 1; i <= 5; i++) {
      client.write(`GET /${i} HTTP/1.1\r\nHost: ${HOST}:${upstream.port}\r\n\r\n`);
      await until(() => said.split("heard 0").length === i + 1, `answer ${i}`);
    }
    expect(upstream.heard.map(({ url }) => url)).toEqual(["/1", "/2", "/3", "/4", "/5"]);
    expect(upstream.connections).toBe(1);
    expect(rig.evidence.proofs.length).toBe(6);
    client.destroy();
  });

  withOpenssl("vetoes a request that names another host than its tunnel", async () => {
    const upstream = await upstreamOf();
    rig = await start();
    const answer = await curl(rig, upstream.port, ["--http1.1", "-H", "Host: other.example.test"]);
    expect(answer.status).toBe(451);
    expect(rig.evidence.proofs[1]).toMatchObject({ matched_vector: "host_mismatch", parent: "cert_0" });
    expect(upstream.heard).toEqual([]);
  });

  const INVALID: [string, string, number, boolean][] = [
    ["for another name", "DNS:other.example.test", 2, true],
    ["that has expired", `DNS:${HOST}`, -1, true],
    ["of an unknown issuer", `DNS:${HOST}`, 2, false],
  ];
  for (const [what, alternatives, days, known] of INVALID) {
    withOpenssl(`answers 502 with the allow's certificate to an upstream certificate ${what}`, async () => {
      const upstream = await upstreamOf(alternatives, days, known ? theirs : authority());
      rig = await start();
      const answer = await curl(rig, upstream.port, ["--http1.1", "-d", "secret of the client"]);
      expect(answer).toMatchObject({ code: 0, status: 502 });
      expect(answer.body).toStartWith("upstream error: TLS with");
      expect(answer.head).toContain("cert_1");
      expect(upstream.heard).toEqual([]);
      await until(() => rig.evidence.outcomes.length === 2, "two outcomes");
      expect(rig.evidence.outcomes[1]).toMatchObject({ error: "tls_failed", status: null });
    });
  }

  withOpenssl("ends when the client does not trust the root, and says so", async () => {
    const upstream = await upstreamOf();
    rig = await start();
    const answer = await curl(rig, upstream.port, ["--http1.1"], theirs.pem);
    expect(answer.code).toBe(60);
    await until(() => rig.evidence.outcomes.length === 1, "the outcome");
    expect(rig.evidence.outcomes[0]).toMatchObject({ error: "client_tls_failed", status: 200 });
    expect(rig.evidence.proofs.length).toBe(1);
    expect(upstream.heard).toEqual([]);
  });

  withOpenssl("is vetoed when TLS is for something else than HTTP", async () => {
    const upstream = await upstreamOf();
    rig = await start();
    const failed = inside(rig, upstream.port, { ALPNProtocols: ["imap", "h9"] });
    expect(failed).rejects.toThrow();
    await until(() => rig.evidence.proofs.length === 2, "the veto");
    expect(rig.evidence.proofs[1]).toMatchObject({ verdict: "block", matched_vector: "tunnel_protocol" });
    expect(rig.evidence.proofs[1]?.reason).toContain('"imap"');
    await failed.catch(() => {});
  });

  withOpenssl("is passed through for a host that is excepted", async () => {
    const upstream = await upstreamOf();
    rig = await start((host) => (host === HOST ? "pinned" : null));
    const answer = await curl(rig, upstream.port, ["--http1.1", "-d", "x"], theirs.pem);
    expect(answer).toMatchObject({ code: 0, status: 200 });
    expect(rig.evidence.proofs.length).toBe(1);
    await until(() => rig.evidence.outcomes.length === 1, "the outcome");
    expect(rig.evidence.outcomes[0]).toMatchObject({ protocol: "tls" });
  });

  withOpenssl("reads a client whose every byte comes by itself", async () => {
    const upstream = await upstreamOf();
    rig = await start();
    const socket = await tunnel(rig, upstream.port);
    socket.setNoDelay(true);
    const slow = net.createServer((near) => {
      const bytes: number[] = [];
      let busy = false;
      const step = (): void => {
        const byte = bytes.shift();
        busy = byte !== undefined;
        if (byte !== undefined) socket.write(Uint8Array.of(byte), () => setImmediate(step));
      };
      near.on("data", (chunk: Buffer) => {
        for (const byte of chunk) bytes.push(byte);
        if (!busy) step();
      });
      near.on("close", () => socket.destroy());
      near.on("error", () => {});
      socket.on("data", (chunk) => near.write(chunk));
      socket.on("close", () => near.destroy());
    });
    await new Promise<void>((resolve) => slow.listen(0, "127.0.0.1", () => resolve()));
    const client = tls.connect({
      port: (slow.address() as AddressInfo).port,
      host: "127.0.0.1",
      servername: HOST,
      ca: ours.pem,
    });
    client.on("error", () => {});
    let said = "";
    client.on("data", (bytes) => {
      said += bytes;
    });
    client.write(`GET /slow HTTP/1.1\r\nHost: ${HOST}:${upstream.port}\r\n\r\n`);
    await until(() => said.includes("heard 0"), "the answer");
    client.destroy();
    slow.close();
  });

  withOpenssl("is cut while its handshakes wait", async () => {
    rig = await start();
    const hole = net.createServer((socket) => socket.on("error", () => {}).resume());
    await new Promise<void>((resolve) => hole.listen(0, "127.0.0.1", () => resolve()));
    const { port } = hole.address() as AddressInfo;
    const failed = inside(rig, port, {});
    failed.catch(() => {});
    await until(() => rig.dialled.length === 1 && rig.live.size === 1, "the tunnel");
    // The upstream never answers the handshake.
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const live of rig.live.all()) live.sever("killed");
    expect(failed).rejects.toThrow();
    await until(() => rig.evidence.outcomes.length === 1, "the outcome");
    expect(rig.evidence.outcomes[0]).toMatchObject({ severed: true, error: "killed" });
    hole.close();
  });
});
