import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:net";
import { join } from "node:path";
import { freePort } from "../_free-port.ts";
import { testUnless } from "../_skip.ts";
import { type CertificateLike, Gateway, sha256, statusOf, until } from "./_gateway.ts";
import { exchange, proxied, RawClient } from "./_raw.ts";
import { Counter, listen, Upstream } from "./_upstream.ts";

const FIVE = ["certificate", "pillar", "reason", "status", "vector"];

function certificateOf(header: string | null): CertificateLike {
  if (header === null) throw new Error("no X-EVE-Decision-Cert");
  return JSON.parse(header);
}

describe("allow", () => {
  let gateway: Gateway;
  let upstream: Upstream;
  beforeAll(async () => {
    gateway = await Gateway.start();
    upstream = await Upstream.start();
  });
  afterAll(async () => {
    await gateway.stop();
    await upstream.stop();
  });

  test("POST arrives byte for byte and is answered with a certificate that verifies offline", async () => {
    const body = JSON.stringify({ prompt: "hello", odd: "\u00e9\u2028" });
    const answer = await exchange(gateway.port, proxied("POST", `${upstream.url}/v1/x?q=1`, body));
    expect(answer.status).toBe(200);
    const certificate = certificateOf(answer.header("X-EVE-Decision-Cert"));
    expect(certificate.verdict).toBe("allow");
    expect(certificate.phase).toBe("request");
    expect(upstream.last.sha256).toBe(sha256(body));
    expect(certificate.content_hash).toBe(`sha256-${upstream.last.sha256}`);
    expect(upstream.last.url).toBe("/v1/x?q=1");
    const verified = gateway.verify({ text: answer.header("X-EVE-Decision-Cert") ?? "" });
    expect(verified).toMatchObject({ status: 0 });
  });

  test("verify refuses the certificate when one character was changed", async () => {
    const answer = await exchange(gateway.port, proxied("GET", `${upstream.url}/`));
    const text = answer.header("X-EVE-Decision-Cert") ?? "";
    expect(text).toContain('"verdict":"allow"');
    const forged = text.replace('"verdict":"allow"', '"verdict":"block"');
    expect(gateway.verify({ text: forged }).status).toBe(1);
  });

  test("the audit log holds the very certificate of the answer, and verifies", async () => {
    const answer = await exchange(gateway.port, proxied("GET", `${upstream.url}/audited`));
    const certificate = certificateOf(answer.header("X-EVE-Decision-Cert"));
    const line = gateway.auditLines().find((one) => one.certificate_id === certificate.certificate_id);
    expect(line).toEqual(certificate);
    expect(gateway.verifyLogs()).toMatchObject({ status: 0 });
  });

  test("X-EVE-* and hop-by-hop fields do not pass, end-to-end fields keep order and case", async () => {
    const fields = [
      "X-EVE-Decision-Cert: forged",
      "x-One: 1",
      "Connection: x-drop, keep-alive",
      "X-Drop: me",
      "X-TWO: 2",
    ];
    await exchange(gateway.port, proxied("GET", `${upstream.url}/fields`, "", fields));
    const names = upstream.last.headers.filter((_, i) => i % 2 === 0);
    expect(names.filter((name) => /^x-/i.test(name))).toEqual(["x-One", "X-TWO"]);
  });

  test("pipelined requests are decided one by one and answered in order", async () => {
    upstream.forget();
    const client = await RawClient.open(gateway.port);
    const paths = ["/a", "/b", "/c", "/d"];
    client.send(paths.map((path) => proxied("POST", `${upstream.url}${path}`, `body of ${path}`)).join(""));
    const ids = new Set<string>();
    for (const path of paths) {
      const answer = await client.answer();
      expect(JSON.parse(answer.body).url).toBe(path);
      ids.add(certificateOf(answer.header("X-EVE-Decision-Cert")).certificate_id);
    }
    client.close();
    expect(ids.size).toBe(4);
    expect(upstream.seen.map((one) => one.url)).toEqual(paths);
  });

  test("the first event of a stream arrives before the upstream sends the second", async () => {
    const client = await RawClient.open(gateway.port);
    client.send(proxied("GET", `${upstream.url}/sse`));
    const early = await client.wait((text) => text.includes("data: first"), "the first event");
    expect(early).not.toContain("data: second");
    for (const release of upstream.releases.splice(0)) release();
    await client.wait((text) => text.includes("data: second"), "the second event");
    client.close();
  });

  test("a refused upstream is 502 with the allow certificate", async () => {
    const answer = await exchange(gateway.port, proxied("POST", `http://127.0.0.1:${await freePort()}/`, "x"));
    expect(answer.status).toBe(502);
    expect(answer.body).toStartWith("upstream error: ");
    expect(certificateOf(answer.header("X-EVE-Decision-Cert")).verdict).toBe("allow");
  });

  test("a request for the gateway itself is a loop: 508", async () => {
    for (const host of ["127.0.0.1", "localhost"]) {
      const answer = await exchange(gateway.port, proxied("GET", `http://${host}:${gateway.port}/healthz`));
      expect([answer.status, answer.body]).toEqual([508, "loop detected: the destination is the gateway itself\n"]);
      expect(certificateOf(answer.header("X-EVE-Decision-Cert")).matched_vector).toBe("loop");
    }
  });
});

