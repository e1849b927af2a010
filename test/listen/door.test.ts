import { afterEach, describe, expect, test } from "bun:test";
import type { Config } from "../../src/config/config.ts";
import { allow, block } from "../../src/model/decision.ts";
import { parseCidr } from "../../src/wire/ip.ts";
import { get, ok, post, type RawClient, Rig, settled, Upstream, until } from "../scenarios/_rig.ts";

let rig: Rig;
let upstream: Upstream;
let at: string;

async function start(config: Partial<Config> = {}): Promise<void> {
  rig = await Rig.start({ config });
  upstream = await Upstream.start();
  at = upstream.at;
}
afterEach(async () => {
  await rig.stop();
  upstream.stop();
});

const chunkedHead = () => `POST http://${at}/ HTTP/1.1\r\nHost: ${at}\r\nTransfer-Encoding: chunked\r\n\r\n`;
const lengthHead = (length: number, extra = "") =>
  `POST http://${at}/ HTTP/1.1\r\nHost: ${at}\r\nContent-Length: ${length}\r\n${extra}\r\n`;

describe("timeouts", () => {
  test("a head that is not finished in time is 408, one line, without a certificate, and severed", async () => {
    await start();
    const client = await rig.client();
    client.send("GET http://");
    await until(() => [...rig.door.connections].length === 1, "accepted");
    await settled();
    rig.advance(rig.config.headerTimeoutMs + 1);
    const answer = await client.answer();
    expect(answer.status).toBe(408);
    expect(answer.header("X-EVE-Decision-Cert")).toBeNull();
    expect(answer.body.split("\n").length).toBe(2);
    expect(rig.notices).toEqual(["head_timeout"]);
    expect(await client.ended()).toBe("fin");
    // The client stays: it is cut all the same.
    rig.advance(1_000);
    await rig.clean();
    client.close();
  });

  test("a body that stalls is 408 without a decision, and a client that stays is cut", async () => {
    await start();
    const client = await rig.client();
    client.send(`${lengthHead(100)}half`);
    await until(() => rig.door.budget.used === 4, "held");
    rig.advance(rig.config.bodyTimeoutMs + 1);
    expect((await client.answer()).status).toBe(408);
    expect(rig.evidence.proofs.length).toBe(0);
    expect(upstream.all.length).toBe(0);
    await settled();
    rig.advance(1_000);
    await rig.clean();
    client.close();
  });

  /** Sends `pieces` of `size` bytes, 29 s before each; false when the gateway has answered before the last one. */
  async function drips(client: RawClient, pieces: number, size: number): Promise<boolean> {
    for (let held = size; held <= pieces * size; held += size) {
      rig.advance(29_000);
      await settled();
      if (client.received !== "") return false;
      client.send("d".repeat(size));
      await until(() => rig.door.budget.used === held || held === pieces * size, `${held} held`);
    }
    return true;
  }

  for (const framing of ["length", "chunks"]) {
    test(`a body that drips is 408 once it is behind the least rate by the timeout (${framing})`, async () => {
      await start();
      const client = await rig.client();
      client.send(framing === "length" ? lengthHead(1_000) : `${chunkedHead()}3e8\r\n`);
      await until(() => [...rig.door.connections].some(({ busy }) => busy), "begun");
      expect(await drips(client, 1_000, 1)).toBe(false);
      expect(rig.door.budget.used).toBe(0);
      expect((await client.answer()).status).toBe(408);
      expect(rig.notices).toEqual(["body_timeout"]);
      expect(rig.asked.length).toBe(0);
      rig.advance(1_000);
      await rig.clean();
      client.close();
    });
  }

  test("a body that moves now and then, yet fast enough, is not cut; nor one that drips when there is no least rate", async () => {
    for (const [bodyMinRate, size] of [
      [1_000, 29_000],
      [0, 1],
    ] as const) {
      await start({ bodyMinRate });
      upstream.answers(() => ok("x"));
      const client = await rig.client();
      client.send(lengthHead(5 * size));
      await until(() => [...rig.door.connections].some(({ busy }) => busy), "begun");
      expect(await drips(client, 5, size)).toBe(true);
      expect((await client.answer()).status).toBe(200);
      client.close();
      await rig.clean();
    }
  });

  test("an idle connection gets a FIN and no answer", async () => {
    await start();
    const client = await rig.client();
    await until(() => rig.door.open === 1, "accepted");
    rig.advance(rig.config.keepAliveTimeoutMs + 1);
    expect(await client.ended()).toBe("fin");
    expect(client.received).toBe("");
    rig.advance(1_000);
    await rig.clean();
    client.close();
  });

  test("a malformed body is 400 while it is held, and a client that stays is cut", async () => {
    await start();
    const client = await rig.client();
    client.send(`${chunkedHead()}3\r\nabc\r\n`);
    await until(() => rig.door.budget.used === 3, "held");
    client.send("zz\r\n");
    expect((await client.answer()).status).toBe(400);
    await settled();
    rig.advance(1_000);
    await rig.clean();
    expect(rig.asked.length).toBe(0);
    client.close();
  });
});

