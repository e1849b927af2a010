/** What goes wrong in intercepted TLS, from either side: each a clear answer or end, written down, and nothing passed unseen. */
import { afterAll, beforeAll, expect } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { leashed } from "../_at-the-end.ts";
import { freePort } from "../_free-port.ts";
import { testUnless, tool } from "../_skip.ts";
import { clientHello } from "../enforce/_hello.ts";
import { Gateway, until } from "./_gateway.ts";
import { ATTACK, ended, inside, intercepting, NodeUpstream, type Place } from "./_inside.ts";
import { RawClient } from "./_raw.ts";
import { type Ran, run } from "./_run.ts";
import { Counter, throwAwayAuthority } from "./_upstream.ts";

const noTools = tool("openssl") ?? tool("node") ?? tool("curl") ?? tool("python3");
let place: Place;
let upstream: NodeUpstream;
const servers: ChildProcess[] = [];

beforeAll(async () => {
  if (noTools !== null) return;
  place = await intercepting();
  upstream = await NodeUpstream.start(place.authority);
}, 120_000);

afterAll(async () => {
  if (noTools !== null) return;
  for (const server of servers) server.kill("SIGKILL");
  const crashes = place.gateway.stderr.split("\n").filter((line) => /crash|unhandled|"level":"error"/.test(line));
  await ended(place, upstream);
  expect(crashes).toEqual([]);
}, 120_000);

interface Outcome {
  readonly certificate_id: string;
  readonly status: number | null;
  readonly error: string | null;
  readonly severed: boolean;
}

function outcomes(gateway = place.gateway): Outcome[] {
  const folder = join(gateway.folder, "audit");
  return readdirSync(folder)
    .filter((name) => name.startsWith("outcomes"))
    .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n").slice(0, -1))
    .map((line) => JSON.parse(line));
}

/** What is told of the newest tunnel, and the certificates that have it as their parent. */
async function newest(): Promise<{ outcome: Outcome; children: ReturnType<typeof inside>["requests"] }> {
  const tunnel = inside(place.gateway).tunnels.at(-1)?.certificate_id;
  const outcome = () => outcomes().find((one) => one.certificate_id === tunnel);
  await until(() => outcome() !== undefined, "the tunnel's outcome");
  const found = outcome();
  if (found === undefined) throw new Error("no outcome");
  return { outcome: found, children: inside(place.gateway).requests.filter(({ parent }) => parent === tunnel) };
}

/** A leaf of the authority that is wrong in one way; without `issuer` it signs itself. */
function leaf(
  name: string,
  { alternative, days = 2, issuer }: { alternative: string; days?: number; issuer?: string },
) {
  const { folder } = place.authority;
  const openssl = (...args: string[]) => {
    const done = spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
    if (done.status !== 0) throw new Error(done.stderr);
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${name}.key`];
  const named = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=${alternative}`];
  if (issuer === undefined) openssl("req", "-x509", ...key, ...named, "-out", `${name}.crt`, "-days", String(days));
  else {
    openssl("req", ...key, ...named, "-out", `${name}.csr`);
    const signed = ["-CA", join(issuer, "ca.crt"), "-CAkey", join(issuer, "ca.key"), "-CAcreateserial"];
    const how = ["-out", `${name}.crt`, "-days", String(days), "-copy_extensions", "copy"];
    openssl("x509", "-req", "-in", `${name}.csr`, ...signed, ...how);
  }
  return ["-cert", join(folder, `${name}.crt`), "-key", join(folder, `${name}.key`)];
}

/** `openssl s_server`, which answers every request with a page about itself; its port. */
async function opensslServer(...args: string[]): Promise<number> {
  const child = leashed(
    spawn("openssl", ["s_server", "-accept", "127.0.0.1:0", "-www", ...args], { stdio: ["ignore", "pipe", "ignore"] }),
  );
  servers.push(child);
  let said = "";
  child.stdout.on("data", (text) => {
    said += text;
  });
  await until(() => /ACCEPT \S+:\d+\n/.test(said), "openssl listens");
  return Number(/ACCEPT \S+:(\d+)/.exec(said)?.[1]);
}

