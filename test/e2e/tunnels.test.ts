import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { connect as connectTls } from "node:tls";
import { freePort } from "../_free-port.ts";
import { testUnless, tool } from "../_skip.ts";
import { clientHello } from "../enforce/_hello.ts";
import { type CertificateLike, Gateway, until } from "./_gateway.ts";
import { RawClient } from "./_raw.ts";
import { type Authority, Counter, throwAwayAuthority, Upstream } from "./_upstream.ts";

async function tunnelTo(port: number, target: string): Promise<{ client: RawClient; certificate: CertificateLike }> {
  const client = await RawClient.open(port);
  client.send(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  const answer = await client.head();
  expect(answer.status).toBe(200);
  return { client, certificate: JSON.parse(answer.header("X-EVE-Decision-Cert") ?? "null") };
}

describe("tunnel", () => {
  let gateway: Gateway;
  let upstream: Upstream;
  let counter: Counter;
  beforeAll(async () => {
    gateway = await Gateway.start();
    upstream = await Upstream.start();
    counter = await Counter.start((socket) => socket.end("never to be seen"));
  });
  afterEach(() => {
    counter.received = "";
  });
  afterAll(async () => {
    await gateway.stop();
    await upstream.stop();
    await counter.stop();
  });

  const child = async (parent: CertificateLike, verdict: string): Promise<CertificateLike> => {
    const find = () =>
      gateway.auditLines().find((one) => one.parent === parent.certificate_id && one.verdict === verdict);
    await until(() => find() !== undefined, `a ${verdict} line whose parent is the tunnel`);
    const found = find();
    if (found === undefined) throw new Error("no line");
    return found;
  };

  test("bytes that are neither TLS nor HTTP are a second certificate, and not one reaches the upstream", async () => {
    const { client, certificate } = await tunnelTo(gateway.port, `127.0.0.1:${counter.port}`);
    client.send("SSH-2.0-OpenSSH_9.2\r\n");
    await client.ended();
    expect((await child(certificate, "block")).matched_vector).toBe("tunnel_protocol");
    expect(counter.received).toBe("");
    expect(client.received).toBe("");
  });

  test("what was said while the gateway stood still is no silence", async () => {
    const far = await Counter.start();
    const { client } = await tunnelTo(gateway.port, `localhost:${far.port}`);
    const hello = clientHello({ sni: "localhost" });
    gateway.signal("SIGSTOP");
    client.send(hello);
    // Its own clock is what this is about: longer than a tunnel may be silent.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    gateway.signal("SIGCONT");
    await until(() => far.received.length >= hello.length || client.ending !== "open", "passed or ended");
    expect([far.received.length, client.ending]).toEqual([hello.length, "open"]);
    client.close();
    await far.stop();
  }, 120_000);

  test("silence is a veto", async () => {
    const { client, certificate } = await tunnelTo(gateway.port, `127.0.0.1:${counter.port}`);
    await client.ended();
    expect((await child(certificate, "block")).matched_vector).toBe("tunnel_silent");
  });

  test.each([
    ["differs from the CONNECT host", "other.test", "sni_mismatch"],
    ["is missing", undefined, "sni_missing"],
  ])("a server name that %s is a second certificate, the fatal alert, and nothing more", async (_, sni, vector) => {
    const { client, certificate } = await tunnelTo(gateway.port, `localhost:${counter.port}`);
    client.send(clientHello(sni === undefined ? {} : { sni }));
    await client.ended();
    // A TLS record: alert, level fatal (2), unrecognized_name (112). The upstream's own bytes never come this way.
    expect([...Buffer.from(client.received, "latin1")]).toEqual([21, 3, 3, 0, 2, 2, 112]);
    expect((await child(certificate, "block")).matched_vector).toBe(vector);
    expect(counter.received).toBe("");
  });

  test("a TLS client with another server name understands the alert", async () => {
    const { client } = await tunnelTo(gateway.port, `localhost:${counter.port}`);
    const failure = new Promise<string>((resolve) => {
      const tls = connectTls({ socket: client.socket, servername: "other.test", rejectUnauthorized: false });
      tls.on("error", (error: Error & { code?: string }) => resolve(`${error.code} ${error.message}`));
      tls.on("close", () => resolve("closed without an alert"));
    });
    expect(await failure).toMatch(/unrecognized.name/i);
  });

  test("plaintext HTTP in a tunnel is decided request by request, each with its own certificate", async () => {
    upstream.forget();
    const target = `127.0.0.1:${upstream.port}`;
    const { client, certificate } = await tunnelTo(gateway.port, target);
    for (const path of ["/one", "/two"]) {
      client.send(`POST ${path} HTTP/1.1\r\nHost: ${target}\r\nContent-Length: 3\r\n\r\nabc`);
      const answer = await client.answer();
      expect(answer.status).toBe(200);
      const inner = JSON.parse(answer.header("X-EVE-Decision-Cert") ?? "null");
      expect(inner.parent).toBe(certificate.certificate_id);
      expect(inner.content_hash).toBe(`sha256-${upstream.last.sha256}`);
    }
    expect(upstream.seen.map((one) => one.url)).toEqual(["/one", "/two"]);
    client.close();
  });

  test("a request in a tunnel that names another host is vetoed and does not arrive", async () => {
    upstream.forget();
    const { client } = await tunnelTo(gateway.port, `127.0.0.1:${upstream.port}`);
    client.send("GET / HTTP/1.1\r\nHost: other.test\r\n\r\n");
    expect([400, 451]).toContain((await client.answer()).status);
    await client.ended();
    expect(upstream.seen).toEqual([]);
  });

  test("CONNECT to a closed port is 502 with the allow certificate", async () => {
    const client = await RawClient.open(gateway.port);
    const target = `127.0.0.1:${await freePort()}`;
    client.send(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    const answer = await client.answer();
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.header("X-EVE-Decision-Cert") ?? "null").verdict).toBe("allow");
    client.close();
  });

  test("CONNECT to the gateway itself is 508", async () => {
    const client = await RawClient.open(gateway.port);
    client.send(`CONNECT 127.0.0.1:${gateway.port} HTTP/1.1\r\nHost: 127.0.0.1:${gateway.port}\r\n\r\n`);
    expect((await client.answer()).status).toBe(508);
    client.close();
  });

  test("CONNECT in HTTP/1.0 without Host, as Python sends it, gets a tunnel", async () => {
    const client = await RawClient.open(gateway.port);
    client.send(`CONNECT 127.0.0.1:${upstream.port} HTTP/1.0\r\n\r\n`);
    expect((await client.head()).status).toBe(200);
    client.close();
  });
});