describe("limits", () => {
  test("a Content-Length over the limit is 413 before a byte of the body, with 100-continue unanswered", async () => {
    await start({ maxBody: 1000 });
    const client = await rig.client();
    client.send(lengthHead(1001, "Expect: 100-continue\r\n"));
    const answer = await client.answer();
    expect(answer.status).toBe(413);
    expect(answer.body).toBe("body too large for inspection\n");
    expect(answer.header("X-EVE-Decision-Cert")).toContain('"block"');
    expect(await client.ended()).toBe("fin");
    client.close();
    await rig.clean();
    expect(rig.asked.length).toBe(0);
  });

  test("a chunked body of exactly the limit passes, one byte more is 413, in one packet or many", async () => {
    await start({ maxBody: 1000 });
    upstream.answers(() => ok("x"));
    for (const split of [false, true]) {
      for (const [size, status] of [
        [1000, 200],
        [1001, 413],
      ] as const) {
        const client = await rig.client();
        const body = `${size.toString(16)}\r\n${"b".repeat(size)}\r\n0\r\n\r\n`;
        if (split) {
          client.send(chunkedHead());
          await settled();
        }
        client.send(split ? body : chunkedHead() + body);
        expect((await client.answer()).status).toBe(status);
        client.close();
      }
    }
    await rig.clean();
  });

  test("held bytes over all connections: reads pause, then a signed 503, and the others go on", async () => {
    await start({ maxHeld: 100_000, maxBody: 1_000_000 });
    upstream.answers(() => ok("x"));
    const first = await rig.client();
    first.send(lengthHead(200_000) + "a".repeat(120_000));
    await until(() => rig.door.budget.full, "full");
    const second = await rig.client();
    second.send(lengthHead(900_000) + "b".repeat(800_000));
    await settled();
    // One read may slip in; the rest stays with the kernel and the sender.
    expect(rig.door.budget.used).toBeLessThan(120_000 + 600_000);
    rig.advance(2_001);
    for (const client of [first, second]) {
      const answer = await client.answer();
      expect(answer.status).toBe(503);
      expect(answer.header("X-EVE-Verdict")).toBe("FAIL_CLOSED");
      expect(answer.header("X-EVE-Pillar")).toBe("114");
      expect(JSON.parse(answer.body).vector).toBe("held_exhausted");
      client.close();
    }
    expect(upstream.all.length).toBe(0);
    const third = await rig.client();
    third.send(post(at, "small"));
    expect((await third.answer()).status).toBe(200);
    third.close();
    await rig.clean();
  });

  test("one client does not get all there is to hold: there is room for the next", async () => {
    await start({ maxHeld: 900_000, maxBody: 200_000 });
    upstream.answers(() => ok("x"));
    const greedy: RawClient[] = [];
    for (let i = 0; i < 8; i++) {
      const client = await rig.client();
      client.send(lengthHead(200_000) + "g".repeat(110_000));
      greedy.push(client);
      await until(() => rig.door.budget.used === (i + 1) * 110_000, `${i + 1} bodies begun`);
    }
    // 880,000 of 900,000 are held by one address: none of its bodies goes on, each pauses with what it has.
    for (const client of greedy) client.send("g".repeat(10_000));
    await until(() => rig.door.budget.used > 880_000, "one read more");
    const other = await rig.client("127.0.0.2");
    for (let i = 0; i < 3; i++) {
      other.send(post(at, "o".repeat(150_000)));
      expect((await other.answer()).status).toBe(200);
    }
    for (const client of greedy) client.close();
    other.close();
    await rig.clean();
  });

  test("one client alone may hold a body as large as all there is", async () => {
    await start({ maxHeld: 200_000, maxBody: 200_000 });
    upstream.answers(() => ok("x"));
    const client = await rig.client();
    client.send(lengthHead(200_000) + "a".repeat(199_000));
    await until(() => rig.door.budget.used === 199_000, "held");
    client.send("a".repeat(1_000));
    expect((await client.answer()).status).toBe(200);
    client.close();
    await rig.clean();
  });

  test("room among the held bytes lets a paused body go on", async () => {
    await start({ maxHeld: 100_000, maxBody: 1_000_000 });
    upstream.answers(() => ok("x"));
    let release = () => {};
    rig.decide = () => {
      rig.decide = () => allow("test");
      return new Promise((resolve) => {
        release = () => resolve(allow("late"));
      });
    };
    const first = await rig.client();
    first.send(lengthHead(120_000) + "a".repeat(120_000));
    await until(() => rig.asked.length === 1, "deciding");
    const second = await rig.client();
    second.send(lengthHead(90_000) + "b".repeat(50_000));
    await settled();
    second.send("b".repeat(40_000));
    await settled();
    expect(rig.asked.length).toBe(1);
    release();
    expect((await first.answer()).status).toBe(200);
    expect((await second.answer()).status).toBe(200);
    first.close();
    second.close();
    await rig.clean();
  });

  test("connections over the limit are served health only, far over it reset, and room again is room", async () => {
    await start({ maxConnections: 2 });
    upstream.answers(() => ok("x"));
    const one = await rig.client();
    const two = await rig.client();
    await until(() => rig.door.open === 2, "two");
    const three = await rig.client();
    three.send(get(at));
    expect((await three.answer()).status).toBe(503);
    const alive = await rig.client();
    alive.send("GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n");
    expect((await alive.answer()).status).not.toBe(503);
    const crowd = await Promise.all(Array.from({ length: 40 }, () => rig.client()));
    expect(await (crowd.at(-1) as (typeof crowd)[number]).ended()).toBe("reset");
    for (const each of [three, alive, ...crowd]) each.close();
    one.close();
    await until(() => rig.door.open === 1, "one");
    const four = await rig.client();
    four.send(get(at));
    expect((await four.answer()).status).toBe(200);
    two.close();
    four.close();
    await rig.clean();
  });
});

