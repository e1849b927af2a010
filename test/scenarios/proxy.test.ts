import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { clientHello } from "../enforce/_hello.ts";
import { type Far, get, ok, post, Rig, settled, Upstream, until, VIA } from "./_rig.ts";

/** With an upstream proxy: plain requests in absolute form, everything else in its CONNECT tunnels. */

let rig: Rig;
let proxy: Upstream;

beforeEach(async () => {
  proxy = await Upstream.start();
  rig = await Rig.start({
    proxy: { tls: false, host: "127.0.0.1", port: proxy.port, authorization: "Basic c2VjcmV0" },
  });
});
afterEach(async () => {
  await rig.stop();
  proxy.stop();
});

const CONNECT = "CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\n\r\n";

async function tunnelling(): Promise<{ client: Awaited<ReturnType<Rig["client"]>>; far: Far }> {
  const client = await rig.client();
  client.send(CONNECT);
  const far = await proxy.connection(0);
  await far.heads(1);
  return { client, far };
}

describe("plain requests", () => {
  test("go out in absolute form with the proxy's credentials, unresolved, and the certificate says via_proxy", async () => {
    const client = await rig.client();
    client.send(post("far.test", "body", "/p?q", "Proxy-Authorization: Basic Y2xpZW50\r\n"));
    const far = await proxy.connection(0);
    await far.wait((text) => text.endsWith("body"), "the request");
    expect(far.received).toStartWith("POST http://far.test/p?q HTTP/1.1\r\nHost: far.test\r\n");
    expect(far.received).toContain("Proxy-Authorization: Basic c2VjcmV0\r\n");
    expect(far.received).not.toContain("Y2xpZW50");
    expect(rig.evidence.proofs[0]?.addresses).toEqual(["via_proxy"]);
    far.send(ok("x"));
    expect((await client.answer()).body).toBe("x");
    client.close();
    await rig.clean();
  });

  test("one that has come back through the proxy is a loop, and its answer says how", async () => {
    const client = await rig.client();
    client.send(get("far.test", "/", `Via: 1.0 other, ${VIA}\r\n`));
    const answer = await client.answer();
    expect([answer.status, answer.body]).toEqual([
      508,
      "loop detected: the request has come back through the upstream proxy\n",
    ]);
    expect(rig.evidence.proofs).toMatchObject([{ verdict: "block", matched_vector: "loop" }]);
    expect(proxy.all).toEqual([]);
    client.close();
    await rig.clean();
  });

  test("the proxy's 407 is our 502: it is not the client's credentials that are missing", async () => {
    proxy.answers(
      () => "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
    );
    const client = await rig.client();
    client.send(get("far.test"));
    const answer = await client.answer();
    expect(answer.status).toBe(502);
    expect(answer.body).toContain("407");
    client.close();
    await rig.clean();
  });

  test("garbage from the proxy is 502", async () => {
    proxy.onConnection = (far) => far.socket.once("data", () => far.send("what?\r\n\r\n"));
    const client = await rig.client();
    client.send(get("far.test"));
    expect((await client.answer()).status).toBe(502);
    client.close();
    await rig.clean();
  });

  test("an address literal is guarded although the proxy would dial it", async () => {
    const client = await rig.client();
    client.send(get("169.254.169.254"));
    expect((await client.answer()).status).toBe(451);
    expect(proxy.all.length).toBe(0);
    client.close();
    await rig.clean();
  });

  test("the proxy itself is not a destination", async () => {
    for (const request of [get(proxy.at), `CONNECT ${proxy.at} HTTP/1.1\r\nHost: ${proxy.at}\r\n\r\n`]) {
      const client = await rig.client();
      client.send(request);
      expect((await client.answer()).status).toBe(451);
      client.close();
    }
    expect(proxy.all.length).toBe(0);
    await rig.clean();
  });
});

describe("CONNECT", () => {
  test("is passed on with credentials; bytes behind the proxy's 200 are the server's first", async () => {
    rig.opaque = () => true;
    const { client, far } = await tunnelling();
    expect(far.received).toStartWith("CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\n");
    expect(far.received).toContain("Proxy-Authorization: Basic c2VjcmV0\r\n");
    far.send("HTTP/1.1 200 OK\r\nX-EVE-Decision-Cert: forged\r\n\r\n220 ready");
    const text = await client.wait((received) => received.endsWith("220 ready"), "the greeting");
    expect(text).not.toContain("forged");
    client.close();
    far.socket.end();
    await rig.clean();
  });

  for (const [what, answer] of [
    ["407", "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"],
    ["503 with a body", "HTTP/1.1 503 No\r\nContent-Length: 100\r\n\r\nhalf"],
    ["101", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"],
    ["garbage", "SSH-2.0-x\r\n\r\n"],
  ] as const) {
    test(`answered ${what} is 502 with the certificate`, async () => {
      const { client, far } = await tunnelling();
      far.send(answer);
      const given = await client.answer();
      expect(given.status).toBe(502);
      expect(given.header("X-EVE-Decision-Cert")).toContain('"allow"');
      await far.gone();
      client.close();
      await rig.clean();
    });
  }

  for (const how of ["fin", "reset"] as const) {
    test(`a proxy that ends by ${how} is 502`, async () => {
      const { client, far } = await tunnelling();
      if (how === "fin") far.socket.end();
      else far.socket.resetAndDestroy();
      expect((await client.answer()).status).toBe(502);
      client.close();
      await rig.clean();
    });
  }

  test("a client that leaves while the proxy thinks ends the proxy's connection", async () => {
    const { client, far } = await tunnelling();
    client.socket.resetAndDestroy();
    await far.gone();
    await rig.clean();
  });

  test("a client that leaves while the proxy's name is looked up leaves nothing", async () => {
    let open = () => {};
    rig.resolving = new Promise((resolve) => {
      open = resolve;
    });
    const client = await rig.client();
    client.send(CONNECT);
    await until(() => rig.evidence.proofs.length === 1, "allowed");
    client.socket.resetAndDestroy();
    await until(() => rig.door.open === 0, "gone");
    open();
    await settled();
    await rig.clean();
  });

  test("plaintext HTTP inside goes to the proxy in absolute form, and the tunnel's connection is dropped", async () => {
    const client = await rig.client();
    client.send(CONNECT.replaceAll(":443", ":80"));
    const far = await proxy.connection(0);
    await far.heads(1);
    far.send("HTTP/1.1 200 OK\r\n\r\n");
    await client.head();
    client.send("GET /in HTTP/1.1\r\nHost: far.test\r\n\r\n");
    const second = await proxy.connection(1);
    await second.heads(1);
    expect(second.received).toStartWith("GET http://far.test/in HTTP/1.1\r\n");
    await far.gone();
    second.send(ok("x"));
    expect((await client.answer()).body).toBe("x");
    client.close();
    await rig.clean();
  });

  test("the server name is checked although the proxy dials", async () => {
    const { client, far } = await tunnelling();
    far.send("HTTP/1.1 200 OK\r\n\r\n");
    await client.head();
    const before = far.bytes;
    client.send(clientHello({ sni: "other.test" }));
    await client.ended();
    await far.gone();
    expect(far.bytes).toBe(before);
    await rig.clean();
  });
});