describe("veto", () => {
  let gateway: Gateway;
  let counter: Counter;
  beforeAll(async () => {
    counter = await Counter.start();
    gateway = await Gateway.start({ EVE_PROXY_BLOCKED_HOSTS: "blocked.test,localhost", EVE_PROXY_MAX_BODY: "1000" });
  });
  afterEach(() => expect(counter.connections).toBe(0));
  afterAll(async () => {
    await gateway.stop();
    await counter.stop();
  });

  test("a blocked host is 451 with five keys and a valid certificate, and the connection is severed", async () => {
    const client = await RawClient.open(gateway.port);
    client.send(proxied("POST", `http://a.blocked.test:${counter.port}/x`, "secret"));
    const answer = await client.answer();
    expect(answer.status).toBe(451);
    expect(answer.header("X-EVE-Verdict")).toBe("BLOCK");
    expect(answer.header("X-EVE-Pillar")).toBe("CoreGuard");
    expect(answer.header("Connection")).toBe("close");
    const body = JSON.parse(answer.body);
    expect(Object.keys(body).sort()).toEqual(FIVE);
    expect(body.vector).toBe("blocked_host");
    expect(body.certificate).toEqual(certificateOf(answer.header("X-EVE-Decision-Cert")));
    expect(gateway.verify({ text: JSON.stringify(body.certificate) })).toMatchObject({ status: 0 });
    expect(await client.ended()).toBe("fin");
    // Whoever keeps writing is reset.
    await until(() => {
      client.send("more");
      return client.socket.destroyed;
    }, "reset");
  });

  test("localhost by name is vetoed by the blocked list, in every spelling, and nothing is dialled", async () => {
    for (const host of ["localhost", "LOCALHOST", "localhost.", "x.localhost"]) {
      const answer = await exchange(gateway.port, proxied("GET", `http://${host}:${counter.port}/`));
      expect([host, answer.status]).toEqual([host, 451]);
    }
  });

  test("CONNECT to a blocked host is 451, never 200", async () => {
    const client = await RawClient.open(gateway.port);
    client.send(`CONNECT localhost:${counter.port} HTTP/1.1\r\nHost: localhost:${counter.port}\r\n\r\n`);
    const answer = await client.answer();
    expect(answer.status).toBe(451);
    expect(certificateOf(answer.header("X-EVE-Decision-Cert")).phase).toBe("tunnel");
    await client.ended();
  });

  test("the metadata address is vetoed in every spelling", async () => {
    for (const host of ["169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]"]) {
      const answer = await exchange(gateway.port, proxied("GET", `http://${host}/latest/meta-data/`));
      expect([host, answer.status]).toEqual([host, 451]);
    }
    for (const host of ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"]) {
      const answer = await exchange(gateway.port, proxied("GET", `http://127.0.0.1/`).replaceAll("127.0.0.1", host));
      expect([host, [400, 451].includes(answer.status)]).toEqual([host, true]);
    }
  });

  test("a Content-Length over the limit is 413 before a byte of the body is read", async () => {
    const client = await RawClient.open(gateway.port);
    // Only the head: an answer proves that the body was not waited for.
    client.send(
      proxied("POST", `http://127.0.0.1:${counter.port}/`, "", ["Content-Length: 1001"]).replace(
        "Content-Length: 0\r\n",
        "",
      ),
    );
    const answer = await client.answer();
    expect(answer.status).toBe(413);
    expect(answer.body.trim()).toBe("body too large for inspection");
    expect(gateway.verify({ text: answer.header("X-EVE-Decision-Cert") ?? "" })).toMatchObject({ status: 0 });
    await client.ended();
  });

  test("a chunked body that grows over the limit is 413", async () => {
    const client = await RawClient.open(gateway.port);
    client.send(`POST http://127.0.0.1:${counter.port}/ HTTP/1.1\r\nHost: 127.0.0.1:${counter.port}\r\n`);
    client.send(`Transfer-Encoding: chunked\r\n\r\n1f4\r\n${"a".repeat(500)}\r\n1f5\r\n${"b".repeat(501)}\r\n`);
    expect((await client.answer()).status).toBe(413);
    client.close();
  });

  test("Expect: 100-continue is answered by the veto, not by 100, when the host is blocked", async () => {
    const client = await RawClient.open(gateway.port);
    const fields = ["Content-Length: 5", "Expect: 100-continue"];
    client.send(proxied("POST", "http://a.blocked.test/", "", fields).replace("Content-Length: 0\r\n", ""));
    expect((await client.answer()).status).toBe(451);
    client.close();
  });

  const to = () => `127.0.0.1:${counter.port}`;
  const head = (...fields: string[]) =>
    `POST http://${to()}/ HTTP/1.1\r\nHost: ${to()}\r\n${fields.join("\r\n")}\r\n\r\n`;
  const SMUGGLING: readonly (readonly [string, () => string])[] = [
    [
      "Content-Length with Transfer-Encoding",
      () => `${head("Content-Length: 5", "Transfer-Encoding: chunked")}0\r\n\r\n`,
    ],
    ["two different Content-Lengths", () => `${head("Content-Length: 5", "Content-Length: 6")}hello!`],
    ["a Content-Length with a sign", () => `${head("Content-Length: +5")}hello`],
    ["a list of Content-Lengths that differ", () => `${head("Content-Length: 5, 6")}hello!`],
    ["chunked that is not last", () => `${head("Transfer-Encoding: chunked, identity")}0\r\n\r\n`],
    ["space before the colon", () => `${head("Content-Length : 5")}hello`],
    ["a folded field", () => head("X-A: 1\r\n folded", "Content-Length: 0")],
    ["a bare LF in the head", () => head("X-A: 1\nContent-Length: 5", "Content-Length: 0")],
    ["a bare CR in a value", () => head("X-A: 1\rX-B: 2", "Content-Length: 0")],
    ["NUL in a value", () => head("X-A: \0", "Content-Length: 0")],
    ["Host that differs from the target", () => head("Content-Length: 0").replace(`Host: ${to()}`, "Host: other.test")],
    ["two Host fields", () => head("Host: other.test", "Content-Length: 0")],
    ["userinfo in the target", () => head("Content-Length: 0").replace("http://", "http://good.test@")],
    ["a chunk size that overflows", () => `${head("Transfer-Encoding: chunked")}ffffffffffffffff1\r\nx\r\n0\r\n\r\n`],
    ["a chunk longer than its size", () => `${head("Transfer-Encoding: chunked")}1\r\nxy\r\n0\r\n\r\n`],
    ["obs-text in a Transfer-Encoding", () => `${head("Transfer-Encoding: \x0bchunked")}0\r\n\r\n`],
  ];
  for (const [what, bytes] of SMUGGLING) {
    test(`${what} is refused, and a request hidden behind it is not read`, async () => {
      const client = await RawClient.open(gateway.port);
      client.send(`${bytes()}GET http://${to()}/hidden HTTP/1.1\r\nHost: ${to()}\r\n\r\n`);
      const answer = await client.answer();
      expect([400, 501]).toContain(answer.status);
      expect(answer.header("X-EVE-Decision-Cert")).toBeNull();
      await client.ended();
      expect(client.received).toBe("");
    });
  }
});