describe("Expect: 100-continue", () => {
  test("100 comes after the host verdict and before the body; the upstream never sees Expect", async () => {
    await start();
    const client = await rig.client();
    client.send(lengthHead(3, "Expect: 100-continue\r\n"));
    const interim = await client.answer();
    expect(interim.status).toBe(100);
    expect(interim.head).toBe("HTTP/1.1 100 Continue");
    expect(upstream.all.length).toBe(0);
    client.send("abc");
    const far = await upstream.connection(0);
    await far.wait((text) => text.endsWith("abc"), "the body");
    expect(far.received).not.toMatch(/expect/i);
    far.send(ok("x"));
    expect((await client.answer()).status).toBe(200);
    client.close();
    await rig.clean();
  });

  test("a body that is already here gets no 100", async () => {
    await start();
    upstream.answers(() => ok("x"));
    const client = await rig.client();
    client.send(`${lengthHead(3, "Expect: 100-continue\r\n")}abc`);
    expect((await client.answer()).status).toBe(200);
    client.close();
    await rig.clean();
  });

  test("a veto on the name comes instead of 100", async () => {
    await start({ blockedHosts: ["bad.test"] });
    const client = await rig.client();
    client.send(lengthHead(3, "Expect: 100-continue\r\n").replaceAll(at, "a.bad.test"));
    expect((await client.answer()).status).toBe(451);
    client.close();
    await rig.clean();
  });
});

