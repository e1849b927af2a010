/** Connections that the kernel redirected here: what they name decides, and the address they were going to is dialled only when they name nothing. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { connect, createServer, type IncomingHttpHeaders } from "node:http2";
import type { AddressInfo } from "node:net";
import { allow, block, type Decision } from "../../src/model/decision.ts";
import { clientHello } from "../enforce/_hello.ts";
import { ok, Rig, type RigOptions, Upstream, until } from "./_rig.ts";

let rig: Rig;
let upstream: Upstream;

beforeEach(async () => {
  upstream = await Upstream.start();
  upstream.answers(() => ok("hi"));
});

afterEach(async () => {
  await rig.stop();
  upstream.stop();
});

/** Of another address than anything that listens: it would show if it were dialled. */
const FORGED = "203.0.113.9";

async function redirecting(options: RigOptions = {}, address = FORGED): Promise<void> {
  rig = await Rig.start({ names: { "api.example.test": ["127.0.0.1"] }, ...options });
  rig.redirected = { address, port: upstream.port };
}

function request(host: string, path = "/v1/x", extra = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${extra}\r\n`;
}

describe("HTTP on a redirected connection", () => {
  test("goes where its Host says, whatever address it was sent to", async () => {
    await redirecting();
    const client = await rig.client();
    client.send(request("api.example.test"));
    const answer = await client.answer();
    expect(answer.status).toBe(200);
    expect(answer.body).toBe("hi");
    expect(rig.dialled).toEqual([`127.0.0.1:${upstream.port}`]);
    const [proof] = rig.evidence.proofs;
    expect(proof).toMatchObject({
      caller: "sidecar.transparent.egress",
      phase: "request",
      parent: null,
      verdict: "allow",
    });
    expect(proof?.request).toMatchObject({
      door: "transparent",
      scheme: "http",
      host: "api.example.test",
      port: upstream.port,
    });
    expect(answer.header("X-EVE-Decision-Cert")).not.toBeNull();
    expect((await upstream.connection(0)).received).toStartWith("GET /v1/x HTTP/1.1\r\nHost: api.example.test");
    client.close();
    await rig.clean();
  });

  test("is never answered by the gateway itself", async () => {
    await redirecting();
    const client = await rig.client();
    client.send(request(`api.example.test:${upstream.port}`, "/healthz"));
    expect((await client.answer()).body).toBe("hi");
    client.close();
  });

  test("that names another port than it was sent to is a veto", async () => {
    await redirecting();
    const client = await rig.client();
    client.send(request("api.example.test:81"));
    expect((await client.answer()).status).toBe(451);
    expect(rig.evidence.proofs[0]?.matched_vector).toBe("host_mismatch");
    expect(rig.dialled).toEqual([]);
  });

  test("without a name goes by its address", async () => {
    await redirecting({}, "127.0.0.1");
    const client = await rig.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    expect((await client.answer()).status).toBe(200);
    expect(rig.dialled).toEqual([`127.0.0.1:${upstream.port}`]);
    expect(rig.evidence.proofs[0]?.request).toMatchObject({ host: "127.0.0.1" });
  });

  test("with a Host that is a guarded address is a veto", async () => {
    await redirecting();
    const client = await rig.client();
    client.send(request("169.254.169.254"));
    expect((await client.answer()).status).toBe(451);
    expect(rig.dialled).toEqual([]);
  });

  test("is decided request by request, a pipelined second one too", async () => {
    await redirecting({ names: { "api.example.test": ["127.0.0.1"], "evil.test": ["127.0.0.1"] } });
    rig.decide = (egress) => (egress.destination.host === "evil.test" ? block("no", "denied") : allow("test"));
    const client = await rig.client();
    client.send(request("api.example.test") + request("evil.test"));
    await client.wait((text) => text.includes("HTTP/1.1 451"), "the veto");
    expect(client.received).toStartWith("HTTP/1.1 200");
    await until(() => upstream.all[0]?.received.includes("evil") !== true, "nothing of it");
    expect(upstream.all.map((far) => far.received).join("")).not.toContain("evil");
  });

  test("asked as a proxy serves as one", async () => {
    await redirecting();
    const client = await rig.client();
    client.send(
      `GET http://api.example.test:${upstream.port}/p HTTP/1.1\r\nHost: api.example.test:${upstream.port}\r\n\r\n`,
    );
    expect((await client.answer()).status).toBe(200);
    expect(rig.evidence.proofs[0]?.request).toMatchObject({ door: "forward" });
  });

  test("in pieces of one byte is the same", async () => {
    await redirecting();
    const client = await rig.client();
    for (const char of request("api.example.test")) {
      client.send(char);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await client.answer()).status).toBe(200);
  });
});