describe("fail closed", () => {
  let plane: Server;
  let counter: Counter;
  let gateway: Gateway;
  let reply: string | null = null;
  beforeAll(async () => {
    counter = await Counter.start();
    plane = createServer((request, response) => {
      request.resume();
      request.on("end", () => {
        if (reply === null) return;
        response.writeHead(200, { "Content-Type": "application/json" });
        response.end(reply);
      });
    });
    gateway = await Gateway.start({
      EVE_PROXY_GOVERNANCE_URL: `http://127.0.0.1:${await listen(plane)}`,
      EVE_PROXY_ENFORCE_TIMEOUT: "0.3",
    });
  });
  afterEach(() => expect(counter.connections).toBe(0));
  afterAll(async () => {
    await gateway.stop();
    await counter.stop();
    if ("closeAllConnections" in plane) (plane as import("node:http").Server).closeAllConnections();
    plane.close();
  });

  const PLANES: readonly (readonly [string, string | null])[] = [
    ["hangs", null],
    ["answers no JSON", "<html>"],
    ["answers JSON that is no decision", '{"ok":true}'],
    ["answers a decision of another word", '{"decision":"ALLOW"}'],
    ["answers an array", '[{"decision":"allow"}]'],
    ["answers nothing", ""],
  ];
  for (const [what, answerOfPlane] of PLANES) {
    test(`a plane that ${what} is a signed 503, severed, and nothing leaves`, async () => {
      reply = answerOfPlane;
      const client = await RawClient.open(gateway.port);
      client.send(proxied("POST", `http://127.0.0.1:${counter.port}/`, "payload"));
      const answer = await client.answer();
      expect(answer.status).toBe(503);
      expect(answer.header("X-EVE-Verdict")).toBe("FAIL_CLOSED");
      expect(answer.header("X-EVE-Pillar")).toBe("114");
      const body = JSON.parse(answer.body);
      expect(Object.keys(body).sort()).toEqual(FIVE);
      expect(body.status).toBe("FAIL_CLOSED");
      expect(body.certificate.verdict).toBe("fail_closed");
      expect(gateway.verify({ text: JSON.stringify(body.certificate) })).toMatchObject({ status: 0 });
      await client.ended();
    });
  }
});