test("a client whose port number equals that of one of the gateway's own sockets is no loop", async () => {
  // The kernel gives one port number to sockets with different far ends, so among this many pairs some coincide.
  const counter = await Counter.start();
  const gateway = await Gateway.start();
  const target = `127.0.0.1:${counter.port}`;
  const clients: RawClient[] = [];
  const statuses = new Map<number, number>();
  for (let round = 0; round < 10; round++) {
    const batch = await Promise.all(Array.from({ length: 100 }, () => RawClient.open(gateway.port)));
    clients.push(...batch);
    for (const client of batch) client.send(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\nGET / HTTP/1.1\r\n`);
    for (const client of batch) {
      const { status } = await client.head();
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  }
  for (const client of clients) client.close();
  await gateway.stop();
  await counter.stop();
  expect([...statuses]).toEqual([[200, 1000]]);
}, 120_000);

let authority: Authority | null = null;
afterAll(() => authority?.remove());

testUnless(tool("openssl"), "TLS in a tunnel reaches the upstream end to end", async () => {
  authority ??= throwAwayAuthority();
  const gateway = await Gateway.start();
  const upstream = await Upstream.start(authority);
  const { client } = await tunnelTo(gateway.port, `localhost:${upstream.port}`);
  const answer = await new Promise<string>((resolve, reject) => {
    let text = "";
    const tls = connectTls({ socket: client.socket, servername: "localhost", rejectUnauthorized: false }, () => {
      tls.write(`GET /through HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    });
    tls.on("data", (bytes) => {
      text += bytes;
    });
    tls.on("end", () => resolve(text));
    tls.on("error", reject);
  });
  expect(answer).toStartWith("HTTP/1.1 200");
  expect(upstream.last.url).toBe("/through");
  client.close();
  await gateway.stop();
  await upstream.stop();
});

test("EVE_PROXY_CONNECT_PASSTHROUGH=0 vetoes every tunnel", async () => {
  const counter = await Counter.start();
  const gateway = await Gateway.start({ EVE_PROXY_CONNECT_PASSTHROUGH: "0" });
  const client = await RawClient.open(gateway.port);
  client.send(`CONNECT 127.0.0.1:${counter.port} HTTP/1.1\r\nHost: 127.0.0.1:${counter.port}\r\n\r\n`);
  expect((await client.answer()).status).toBe(451);
  expect(counter.connections).toBe(0);
  client.close();
  await gateway.stop();
  await counter.stop();
}, 120_000);
