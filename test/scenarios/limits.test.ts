/** Limits on the whole road: a policy file, real clients, a real upstream, real certificates. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { runtime } from "../../src/runtime/bun.ts";
import { killEveryRedis, type RedisServer, startRedis } from "../_redis-server.ts";
import { testUnless, tool } from "../_skip.ts";
import { Gateway, until } from "../e2e/_gateway.ts";
import { RawClient } from "../e2e/_raw.ts";
import { type InProcess, startInProcess } from "./_in-process.ts";

const NO_REDIS = tool("redis-server");
const folder = mkdtempSync(join(tmpdir(), "sallyport-limits-"));
const running: { stop(): Promise<unknown> }[] = [];
let upstream: Server;
let answer: (request: IncomingMessage, response: ServerResponse, body: string) => void;
let served = 0;
let files = 0;

beforeAll(async () => {
  upstream = createServer((request, response) => {
    let body = "";
    request.on("data", (bytes) => {
      body += bytes;
    });
    request.on("end", () => {
      served++;
      answer(request, response, body);
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", () => resolve()));
});
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});
afterAll(() => {
  upstream.close();
  killEveryRedis();
  rmSync(folder, { recursive: true });
});

function policy(limits: string): string {
  const path = join(folder, `policy${files++}.yaml`);
  writeFileSync(path, `version: 1\ndefault: allow\n${limits}`);
  return path;
}

async function start(limits: string, env: Readonly<Record<string, string>> = {}): Promise<InProcess> {
  answer = (_request, response) => response.end("ok");
  served = 0;
  const gateway = await startInProcess({ EVE_PROXY_POLICY: policy(limits), ...env });
  running.push(gateway);
  return gateway;
}

const NOON = Date.UTC(2026, 2, 4, 12);

/** Where nobody listens. */
const NOWHERE = 1;

interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly certificate: Record<string, unknown>;
}

type Asking = RequestInit & { readonly path?: string; readonly to?: number };

async function ask(port: number, init: Asking = {}): Promise<Answered> {
  const { path = "/", to = (upstream.address() as AddressInfo).port, ...rest } = init;
  const url = `http://127.0.0.1:${to}${path}`;
  const response = await fetch(url, { ...rest, proxy: `http://127.0.0.1:${port}`, keepalive: false } as RequestInit);
  const { status, headers } = response;
  const certificate = JSON.parse(headers.get("x-eve-decision-cert") ?? "{}") as Record<string, unknown>;
  return { status, headers, text: await response.text(), certificate };
}

function post(body: unknown, headers: Readonly<Record<string, string>> = {}): RequestInit {
  return { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } };
}

const CHAT = { model: "house-model", max_tokens: 1000, messages: [{ role: "user", content: "hello" }] };
const PRICES = `
prices:
  - {model: house-model, input: 1, output: 10}
`;

test("a pace is answered 429 with its fields, certified with the limit's id, and nothing reaches the upstream", async () => {
  const { port } = await start("limits:\n  - {id: pace, per: [agent], rate: {requests: 2, per: 1h}}\n");
  expect([(await ask(port)).status, (await ask(port)).status]).toEqual([200, 200]);
  const refused = await ask(port);
  expect(refused.status).toBe(429);
  expect(JSON.parse(refused.text)).toMatchObject({ status: "BLOCK", pillar: "CoreGuard", vector: "rate_limited" });
  expect(refused.certificate).toMatchObject({ verdict: "block", rule: "limit: pace", matched_vector: "rate_limited" });
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(1700);
  expect(refused.headers.get("ratelimit")).toStartWith('"pace";r=0;t=');
  expect(refused.headers.get("x-ratelimit-limit")).toBe("2");
  expect(served).toBe(2);
  expect((await ask(port, { headers: { "x-agent-id": "another" } })).status).toBe(200);
});

test("a policy that is read again while a body is inspected rules on the next request, its limits too", async () => {
  const bare = "version: 1\ndefault: allow\n";
  const limited = `${bare}limits:\n  - {id: fresh, bytes: {max: 10B, per: 1d}}\n`;
  answer = (_request, response) => response.end("ok");
  for (const [first, second, status] of [
    [bare, limited, 200],
    [limited, bare, 451],
  ] as const) {
    const path = policy("");
    writeFileSync(path, first);
    // The decision waits for this: the body is in a coding.
    const { promise: open, resolve: opened } = Promise.withResolvers<void>();
    let waiting = 0;
    const gateway = await startInProcess(
      { EVE_PROXY_POLICY: path },
      {
        decode: async (...given) => {
          waiting++;
          await open;
          return runtime.decode(...given);
        },
      },
    );
    running.push(gateway);
    const body = gzipSync("a body of more than ten bytes");
    const asked = ask(gateway.port, { method: "POST", body, headers: { "content-encoding": "gzip" } });
    while (waiting === 0) await new Promise((done) => setTimeout(done, 1));
    writeFileSync(path, second);
    expect((await gateway.gateway.reload()).ok).toBe(true);
    opened();
    const { certificate, status: found } = await asked;
    const later = await ask(gateway.port, { method: "POST", body: "a body of more than ten bytes" });
    expect([found, later.status]).toEqual([status, status === 200 ? 451 : 200]);
    expect(certificate.rule).toBe(status === 200 ? "default" : "limit: fresh");
    expect(certificate.policy_version).not.toBe(later.certificate.policy_version as string);
  }
});

