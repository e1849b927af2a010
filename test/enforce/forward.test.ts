import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { allow, block } from "../../src/model/decision.ts";
import { type Far, get, ok, post, type RawClient, Rig, settled, Upstream, until } from "../scenarios/_rig.ts";
import { frame, MASK } from "../wire/_websocket.ts";

let rig: Rig;
let upstream: Upstream;
let at: string;

beforeEach(async () => {
  rig = await Rig.start();
  upstream = await Upstream.start();
  at = upstream.at;
});
afterEach(async () => {
  await rig.stop();
  upstream.stop();
});

async function asked(request: string): Promise<{ client: RawClient; far: Far }> {
  const client = await rig.client();
  client.send(request);
  const far = await upstream.connection(0);
  await far.heads(1);
  return { client, far };
}

async function done(client: RawClient): Promise<void> {
  client.close();
  await rig.clean();
}

const get10 = (extra = "") => `GET http://${at}/ HTTP/1.0\r\n${extra}\r\n`;

describe("truncated answers are never a clean end", () => {
  const cases: [string, string, string][] = [
    ["Content-Length", get("AT"), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"],
    ["chunked", get("AT"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"],
    [
      "chunked to HTTP/1.0",
      "GET http://AT/ HTTP/1.0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
  ];
  for (const [what, request, answer] of cases) {
    for (const how of ["fin", "reset"] as const) {
      test(`${what}, upstream ends by ${how}`, async () => {
        const { client, far } = await asked(request.replaceAll("AT", at));
        far.send(answer);
        await client.wait((text) => text.includes("half"), "the half");
        if (how === "fin") far.socket.end();
        else far.socket.resetAndDestroy();
        expect(await client.ended()).toBe("reset");
        expect(client.received).not.toContain("0\r\n\r\n");
        expect(rig.evidence.outcomes.map(({ severed }) => severed)).toEqual([true]);
        await done(client);
      });
    }
  }

  test("a chunk that is malformed in the middle severs", async () => {
    const { client, far } = await asked(get(at));
    far.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    await client.wait((text) => text.includes("half"), "the half");
    far.send("zz\r\n");
    expect(await client.ended()).toBe("reset");
    expect(rig.evidence.outcomes[0]?.error).toBe("upstream_malformed");
    await done(client);
  });

  test("a close-delimited answer that is reset severs", async () => {
    const { client, far } = await asked(get(at));
    far.send("HTTP/1.1 200 OK\r\n\r\nhalf");
    await client.wait((text) => text.includes("half"), "the half");
    far.socket.resetAndDestroy();
    expect(await client.ended()).toBe("reset");
    await done(client);
  });
});

describe("framing", () => {
  test("a close-delimited answer is chunked for HTTP/1.1 and the client's connection is kept", async () => {
    upstream.onConnection = (far) => {
      far.socket.once("data", () => {
        far.send("HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nwhole");
        far.socket.end();
      });
    };
    const client = await rig.client();
    for (let i = 0; i < 2; i++) {
      client.send(get(at));
      const answer = await client.answer();
      expect(answer.body).toBe("whole");
      expect(answer.header("Transfer-Encoding")).toBe("chunked");
      expect(answer.header("Connection")).toBeNull();
    }
    await done(client);
  });

  test("a close-delimited answer for HTTP/1.0 ends by FIN, without chunks", async () => {
    const { client, far } = await asked(get10("Connection: keep-alive\r\n"));
    far.send("HTTP/1.1 200 OK\r\n\r\nwhole");
    far.socket.end();
    expect(await client.ended()).toBe("fin");
    expect(client.received).toEndWith("\r\n\r\nwhole");
    expect(client.received).not.toMatch(/chunked/i);
    expect(client.received).toMatch(/^Connection: close\r$/m);
    await done(client);
  });

  test("a chunked answer for HTTP/1.0 is unwrapped, its trailers dropped, interim answers not sent", async () => {
    const { client, far } = await asked(get10());
    far.send("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n");
    far.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\nX-T: 1\r\n\r\n");
    expect(await client.ended()).toBe("fin");
    expect(client.received).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(client.received).toEndWith("\r\n\r\nwhole");
    expect(client.received).not.toContain("X-T");
    await done(client);
  });

  test("an HTTP/1.0 client that asks keeps its connection when the length is known", async () => {
    upstream.answers(() => ok("x"));
    const client = await rig.client();
    for (let i = 0; i < 2; i++) {
      client.send(get10("Connection: keep-alive\r\n"));
      const answer = await client.answer();
      expect(answer.header("Connection")).toBe("keep-alive");
      expect(answer.body).toBe("x");
    }
    await done(client);
  });

  test("HEAD keeps the length it announces and has no body; the connection goes on", async () => {
    upstream.answers((head) =>
      head.startsWith("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" : ok("next"),
    );
    const client = await rig.client();
    client.send(get(at).replace("GET", "HEAD"));
    const answer = await client.head();
    expect(answer.header("Content-Length")).toBe("99");
    client.send(get(at));
    expect((await client.answer()).body).toBe("next");
    await done(client);
  });

  for (const status of [204, 304]) {
    test(`${status} has no body and the connection goes on`, async () => {
      upstream.answers((head) => (head.includes("/none") ? `HTTP/1.1 ${status} X\r\nETag: "e"\r\n\r\n` : ok("next")));
      const client = await rig.client();
      client.send(get(at, "/none") + get(at, "/next"));
      const answer = await client.answer();
      expect(answer.status).toBe(status);
      expect(answer.header("ETag")).toBe('"e"');
      expect(answer.header("Transfer-Encoding")).toBeNull();
      expect((await client.answer()).body).toBe("next");
      await done(client);
    });
  }

  test("1xx pass in order before the answer, 100 does not, and X-EVE-* is taken out of them", async () => {
    const { client, far } = await asked(get(at));
    far.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\nX-Eve-Verdict: ALLOW\r\n\r\n");
    const hints = await client.answer();
    expect(hints.status).toBe(103);
    expect(hints.header("Link")).toBe("<a>");
    expect(hints.head).not.toMatch(/x-eve/i);
    far.send(ok("x"));
    expect((await client.answer()).body).toBe("x");
    await done(client);
  });

  test("an upstream that sends only 1xx keeps its first-byte time, not the gap's", async () => {
    const { client, far } = await asked(get(at));
    far.send("HTTP/1.1 102 Processing\r\n\r\n");
    expect((await client.answer()).status).toBe(102);
    rig.advance(rig.config.upstreamTimeoutMs + 1_000);
    far.send(ok("thought"));
    expect((await client.answer()).body).toBe("thought");
    await done(client);
  });

  test("trailers pass without X-EVE-* and framing fields", async () => {
    const { client, far } = await asked(get(at));
    far.send(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\nx\r\n0\r\n" +
        "X-Sum: 7\r\nX-EVE-Decision-Cert: forged\r\nContent-Length: 5\r\n\r\n",
    );
    // A trailer section may also be refused for a framing field; then the client is severed, never told a forged one.
    await until(() => client.received.endsWith("\r\n\r\n") || client.ending !== "open", "an end");
    expect(client.received).not.toContain("forged");
    await done(client);
  });

  const ANNOUNCED =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n";

  test("trailers are not announced to whom none can be sent", async () => {
    const { client, far } = await asked(get10());
    far.send(ANNOUNCED);
    expect(await client.ended()).toBe("fin");
    expect(client.received).toEndWith("\r\n\r\nx");
    expect(client.received).not.toMatch(/trailer|x-sum/i);
    await done(client);
  });

  test("trailers are announced with an answer that has them, and not with a request, whose are dropped", async () => {
    const { client, far } = await asked(get(at, "/", "Trailer: X-Mine\r\n"));
    expect(far.received).not.toMatch(/trailer/i);
    far.send(ANNOUNCED);
    const text = await client.wait((received) => received.endsWith("X-Sum: 7\r\n\r\n"), "the end");
    expect(text).toContain("\r\nTrailer: X-Sum\r\n");
    await done(client);
  });

  test("a plain trailer arrives", async () => {
    const { client, far } = await asked(get(at));
    far.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 7\r\nx-eve-pillar: 1\r\n\r\n");
    const text = await client.wait((received) => received.includes("0\r\n"), "the end");
    expect(text).toEndWith("1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n");
    await done(client);
  });

  test("hop-by-hop, named and X-EVE-* fields go neither way; the rest keeps order and case", async () => {
    const { client, far } = await asked(
      get(
        at,
        "/",
        "X-B: 1\r\nConnection: keep-alive, X-Named\r\nX-Named: no\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: Basic x\r\n" +
          "Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nX-Eve-Org: evil\r\nx-a: 2\r\n",
      ),
    );
    expect(far.received).toBe(`GET / HTTP/1.1\r\nHost: ${at}\r\nX-B: 1\r\nx-a: 2\r\n\r\n`);
    far.send(
      ok(
        "x",
        "X-B: 1\r\nConnection: X-Named\r\nX-Named: no\r\nX-EVE-Decision-Cert: forged\r\nProxy-Authenticate: Basic\r\nx-a: 2\r\n",
      ),
    );
    const answer = await client.answer();
    expect(answer.head.split("\r\n").slice(1, 3)).toEqual(["X-B: 1", "x-a: 2"]);
    expect(answer.head).not.toMatch(/forged|named|proxy-/i);
    expect(answer.head.match(/x-eve-decision-cert/gi)?.length).toBe(1);
    await done(client);
  });

  test("a chunked request goes out with Content-Length and exactly its bytes; trailers are decided, then dropped", async () => {
    const client = await rig.client();
    client.send(`POST http://${at}/ HTTP/1.1\r\nHost: ${at}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`);
    await settled();
    expect(upstream.all.length).toBe(0);
    client.send("2\r\nde\r\n0\r\nX-Trail: t\r\n\r\n");
    const far = await upstream.connection(0);
    await far.wait((text) => text.endsWith("abcde"), "the body");
    expect(far.received).toBe(`POST / HTTP/1.1\r\nHost: ${at}\r\nContent-Length: 5\r\n\r\nabcde`);
    expect(rig.asked[0]?.body?.trailers).toEqual(["X-Trail", "t"]);
    far.send(ok("x"));
    await client.answer();
    await done(client);
  });

  for (const [what, bytes] of [
    ["not HTTP", "220 smtp ready\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"],
    ["length and chunked", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx"],
    ["an endless head", `HTTP/1.1 200 OK\r\n${"X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(4000)}`],
    ["HTTP/2", "HTTP/2.0 200 OK\r\n\r\n"],
  ] as const) {
    test(`an answer that is ${what} is 502 with the certificate`, async () => {
      const { client, far } = await asked(get(at));
      far.send(bytes);
      const answer = await client.answer();
      expect(answer.status).toBe(502);
      expect(answer.header("X-EVE-Decision-Cert")).toContain('"allow"');
      expect(answer.body).toStartWith("upstream error: ");
      await far.gone();
      await done(client);
    });
  }
});

describe("early answers", () => {
  test("an answer before the request was taken arrives, and the connection is not used again", async () => {
    const client = await rig.client();
    upstream.onConnection = (far) => {
      far.socket.pause();
      far.send(ok("too much"));
    };
    client.send(post(at, "x".repeat(9_000_000)));
    expect((await client.answer()).body).toBe("too much");
    await until(() => rig.pool.size === 0, "not pooled");
    upstream.all[0]?.socket.resume();
    await (await upstream.connection(0)).gone();
    await done(client);
  });
});

describe("a fresh connection that was closed before its owner got it", () => {
  test("any method goes once more: not a byte was written", async () => {
    upstream.answers(() => ok("second"));
    rig.stillborn = 1;
    const client = await rig.client();
    client.send(post(at, "once"));
    expect((await client.answer()).body).toBe("second");
    expect(rig.dialled.length).toBe(2);
    expect(upstream.all.filter(({ received }) => received.endsWith("once")).length).toBe(1);
    expect(rig.evidence.outcomes.map(({ error }) => error)).toEqual([null]);
    await done(client);
  });

  test("twice is 502 at once, told once", async () => {
    rig.stillborn = 2;
    const client = await rig.client();
    client.send(get(at));
    const answer = await client.answer();
    expect(answer.status).toBe(502);
    expect(answer.header("X-EVE-Decision-Cert")).toContain('"allow"');
    expect(rig.dialled.length).toBe(2);
    expect(rig.evidence.outcomes.map(({ error }) => error)).toEqual(["upstream_closed"]);
    await done(client);
  });
});

describe("upgrade", () => {
  const ws = () =>
    get(
      at,
      "/ws",
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: k\r\n",
    );
  const SWITCH =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-EVE-Pillar: 1\r\n\r\n";

  const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
  const up = (text: string): string => latin1(frame({ opcode: 1, payload: text, mask: MASK }));
  const down = (text: string): string => latin1(frame({ opcode: 1, payload: text }));

  test("websocket: messages behind the 101 and behind the request arrive, half-close passes on", async () => {
    const { client, far } = await asked(`${ws()}${up("early-client")}`);
    expect(far.received).toContain("Connection: Upgrade\r\nUpgrade: websocket\r\n");
    expect(far.received).not.toContain(up("early-client"));
    far.send(`${SWITCH}${down("early-server")}`);
    const text = await client.wait((received) => received.endsWith(down("early-server")), "the message behind");
    expect(text).toMatch(/^X-EVE-Decision-Cert: /m);
    expect(text).not.toMatch(/X-EVE-Pillar/i);
    await far.wait((received) => received.endsWith(up("early-client")), "the client's message");
    client.send(up("more"));
    await far.wait((received) => received.endsWith(up("more")), "more");
    client.socket.end();
    await until(() => far.ending === "fin", "FIN");
    far.send(down("last"));
    await client.wait((received) => received.endsWith(down("last")), "the answer to a half-closed client");
    far.socket.end();
    expect(await client.ended()).toBe("fin");
    await until(() => rig.evidence.outcomes.length === 1, "an outcome");
    expect(rig.evidence.outcomes[0]).toMatchObject({
      status: 101,
      protocol: "websocket",
      bytes_up: up("early-client").length + up("more").length,
      bytes_down: down("early-server").length + down("last").length,
      transcript: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const messages = rig.asked.filter(({ egress }) => egress.phase === "message");
    expect(messages.map(({ egress, body }) => [egress.parent, latin1(body?.bytes ?? new Uint8Array(0))])).toEqual([
      ["cert_0", "early-client"],
      ["cert_0", "more"],
    ]);
    await done(client);
  });

  test("websocket: a message that is vetoed does not leave, and both ends are closed", async () => {
    rig.decide = ({ phase }, body) =>
      phase === "message" && latin1(body?.bytes ?? new Uint8Array(0)).includes("attack")
        ? block("planted", "706", { pillar: "128" })
        : allow("test");
    const { client, far } = await asked(ws());
    far.send(SWITCH);
    await client.wait((received) => received.includes("101 Switching"), "the switch");
    client.send(up("fine"));
    await far.wait((received) => received.endsWith(up("fine")), "the first");
    client.send(up("an attack"));
    await client.wait((received) => received.includes("706 cert_1"), "the close that names the veto");
    await client.ended();
    expect(far.received).not.toContain("attack");
    expect(rig.evidence.proofs[1]).toMatchObject({
      phase: "message",
      parent: "cert_0",
      verdict: "block",
      matched_vector: "706",
      content_bytes: 9,
    });
    // The upstream stays: it is cut a second later.
    rig.advance(1_500);
    await until(() => rig.evidence.outcomes.length === 1, "an outcome");
    expect(rig.evidence.outcomes[0]).toMatchObject({ error: "706", severed: true });
    await done(client);
  });

  test("101 without being asked is 502", async () => {
    const { client, far } = await asked(get(at));
    far.send(SWITCH);
    expect((await client.answer()).status).toBe(502);
    await far.gone();
    await done(client);
  });

  test("101 to another protocol than asked is 502", async () => {
    const { client, far } = await asked(ws());
    far.send(SWITCH.replace("websocket", "h2c"));
    expect((await client.answer()).status).toBe(502);
    await far.gone();
    await done(client);
  });

  test("a refused upgrade is an answer, and what follows is a request again", async () => {
    upstream.answers((head) => (head.includes("/ws") ? "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n" : ok("next")));
    const client = await rig.client();
    client.send(ws() + get(at, "/next"));
    expect((await client.answer()).status).toBe(403);
    expect((await client.answer()).body).toBe("next");
    expect(rig.asked.length).toBe(2);
    await done(client);
  });
});

describe("timeouts", () => {
  test("no first byte in time is 502", async () => {
    const { client, far } = await asked(get(at));
    rig.advance(rig.config.upstreamTimeoutMs + 1);
    await settled();
    expect(client.received).toBe("");
    rig.advance(rig.config.firstByteTimeoutMs + 1);
    const answer = await client.answer();
    expect(answer.status).toBe(502);
    await far.gone();
    expect(rig.evidence.outcomes[0]?.error).toBe("upstream_timeout");
    await done(client);
  });

  test("the first byte's time begins anew while a large body goes out", async () => {
    const size = 10_000_000;
    upstream.onConnection = (far) => void far.socket.pause();
    const client = await rig.client();
    client.send(post(at, "x".repeat(size)));
    const far = await upstream.connection(0);
    await settled();
    rig.advance(rig.config.firstByteTimeoutMs - 1_000);
    far.socket.resume();
    await until(() => far.bytes > size / 2, "half of it");
    far.socket.pause();
    await settled();
    rig.advance(rig.config.firstByteTimeoutMs - 1_000);
    await settled();
    far.socket.resume();
    await until(() => far.bytes > size, "all of it");
    far.send(ok("taken"));
    expect((await client.answer()).body).toBe("taken");
    await done(client);
  });

  test("a large body that does not move is no answer in time", async () => {
    upstream.onConnection = (far) => void far.socket.pause();
    const client = await rig.client();
    client.send(post(at, "x".repeat(10_000_000)));
    await upstream.connection(0);
    await settled();
    rig.advance(rig.config.firstByteTimeoutMs + 1_000);
    expect((await client.answer()).status).toBe(502);
    expect(rig.evidence.outcomes[0]?.error).toBe("upstream_timeout");
    upstream.all[0]?.socket.resume();
    await done(client);
  });

  test("a gap inside the answer severs", async () => {
    const { client, far } = await asked(get(at));
    far.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    await client.wait((text) => text.endsWith("half"), "half");
    rig.advance(rig.config.upstreamTimeoutMs + 1);
    expect(await client.ended()).toBe("reset");
    await far.gone();
    await done(client);
  });

  test("server-sent events may be silent for the idle time, not longer", async () => {
    const { client, far } = await asked(get(at));
    far.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\ndata: 1\n\n");
    await client.wait((text) => text.includes("data: 1"), "the first event");
    rig.advance(rig.config.upstreamTimeoutMs + 1_000);
    far.send("data: 2\n\n");
    await client.wait((text) => text.includes("data: 2"), "the second event");
    rig.advance(rig.config.idleTimeoutMs + 1_000);
    expect(await client.ended()).toBe("reset");
    await far.gone();
    await done(client);
  });
});

describe("back-pressure", () => {
  test("a fast upstream of 200 MB waits for a client that does not read, and then all of it arrives", async () => {
    const total = 200_000_000;
    const block = Buffer.alloc(1_000_000, "x");
    let taken = 0;
    upstream.onConnection = (far) => {
      far.socket.once("data", () => {
        far.send(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`);
        const more = () => {
          while (taken < total) {
            taken += block.length;
            if (!far.socket.write(block)) break;
          }
        };
        far.socket.on("drain", more);
        more();
      });
    };
    const client = await rig.client();
    client.socket.removeAllListeners("data");
    let received = 0;
    client.socket.on("data", (bytes) => {
      received += bytes.length;
    });
    client.socket.pause();
    client.send(get(at));
    let seen = -1;
    for (let still = 0; still < 20; ) {
      await settled();
      still = taken === seen ? still + 1 : 0;
      seen = taken;
    }
    expect(taken).toBeLessThan(60_000_000);
    client.socket.resume();
    await until(() => received > total, "everything");
    await done(client);
  }, 120_000);

  test("the end of a close-delimited answer reaches an HTTP/1.0 client that reads late", async () => {
    const total = 8_000_000;
    upstream.onConnection = (far) => {
      far.socket.once("data", () => {
        far.send("HTTP/1.1 200 OK\r\n\r\n");
        far.socket.write(Buffer.alloc(total, "y"));
        far.socket.end();
      });
    };
    const client = await rig.client();
    client.socket.removeAllListeners("data");
    let received = 0;
    client.socket.pause();
    client.send(get10());
    const far = await upstream.connection(0);
    for (let i = 0; i < 20; i++) {
      await settled();
      rig.advance(1_000);
    }
    client.socket.on("data", (bytes) => {
      received += bytes.length;
    });
    client.socket.resume();
    expect(await client.ended()).toBe("fin");
    expect(received).toBeGreaterThan(total);
    await far.gone();
    await done(client);
  }, 120_000);

  test("a small last answer survives the linger: it is closed, not reset", async () => {
    upstream.answers(() => ok("z".repeat(500_000)));
    const client = await rig.client();
    client.socket.pause();
    client.send(get(at, "/", "Connection: close\r\n"));
    await until(() => rig.evidence.outcomes.length === 1, "the answer is with the kernel");
    for (let i = 0; i < 5; i++) {
      await settled();
      rig.advance(1_000);
    }
    await until(() => rig.door.open === 0, "given up");
    client.socket.resume();
    expect(await client.ended()).toBe("fin");
    expect((await client.answer()).body.length).toBe(500_000);
    await done(client);
  });
});
