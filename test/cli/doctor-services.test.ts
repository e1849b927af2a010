/** What doctor says of the services a gateway needs: a real plane, a real Redis, and things that are neither. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { killEveryRedis, startRedis } from "../_redis-server.ts";
import { testUnless, tool } from "../_skip.ts";
import { opaBundle, testWithOpa } from "../decide/_opa.ts";
import { Plane, TOKEN } from "../e2e/_plane.ts";
import { emptyDirectory, sallyport } from "./_program.ts";

const NO_REDIS = tool("redis-server");
const WRONG = "a-token-of-nobody-0123456789";
const PASSWORD = "not-to-be-repeated";

let directory = "";
let plane: Plane;
beforeAll(async () => {
  directory = await emptyDirectory();
  await writeFile(join(directory, "policy.yaml"), "version: 1\ndefault: allow\n");
  plane = await Plane.start({ EVE_PROXY_POLICY: join(directory, "policy.yaml") });
});
afterAll(async () => {
  await plane.stop();
  killEveryRedis();
  await rm(directory, { recursive: true });
});

/** Takes connections and never says a word. */
function silent() {
  return Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
}

async function doctor(env: Record<string, string>) {
  const own = { EVE_PROXY_DEV: "1", EVE_PROXY_HOST: "127.0.0.1", EVE_PROXY_PORT: "0" };
  const began = performance.now();
  const ended = await sallyport(directory, ["doctor"], { ...own, ...env });
  for (const secret of [TOKEN, WRONG, PASSWORD]) expect(ended.stdout + ended.stderr).not.toContain(secret);
  const lines = (about: string): string[] =>
    ended.stdout.split("\n").filter((line) => new RegExp(`^ {2}\\w+ +${about} `).test(line));
  return { ...ended, lines, took: performance.now() - began };
}

describe("the policy that is fetched", () => {
  test("an OPA bundle that is not there, or is none, fails", async () => {
    const missing = await doctor({ EVE_PROXY_OPA_BUNDLE: "nope.tar.gz" });
    expect(missing.lines("policy")).toEqual([expect.stringMatching(/^ {2}fail .*the OPA bundle "nope\.tar\.gz"/)]);
    expect(missing.code).toBe(1);
    await writeFile(join(directory, "none.tar.gz"), "no archive");
    const none = await doctor({ EVE_PROXY_OPA_BUNDLE: "none.tar.gz" });
    expect(none.lines("policy")).toEqual([expect.stringMatching(/^ {2}fail .*the OPA bundle is no gzip archive/)]);
    expect(none.code).toBe(1);
  });

  testWithOpa("an OPA bundle that decides is named, with its version", async () => {
    const rego = "package sallyport\n\nimport rego.v1\n\ndefault decision := true\n";
    await writeFile(join(directory, "bundle.tar.gz"), opaBundle({ "policy.rego": rego }));
    const { code, lines } = await doctor({ EVE_PROXY_OPA_BUNDLE: "bundle.tar.gz" });
    expect(lines("policy")).toEqual([
      expect.stringMatching(/^ {2}ok .*OPA bundle "bundle\.tar\.gz" decides, version opa-[0-9a-f]{16}$/),
    ]);
    expect(code).toBe(0);
  });

  test("a bundle of a plane: refused, unreachable, served; and none is kept by looking", async () => {
    const url = `${plane.url}/v1/bundle`;
    const cache = join(directory, "kept.json");
    const env = { EVE_PROXY_POLICY_BUNDLE_URL: url, EVE_PROXY_POLICY_BUNDLE_CACHE: cache };
    const stranger = await doctor({ ...env, EVE_PROXY_GOVERNANCE_TOKEN: WRONG });
    expect(stranger.lines("policy")).toEqual([
      expect.stringMatching(
        /^ {2}fail .*EVE_PROXY_POLICY_BUNDLE_URL was answered 401: see EVE_PROXY_GOVERNANCE_TOKEN; no bundle is kept at ".*kept\.json"$/,
      ),
    ]);
    expect(stranger.code).toBe(1);
    const gone = await doctor({ ...env, EVE_PROXY_POLICY_BUNDLE_URL: "http://127.0.0.1:1/v1/bundle" });
    expect(gone.lines("policy")).toEqual([
      expect.stringMatching(/^ {2}fail .*cannot be fetched: .*; no bundle is kept/),
    ]);
    expect(gone.code).toBe(1);
    const good = await doctor({ ...env, EVE_PROXY_GOVERNANCE_TOKEN: TOKEN });
    expect(good.lines("policy")).toEqual([
      expect.stringMatching(/^ {2}ok .*\/v1\/bundle decides, version sha256-[0-9a-f]+; none is kept at /),
    ]);
    expect(good.code).toBe(0);
    expect(await Bun.file(cache).exists()).toBe(false);
  }, 120_000);

  test("one that does not come in time is said to be slow", async () => {
    const server = silent();
    const { lines, took } = await doctor({ EVE_PROXY_OPA_BUNDLE: `http://127.0.0.1:${server.port}/bundle.tar.gz` });
    server.stop(true);
    expect(lines("policy")).toEqual([expect.stringMatching(/^ {2}warn .*did not come within 2 s/)]);
    // Behind what it takes where nothing is waited for.
    expect(took - (await doctor({})).took).toBeLessThan(10_000);
  }, 120_000);
});