test("the plane is asked once and its allow lets the request through", async () => {
  const upstream = await Upstream.start();
  let asked = 0;
  const plane = createServer((request, response) => {
    asked++;
    request.resume();
    request.on("end", () => {
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end('{"decision":"allow","reason":"fine"}');
    });
  });
  const gateway = await Gateway.start({ EVE_PROXY_GOVERNANCE_URL: `http://127.0.0.1:${await listen(plane)}` });
  const answer = await exchange(gateway.port, proxied("POST", `${upstream.url}/`, "x"));
  expect([answer.status, asked, upstream.seen.length]).toEqual([200, 1, 1]);
  await gateway.stop();
  plane.closeAllConnections();
  plane.close();
  await upstream.stop();
}, 120_000);

const noDevFull = existsSync("/dev/full") ? null : "no /dev/full on this system";

testUnless(
  noDevFull,
  "a log that takes no line is a signed 503 and nothing leaves; when it does again those 503 are appended first",
  async () => {
    const upstream = await Upstream.start();
    const gateway = await Gateway.start();
    const away = join(gateway.folder, "away.jsonl");
    const ask = () => exchange(gateway.port, proxied("POST", `${upstream.url}/`, "x"));
    const idOf = (answer: { header(name: string): string | null }) =>
      certificateOf(answer.header("X-EVE-Decision-Cert")).certificate_id;
    expect((await ask()).status).toBe(200);
    // Another full disk's lock, held by a test elsewhere, makes this one no less unwritable.
    renameSync(gateway.auditPath, away);
    symlinkSync("/dev/full", gateway.auditPath);
    await until(async () => (await statusOf(gateway.port, "/readyz")) === 503, "unready");
    const heard = upstream.seen.length;
    const refused: string[] = [];
    for (const _ of [1, 2]) {
      const answer = await ask();
      expect(answer.status).toBe(503);
      const { vector, certificate } = JSON.parse(answer.body);
      expect(vector).toBe("evidence_unwritable");
      expect(certificate.chain).toBeNull();
      expect(gateway.verify({ text: JSON.stringify(certificate) })).toMatchObject({ status: 0 });
      refused.push(idOf(answer));
    }
    expect(upstream.seen.length).toBe(heard);

    rmSync(gateway.auditPath);
    renameSync(away, gateway.auditPath);
    await until(async () => (await statusOf(gateway.port, "/readyz")) === 200, "ready again");
    const later = await ask();
    expect(later.status).toBe(200);
    expect(await gateway.end()).toBe(0);
    // What was given while the log was shut stands before anything decided later, and is accounted for.
    const [first, recovery, ...rest] = gateway.auditLines();
    expect(first?.verdict).toBe("allow");
    expect(recovery).toMatchObject({ phase: "recovery", recovered: { unwritten: 2, lost: 0, torn_bytes: 0 } });
    expect(rest.map((line) => line.certificate_id)).toEqual([...refused, idOf(later)]);
    expect(gateway.verifyLogs()).toMatchObject({ status: 0 });
    gateway.remove();
    await upstream.stop();
  },
  120_000,
);

