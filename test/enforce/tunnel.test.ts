import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { block } from "../../src/model/decision.ts";
import { type Far, ok, type RawClient, Rig, settled, Upstream, until } from "../scenarios/_rig.ts";
import { FakeConn } from "./_fake-conn.ts";
import { clientHello, type Hello } from "./_hello.ts";

let rig: Rig;
let upstream: Upstream;
let to: string;

beforeEach(async () => {
  rig = await Rig.start({ names: { "a.test": ["127.0.0.1"] } });
  upstream = await Upstream.start();
  to = `a.test:${upstream.port}`;
});
afterEach(async () => {
  await rig.stop();
  upstream.stop();
});

test("a protocol that nobody has thought of is not served inside as if it were HTTP/1.1", async () => {
  const destination = { scheme: "http", host: "a.test", port: upstream.port, literal: false } as const;
  const gathered = { handOver: () => expect.unreachable() };
  const conn = new FakeConn({ data() {}, end() {}, drain() {}, close() {} });
  const inside = { destination, parent: "cert_0", protocol: "h3" as "h2" };
  expect(() => rig.door.serveInside({ conn, done() {} }, gathered, inside)).toThrow("nobody has thought of");
});

const connect = (target: string) => `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`;
const binary = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

async function open(behind: string | Uint8Array = "", target = to): Promise<{ client: RawClient; far: Far }> {
  const client = await rig.client();
  client.send(Buffer.concat([Buffer.from(connect(target)), Buffer.from(behind as string, "latin1")]));
  const answer = await client.head();
  expect(answer.status).toBe(200);
  expect(answer.header("X-EVE-Decision-Cert")).toContain("cert_0");
  return { client, far: await upstream.connection(0) };
}

/** The second certificate and the end of the tunnel, with not one byte at the upstream. */
async function vetoed(client: RawClient, far: Far, vector: string): Promise<void> {
  await client.ended();
  await far.gone();
  expect(far.bytes).toBe(0);
  expect(rig.evidence.proofs.map(({ verdict, matched_vector, parent }) => [verdict, matched_vector, parent])).toEqual([
    ["allow", null, null],
    ["block", vector, "cert_0"],
  ]);
  expect(rig.evidence.outcomes.map(({ severed, error }) => [severed, error])).toEqual([[true, vector]]);
  client.close();
  await rig.clean();
}

async function passes(hello: Hello, target = to): Promise<void> {
  const bytes = clientHello(hello);
  const { client, far } = await open(bytes, target);
  await far.wait((text) => text === binary(bytes), "the whole ClientHello");
  far.send("answer");
  await client.wait((text) => text === "answer", "the answer");
  client.close();
  await far.gone();
  far.socket.end();
  await rig.clean();
}

const ALERT = "\x15\x03\x03\x00\x02\x02\x70";

describe("TLS", () => {
  test("a server name that is the CONNECT host passes, whatever its case and trailing dot", async () => {
    await passes({ sni: "A.TeSt" });
    expect(rig.evidence.outcomes[0]?.protocol).toBe("tls");
  });

  test("bytes sent together with the CONNECT head are not lost, also split at every place", async () => {
    const bytes = clientHello({ sni: "a.test" });
    for (let cut = 1; cut < bytes.length; cut += 13) {
      const { client, far } = { client: await rig.client(), far: upstream.all.length };
      client.send(Buffer.concat([Buffer.from(connect(to)), bytes.subarray(0, cut)]));
      await client.head();
      client.send(bytes.subarray(cut));
      const got = await upstream.connection(far);
      await got.wait((text) => text === binary(bytes), `the hello cut at ${cut}`);
      client.close();
      got.socket.end();
    }
    await rig.clean();
  });

  test("ECH passes on its outer name and is recorded", async () => {
    await passes({ sni: "a.test", ech: true });
    expect(rig.evidence.outcomes[0]?.protocol).toBe("tls+ech");
  });

  test("no server name passes to an address and not to a name", async () => {
    await passes({}, `127.0.0.1:${upstream.port}`);
    rig.evidence.proofs.length = 0;
    rig.evidence.outcomes.length = 0;
    upstream.all.length = 0;
    const { client, far } = await open(clientHello());
    await client.ended();
    expect(client.received).toBe(ALERT);
    await vetoed(client, far, "sni_missing");
  });

  for (const sni of ["b.test", "x.a.test", "a.test.evil", "127.0.0.1"]) {
    test(`server name "${sni}" in a tunnel to a.test is a fatal alert`, async () => {
      const { client, far } = await open(clientHello({ sni }));
      await client.ended();
      expect(client.received).toBe(ALERT);
      await vetoed(client, far, "sni_mismatch");
    });
  }

  test("a ClientHello that never ends is a veto, not memory", async () => {
    const { client, far } = await open("\x16\x03\x01\x40\x00\x01\x00\xff\xff");
    for (let i = 0; i < 20 && client.ending === "open"; i++) {
      client.send("\x00".repeat(8_000));
      await settled(2);
    }
    rig.advance(2_001);
    await client.ended();
    await far.gone();
    expect(far.bytes).toBe(0);
    client.close();
    await rig.clean();
  });
});