describe("who may ask", () => {
  test("EVE_PROXY_CLIENTS: others get health and nothing else, and nothing is decided", async () => {
    const elsewhere = parseCidr("10.9.9.9/32");
    await start({ clients: elsewhere === null ? [] : [elsewhere] });
    for (const request of [get(at), post(at, "x"), `CONNECT ${at} HTTP/1.1\r\nHost: ${at}\r\n\r\n`]) {
      const client = await rig.client();
      client.send(request);
      const answer = await client.answer();
      expect(answer.status).toBe(403);
      expect(answer.header("X-EVE-Decision-Cert")).toBeNull();
      client.close();
    }
    const client = await rig.client();
    client.send("GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n");
    expect((await client.answer()).status).toBe(200);
    client.close();
    expect(rig.asked.length + rig.evidence.proofs.length + upstream.all.length).toBe(0);
    await rig.clean();
  });

  for (const [what, bytes, status] of [
    ["the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
    ["a TLS ClientHello", "\x16\x03\x01\x00\x05hello\r\n\r\n", 400],
    [
      "Content-Length and chunked",
      "POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      400,
    ],
    ["a Host that differs", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", 400],
    ["an unknown expectation", "GET http://a/ HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417],
    ["asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["an endless head", `GET http://a/ HTTP/1.1\r\n${"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(4000)}`, 431],
  ] as const) {
    test(`${what} is ${status}, without a decision, and closes`, async () => {
      await start();
      const client = await rig.client();
      client.send(bytes);
      const answer = await client.answer();
      expect(answer.status).toBe(status);
      expect(answer.header("X-EVE-Decision-Cert")).toBeNull();
      expect(["fin", "reset"]).toContain(await client.ended());
      client.close();
      await rig.clean();
      expect(rig.evidence.proofs.length).toBe(0);
    });
  }
});

describe("veto", () => {
  test("the answer is whole, then FIN, and whoever keeps writing is reset", async () => {
    await start();
    rig.decide = () => block("no", "test");
    const client = await rig.client();
    client.send(post(at, "x"));
    const answer = await client.answer();
    expect(answer.status).toBe(451);
    expect(answer.header("Connection")).toBe("close");
    expect(Object.keys(JSON.parse(answer.body))).toEqual(["status", "reason", "pillar", "vector", "certificate"]);
    expect(await client.ended()).toBe("fin");
    client.send("more");
    await settled();
    rig.advance(1_000);
    await until(() => rig.door.open === 0, "closed");
    client.send("still writing");
    await settled();
    client.send("still writing");
    await until(() => client.ending === "reset" || client.socket.destroyed, "reset");
    await rig.clean();
  });

  test("identical vetoes in a tight loop are answered later and later, others at once", async () => {
    await start();
    rig.decide = () => block("no", "test");
    let last = 0;
    for (let i = 0; i < 12; i++) {
      const client = await rig.client();
      const from = performance.now();
      client.send(get(at));
      expect((await client.answer()).status).toBe(451);
      last = performance.now() - from;
      client.close();
    }
    expect(rig.delays).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 50, 100, 150, 200]);
    // No machine is so slow that this is too short: it was waited for.
    expect(last).toBeGreaterThanOrEqual(195);
    rig.advance(2_001);
    const client = await rig.client();
    client.send(get(at));
    expect((await client.answer()).status).toBe(451);
    client.close();
    expect(rig.delays.at(-1)).toBe(0);
    await rig.clean();
  });

  test("a client that leaves while its veto is delayed leaves nothing behind", async () => {
    await start();
    rig.decide = () => block("no", "test");
    const clients = await Promise.all(Array.from({ length: 20 }, () => rig.client()));
    for (const client of clients) client.send(post(at, "x"));
    await until(() => rig.evidence.proofs.length === 20, "decided");
    for (const client of clients) client.close();
    await rig.clean();
  });
});
