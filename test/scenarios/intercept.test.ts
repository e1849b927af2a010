/** TLS of a tunnel is read: real clients and servers on loopback, certificates by openssl. */
import { afterEach, beforeAll, describe, expect } from "bun:test";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import {
  type ClientHttp2Session,
  connect,
  createServer as createH2c,
  createSecureServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { join } from "node:path";
import tls from "node:tls";
import type { Config } from "../../src/config/config.ts";
import type { Interceptor } from "../../src/enforce/intercept.ts";
import { allow, block } from "../../src/model/decision.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { testUnless, tool } from "../_skip.ts";
import { authority, type Leaf, scratch } from "../conformance/kit.ts";
import { Rig, until } from "./_rig.ts";

const HOST = "api.example.test";
const missing = tool("openssl") ?? tool("curl");
const withOpenssl = (name: string, body: () => Promise<void>): void => testUnless(missing, name, body, 120_000);

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

async function start(excepted?: (host: string) => string | null, config: Partial<Config> = {}): Promise<Rig> {
  const names = { [HOST]: ["127.0.0.1"], "other.example.test": ["127.0.0.1"] };
  return Rig.start({ names, config, interceptor: interceptor(excepted), roots: theirs.pem });
}

interface Curled {
  readonly code: number;
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

function outcomeOf(rig: Rig, id: string): Rig["evidence"]["outcomes"][number] | undefined {
  return rig.evidence.outcomes.find(({ certificate_id }) => certificate_id === id);
}

/** What curl was answered inside; `roots` is what it trusts. */
async function curl(rig: Rig, port: number, args: readonly string[], roots = ours.pem): Promise<Curled> {
  const file = join(scratch(), "roots.pem");
  writeFileSync(file, roots);
  const child = spawn(
    "curl",
    [
      ...["-sS", "-i", "--max-time", "60", "--proxy", `http://127.0.0.1:${rig.port}`, "--cacert", file],
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

function tunnel(rig: Rig, port: number, host = HOST): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(rig.port, "127.0.0.1");
    socket.on("error", reject);
    socket.write(`CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
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

beforeAll(() => {
  if (missing !== null) return;
  ours = authority();
  theirs = authority();
  shown = ours.issue(HOST, `DNS:${HOST}`);
});

describe("an intercepted tunnel", () => {
  let rig: Rig;
  const upstreams: { close(): void }[] = [];

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
    expect(["cert_0", "cert_1"].map((id) => outcomeOf(rig, id)?.protocol)).toEqual(["https", "http"]);
    // The tunnel lasts as long as its connection.
    expect(rig.evidence.outcomes.map(({ certificate_id }) => certificate_id)).toEqual(["cert_1", "cert_0"]);
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
      expect(outcomeOf(rig, "cert_1")).toMatchObject({ error: "tls_failed", status: null });
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
    failed.catch(() => {});
    await until(() => rig.evidence.proofs.length === 2, "the veto");
    expect(rig.evidence.proofs[1]).toMatchObject({ verdict: "block", matched_vector: "tunnel_protocol" });
    expect(rig.evidence.proofs[1]?.reason).toContain('"imap"');
    await expect(failed).rejects.toThrow();
  });

  withOpenssl("is passed through for a host that is excepted", async () => {
    const upstream = await upstreamOf();
    rig = await start((host) => (host === HOST ? "pinned" : null));
    const answer = await curl(rig, upstream.port, ["--http1.1", "-d", "x"], theirs.pem);
    expect(answer).toMatchObject({ code: 0, status: 200 });
    expect(rig.evidence.proofs.length).toBe(1);
    await until(() => rig.evidence.outcomes.length === 1, "the outcome");
    expect(rig.evidence.outcomes[0]).toMatchObject({ protocol: "tls" });
    expect(rig.evidence.proofs[0]?.reason).toBe("test; TLS is not read: pinned");
  });

  withOpenssl("is the only kind there is where nothing may pass unread", async () => {
    const upstream = await upstreamOf();
    const config = { connectPassthrough: false };
    rig = await start((host) => (host === HOST ? null : "pinned"), config);
    rig.opaque = () => true;
    expect((await curl(rig, upstream.port, ["--http1.1", "-d", "x"])).status).toBe(200);
    expect(rig.evidence.proofs.map(({ phase }) => phase)).toEqual(["tunnel", "request"]);
    await expect(tunnel(rig, upstream.port, "other.example.test")).rejects.toThrow("HTTP/1.1 451");
    expect(rig.evidence.proofs.at(-1)).toMatchObject({ matched_vector: "connect_blocked" });
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
    let offered = 0;
    const hole = net.createServer((socket) => {
      socket
        .on("error", () => {})
        .on("data", ({ length }) => {
          offered += length;
        });
    });
    await new Promise<void>((resolve) => hole.listen(0, "127.0.0.1", () => resolve()));
    const { port } = hole.address() as AddressInfo;
    const failed = inside(rig, port, {});
    failed.catch(() => {});
    // The upstream has been offered TLS and never answers.
    await until(() => offered > 0 && rig.live.size === 1, "the handshake under way");
    for (const live of rig.live.all()) live.sever("killed");
    await expect(failed).rejects.toThrow();
    await until(() => rig.evidence.outcomes.length === 1, "the outcome");
    expect(rig.evidence.outcomes[0]).toMatchObject({ severed: true, error: "killed" });
    hole.close();
  });

  async function upstream2(
    handle?: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
    most?: number,
  ): Promise<Upstream2> {
    const upstream = await Upstream2.start(theirs.issue("upstream", `DNS:${HOST}`), handle, false, most);
    upstreams.push(upstream);
    return upstream;
  }

  withOpenssl("speaks HTTP/2 with both where both do", async () => {
    const upstream = await upstream2();
    rig = await start();
    const answer = await curl(rig, upstream.port, ["--http2", "-d", '{"prompt":"hello"}', "-H", "X-Case: Kept"]);
    expect(answer).toMatchObject({ code: 0, status: 200, body: "heard 18" });
    expect(answer.head).toStartWith("HTTP/2 200");
    expect(answer.head).toContain("x-eve-decision-cert");
    expect(upstream.heard[0]).toMatchObject({ method: "POST", url: "/v1/chat?x=1", body: '{"prompt":"hello"}' });
    expect(upstream.heard[0]?.headers).toContain("x-case");
    expect(rig.evidence.proofs.map(({ phase, verdict, parent }) => [phase, verdict, parent])).toEqual([
      ["tunnel", "allow", null],
      ["request", "allow", "cert_0"],
    ]);
    await until(() => rig.evidence.outcomes.length === 2, "two outcomes");
    expect(outcomeOf(rig, "cert_0")).toMatchObject({ protocol: "h2" });
    expect(upstream.connections).toBe(1);
  });

  withOpenssl("speaks HTTP/1.1 with a client of HTTP/2 whose upstream has no other", async () => {
    const upstream = await upstreamOf();
    rig = await start();
    const answer = await curl(rig, upstream.port, ["--http2", "-d", "x"]);
    expect(answer).toMatchObject({ code: 0, status: 200 });
    expect(answer.head).toStartWith("HTTP/1.1 200");
    expect(upstream.connections).toBe(1);
  });

  withOpenssl("carries HTTP/2 to an upstream of HTTP/1.1 for a client that has nothing else", async () => {
    const upstream = await upstreamOf();
    rig = await start();
    const session = await h2(rig, upstream.port);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => ask(session, { ":path": `/${i}`, ":method": "POST" }, `body ${i}`)),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(upstream.heard.length).toBe(20);
    session.close();
  });

  withOpenssl("decides every stream by itself, many at once", async () => {
    const upstream = await upstream2();
    rig = await start();
    rig.decide = (egress, body) =>
      egress.phase === "request" && new TextDecoder().decode(body?.bytes).endsWith("7 attack")
        ? block("planted", "706", { pillar: "128" })
        : allow("test");
    const session = await h2(rig, upstream.port);
    const many = Array.from({ length: 100 }, (_, i) =>
      ask(session, { ":path": `/${i}`, ":method": "POST" }, `number ${i} ${i % 10 === 7 ? "attack" : ""}`),
    );
    const answers = await Promise.all(many);
    for (const [i, answer] of answers.entries()) {
      expect(answer.status).toBe(i % 10 === 7 ? 451 : 200);
      if (i % 10 === 7) expect(JSON.parse(answer.body)).toMatchObject({ status: "BLOCK", vector: "706" });
    }
    expect(upstream.heard.length).toBe(90);
    expect(upstream.connections).toBe(1);
    // The connection lives on: a veto ends its stream only.
    expect((await ask(session, { ":path": "/again" })).status).toBe(200);
    session.close();
  });

  for (const [most, connections] of [
    [undefined, 1],
    [300, 4],
  ] as const) {
    withOpenssl(`carries 1,000 streams of one client at once, over ${connections} connections upstream`, async () => {
      const open: ServerHttp2Stream[] = [];
      const upstream = await upstream2((stream) => void open.push(stream), most);
      rig = await start();
      const session = await h2(rig, upstream.port);
      const answers = Array.from({ length: 1000 }, (_, i) => ask(session, { ":path": `/${i}` }));
      await until(() => open.length === 1000, "1,000 streams at the upstream");
      expect(upstream.connections).toBe(connections);
      for (const [i, stream] of open.entries()) {
        stream.respond({ ":status": 200 });
        stream.end(`answer ${i}`);
      }
      expect((await Promise.all(answers)).filter(({ status }) => status === 200).length).toBe(1000);
      session.close();
    });
  }

  withOpenssl("streams an answer of HTTP/2 as it comes, and its trailers", async () => {
    const turns: (() => void)[] = [];
    const upstream = await upstream2((stream) => {
      stream.respond({ ":status": 200, "content-type": "text/event-stream" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-last": "yes" }));
      turns.push(
        () => stream.write("data: one\n\n"),
        () => stream.end("data: two\n\n"),
      );
    });
    rig = await start();
    const session = await h2(rig, upstream.port);
    const stream = session.request({ ":path": "/events" });
    let said = "";
    let last: string | undefined;
    stream.on("data", (bytes) => {
      said += bytes;
    });
    stream.on("trailers", (fields) => {
      last = fields["x-last"] as string;
    });
    await until(() => turns.length === 2, "the request");
    turns[0]?.();
    await until(() => said === "data: one\n\n", "the first event");
    turns[1]?.();
    await until(() => said.endsWith("two\n\n") && last === "yes", "the end");
    session.close();
  });

  withOpenssl("tells the upstream of a stream that its client left, and no other", async () => {
    let cancelled = 0;
    const upstream = await upstream2((stream, headers) => {
      stream.on("close", () => {
        if (stream.rstCode === 8) cancelled++;
      });
      stream.on("error", () => {});
      if (headers[":path"] === "/short") {
        stream.respond({ ":status": 200 });
        stream.end("done");
      }
    });
    rig = await start();
    const session = await h2(rig, upstream.port);
    const left = session.request({ ":path": "/long" });
    left.on("error", () => {});
    await until(() => rig.evidence.proofs.length === 2, "the first");
    await until(() => upstream.streams === 1, "the first at the upstream");
    left.close(8);
    await until(() => cancelled === 1, "word at the upstream");
    expect((await ask(session, { ":path": "/short" })).body).toBe("done");
    await until(() => rig.evidence.outcomes.some(({ error }) => error === "client_gone"), "the outcome");
    session.close();
  });

  withOpenssl("carries large bodies both ways within the windows", async () => {
    const big = "0123456789abcdef".repeat(512 * 1024);
    const upstream = await upstream2((stream) => {
      let length = 0;
      stream.on("data", (bytes) => {
        length += bytes.length;
      });
      stream.on("end", () => {
        stream.respond({ ":status": 200, "x-length": String(length) });
        stream.end(big);
      });
    });
    rig = await start();
    const session = await h2(rig, upstream.port);
    const answer = await ask(session, { ":path": "/big", ":method": "PUT" }, big);
    expect(answer.headers["x-length"]).toBe(String(big.length));
    expect(answer.body.length).toBe(big.length);
    expect(answer.body === big).toBe(true);
    session.close();
  });

  for (const version of ["--http1.1", "--http2"]) {
    withOpenssl(`needs no connection of its own upstream where one stands open (${version})`, async () => {
      const upstream = version === "--http2" ? await upstream2() : await upstreamOf();
      rig = await start();
      for (let i = 0; i < 3; i++) expect((await curl(rig, upstream.port, [version, "-d", "x"])).status).toBe(200);
      expect([upstream.connections, upstream.heard.length, rig.dialled.length]).toEqual([1, 3, 1]);
      await until(() => rig.evidence.outcomes.length === 6, "the outcomes");
      for (const { address } of rig.evidence.outcomes) expect(address).toBe("127.0.0.1");
    });
  }

  withOpenssl("does not keep a client of HTTP/2 from it because another one had only HTTP/1.1", async () => {
    const upstream = await Upstream2.start(theirs.issue("upstream", `DNS:${HOST}`), undefined, true);
    upstreams.push(upstream);
    rig = await start();
    expect((await curl(rig, upstream.port, ["--http1.1"])).head).toStartWith("HTTP/1.1 200");
    expect((await curl(rig, upstream.port, ["--http2"])).head).toStartWith("HTTP/2 200");
    expect((await curl(rig, upstream.port, ["--http1.1"])).head).toStartWith("HTTP/1.1 200");
    expect(rig.dialled.length).toBe(2);
  });

  withOpenssl("goes on over another connection when the upstream leaves", async () => {
    const upstream = await upstream2();
    rig = await start();
    const session = await h2(rig, upstream.port);
    for (let i = 0; i < 4; i++) {
      expect((await ask(session, { ":path": `/${i}` })).status).toBe(200);
      upstream.goaway();
    }
    expect(upstream.connections).toBeGreaterThan(1);
    session.close();
  });

  withOpenssl("answers a stream whose authority is another's with a veto", async () => {
    const upstream = await upstream2();
    rig = await start();
    const session = await h2(rig, upstream.port);
    const answer = await ask(session, { ":path": "/", ":authority": "other.example.test" });
    expect(answer.status).toBe(451);
    expect(JSON.parse(answer.body)).toMatchObject({ vector: "host_mismatch" });
    expect(upstream.heard).toEqual([]);
    session.close();
  });
});

describe("HTTP/2 without TLS in a tunnel", () => {
  let rig: Rig;
  let server: Http2Server;
  const heard: string[] = [];

  afterEach(async () => {
    await rig.clean();
    await rig.stop();
    server.close();
  });

  withOpenssl("is decided stream by stream and carried in HTTP/2", async () => {
    server = createH2c();
    server.on("stream", (opened, headers) => {
      const stream = opened as ServerHttp2Stream;
      heard.push(`${headers[":method"]} ${headers[":path"]} ${headers[":scheme"]}`);
      stream.respond({ ":status": 200 });
      stream.end("by h2c");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    rig = await start();
    rig.decide = ({ path }) => (path === "/no" ? block("no", "policy_deny") : allow("test"));
    const { port } = server.address() as AddressInfo;
    const socket = await tunnel(rig, port);
    const session = connect(`http://${HOST}:${port}`, { createConnection: () => socket });
    session.on("error", () => {});
    expect(await Promise.all(["/a", "/no", "/b"].map((path) => ask(session, { ":path": path })))).toMatchObject([
      { status: 200, body: "by h2c" },
      { status: 451 },
      { status: 200, body: "by h2c" },
    ]);
    expect(heard.sort()).toEqual(["GET /a http", "GET /b http"]);
    expect(rig.dialled.length).toBe(1);
    session.close();
    await until(() => rig.evidence.outcomes.length === 3, "the outcomes");
    expect(outcomeOf(rig, "cert_0")).toMatchObject({ protocol: "h2c" });
  });
});

describe("a connection of HTTP/2 on which nothing happens", () => {
  let rig: Rig;
  const servers: { close(): void }[] = [];

  afterEach(async () => {
    for (const server of servers.splice(0)) server.close();
    await rig.clean();
    await rig.stop();
  });

  /** A tunnel without TLS to an upstream that takes connections and says nothing. */
  async function silent(): Promise<[ClientHttp2Session, net.Socket]> {
    const hole = net.createServer((socket) => void socket.on("error", () => {}).resume());
    await new Promise<void>((resolve) => hole.listen(0, "127.0.0.1", () => resolve()));
    servers.push(hole);
    rig = await start();
    const { port } = hole.address() as AddressInfo;
    const socket = await tunnel(rig, port);
    const session = connect(`http://${HOST}:${port}`, { createConnection: () => socket });
    session.on("error", () => {});
    return [session, socket];
  }

  withOpenssl("is ended when its time is over", async () => {
    const [session, socket] = await silent();
    await until(() => rig.door.connections.size === 1, "served");
    let ended = false;
    socket.on("end", () => {
      ended = true;
    });
    await until(() => {
      // What it said at its beginning may come behind this, and its time begins anew.
      rig.advance(Math.max(rig.config.keepAliveTimeoutMs, rig.config.headerTimeoutMs) + 1);
      return ended;
    }, "the end");
    session.destroy();
  });

  withOpenssl("is given up upstream when no SETTINGS come, with everything that waits for it", async () => {
    const [session] = await silent();
    // More than may be opened before the upstream has said how many it takes.
    const answers = Array.from({ length: 150 }, (_, i) => ask(session, { ":path": `/${i}` }));
    await until(() => rig.asked.length === 151, "all decided");
    let over = false;
    const all = Promise.all(answers).finally(() => {
      over = true;
    });
    while (!over) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      rig.advance(10_001);
    }
    expect([...new Set((await all).map(({ status }) => status))]).toEqual([502]);
    session.destroy();
  });
});

/** An upstream that speaks HTTP/2 only. */
class Upstream2 {
  readonly heard: Heard[] = [];
  connections = 0;
  streams = 0;
  readonly #server: Http2SecureServer;
  readonly #sessions = new Set<ServerHttp2Session>();

  private constructor(server: Http2SecureServer) {
    this.#server = server;
  }

  static async start(
    leaf: Leaf,
    handle?: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
    allowHTTP1 = false,
    most?: number,
  ): Promise<Upstream2> {
    const settings = most === undefined ? {} : { maxConcurrentStreams: most };
    const server = createSecureServer({
      settings,
      ...leaf,
      allowHTTP1,
      ALPNProtocols: allowHTTP1 ? ["h2", "http/1.1"] : ["h2"],
    });
    if (allowHTTP1) {
      server.on("request", (request, response) => {
        if (request.httpVersion !== "2.0") response.end("by HTTP/1.1");
      });
    }
    const made = new Upstream2(server);
    server.on("session", (session) => {
      made.connections++;
      made.#sessions.add(session);
      session.on("error", () => {});
      session.on("close", () => made.#sessions.delete(session));
    });
    server.on("stream", (opened, headers) => {
      const stream = opened as ServerHttp2Stream;
      made.streams++;
      stream.on("error", () => {});
      if (handle !== undefined) {
        handle(stream, headers);
        return;
      }
      let body = "";
      stream.on("data", (bytes: Buffer) => {
        body += bytes;
      });
      stream.on("end", () => {
        const fields = Object.entries(headers).flatMap(([name, value]) => [name, String(value)]);
        made.heard.push({ method: headers[":method"] ?? "", url: headers[":path"] ?? "", headers: fields, body });
        stream.respond({ ":status": 200, "x-upstream": "yes" });
        stream.end(`heard ${body.length}`);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    return made;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  goaway(): void {
    for (const session of this.#sessions) session.close();
  }

  close(): void {
    for (const session of this.#sessions) session.destroy();
    this.#server.close();
  }
}

/** A client of HTTP/2 that offers nothing else. */
async function h2(rig: Rig, port: number): Promise<ClientHttp2Session> {
  const socket = await inside(rig, port, { ALPNProtocols: ["h2"] });
  expect(socket.alpnProtocol).toBe("h2");
  const session = connect(`https://${HOST}:${port}`, { createConnection: () => socket });
  session.on("error", () => {});
  return session;
}

interface Asked {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function ask(session: ClientHttp2Session, headers: Record<string, string>, body?: string): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined });
    let answered: IncomingHttpHeaders = {};
    let said = "";
    stream.setEncoding("utf8");
    stream.on("response", (fields) => {
      answered = fields;
    });
    stream.on("data", (text) => {
      said += text;
    });
    stream.on("end", () => resolve({ status: Number(answered[":status"]), headers: answered, body: said }));
    stream.on("error", reject);
    if (body !== undefined) stream.end(body);
  });
}