describe("other protocols", () => {
  for (const [what, bytes] of [
    ["SSH", "SSH-2.0-x\r\n"],
    ["a malformed HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n"],
    ["a broken ClientHello", "\x16\x03\x01\x00\x04\x01\x00\x00\x00"],
    ["a TLS record that is no ClientHello", "\x16\x03\x01\x00\x04\x02\x00\x00\x00"],
    ["NUL bytes", "\0\0\0\0"],
    ["a lower-case method", "get / HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ] as const) {
    test(`${what}: a veto`, async () => {
      const { client, far } = await open(bytes);
      await vetoed(client, far, "tunnel_protocol");
    });
  }

  test("silence for 2 s is a veto, also when the server speaks", async () => {
    const { client, far } = await open();
    far.send("220 smtp ready\r\n");
    await settled();
    rig.advance(2_001);
    await vetoed(client, far, "tunnel_silent");
    expect(client.received).toBe("");
    // Its time is the tunnel's: a veto inside is no exchange of its own.
    await until(() => rig.told.length === 2, "both told");
    expect(rig.told).toEqual(["tunnel block inside", "tunnel allow concluded"]);
  });

  test("policy opaque: the server may speak first, bytes behind CONNECT arrive, idle time ends it", async () => {
    rig.opaque = () => true;
    const { client, far } = await open("EHLO");
    await far.wait((text) => text === "EHLO", "the first bytes");
    far.send("220 ready");
    await client.wait((text) => text === "220 ready", "the greeting");
    expect(rig.counts().live).toBe(1);
    rig.advance(rig.config.idleTimeoutMs + 1);
    expect(await client.ended()).toBe("reset");
    await far.gone();
    expect(rig.evidence.outcomes[0]).toMatchObject({
      protocol: "opaque",
      error: "idle_timeout",
      bytes_up: 4,
      bytes_down: 9,
    });
    client.close();
    await rig.clean();
  });

  test("evidence that fails for the veto leaves the tunnel severed all the same", async () => {
    const { client, far } = await open();
    rig.evidence.fail = true;
    client.send("SSH-2.0-x\r\n");
    await client.ended();
    await far.gone();
    expect(far.bytes).toBe(0);
    expect(rig.evidence.proofs.map(({ written }) => written)).toEqual([true, false]);
    client.close();
    await rig.clean();
  });
});

describe("HTTP inside", () => {
  const inner = (host: string, path = "/in") => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

  test("each request is decided by itself under the tunnel's certificate and uses the dialled connection", async () => {
    const { client, far } = await open(inner(to, "/1") + inner("a.test", "/2"));
    await far.heads(1);
    far.send(ok("one"));
    const one = await client.answer();
    expect(one.body).toBe("one");
    expect(one.header("X-EVE-Decision-Cert")).toContain("cert_1");
    await far.heads(2);
    far.send(ok("two"));
    expect((await client.answer()).body).toBe("two");
    expect(upstream.all.length).toBe(1);
    expect(rig.evidence.proofs.map(({ parent }) => parent)).toEqual([null, "cert_0", "cert_0"]);
    expect(far.received).toStartWith(`GET /1 HTTP/1.1\r\nHost: ${to}\r\n`);
    client.close();
    await rig.clean();
  });

  for (const host of ["b.test", "a.test:1", "localhost"]) {
    test(`a request that names ${host} is a veto, and nothing behind it is read`, async () => {
      const { client, far } = await open(inner(host) + inner(to, "/behind"));
      const answer = await client.answer();
      expect(answer.status).toBe(451);
      expect(JSON.parse(answer.body).vector).toBe("host_mismatch");
      await client.ended();
      expect(far.bytes).toBe(0);
      expect(rig.evidence.proofs.length).toBe(2);
      client.close();
      await rig.clean();
    });
  }

  for (const [what, bytes] of [
    ["CONNECT", "CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n"],
    ["asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n"],
    ["what only begins like HTTP", "GET nothing at all\r\n\r\n"],
  ] as const) {
    test(`${what} inside is 400`, async () => {
      const { client, far } = await open(bytes);
      expect((await client.answer()).status).toBe(400);
      await client.ended();
      expect(far.bytes).toBe(0);
      client.close();
      await rig.clean();
    });
  }

  test("the gateway's own paths are not served inside: they go to the tunnel's destination", async () => {
    const { client, far } = await open(inner(to, "/healthz"));
    await far.heads(1);
    far.send(ok("theirs"));
    expect((await client.answer()).body).toBe("theirs");
    client.close();
    await rig.clean();
  });

  test("a vetoed inner request severs the tunnel", async () => {
    rig.decide = (egress) => (egress.phase === "request" ? block("no", "test") : { ...allowed });
    const { client, far } = await open(inner(to));
    expect((await client.answer()).status).toBe(451);
    await client.ended();
    expect(far.bytes).toBe(0);
    client.close();
    await rig.clean();
  });

  test("a pipelined flood inside is decided one by one and read no faster than answered", async () => {
    upstream.answers(() => ok("x"));
    const { client } = await open(`G`);
    client.send(`${inner(to).slice(1)}${inner(to).repeat(2_999)}`);
    for (let i = 0; i < 3_000; i++) expect((await client.answer()).body).toBe("x");
    expect(rig.evidence.proofs.length).toBe(3_001);
    client.close();
    await rig.clean();
  }, 120_000);
});

const allowed = (await import("../../src/model/decision.ts")).allow("test");

describe("dial", () => {
  test("a closed port is 502 with the allow certificate", async () => {
    upstream.stop();
    const client = await rig.client();
    client.send(connect(to));
    const answer = await client.answer();
    expect(answer.status).toBe(502);
    expect(answer.header("X-EVE-Decision-Cert")).toContain('"allow"');
    client.close();
    await rig.clean();
  });

  test("a name that leads nowhere is 502 with the allow certificate", async () => {
    const client = await rig.client();
    client.send(connect("nowhere.test:443"));
    const answer = await client.answer();
    expect(answer.status).toBe(502);
    expect(answer.header("X-EVE-Decision-Cert")).toContain('"allow"');
    expect(rig.evidence.outcomes[0]?.error).toBe("resolve_failed");
    client.close();
    await rig.clean();
  });

  test("the second address is tried when the first refuses", async () => {
    rig.names["a.test"] = ["127.0.0.77", "127.0.0.1"];
    await passes({ sni: "a.test" });
    expect(rig.dialled).toEqual([`127.0.0.77:${upstream.port}`, to.replace("a.test", "127.0.0.1")]);
    expect(rig.evidence.outcomes[0]?.address).toBe("127.0.0.1");
  });

  test("one forbidden sibling address is a veto for the name, wherever it stands", async () => {
    for (const addresses of [
      ["127.0.0.1", "169.254.169.254"],
      ["10.0.0.1", "127.0.0.1"],
      ["127.0.0.1", "::ffff:169.254.169.254"],
    ]) {
      rig.names["a.test"] = addresses;
      const client = await rig.client();
      client.send(connect(to));
      expect((await client.answer()).status).toBe(451);
      client.close();
    }
    expect(rig.dialled).toEqual([]);
    await rig.clean();
  });

  test("a name that resolves to the gateway itself is a loop", async () => {
    rig.names["me.test"] = ["127.0.0.1"];
    for (const target of [
      `me.test:${rig.port}`,
      `127.0.0.1:${rig.port}`,
      `127.0.0.2:${rig.port}`,
      `localhost:${rig.port}`,
    ]) {
      const client = await rig.client();
      client.send(connect(target));
      const status = (await client.answer()).status;
      // The listener is bound to 127.0.0.1 only: 127.0.0.2 is somebody else's, here nobody's.
      expect(status).toBe(target.startsWith("127.0.0.2") ? 502 : 508);
      client.close();
    }
    expect(rig.dialled.filter((place) => place === `127.0.0.1:${rig.port}`)).toEqual([]);
    await rig.clean();
  });
});

describe("half-close and resets", () => {
  async function tls() {
    const bytes = clientHello({ sni: "a.test" });
    const { client, far } = await open(bytes);
    await far.wait((text) => text.length === bytes.length, "the hello");
    return { client, far };
  }

  test("the client's FIN passes, and the upstream may answer long after", async () => {
    const { client, far } = await tls();
    client.socket.end();
    await until(() => far.ending === "fin", "FIN at the upstream");
    far.send("late");
    await client.wait((text) => text === "late", "the late answer");
    far.socket.end();
    expect(await client.ended()).toBe("fin");
    await rig.clean();
    expect(rig.evidence.outcomes[0]?.error).toBeNull();
  });

  test("the upstream's FIN passes, and the client may speak long after", async () => {
    const { client, far } = await tls();
    far.socket.end();
    expect(await client.ended()).toBe("fin");
    client.send("late");
    await far.wait((text) => text.endsWith("late"), "the late bytes");
    client.socket.end();
    await until(() => far.ending === "fin", "FIN at the upstream");
    await rig.clean();
  });

  test("a FIN that came with the bytes behind an opaque CONNECT is kept", async () => {
    rig.opaque = () => true;
    const client = await rig.client();
    client.send(`${connect(to)}EHLO`);
    client.socket.end();
    const far = await upstream.connection(0);
    await until(() => far.ending === "fin" && far.received === "EHLO", "bytes and FIN at the upstream");
    far.send("bye");
    far.socket.end();
    await client.wait((text) => text.endsWith("bye"), "the answer");
    await rig.clean();
  });

  test("the client's reset is a reset at the upstream", async () => {
    const { client, far } = await tls();
    client.socket.resetAndDestroy();
    await until(() => far.ending === "reset", "reset at the upstream");
    await rig.clean();
    expect(rig.evidence.outcomes[0]?.error).toBe("client_reset");
  });

  test("the upstream's reset is a reset at the client", async () => {
    const { client, far } = await tls();
    far.socket.resetAndDestroy();
    expect(await client.ended()).toBe("reset");
    client.close();
    await rig.clean();
    expect(rig.evidence.outcomes[0]?.error).toBe("upstream_reset");
  });

  test("a hello and a FIN in one go reach the upstream", async () => {
    const bytes = clientHello({ sni: "a.test" });
    const client = await rig.client();
    client.send(Buffer.concat([Buffer.from(connect(to)), bytes]));
    client.socket.end();
    const far = await upstream.connection(0);
    await far.wait((text) => text === binary(bytes), "the hello");
    await until(() => far.ending === "fin", "FIN at the upstream");
    far.send("bye");
    await client.wait((text) => text.endsWith("bye"), "the answer");
    far.socket.end();
    await client.ended();
    await rig.clean();
  });

  for (const direction of ["up", "down"] as const) {
    test(`100 MB ${direction} wait for a peer that does not read, then arrive`, async () => {
      const { client, far } = await tls();
      const total = 100_000_000;
      const [from, target] = direction === "down" ? [far.socket, client.socket] : [client.socket, far.socket];
      let received = 0;
      let written = 0;
      const piece = Buffer.alloc(1_000_000);
      target.removeAllListeners("data");
      target.on("data", (bytes: Uint8Array) => {
        received += bytes.length;
      });
      target.pause();
      const more = () => {
        while (written < total) {
          written += piece.length;
          if (!from.write(piece)) return;
        }
        from.end();
      };
      from.on("drain", more);
      more();
      let seen = -1;
      for (let still = 0; still < 20; ) {
        await settled();
        still = written === seen ? still + 1 : 0;
        seen = written;
      }
      expect(written).toBeLessThan(50_000_000);
      target.resume();
      await until(() => received === total, "everything");
      client.close();
      far.socket.end();
      await rig.clean();
    }, 120_000);
  }
});