test("where a burst is what refuses, the reason says so", async () => {
  const { port } = await start("limits:\n  - {id: pace, rate: {requests: 60, per: 1d, burst: 1}}\n");
  expect((await ask(port)).status).toBe(200);
  const refused = await ask(port);
  expect(refused.status).toBe(429);
  expect(refused.certificate.reason).toBe('limit "pace": more than a burst of 1 at a pace of 60 requests in 86400 s');
  expect(refused.headers.get("ratelimit-policy")).toBe('"pace";q=60;w=86400;burst=1');
  const plain = await start("limits:\n  - {id: pace, rate: {requests: 1, per: 1d}}\n");
  await ask(plain.port);
  const over = await ask(plain.port);
  expect(over.certificate.reason).toBe('limit "pace": more than 1 requests in 86400 s');
  expect(over.headers.get("ratelimit-policy")).toBe('"pace";q=1;w=86400');
});

test("places are given back when the answer has ended", async () => {
  const { port } = await start("limits:\n  - {id: one, concurrency: 1}\n");
  const { promise, resolve } = Promise.withResolvers<ServerResponse>();
  answer = (_request, response) => resolve(response);
  const first = ask(port);
  const held = await promise;
  answer = (_request, response) => response.end("second");
  expect((await ask(port)).status).toBe(429);
  held.end("first");
  expect((await first).text).toBe("first");
  expect((await ask(port)).text).toBe("second");
});

test("a tunnel that is read holds its place as long as its connection, and its requests take none besides", async () => {
  const { port } = await start("limits:\n  - {id: one, concurrency: 1}\n");
  const at = `127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  const connect = `CONNECT ${at} HTTP/1.1\r\nHost: ${at}\r\n\r\n`;
  const first = await RawClient.open(port);
  first.send(connect);
  await first.wait((text) => text.startsWith("HTTP/1.1 200"), "the tunnel");
  for (let i = 1; i <= 2; i++) {
    first.send(`GET /inside HTTP/1.1\r\nHost: ${at}\r\n\r\n`);
    await first.wait((text) => text.split("\r\n\r\nok").length === i + 1, `answer ${i}`);
  }
  const second = await RawClient.open(port);
  second.send(connect);
  await second.wait((text) => text.startsWith("HTTP/1.1 429"), "the refusal");
  first.close();
  await until(async () => {
    const third = await RawClient.open(port);
    third.send(connect);
    const text = await third.wait((received) => received.includes("\r\n\r\n"), "an answer");
    third.close();
    return text.startsWith("HTTP/1.1 200");
  }, "the place given back");
  second.close();
});

test("money is settled at what the answer says it used, streamed, coded or whole", async () => {
  const { port } = await start(`limits:\n  - {id: cash, money: {max: 0.0301, per: 1mo}}\n${PRICES}`);
  const usage = { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 };
  const bodies: ((response: ServerResponse) => void)[] = [
    (response) => response.setHeader("content-type", "application/json").end(JSON.stringify({ usage })),
    (response) => {
      response.setHeader("content-type", "text/event-stream");
      response.write('data: {"choices":[{"delta":{"content":"x"}}]}\n\nda');
      response.end(`ta: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
    },
    (response) => {
      response.setHeader("content-type", "application/json").setHeader("content-encoding", "gzip");
      response.end(gzipSync(JSON.stringify({ usage })));
    },
  ];
  // Each reserves a little more than 0.01 for its 1,000 tokens and uses 0.0002 of it: without settling three would pass. A
  // coded answer is read behind its end, so one reserve more may stand while the next request comes.
  for (let i = 0; i < 30; i++) {
    answer = (_request, response) => bodies[i % 3]?.(response);
    expect((await ask(port, post(CHAT))).status).toBe(200);
  }
  // One that does not say is settled at its reserve.
  answer = (_request, response) => response.end("{}");
  expect((await ask(port, post(CHAT))).status).toBe(200);
  expect((await ask(port, post(CHAT))).status).toBe(200);
  const refused = await ask(port, post(CHAT));
  expect(refused.status).toBe(451);
  expect(refused.certificate).toMatchObject({ matched_vector: "budget_exceeded", rule: "limit: cash" });
  expect(String(refused.certificate.reason)).toContain("0.0301 USD");
});

