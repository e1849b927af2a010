/**
 * Limits of a tenant's policy, held by `sallyport governance` for relays that ask it: processes, and a redis-server that the
 * planes share.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http, { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { API_QUESTION } from "../_api-question.ts";
import { killEveryRedis, type RedisServer, startRedis } from "../_redis-server.ts";
import { testUnless, tool } from "../_skip.ts";
import { type Answered, type Sent, through, verdictOf } from "./_ask.ts";
import { Gateway, until } from "./_gateway.ts";
import { Plane, signingKey } from "./_plane.ts";
import { Upstream } from "./_upstream.ts";

const NO_REDIS = tool("redis-server");
const LONG = 180_000;
const folder = mkdtempSync(join(tmpdir(), "sallyport-plane-limits-"));
const running: { stop(): unknown }[] = [];
let upstream: Upstream;
let files = 0;

beforeAll(async () => {
  upstream = await Upstream.start();
});
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop();
});
afterAll(async () => {
  await upstream.stop();
  killEveryRedis();
  rmSync(folder, { recursive: true });
});

function policy(limits: string): string {
  const path = join(folder, `policy${files++}.yaml`);
  writeFileSync(path, `version: 1\ndefault: allow\nlimits:\n${limits}`);
  return path;
}

async function plane(env: Readonly<Record<string, string | undefined>>): Promise<Plane> {
  const made = await Plane.start(env);
  running.push(made);
  return made;
}

async function relay(env: Readonly<Record<string, string | undefined>>): Promise<Gateway> {
  const made = await Gateway.start({ EVE_PROXY_ENFORCE_TIMEOUT: "10", ...env });
  running.push(made);
  return made;
}

async function redis(): Promise<RedisServer> {
  const made = await startRedis();
  running.push({ stop: () => made.kill() });
  return made;
}

let asked = 0;
/** Each from another peer, so that no veto is delayed for being one of many. */
function ask(gateway: Gateway, sent: Partial<Sent> & { readonly path?: string } = {}): Promise<Answered> {
  const from = `127.0.0.${2 + (asked++ % 250)}`;
  const { path = "/echo", ...rest } = sent;
  return through(gateway.port, {
    method: "POST",
    url: `${upstream.url}${path}`,
    body: '{"prompt":"hello"}',
    from,
    ...rest,
  });
}

const FIELDS = [
  "retry-after",
  "ratelimit-policy",
  "ratelimit",
  "x-ratelimit-limit",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
];

/** What a client and its certificate are told, but for the seconds that go by between two requests. */
function told(answered: Answered): unknown {
  const fields = FIELDS.map((name) => [name, String(answered.headers[name]).replace(/t=\d+/, "t=_")]);
  const { message, vector, pillar } = answered.status === 200 ? {} : JSON.parse(answered.body);
  const seconds = new Set(["retry-after", "x-ratelimit-reset"]);
  const known = fields.map(([name = "", value]) => [name, seconds.has(name) && value !== "undefined" ? "_" : value]);
  return { ...verdictOf(answered), known, message, vector, pillar };
}

/** The plane has heard of so many ends. */
function settled(one: Plane, ends: number): Promise<void> {
  const told = async () =>
    (await (await fetch(`${one.url}/metrics`)).text()).includes(`outcomes_total{result="known"} ${ends}\n`);
  return until(told, `${ends} settled`);
}

const KINDS = `
  - {id: pace, match: {paths: [/pace]}, rate: {requests: 1, per: 1h}}
  - {id: heavy, match: {paths: [/heavy]}, bytes: {max: 20, per: 1mo}}
  - {id: talk, match: {paths: [/talk]}, tokens: {max: 5000, per: 1mo, assume_output: 4096}}
  - {id: cash, match: {paths: [/cash]}, money: {max: 0.01, per: 1mo}}
  - {id: card, match: {paths: [/card]}, payment: {field: $.amount, currency_field: $.currency, unit: minor, max_each: 50, max: 60, per: 1mo}}
  - {id: watched, mode: shadow, match: {paths: [/watched]}, rate: {requests: 1, per: 1h}}
prices:
  - {model: house, input: 1, output: 10}
`;

const CHAT = (model: string) =>
  JSON.stringify({ model, max_tokens: 500, messages: [{ role: "user", content: "hello there" }] });
const PAY = (amount: unknown, currency = "USD") => JSON.stringify({ amount, currency });
const JSON_TYPE = { "Content-Type": "application/json" };