describe("HTTP/2 by prior knowledge on a redirected connection", () => {
  async function asked(authority: string): Promise<{ status: number; body: string }> {
    const session = connect(`http://127.0.0.1:${rig.port}`);
    try {
      const stream = session.request({ ":path": "/v1/x", ":authority": authority });
      const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
      let body = "";
      for await (const bytes of stream) body += bytes;
      return { status: Number(headers[":status"]), body };
    } finally {
      session.destroy();
    }
  }

  test("goes where its authority says", async () => {
    await redirecting();
    const h2c = createServer((request, response) => void response.end(`heard ${request.authority}`));
    await new Promise<void>((resolve) => h2c.listen(0, "127.0.0.1", () => resolve()));
    const { port } = h2c.address() as AddressInfo;
    rig.redirected = { address: FORGED, port };
    const authority = `api.example.test:${port}`;
    expect(await asked(authority)).toEqual({ status: 200, body: `heard ${authority}` });
    expect(rig.evidence.proofs[0]).toMatchObject({ caller: "sidecar.transparent.egress", parent: null });
    expect(rig.dialled).toEqual([`127.0.0.1:${port}`]);
    h2c.close();
  });

  test("that names another port than it was sent to is a veto", async () => {
    await redirecting();
    expect((await asked("api.example.test:1")).status).toBe(451);
    expect(rig.evidence.proofs[0]?.matched_vector).toBe("host_mismatch");
    expect(rig.dialled).toEqual([]);
  });
});

describe("TLS on a redirected connection", () => {
  test("goes where its server name says, and not a byte of it is changed", async () => {
    await redirecting();
    upstream.onConnection = () => {};
    const client = await rig.client();
    const first = clientHello({ sni: "api.example.test" });
    client.send(first);
    const far = await upstream.connection(0);
    await until(() => far.bytes === first.length, "the ClientHello at the upstream");
    expect(Buffer.from(far.received, "latin1")).toEqual(Buffer.from(first));
    expect(rig.dialled).toEqual([`127.0.0.1:${upstream.port}`]);
    expect(rig.evidence.proofs[0]).toMatchObject({
      phase: "tunnel",
      caller: "sidecar.transparent.egress",
      verdict: "allow",
    });
    expect(rig.evidence.proofs[0]?.request).toMatchObject({
      door: "transparent",
      scheme: "tcp",
      host: "api.example.test",
    });
    far.send("server");
    await client.wait((text) => text === "server", "what the upstream says");
    client.close();
    far.socket.end();
    await rig.clean();
    expect(rig.evidence.outcomes[0]).toMatchObject({ protocol: "tls", error: null });
  });

  test("that is refused ends with an alert, and nothing is dialled", async () => {
    await redirecting();
    rig.decide = () => block("no", "denied");
    const client = await rig.client();
    client.send(clientHello({ sni: "api.example.test" }));
    await client.ended();
    expect(Buffer.from(client.received, "latin1")).toEqual(Buffer.from([21, 3, 3, 0, 2, 2, 49]));
    expect(rig.dialled).toEqual([]);
    expect(rig.evidence.proofs[0]?.verdict).toBe("block");
    // A client that stays all the same is cut.
    rig.advance(1000);
    await rig.clean();
  });

  test("that is allowed and leads nowhere ends with another alert than a refused one", async () => {
    for (const [name, error] of [
      ["api.example.test", "dial_failed"],
      ["unknown.example.test", "resolve_failed"],
    ] as const) {
      await redirecting();
      upstream.stop();
      const client = await rig.client();
      client.send(clientHello({ sni: name }));
      await client.ended();
      expect(Buffer.from(client.received, "latin1")).toEqual(Buffer.from([21, 3, 3, 0, 2, 2, 80]));
      expect(rig.evidence.proofs[0]?.verdict).toBe("allow");
      expect(rig.evidence.outcomes[0]).toMatchObject({ error });
      rig.advance(1000);
      await rig.clean();
      await rig.stop();
    }
  });

  test("without a server name goes by its address, which is guarded", async () => {
    await redirecting({}, "10.1.2.3");
    const client = await rig.client();
    client.send(clientHello());
    await client.ended();
    expect(rig.evidence.proofs[0]).toMatchObject({ verdict: "block" });
    expect(rig.evidence.proofs[0]?.request).toMatchObject({ host: "10.1.2.3" });
    expect(rig.dialled).toEqual([]);
  });

  test("whose client leaves while it is decided is told to nobody", async () => {
    await redirecting();
    let answer = () => {};
    rig.decide = () =>
      new Promise<Decision>((resolve) => {
        answer = () => resolve(allow("test"));
      });
    const client = await rig.client();
    client.send(clientHello({ sni: "api.example.test" }));
    await until(() => rig.asked.length === 1, "asked");
    client.socket.resetAndDestroy();
    await until(() => rig.door.open === 0, "gone");
    answer();
    await rig.clean();
    expect(rig.dialled).toEqual([]);
    expect(rig.evidence.outcomes[0]?.error).toBe("client_gone");
  });
});