test("whoever hangs up before the last count pays the whole reserve", async () => {
  const { port } = await start(`limits:\n  - {id: cash, money: {max: 0.0201, per: 1mo}}\n${PRICES}`);
  const first = { type: "message_start", message: { usage: { input_tokens: 10, output_tokens: 1 } } };
  for (let i = 0; i < 2; i++) {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    answer = (_request, response) => {
      response.on("close", resolve);
      response.setHeader("content-type", "text/event-stream").write(`data: ${JSON.stringify(first)}\n\n`);
    };
    const leaving = new AbortController();
    const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/`;
    const proxied = { ...post(CHAT), signal: leaving.signal, proxy: `http://127.0.0.1:${port}` } as RequestInit;
    const response = await fetch(url, proxied);
    await response.body?.getReader().read();
    leaving.abort();
    await closed;
  }
  answer = (_request, response) => response.end("{}");
  expect((await ask(port, post(CHAT))).certificate).toMatchObject({ matched_vector: "budget_exceeded" });
});

test("in shadow mode nothing is refused, and what would have been is certified", async () => {
  const { port } = await start("limits:\n  - {id: pace, rate: {requests: 1, per: 1h}}\n", { EVE_PROXY_MODE: "shadow" });
  await ask(port);
  const second = await ask(port);
  expect(second.status).toBe(200);
  expect(second.certificate).toMatchObject({ verdict: "allow", would: "block", mode: "shadow", rule: "limit: pace" });
});

test("a model without a price is refused where money is limited; a body that names two models too", async () => {
  const { port } = await start(`limits:\n  - {id: cash, money: {max: 5, per: 1d}}\n${PRICES}`);
  const unknown = await ask(port, post({ ...CHAT, model: "nobody-knows" }));
  expect(unknown.certificate).toMatchObject({ verdict: "block", matched_vector: "price_unknown" });
  const two = '{"model":"house-model","model":"nobody-knows"}';
  const twice = await ask(port, { ...post(null), body: two });
  expect(twice.certificate).toMatchObject({ verdict: "block", matched_vector: "price_unknown" });
  expect((await ask(port, post({ not: "for a model" }))).status).toBe(200);
});

test("an egress that never left gives its budget back", async () => {
  const { port } = await start("limits:\n  - {id: cash, payment: {field: $.amount, unit: major, max: 10, per: 1d}}\n");
  for (let i = 0; i < 3; i++) expect((await ask(port, { ...post({ amount: 9 }), to: NOWHERE })).status).toBe(502);
  expect((await ask(port, post({ amount: 9 }))).status).toBe(200);
  expect((await ask(port, post({ amount: 2 }))).certificate).toMatchObject({ matched_vector: "payment_ceiling" });
  expect((await ask(port, post({ amount: 1 }))).status).toBe(200);
});

test("payments: each, unreadable, gzip read", async () => {
  const { port } = await start(
    'limits:\n  - {id: pay, match: {paths: ["/v1/charges"]}, payment: {field: $.amount, unit: minor, max_each: 20.00}}\n',
  );
  const vector = async (init: Asking) => (await ask(port, init)).certificate.matched_vector;
  expect(await vector({ ...post({ amount: 2001 }), path: "/v1/charges" })).toBe("payment_each");
  expect(await vector({ ...post({ amount: 2001 }), path: "/v1//./%63harges" })).toBe("payment_each");
  expect(await vector({ ...post({ amount: "many" }), path: "/v1/charges" })).toBe("payment_unreadable");
  const coded = { "content-encoding": "gzip", "content-type": "application/json" };
  const body = gzipSync('{"amount":2001}');
  expect(await vector({ method: "POST", body, headers: coded, path: "/v1/charges" })).toBe("payment_each");
  expect(await vector({ ...post({ amount: 2000 }), path: "/v1/charges" })).toBeNull();
  expect(await vector({ ...post({ amount: 2001 }), path: "/v1/customers" })).toBeNull();
});

test("the policy of the manual is one", async () => {
  const manual = readFileSync(resolve(import.meta.dir, "../../docs/limits.md"), "utf8");
  const path = join(folder, "manual.yaml");
  writeFileSync(path, /```yaml\n([\s\S]*?)```/.exec(manual)?.[1] ?? "");
  // Its clock stands still and every answer is held until all seven are ruled on: neither a pace nor a place comes back meanwhile.
  const gateway = await startInProcess({ EVE_PROXY_POLICY: path }, { now: () => NOON, monotonic: () => 1_000 });
  running.push(gateway);
  const held: ServerResponse[] = [];
  let refused = 0;
  const release = (): void => {
    if (held.length + refused === 7) for (const response of held) response.end("ok");
  };
  answer = (_request, response) => {
    held.push(response);
    release();
  };
  const one = async (): Promise<number> => {
    const { status } = await ask(gateway.port);
    if (status === 200) return status;
    refused++;
    release();
    return status;
  };
  const statuses = await Promise.all(Array.from({ length: 7 }, one));
  expect(statuses.sort()).toEqual([200, 200, 200, 200, 200, 429, 429]);
});