test(
  "a relay that asks answers and certifies what a relay that has the limits itself does",
  async () => {
    const EVE_PROXY_POLICY = policy(KINDS);
    const one = await plane({ EVE_PROXY_POLICY, EVE_PROXY_SIGNING_KEY: signingKey(folder) });
    const EVE_PROXY_GOVERNANCE_JWKS = `${one.url}/.well-known/jwks.json`;
    const [asking, alone] = await Promise.all([
      relay({ ...one.relay, EVE_PROXY_GOVERNANCE_JWKS }),
      relay({ EVE_PROXY_POLICY }),
    ]);
    const sent: (Partial<Sent> & { path: string })[] = [
      ...[1, 2].map(() => ({ path: "/pace" })),
      ...[1, 2].map(() => ({ path: "/heavy" })),
      ...[1, 2].map(() => ({ path: "/talk", body: CHAT("house"), headers: JSON_TYPE })),
      ...[1, 2, 3].map(() => ({ path: "/cash", body: CHAT("house"), headers: JSON_TYPE })),
      { path: "/cash", body: CHAT("nobody-knows"), headers: JSON_TYPE },
      ...[PAY(4000), PAY(9000), PAY(3000), PAY(1, "EUR"), PAY("1e3"), PAY(undefined)].map((body) => ({
        path: "/card",
        body,
        headers: JSON_TYPE,
      })),
      { path: "/card?amount=5", body: PAY(1), headers: JSON_TYPE },
      ...[1, 2].map(() => ({ path: "/watched" })),
    ];
    const seen = new Set<string>();
    let ends = 0;
    for (const each of sent) {
      const [there, here] = [await ask(asking, each), await ask(alone, each)];
      // What it used is told behind its end: the next one must find it settled.
      if (there.status === 200 && !/pace|watched/.test(each.path)) await settled(one, ++ends);
      expect({ sent: each, told: told(there) }).toEqual({ sent: each, told: told(here) });
      seen.add(`${there.status} ${there.certificate.matched_vector} ${there.certificate.mode}`);
    }
    expect([...seen].sort()).toEqual([
      "200 null enforce",
      "200 rate_limited shadow",
      "429 rate_limited enforce",
      "451 budget_exceeded enforce",
      "451 payment_ceiling enforce",
      "451 payment_currency enforce",
      "451 payment_each enforce",
      "451 payment_unreadable enforce",
      "451 price_unknown enforce",
    ]);
    expect(asking.verifyLogs().status).toBe(0);
    const metrics = await (await fetch(`${one.url}/metrics`)).text();
    expect(metrics).toContain('sallyport_plane_limit_results_total{tenant="default",limit="pace",result="refused"} 1');
    expect(metrics).toContain('limit="watched",result="shadow"} 1');
    await until(() => one.stderr.includes("each replica allows as much again"), "told");
  },
  LONG,
);

testUnless(
  NO_REDIS,
  "two planes on one Redis hold one budget exactly, whoever asks which",
  async () => {
    const EVE_PROXY_REDIS_URL = (await redis()).url;
    const EVE_PROXY_POLICY = policy(
      "  - {id: shared, rate: {requests: 100, per: 1d}}\n  - {id: sum, bytes: {max: 1440, per: 1mo}}\n",
    );
    const planes = await Promise.all([1, 2].map(() => plane({ EVE_PROXY_POLICY, EVE_PROXY_REDIS_URL })));
    const answers = await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        const { url, relay } = planes[i % 2] as Plane;
        const response = await fetch(`${url}/v1/decisions`, {
          method: "POST",
          headers: { "content-type": "application/json", authorization: `Bearer ${relay.EVE_PROXY_GOVERNANCE_TOKEN}` },
          body: JSON.stringify({ ...API_QUESTION, id: `req_${i}` }),
        });
        return (await response.json()) as { decision: string; rule?: string };
      }),
    );
    // 80 times 18 bytes are all of the sum, and the pace would have let through 100.
    expect(answers.filter(({ decision }) => decision === "allow")).toHaveLength(80);
    expect(answers.filter(({ rule }) => rule === "limit: sum")).toHaveLength(220);
  },
  LONG,
);