describe("anything else on a redirected connection", () => {
  test("is a veto with a certificate, and nothing is dialled", async () => {
    await redirecting({}, "127.0.0.1");
    const client = await rig.client();
    client.send("\x00\x01SSH-like");
    await client.ended();
    expect(client.received).toBe("");
    expect(rig.dialled).toEqual([]);
    expect(rig.evidence.proofs[0]).toMatchObject({ matched_vector: "tunnel_protocol", verdict: "block" });
    await rig.clean();
  });

  test("silence is one too, when its time is over", async () => {
    await redirecting({}, "127.0.0.1");
    const client = await rig.client();
    await until(() => rig.door.open === 1, "accepted");
    rig.advance(rig.config.headerTimeoutMs + 1000);
    await client.ended();
    expect(rig.evidence.proofs[0]).toMatchObject({ matched_vector: "tunnel_silent" });
    expect(rig.dialled).toEqual([]);
    await rig.clean();
  });

  test("passes where policy calls the address opaque, and the server may speak first", async () => {
    await redirecting({}, "127.0.0.1");
    rig.opaque = (host, port) => host === "127.0.0.1" && port === upstream.port;
    upstream.onConnection = (far) => far.send("220 hello\r\n");
    const client = await rig.client();
    await client.wait((text) => text === "220 hello\r\n", "the server's word");
    client.send("QUIT\r\n");
    const far = await upstream.connection(0);
    await far.wait((text) => text === "QUIT\r\n", "the client's");
    expect(rig.evidence.proofs[0]).toMatchObject({ verdict: "allow", phase: "tunnel" });
    client.close();
    far.socket.end();
    await rig.clean();
    expect(rig.evidence.outcomes[0]?.protocol).toBe("opaque");
  });

  test("a connection of our own that comes back is a loop", async () => {
    await redirecting();
    const client = await rig.client();
    const ours = {
      localAddress: "127.0.0.1",
      localPort: client.socket.localPort as number,
      remoteAddress: FORGED,
      remotePort: upstream.port,
      closed: false,
    };
    rig.outgoing.dialled(ours);
    client.send(request("api.example.test"));
    await client.ended();
    expect(ours.closed).toBe(false);
    expect(rig.evidence.proofs[0]).toMatchObject({ matched_vector: "loop", verdict: "block" });
    expect(rig.dialled).toEqual([]);
    await rig.clean();
  });

  test("a connection from where one of ours has been is not ours", async () => {
    await redirecting();
    const client = await rig.client();
    const was = {
      localAddress: "127.0.0.1",
      localPort: client.socket.localPort as number,
      remoteAddress: FORGED,
      remotePort: upstream.port,
      closed: true,
    };
    rig.outgoing.dialled(was);
    client.send(request("api.example.test"));
    expect((await client.answer()).status).toBe(200);
    expect(was.closed).toBe(true);
  });

  test("a client that may not use the gateway is turned away before it is read", async () => {
    await redirecting({ config: { clients: [] } });
    const client = await rig.client();
    await client.ended();
    expect(rig.notices).toContain("client_not_allowed");
    expect(rig.evidence.proofs).toEqual([]);
  });
});