const OLD = ["-cipher", "ALL:@SECLEVEL=0"];
const local = { alternative: "DNS:localhost" };
interface Failing {
  /** Its port. */
  readonly start: () => Promise<number>;
  /** Which words tell the reason. */
  readonly says: RegExp;
  /** Of a gateway of its own, that waits no longer for it. */
  readonly env?: Readonly<Record<string, string>>;
}
const UPSTREAMS: Readonly<Record<string, Failing>> = {
  "whose certificate has expired": {
    start: () => opensslServer(...leaf("expired", { ...local, days: -1, issuer: place.authority.folder })),
    says: /TLS with|expired/i,
  },
  "whose certificate is signed by itself": {
    start: () => opensslServer(...leaf("self", local)),
    says: /TLS with|self/i,
  },
  "whose certificate is for another host": {
    start: () => opensslServer(...leaf("wrong", { alternative: "DNS:wrong.example", issuer: place.authority.folder })),
    says: /TLS with|name|host/i,
  },
  "whose certificate is of an unknown issuer": {
    start: () => {
      const other = throwAwayAuthority();
      const args = leaf("untrusted", { ...local, issuer: other.folder });
      other.remove();
      return opensslServer(...args);
    },
    says: /TLS with|issuer/i,
  },
  "that knows TLS 1.0 only": {
    start: () => opensslServer(...leaf("old", { ...local, issuer: place.authority.folder }), "-tls1", ...OLD),
    says: /TLS with/,
  },
  "that knows TLS 1.1 only": {
    start: () => opensslServer(...leaf("old11", { ...local, issuer: place.authority.folder }), "-tls1_1", ...OLD),
    says: /TLS with/,
  },
  "that resets in the handshake": {
    start: async () => (await Counter.start((socket) => socket.once("data", () => socket.resetAndDestroy()))).port,
    says: /TLS with/,
  },
  "that ends in the handshake": {
    start: async () => (await Counter.start((socket) => socket.once("data", () => socket.end()))).port,
    says: /TLS with/,
  },
  "that speaks plain HTTP": {
    start: async () =>
      (await Counter.start((socket) => socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")))).port,
    says: /TLS with/,
  },
  "that says nothing": {
    start: async () => (await Counter.start()).port,
    says: /no connection within 3 s/,
    env: { EVE_PROXY_UPSTREAM_TIMEOUT: "3" },
  },
};

const curl = (gateway: Gateway, port: number, ...args: string[]): Promise<Ran> => {
  const base = ["-sS", "-i", "--suppress-connect-headers", "--max-time", "50", "--cacert", place.bundle];
  return run(["curl", ...base, "--proxy", gateway.url, ...args, `https://localhost:${port}/`]);
};

for (const [what, { start, says, env }] of Object.entries(UPSTREAMS)) {
  for (const version of ["--http1.1", "--http2"]) {
    testUnless(
      noTools,
      `an upstream ${what} is 502 with the allow's certificate (${version})`,
      async () => {
        const port = await start();
        const gateway = env === undefined ? place.gateway : await another(env);
        const { status, stdout, stderr } = await curl(gateway, port, version, "-d", "of the client");
        expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
        expect(stdout).toMatch(/^HTTP\/[12.]+ 502/);
        const [head = "", body = ""] = stdout.split("\r\n\r\n");
        expect(body).toStartWith("upstream error: ");
        expect(body).toMatch(says);
        const certificate = JSON.parse(/^x-eve-decision-cert: (.*)$/im.exec(head)?.[1] ?? "null");
        expect(certificate).toMatchObject({ verdict: "allow", phase: "request", parent: expect.any(String) });
        const told = () => outcomes(gateway).find((one) => one.certificate_id === certificate.certificate_id);
        await until(() => told() !== undefined, "the outcome");
        expect(told()).toMatchObject({ status: null, error: expect.stringMatching(/^(tls_failed|dial_|upstream_)/) });
        if (gateway !== place.gateway) expect(await gateway.stop()).toBe(0);
      },
      120_000,
    );
  }
}

/** A gateway with the same CA and other settings. */
function another(env: Readonly<Record<string, string>>): Promise<Gateway> {
  return Gateway.start({
    EVE_PROXY_CA_CERT: place.ca,
    EVE_PROXY_CA_KEY: place.ca.replace(/crt$/, "key"),
    EVE_PROXY_UPSTREAM_CA: place.authority.caFile,
    ...env,
  });
}

testUnless(
  noTools,
  "an upstream that asks for a client certificate: 502 without one, served with the one of its host",
  async () => {
    const asking = await NodeUpstream.start(place.authority, {}, place.authority.caFile);
    try {
      const refused = await curl(place.gateway, asking.port, "-d", "of the client");
      expect(refused.stdout).toMatch(/^HTTP\/[12.]+ 502/);
      expect(asking.seen).toEqual([]);
      const { certFile, keyFile } = place.authority;
      const other = await another({
        EVE_PROXY_UPSTREAM_CLIENT_CERTS: `localhost=${certFile}:${keyFile}`,
      });
      for (const version of ["--http1.1", "--http2"]) {
        const served = await curl(other, asking.port, version, "-d", "of the client");
        expect(served.stdout).toMatch(/^HTTP\/[12.]+ 200/);
      }
      expect(asking.seen.map(({ version }) => version)).toEqual(["1.1", "2.0"]);
      await other.end();
      expect(other.verifyLogs()).toMatchObject({ status: 0 });
      other.remove();
    } finally {
      asking.stop();
    }
  },
  120_000,
);

interface Odd {
  readonly connect: number;
  readonly tls: string | null;
  readonly alpn: string | null;
  readonly error: string | null;
  /** One char a byte. */
  readonly received: string;
}

const base64 = (bytes: string | Uint8Array): string =>
  (typeof bytes === "string" ? Buffer.from(bytes, "latin1") : Buffer.from(bytes)).toString("base64");

async function odd(job: Record<string, unknown>): Promise<Odd> {
  const { port } = place.gateway;
  const given = { port, target: `localhost:${upstream.port}`, sni: "localhost", ca: place.bundle, ...job };
  const ran = await run(["python3", join(import.meta.dirname, "clients/odd.py")], {}, JSON.stringify(given));
  expect(ran).toMatchObject({ status: 0 });
  return JSON.parse(ran.stdout);
}

const get = (path: string, host = `localhost:${upstream.port}`): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

const GOOD: Readonly<Record<string, Record<string, unknown>>> = {
  "its ClientHello with the CONNECT": { together: true },
  "its ClientHello in records of three bytes": { records: 3 },
  "its ClientHello in records of three bytes, with the CONNECT": { records: 3, together: true },
  "a CONNECT of HTTP/1.0": { version: "1.0" },
  "no ALPN": {},
  "ALPN of HTTP/1.1 among unknown ones": { alpn: ["imap", "http/1.1", "h9"] },
};

for (const [what, job] of Object.entries(GOOD)) {
  testUnless(
    noTools,
    `a client that sends ${what} is served and seen`,
    async () => {
      upstream.forget();
      const told = await odd({ ...job, send: base64(get("/odd")), until: '"served":"/odd"' });
      expect(told).toMatchObject({ connect: 200, error: null });
      expect(told.received).toStartWith("HTTP/1.1 200");
      expect(upstream.seen.map(({ url }) => url)).toEqual(["/odd"]);
      const { children } = await newest();
      expect(children.map(({ verdict, phase }) => `${phase} ${verdict}`)).toEqual(["request allow"]);
    },
    120_000,
  );
}

const h2 = (type: number, flags: number, stream: number, body: readonly number[]): number[] => [
  ...[(body.length >> 16) & 255, (body.length >> 8) & 255, body.length & 255, type, flags],
  ...[(stream >> 24) & 127, (stream >> 16) & 255, (stream >> 8) & 255, stream & 255, ...body],
];
/** Fields as HPACK literals without indexing or Huffman. */
const fields = (list: Readonly<Record<string, string>>): number[] =>
  Object.entries(list).flatMap(([name, value]) => [
    0,
    name.length,
    ...Buffer.from(name),
    value.length,
    ...Buffer.from(value),
  ]);
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const settings = h2(4, 0, 0, []);
const spoken = (...frames: readonly number[][]): string =>
  base64(Buffer.concat([Buffer.from(PREFACE), Buffer.from([...settings, ...frames.flat()])]));
const GOAWAY = 7;

/** The types of the frames in what was received. */
function frameTypes(received: string): number[] {
  const types: number[] = [];
  for (let at = 0; at + 9 <= received.length; ) {
    types.push(received.charCodeAt(at + 3));
    at += 9 + ((received.charCodeAt(at) << 16) | (received.charCodeAt(at + 1) << 8) | received.charCodeAt(at + 2));
  }
  return types;
}

interface Bad {
  readonly job: () => Record<string, unknown>;
  /** What its TLS library says, where the handshake fails. */
  readonly fails?: RegExp;
  /** Of the certificates under the tunnel's. */
  readonly vectors?: readonly string[];
  /** Of the tunnel's outcome. */
  readonly outcome?: string | null;
  readonly goaway?: true;
}

const BAD: Readonly<Record<string, Bad>> = {
  "TLS 1.0": { job: () => ({ tls1: true }), fails: /SSL|EOF|alert|version/i, outcome: "client_tls_failed" },
  "ALPN of other protocols only": {
    job: () => ({ alpn: ["imap", "h9"] }),
    fails: /NO_APPLICATION_PROTOCOL|no application protocol/i,
    vectors: ["tunnel_protocol"],
    outcome: "tunnel_protocol",
  },
  "another server name than the CONNECT": {
    job: () => ({ sni: "other.localhost" }),
    fails: /UNRECOGNIZED_NAME|unrecognized name/i,
    vectors: ["sni_mismatch"],
    outcome: "sni_mismatch",
  },
  "no server name": {
    job: () => ({ sni: null }),
    fails: /UNRECOGNIZED_NAME|unrecognized name/i,
    vectors: ["sni_missing"],
    outcome: "sni_missing",
  },
  "a ClientHello over more records than are read": {
    job: () => ({ records: 1 }),
    fails: /EOF/,
    vectors: ["tunnel_protocol"],
    outcome: "tunnel_protocol",
  },
  "a ClientHello of a wrong inner length": {
    job: () => {
      const hello = clientHello({ sni: "localhost" });
      hello[8] = ((hello[8] ?? 0) + 40) & 255;
      return { raw: base64(hello) };
    },
  },
  "a ClientHello whose extensions overrun it": {
    job: () => {
      const hello = clientHello({ sni: "localhost" });
      // Behind record and handshake head, version, random, session, one suite, compression: the length of all extensions.
      hello[9 + 2 + 32 + 1 + 4 + 2] = 255;
      return { raw: base64(hello) };
    },
    vectors: ["tunnel_protocol"],
    outcome: "tunnel_protocol",
  },
  "a handshake record of noise": {
    job: () => ({ raw: base64(Uint8Array.of(22, 3, 1, 0, 8, 9, 9, 9, 9, 9, 9, 9, 9)) }),
    vectors: ["tunnel_protocol"],
    outcome: "tunnel_protocol",
  },
  "a ClientHello that reads well and means nothing": {
    job: () => ({ raw: base64(clientHello({ sni: "localhost" })) }),
    outcome: "client_tls_failed",
  },
  "bytes that are no TLS behind a good ClientHello": {
    job: () => ({
      raw: base64(Buffer.concat([clientHello({ sni: "localhost" }), Buffer.from("GET / HTTP/1.1\r\n\r\n")])),
    }),
    outcome: "client_tls_failed",
  },
  "another Host than the server name": {
    job: () => ({ send: base64(get("/", "other.localhost")) }),
    vectors: ["host_mismatch"],
    outcome: null,
  },
  "another :authority than the server name": {
    job: () => {
      const head = { ":method": "GET", ":scheme": "https", ":path": "/", ":authority": "other.localhost" };
      return { alpn: ["h2"], send: spoken(h2(1, 5, 1, fields(head))), until: "host_mismatch" };
    },
    vectors: ["host_mismatch"],
    outcome: null,
  },
  "noise behind the preface of HTTP/2": {
    job: () => ({ alpn: ["h2"], send: base64(`${PREFACE}${"\u00f7\u0001noise".repeat(40)}`) }),
    goaway: true,
    outcome: null,
  },
  "HTTP/1.1 where HTTP/2 was agreed": {
    job: () => ({ alpn: ["h2"], send: base64(get("/")) }),
    goaway: true,
    outcome: null,
  },
  "DATA on a stream that was never opened": {
    job: () => ({ alpn: ["h2"], send: spoken(h2(0, 1, 1, [1, 2, 3])) }),
    goaway: true,
    outcome: null,
  },
  "a field block that HPACK cannot read": {
    job: () => ({ alpn: ["h2"], send: spoken(h2(1, 5, 1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])) }),
    goaway: true,
    outcome: null,
  },
};

for (const [what, { job, fails, vectors = [], outcome, goaway }] of Object.entries(BAD)) {
  testUnless(
    noTools,
    `a client that sends ${what}: an end, what was decided on paper, nothing at the upstream`,
    async () => {
      upstream.forget();
      const told = await odd(job());
      expect(told.connect).toBe(200);
      if (fails !== undefined) expect(told.error).toMatch(fails);
      const { outcome: ended, children } = await newest();
      expect(children.map(({ matched_vector }) => matched_vector ?? "none")).toEqual([...vectors]);
      if (outcome !== undefined) expect(ended.error).toBe(outcome);
      if (goaway) expect(frameTypes(told.received)).toContain(GOAWAY);
      expect(upstream.seen).toEqual([]);
    },
    120_000,
  );
}

testUnless(
  noTools,
  "a client that does not trust the CA is told by its own TLS, and nothing leaves",
  async () => {
    upstream.forget();
    const base = ["-sS", "--max-time", "50", "--cacert", place.authority.caFile, "--proxy", place.gateway.url];
    const { status, stderr } = await run(["curl", ...base, "-d", "of the client", `${upstream.url}/`]);
    expect(status).toBe(60);
    expect(stderr).toContain("certificate");
    expect((await newest()).outcome).toMatchObject({ status: 200, error: "client_tls_failed" });
    expect(upstream.seen).toEqual([]);
  },
  120_000,
);

testUnless(
  noTools,
  "what is sent behind a request that is vetoed is not read",
  async () => {
    upstream.forget();
    const body = JSON.stringify({ prompt: ATTACK });
    const host = `localhost:${upstream.port}`;
    const veto = `POST /v HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const told = await odd({ send: base64(veto + get("/behind")) });
    expect(told.received).toStartWith("HTTP/1.1 451");
    expect(told.received.match(/HTTP\/1\.1 /g)?.length).toBe(1);
    expect(told.received).toMatch(/^Connection: close\r$/m);
    expect(upstream.seen).toEqual([]);
  },
  120_000,
);

testUnless(
  noTools,
  "text in a WebSocket that is no UTF-8 closes with 1007 and does not arrive",
  async () => {
    upstream.forget();
    const upgrade = [
      ...["GET /socket HTTP/1.1", `Host: localhost:${upstream.port}`, "Connection: Upgrade", "Upgrade: websocket"],
      ...["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""],
    ].join("\r\n");
    const text = Uint8Array.of(0x81, 0x83, 0, 0, 0, 0, 0x61, 0xff, 0x62);
    const told = await odd({ send: base64(Buffer.concat([Buffer.from(upgrade), text])) });
    expect(told.received).toStartWith("HTTP/1.1 101");
    const close = told.received.slice(told.received.indexOf("\r\n\r\n") + 4);
    expect([close.charCodeAt(0), close.charCodeAt(2) * 256 + close.charCodeAt(3)]).toEqual([0x88, 1007]);
    expect(upstream.messages).toEqual([]);
  },
  120_000,
);

testUnless(
  noTools,
  "a gzip bomb in an answer is cut, by either protocol",
  async () => {
    for (const version of ["--http1.1", "--http2"]) {
      const { url } = upstream;
      const base = ["-sS", "--compressed", "--max-time", "50", "--cacert", place.bundle, "--proxy", place.gateway.url];
      const { status, stdout } = await run(["curl", ...base, version, "-w", "%{http_code}", `${url}/bomb`]);
      // Either it was held whole, and is a clean 451, or it was severed.
      const clean = status === 0 && stdout.endsWith("451");
      expect(clean || status !== 0).toBe(true);
      expect(stdout.length).toBeLessThan(8 << 20);
      const veto = inside(place.gateway)
        .requests.filter(({ phase }) => phase === "response")
        .at(-1);
      expect(veto).toMatchObject({ verdict: "block", matched_vector: "response_bomb" });
    }
  },
  120_000,
);

/** Waits until the gateway holds nothing for any client; the connection that asks is itself one. */
async function nothingOpen(): Promise<void> {
  const rest = "sallyport_connections 1,sallyport_held_bytes 0,sallyport_tunnels 0";
  let last = "";
  const read = async (): Promise<boolean> => {
    const answer = await fetch(`${place.gateway.url}/metrics`, { headers: { Connection: "close" } });
    const lines = (await answer.text()).split("\n");
    last = lines
      .filter((line) => /^sallyport_(connections|tunnels|held_bytes) /.test(line))
      .sort()
      .join();
    return last === rest;
  };
  await until(read, "back to nothing open").catch(() => expect(last).toBe(rest));
}

testUnless(
  noTools,
  "200 tunnels at once, each with a request: all served, and nothing of them is left open",
  async () => {
    upstream.forget();
    const many = Array.from(
      { length: 200 },
      (_, i) => `url = "${upstream.url}/many?n=${i}"\noutput = "/dev/null"\n`,
    ).join("");
    const config = join(place.authority.folder, "many");
    writeFileSync(config, many);
    const base = ["-sS", "--http1.1", "--max-time", "60", "--cacert", place.bundle, "--proxy", place.gateway.url];
    const parallel = ["--parallel", "--parallel-immediate", "--parallel-max", "200", "--config", config];
    const ran = await run(["curl", ...base, ...parallel, "-w", "%{http_code}\n"]);
    expect(ran).toMatchObject({ status: 0 });
    expect(upstream.seen.length).toBe(200);
    await nothingOpen();
  },
  120_000,
);

testUnless(
  noTools,
  "clients that leave at every stage leave nothing open",
  async () => {
    upstream.forget();
    const target = `localhost:${upstream.port}`;
    const connect = `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`;
    const hello = clientHello({ sni: "localhost" });
    const stages: readonly (readonly (string | Uint8Array)[])[] = [
      [connect.slice(0, 30)],
      [connect],
      [connect, hello.subarray(0, 3)],
      [connect, hello.subarray(0, hello.length - 1)],
      [connect, hello],
    ];
    for (const parts of stages) {
      for (const reset of [true, false]) {
        const client = await RawClient.open(place.gateway.port);
        for (const part of parts) client.send(part);
        if (parts.length > 0 && parts[0] === connect) await client.head();
        if (reset) client.socket.resetAndDestroy();
        else client.close();
      }
    }
    const streaming = join(place.authority.folder, "streaming");
    writeFileSync(streaming, JSON.stringify({ model: "m", stream: true, messages: [] }));
    await upstream.says(["first", "second"]);
    upstream.held = 0;
    const base = ["curl", "-sSN", "--cacert", place.bundle, "--proxy", place.gateway.url];
    const leaving = ["--http1.1", "--http2"].flatMap((version) => [
      // In the middle of an answer, and of a body that is slow to come.
      [...base, version, "-d", `@${streaming}`, `${upstream.url}/v1/chat/completions`],
      [...base, version, "--limit-rate", "1000", "-d", "x".repeat(60_000), `${upstream.url}/slow`],
    ]);
    let said = "";
    const clients = leaving.map(([program = "", ...args]) => {
      const client = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
      client.stdout.on("data", (text) => {
        said += text;
      });
      return client;
    });
    // Read to the end of what there is: a client with bytes unread resets.
    await until(() => upstream.held === 2 && said.split("first").length === 3, "two answers under way");
    const gone = () => {
      const requests = new Set(inside(place.gateway).requests.map((one) => one.certificate_id));
      return outcomes().filter((one) => one.error === "client_gone" && requests.has(one.certificate_id)).length;
    };
    const before = gone();
    for (const client of clients) client.kill("SIGKILL");
    // HTTP/1.1 allows a client to listen on behind its FIN, so there it is missed with the next that is said to it.
    await until(() => gone() === before + 1, "the stream of HTTP/2 is over");
    upstream.release();
    await nothingOpen();
  },
  120_000,
);

testUnless(
  noTools,
  "an upstream that is not there is 502 to the CONNECT",
  async () => {
    const { status, stderr } = await curl(place.gateway, await freePort());
    expect(status).not.toBe(0);
    expect(stderr).toContain("502");
  },
  120_000,
);