for (const [name, put] of [
  ["a link to /dev/null", (path: string) => symlinkSync("/dev/null", path)],
  ["a pipe", (path: string) => void spawnSync("mkfifo", [path])],
] as const) {
  test(`${name} in the place of the log keeps no evidence: nothing leaves`, async () => {
    const upstream = await Upstream.start();
    const gateway = await Gateway.start();
    const away = join(gateway.folder, "away.jsonl");
    const ask = () => exchange(gateway.port, proxied("POST", `${upstream.url}/`, "x"));
    expect((await ask()).status).toBe(200);
    renameSync(gateway.auditPath, away);
    put(gateway.auditPath);
    await until(async () => (await statusOf(gateway.port, "/readyz")) === 503, "unready");
    const heard = upstream.seen.length;
    const answer = await ask();
    expect([answer.status, JSON.parse(answer.body).vector]).toEqual([503, "evidence_unwritable"]);
    expect(upstream.seen.length).toBe(heard);
    rmSync(gateway.auditPath);
    renameSync(away, gateway.auditPath);
    await until(async () => (await statusOf(gateway.port, "/readyz")) === 200, "ready again");
    expect((await ask()).status).toBe(200);
    expect(await gateway.end()).toBe(0);
    expect(gateway.verifyLogs()).toMatchObject({ status: 0 });
    gateway.remove();
    await upstream.stop();
  }, 120_000);
}

test("SIGTERM finishes the request under way, then ends with status 0", async () => {
  const upstream = await Upstream.start();
  const gateway = await Gateway.start();
  const client = await RawClient.open(gateway.port);
  client.send(proxied("GET", `${upstream.url}/sse`));
  await client.wait((text) => text.includes("data: first"), "the first event");
  const ended = gateway.end("SIGTERM");
  for (const release of upstream.releases.splice(0)) release();
  await client.wait((text) => text.includes("data: second"), "the rest of the stream");
  expect(await ended).toBe(0);
  expect(gateway.verifyLogs()).toMatchObject({ status: 0 });
  gateway.remove();
  await upstream.stop();
}, 120_000);