testUnless(
  NO_REDIS,
  "without its Redis a closed limit is a signed 503 at the relay, an open one passes and says so",
  async () => {
    const shared = await redis();
    const EVE_PROXY_POLICY = policy(
      "  - {id: closed, match: {paths: [/closed]}, rate: {requests: 100, per: 1h}}\n" +
        "  - {id: open, on_outage: open, match: {paths: [/open]}, rate: {requests: 100, per: 1h}}\n",
    );
    const env = { EVE_PROXY_POLICY, EVE_PROXY_REDIS_URL: shared.url };
    const one = await plane(env);
    const [asking, alone] = await Promise.all([relay(one.relay), relay(env)]);
    const paths = ["/closed", "/open", "/else"];
    for (const path of paths) expect((await ask(asking, { path })).status).toBe(200);
    const degraded = async ({ url }: { readonly url: string }) =>
      (await fetch(`${url}/readyz`, { headers: { connection: "close" } })).headers.get("x-eve-degraded");
    expect(await Promise.all([one, alone].map(degraded))).toEqual([null, null]);
    await shared.kill();
    for (const each of [one, alone]) {
      await until(async () => (await degraded(each)) === "limits_down", "said in readiness");
      await until(() => /EVE_PROXY_REDIS_URL: Redis cannot be asked.*problem/.test(each.stderr), "said in the log");
    }
    for (const path of paths) {
      const [there, here] = [await ask(asking, { path }), await ask(alone, { path })];
      expect(told(there)).toEqual(told(here));
      expect(asking.verify({ text: JSON.stringify(there.certificate) }).status).toBe(0);
      const { verdict, mode, matched_vector } = there.certificate;
      expect([path, there.status, verdict, mode, matched_vector]).toEqual(
        path === "/closed"
          ? [path, 503, "fail_closed", "enforce", "limits_unavailable"]
          : [path, 200, "allow", path === "/open" ? "degraded" : "enforce", null],
      );
    }
    await shared.restart();
    await until(async () => (await ask(asking, { path: "/closed" })).status === 200, "counted again");
    for (const each of [one, alone]) {
      await until(async () => (await degraded(each)) === null, "well again");
      await until(() => each.stderr.includes("Redis answers again"), "said in the log");
    }
    // It stands still with every connection open, and nobody asks meanwhile.
    shared.hang();
    await ask(alone, { path: "/open" });
    await until(async () => (await degraded(alone)) === "limits_down", "silence noticed");
    shared.goOn();
    await until(async () => (await degraded(alone)) === null, "well again by itself");
  },
  LONG,
);

test(
  "tenants share no counter, and what a policy's counted requests are allowed is never remembered",
  async () => {
    const first = policy(
      "  - {id: pace, rate: {requests: 2, per: 1h}}\nrules:\n  - {id: reads, when: {methods: [GET]}, verdict: allow, ttl: 1h}\n",
    );
    const token = "another-tenants-token-0123456789";
    const tokens = ["first-tenants-token-0123456789", token];
    const paths = tokens.map((text, i) => {
      const path = join(folder, `token${i}`);
      writeFileSync(path, text);
      return path;
    });
    const tenants = join(folder, "tenants.yaml");
    writeFileSync(
      tenants,
      `tenants:\n${paths.map((path, i) => `  - {id: t${i}, token_file: ${path}, policy: ${first}}\n`).join("")}`,
    );
    const one = await plane({ EVE_PROXY_GOVERNANCE_TENANTS: tenants, EVE_PROXY_GOVERNANCE_TOKEN: undefined });
    const relays = await Promise.all(
      tokens.map((EVE_PROXY_GOVERNANCE_TOKEN) => relay({ ...one.relay, EVE_PROXY_GOVERNANCE_TOKEN })),
    );
    for (const gateway of relays) {
      const statuses: number[] = [];
      for (let i = 0; i < 4; i++) statuses.push((await ask(gateway, { method: "GET", body: "" })).status);
      expect(statuses).toEqual([200, 200, 429, 429]);
    }
  },
  LONG,
);

test(
  "sections that only a relay can obey are named at start and at reload",
  async () => {
    const EVE_PROXY_POLICY = join(folder, "sections.yaml");
    const text = "version: 1\ndefault: allow\n";
    writeFileSync(EVE_PROXY_POLICY, `${text}opaque: ["db.test:5432"]\n`);
    const one = await plane({ EVE_PROXY_POLICY });
    await until(() => one.stderr.includes('"sections":"opaque"'), "told");
    writeFileSync(
      EVE_PROXY_POLICY,
      `${text}hosts: {deny: [10.0.0.0/8]}\nsequences:\n  - {id: s, within: 1h, verdict: deny, steps: [{methods: [GET]}, {methods: [POST]}]}\n`,
    );
    one.signal("SIGHUP");
    await until(() => one.stderr.includes('"sections":"sequences, hosts.deny'), `named: ${one.stderr}`);
  },
  LONG,
);