describe("the plane", () => {
  test("a wrong token, none, a wrong path, nobody there, and silence are told apart", async () => {
    const server = silent();
    const at = (url: string, token: string | null) =>
      doctor({
        EVE_PROXY_GOVERNANCE_URL: url,
        ...(token === null ? {} : { EVE_PROXY_GOVERNANCE_TOKEN: token }),
      }).then(({ lines, code }) => ({ lines: lines("plane"), code }));
    const [wrong, none, path, nobody, mute] = await Promise.all([
      at(plane.url, WRONG),
      at(plane.url, null),
      at(`${plane.url}/v1/decisions`, TOKEN),
      at("http://127.0.0.1:1", TOKEN),
      at(`http://127.0.0.1:${server.port}`, TOKEN),
    ]);
    server.stop(true);
    expect(wrong.lines).toEqual([
      `  warn  plane          ${plane.url} answers status 401: it does not know EVE_PROXY_GOVERNANCE_TOKEN`,
    ]);
    expect(none.lines).toEqual([expect.stringContaining("EVE_PROXY_GOVERNANCE_TOKEN is not set")]);
    expect(path.lines).toEqual([expect.stringContaining("give the URL without that path")]);
    expect(nobody.lines).toEqual([expect.stringMatching(/warn .*cannot be reached: .*ECONNREFUSED/)]);
    expect(mute.lines).toEqual([expect.stringMatching(/warn .*cannot be reached: no answer within 2 s/)]);
    // A plane that is down at the start keeps no relay from starting.
    for (const { code } of [wrong, none, path, nobody, mute]) expect(code).toBe(0);
  }, 120_000);

  test("its keys are asked for too", async () => {
    const env = { EVE_PROXY_GOVERNANCE_URL: plane.url, EVE_PROXY_GOVERNANCE_TOKEN: TOKEN };
    const { lines } = await doctor({ ...env, EVE_PROXY_GOVERNANCE_JWKS: `${plane.url}/.well-known/jwks.json` });
    // This one has no signing key, and so none to publish.
    expect(lines("plane")).toEqual([
      expect.stringMatching(/^ {2}ok .* answers, and knows the token$/),
      expect.stringMatching(/^ {2}warn .*EVE_PROXY_GOVERNANCE_JWKS gives no keys/),
    ]);
  });

  test("whoever runs it where a plane's settings are is told how to ask a plane", async () => {
    const { lines } = await doctor({ EVE_PROXY_GOVERNANCE_TOKEN: TOKEN });
    expect(lines("plane")).toEqual([expect.stringContaining("curl -f http://127.0.0.1:3129/readyz")]);
    const relay = await doctor({ EVE_PROXY_GOVERNANCE_URL: plane.url, EVE_PROXY_GOVERNANCE_TOKEN: TOKEN });
    expect(relay.lines("plane")).toEqual([expect.stringMatching(/knows the token$/)]);
  });
});

describe("Redis", () => {
  testUnless(
    NO_REDIS,
    "nobody there, silence, and no TLS where it is expected are warned of",
    async () => {
      const server = silent();
      const plain = await startRedis();
      const at = (url: string) => doctor({ EVE_PROXY_REDIS_URL: url });
      const [nobody, mute, tls] = await Promise.all([
        at("redis://127.0.0.1:1"),
        at(`redis://user:${PASSWORD}@127.0.0.1:${server.port}`),
        at(`rediss://127.0.0.1:${plain.port}`),
      ]);
      server.stop(true);
      expect(nobody.lines("redis")).toEqual([
        expect.stringMatching(/warn .*127\.0\.0\.1:1 cannot be asked: .*ECONNREFUSED/),
      ]);
      expect(mute.lines("redis")).toEqual([expect.stringMatching(/warn .*(?:no answer within 2 s|imeout)/)]);
      expect(tls.lines("redis")).toEqual([expect.stringMatching(/warn .*does it speak TLS\?/)]);
      // As long as the three take that ask nobody, and a little: no more than that is waited for an answer.
      const apart = await Promise.all([doctor({}), doctor({}), doctor({})]);
      const without = Math.max(...apart.map(({ took }) => took));
      for (const { took } of [nobody, mute, tls]) expect(took - without).toBeLessThan(15_000);
    },
    120_000,
  );

  testUnless(
    NO_REDIS,
    "a password that it does not take is told, and one that answers is well",
    async () => {
      const guarded = await startRedis(["--requirepass", "another"]);
      const wrong = await doctor({ EVE_PROXY_REDIS_URL: `redis://:${PASSWORD}@127.0.0.1:${guarded.port}` });
      expect(wrong.lines("redis")).toEqual([expect.stringMatching(/warn .*WRONGPASS/)]);
      const open = await startRedis();
      const good = await doctor({ EVE_PROXY_REDIS_URL: open.url });
      expect(good.lines("redis")).toEqual([`  ok    redis          127.0.0.1:${open.port} answers`]);
    },
    120_000,
  );
});