test("shadow limits refuse nothing and are certified", async () => {
  const { port } = await start("limits:\n  - {id: pace, mode: shadow, rate: {requests: 1, per: 1h}}\n");
  await ask(port);
  const second = await ask(port);
  expect(second.status).toBe(200);
  expect(second.certificate).toMatchObject({ verdict: "allow", would: "block", mode: "shadow", rule: "limit: pace" });
});

test("bytes count both ways, and what is over is refused from then on", async () => {
  const { port } = await start("limits:\n  - {id: volume, bytes: {max: 1KB, per: 1d}}\n");
  answer = (_request, response) => response.end("x".repeat(1000));
  expect((await ask(port)).status).toBe(200);
  expect((await ask(port)).certificate).toMatchObject({ matched_vector: "budget_exceeded" });
});

test("a policy with a limit that cannot be read does not start", async () => {
  for (const bad of [
    "{id: x}",
    "{id: x, rate: {requests: 1, per: 7q}}",
    "{id: x, rates: {}}",
    "{id: x, bytes: {max: 1, per: 7h}}",
  ]) {
    await expect(startInProcess({ EVE_PROXY_POLICY: policy(`limits:\n  - ${bad}\n`) })).rejects.toMatchObject({
      code: "policy_invalid",
    });
  }
  const twice = "limits:\n  - {id: x, concurrency: 1}\n  - {id: x, concurrency: 2}\n";
  await expect(startInProcess({ EVE_PROXY_POLICY: policy(twice) })).rejects.toMatchObject({ code: "policy_invalid" });
});

async function together(ports: readonly number[], times: number, init?: RequestInit): Promise<readonly number[]> {
  const all: number[] = [];
  let left = times;
  const client = async (port: number): Promise<void> => {
    while (left-- > 0) all.push((await ask(port, init)).status);
  };
  await Promise.all(Array.from({ length: 16 }, (_, i) => client(ports[i % ports.length] as number)));
  return all;
}

testUnless(
  NO_REDIS,
  "two gateways on one Redis hold one budget exactly under load; without Redis they fail closed, or open as told",
  async () => {
    const redis: RedisServer = await startRedis();
    running.push({ stop: () => redis.kill() });
    const limits =
      "limits:\n" +
      "  - {id: shared, match: {methods: [POST]}, payment: {field: $.amount, unit: major, max: 60, per: 1mo}}\n" +
      "  - {id: soft, match: {methods: [GET]}, on_outage: open, rate: {requests: 1000, per: 1s}}\n";
    const path = policy(limits);
    answer = (_request, response) => response.end("ok");
    served = 0;
    const env = { EVE_PROXY_POLICY: path, EVE_PROXY_REDIS_URL: redis.url, EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8" };
    const [one, two] = await Promise.all([Gateway.start(env), Gateway.start(env)]);
    running.push({ stop: () => one.stop() }, { stop: () => two.stop() });
    const statuses = await together([one.port, two.port], 200, post({ amount: 1 }));
    expect(statuses.filter((status) => status === 200)).toHaveLength(60);
    expect(statuses.filter((status) => status === 451)).toHaveLength(140);
    expect(served).toBe(60);
    await redis.kill();
    const closed = await ask(one.port, post({ amount: 1 }));
    expect(closed.status).toBe(503);
    expect(JSON.parse(closed.text)).toMatchObject({
      status: "FAIL_CLOSED",
      pillar: "114",
      vector: "limits_unavailable",
    });
    expect(closed.certificate).toMatchObject({ verdict: "fail_closed", rule: "limit: shared" });
    const open = await ask(two.port);
    expect(open.status).toBe(200);
    expect(open.certificate).toMatchObject({ verdict: "allow", mode: "degraded" });
    expect(served).toBe(61);
  },
  120_000,
);

test("workers of one port hold one budget exactly: the parent counts", async () => {
  answer = (_request, response) => response.end("ok");
  served = 0;
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", () => resolve()));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const path = policy("limits:\n  - {id: shared, rate: {requests: 30, per: 1d}, concurrency: 1000}\n");
  const gateway = await Gateway.start({
    EVE_PROXY_POLICY: path,
    EVE_PROXY_WORKERS: "2",
    EVE_PROXY_PORT: String(port),
    EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8",
  });
  running.push({ stop: () => gateway.stop() });
  const statuses = await together([gateway.port], 120);
  expect(statuses.filter((status) => status === 200)).toHaveLength(30);
  expect(statuses.filter((status) => status === 429)).toHaveLength(90);
  expect(served).toBe(30);
}, 120_000);