const USAGE = { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 };

/** A model's upstream, whose answers wait until they are let go. */
async function model(): Promise<{ readonly url: string; readonly waiting: (() => void)[] }> {
  const waiting: (() => void)[] = [];
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      const answer = () => response.setHeader("content-type", "application/json").end(JSON.stringify({ usage: USAGE }));
      if (request.url === "/wait") waiting.push(answer);
      else answer();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  running.push({
    stop() {
      server.closeAllConnections();
      server.close();
    },
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, waiting };
}

testUnless(
  NO_REDIS,
  "what one replica reserved another settles: tokens at what was used, places when the request has ended",
  async () => {
    const { url, waiting } = await model();
    const EVE_PROXY_SIGNING_KEY = signingKey(folder, "shared.pem");
    const EVE_PROXY_REDIS_URL = (await redis()).url;
    const EVE_PROXY_POLICY = policy(
      "  - {id: talk, match: {paths: [/talk]}, tokens: {max: 2000, per: 1mo}}\n" +
        "  - {id: places, match: {paths: [/wait]}, concurrency: 1}\n",
    );
    const env = { EVE_PROXY_POLICY, EVE_PROXY_REDIS_URL, EVE_PROXY_SIGNING_KEY };
    const planes = await Promise.all([plane(env), plane(env)]);
    // A balancer in front: what is asked here is settled there.
    const front = createServer((request, response) => {
      const { url: path = "", method, headers } = request;
      const { port } = planes[path === "/v1/outcomes" ? 1 : 0] as Plane;
      const onward = http.request({ host: "127.0.0.1", port, path, method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      onward.on("error", () => response.destroy());
      request.pipe(onward);
    });
    await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
    running.push({
      stop() {
        front.closeAllConnections();
        front.close();
      },
    });
    const gateway = await relay({
      EVE_PROXY_GOVERNANCE_URL: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
      EVE_PROXY_GOVERNANCE_TOKEN: planes[0]?.relay.EVE_PROXY_GOVERNANCE_TOKEN,
    });
    const known = async () => {
      const texts = await Promise.all(planes.map(async (each) => (await fetch(`${each.url}/metrics`)).text()));
      return texts.map((text) => Number(/outcomes_total\{result="known"\} (\d+)/.exec(text)?.[1] ?? 0));
    };
    const heard = (ends: number) =>
      until(async () => (await known()).reduce((a, b) => a + b) === ends, `${ends} settled`);
    // Each reserves 500 and some, and uses 110 of it: at most three would pass without settling.
    for (let i = 1; i <= 12; i++) {
      const sent = { url: `${url}/talk`, body: CHAT("house"), headers: JSON_TYPE };
      expect((await ask(gateway, sent)).status).toBe(200);
      await heard(i);
    }
    expect(await known()).toEqual([0, 12]);

    const first = ask(gateway, { url: `${url}/wait` });
    await until(() => waiting.length === 1, "under way");
    const refused = await ask(gateway, { url: `${url}/wait` });
    expect([refused.status, refused.certificate.rule]).toEqual([429, "limit: places"]);
    waiting.pop()?.();
    expect((await first).status).toBe(200);
    await heard(13);
    const second = ask(gateway, { url: `${url}/wait` });
    await until(() => waiting.length === 1, "let in again");
    waiting.pop()?.();
    expect((await second).status).toBe(200);
    await heard(14);

    // What never left gives its place back too.
    for (let i = 15; i < 18; i++) {
      const nowhere = await ask(gateway, { url: "http://127.0.0.1:1/wait" });
      expect(nowhere.status).toBe(502);
      await heard(i);
    }
  },
  LONG,
);

test(
  "what the relay's own limits refuse is given back to the plane's",
  async () => {
    const one = await plane({ EVE_PROXY_POLICY: policy("  - {id: sum, bytes: {max: 60, per: 1mo}}\n") });
    const gateway = await relay({
      ...one.relay,
      EVE_PROXY_POLICY: policy("  - {id: own, match: {paths: [/refused]}, bytes: {max: 0, per: 1mo}}\n"),
    });
    for (let i = 1; i <= 6; i++) {
      expect((await ask(gateway, { path: "/refused" })).certificate.rule).toBe("limit: own");
      await settled(one, i);
    }
    expect((await ask(gateway)).status).toBe(200);
  },
  LONG,
);
