import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attestationKey, signBundle } from "../../src/crypto/attestation.ts";
import { jwks } from "../../src/crypto/jwk.ts";
import { generateKey, loadPrivate } from "../../src/crypto/keys.ts";
import { openBundlePolicy } from "../../src/decide/policy-bundle.ts";
import { Fault } from "../../src/errors.ts";
import { compilePolicy } from "../../src/policy/program.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { HttpReply } from "../../src/runtime/contract.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-bundle-"));
afterAll(() => rmSync(folder, { recursive: true }));
let made = 0;

const ALLOW = "version: 1\ndefault: allow\n";
const DENY = "version: 1\ndefault: deny\n";
const bundle = (text: string, change: object = {}) => {
  const files = [{ name: "p.yaml", text }];
  return { version: compilePolicy(files).version, tenant: "acme", files, signature: null as string | null, ...change };
};
const reply = (value: unknown, etag: string | null = null, status = 200): HttpReply => ({
  status,
  headers: etag === null ? {} : { etag },
  body: new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value)),
});
const down = (): never => {
  throw new Fault("dial_failed", "down");
};

interface Served {
  answer: (headers: Readonly<Record<string, string>>) => HttpReply;
}

function machine(
  served: Served,
  jwksPath: string | null = null,
  cachePath = join(folder, `c${made++}`, "bundle.json"),
  secret: string | null = "a secret of this gateway's",
) {
  const asked: Readonly<Record<string, string>>[] = [];
  const httpClient = () => ({
    send: async (_url: string, _method: string, headers: Readonly<Record<string, string>>) => {
      asked.push(headers);
      return served.answer(headers);
    },
    close() {},
  });
  const plane = { token: "t", ca: null, cert: null, key: null, jwks: jwksPath };
  const keys = { hmacKey: secret, signingKey: null };
  const config = { url: "https://plane.test/v1/bundle", tenant: "acme", cachePath, intervalMs: 1000, plane, ...keys };
  return { asked, cachePath, open: () => openBundlePolicy({ ...runtime, httpClient }, config) };
}

async function keyPair() {
  const { privatePem } = await generateKey("Ed25519");
  const { key, publicJwk } = await loadPrivate(privatePem, runtime);
  const path = join(folder, `jwks${made++}.json`);
  writeFileSync(path, JSON.stringify(jwks([publicJwk], runtime)));
  return { key: attestationKey(key, publicJwk, runtime), path };
}

describe("a gateway does not start on", () => {
  const cases: [string, () => HttpReply][] = [
    ["no network and nothing kept", down],
    ["garbage", () => reply("{")],
    ["an error", () => reply(bundle(ALLOW), null, 500)],
    ["a 304 to a question without a tag", () => reply("", null, 304)],
    ["a bundle with an unknown key", () => reply(bundle(ALLOW, { unless: 1 }))],
    ["a bundle without files", () => reply(bundle(ALLOW, { files: [] }))],
    ["a file that is a path", () => reply(bundle(ALLOW, { files: [{ name: "../p.yaml", text: ALLOW }] }))],
    ["a version that is another policy's", () => reply(bundle(ALLOW, { version: bundle(DENY).version }))],
    ["a policy that is no good", () => reply(bundle(ALLOW, { files: [{ name: "p.yaml", text: "version: 2\n" }] }))],
  ];
  for (const [name, answer] of cases) {
    test(name, async () => {
      const { open, cachePath } = machine({ answer });
      await expect(open()).rejects.toMatchObject({ code: "policy_invalid" });
      expect(existsSync(cachePath)).toBe(false);
    });
  }

  test("a signature that is missing, another's, or of other files", async () => {
    const [mine, other] = [await keyPair(), await keyPair()];
    const whole = bundle(ALLOW);
    for (const signature of [null, await signBundle(whole, other.key), await signBundle(bundle(DENY), mine.key)]) {
      const { open } = machine({ answer: () => reply({ ...whole, signature }) }, mine.path);
      await expect(open()).rejects.toMatchObject({ code: "policy_invalid" });
    }
    const { open } = machine({ answer: () => reply({ ...whole, signature: null }) }, mine.path);
    await expect(open()).rejects.toThrow("carries no signature");
  });

  test("another tenant's policy, whatever name it is given on its way", async () => {
    const mine = await keyPair();
    const theirs = bundle(ALLOW, { tenant: "umbrella" });
    const signature = await signBundle(theirs, mine.key, Date.now());
    const given = (change: object) => machine({ answer: () => reply({ ...theirs, signature, ...change }) }, mine.path);
    await expect(given({}).open()).rejects.toThrow('that of tenant "umbrella", and EVE_PROXY_ORG_ID is "acme"');
    await expect(given({ tenant: "acme" }).open()).rejects.toThrow("has a wrong signature");
    // Nor from the file, where one was kept while the gateway was another's, and nothing else can be had.
    const { cachePath, open } = machine({ answer: down }, mine.path);
    mkdirSync(join(cachePath, ".."), { recursive: true });
    writeFileSync(cachePath, JSON.stringify({ ...theirs, signature }));
    await expect(open()).rejects.toThrow('that of tenant "umbrella"');
    const older = bundle(DENY);
    const own = reply({ ...older, signature: await signBundle(older, mine.key, Date.now() - 60_000) });
    (await machine({ answer: () => own }, mine.path, cachePath).open()).close();
  });

  test("another tenant's policy while it runs: its own stays", async () => {
    const mine = await keyPair();
    const signed = async (tenant: string, text: string, at: number) => {
      const whole = bundle(text, { tenant });
      return reply({ ...whole, signature: await signBundle(whole, mine.key, at) });
    };
    let answer = await signed("acme", DENY, Date.now());
    const policy = await machine({ answer: () => answer }, mine.path).open();
    answer = await signed("umbrella", ALLOW, Date.now() + 1);
    expect(await policy.reload()).toMatchObject({ ok: false, message: expect.stringContaining("umbrella") });
    expect(policy.version).toBe(bundle(DENY).version);
  });
});

describe("a policy bundle", () => {
  const judge = (policy: Awaited<ReturnType<typeof openBundlePolicy>>) =>
    policy.judge({ scheme: "https", host: "a.test", port: 443, literal: false });

  test("is asked for by its tag, and replaced as a whole", async () => {
    let text = ALLOW;
    const served: Served = {
      answer(headers) {
        const tag = `"${bundle(text).version}"`;
        return headers["if-none-match"] === tag ? reply("", tag, 304) : reply(bundle(text), tag);
      },
    };
    const { asked, open } = machine(served);
    const policy = await open();
    const { engine } = policy;
    expect(judge(policy)).toBe("default");
    expect((await policy.reload()).ok).toBe(true);
    expect(policy.engine).toBe(engine);
    expect(asked[1]).toMatchObject({ "if-none-match": `"${bundle(ALLOW).version}"`, authorization: "Bearer t" });
    text = DENY;
    expect((await policy.reload()).ok).toBe(true);
    expect(judge(policy)).toMatchObject({ verdict: "block" });
    expect(policy.version).toBe(bundle(DENY).version);
  });

  test("that cannot be had, or is no good, leaves the last good one, which is stale", async () => {
    const served: Served = { answer: () => reply(bundle(DENY)) };
    const policy = await machine(served).open();
    const bad = [
      down,
      () => reply("{"),
      () => reply("", null, 404),
      () => reply(bundle(ALLOW, { version: "x" })),
      () => reply(bundle(ALLOW, { files: [{ name: "p.yaml", text: "-" }] })),
    ];
    for (const answer of bad) {
      served.answer = answer;
      expect((await policy.reload()).ok).toBe(false);
      expect(judge(policy)).toMatchObject({ verdict: "block" });
      expect(policy.problem).not.toBeNull();
    }
    served.answer = () => reply(bundle(ALLOW));
    expect((await policy.reload()).ok).toBe(true);
    expect([judge(policy), policy.problem]).toEqual(["default", null]);
  });

  test("is kept, 0600 and whole, for a start without network", async () => {
    const served: Served = { answer: () => reply(bundle(DENY)) };
    const { open, cachePath } = machine(served);
    (await open()).close();
    expect(statSync(cachePath).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(cachePath, ".."))).toEqual(["bundle.json"]);
    served.answer = down;
    const policy = await machine(served, null, cachePath).open();
    expect(judge(policy)).toMatchObject({ verdict: "block" });
    expect(policy.problem).toContain("down");
    served.answer = () => reply(bundle(ALLOW));
    expect((await policy.reload()).ok).toBe(true);
    expect([judge(policy), policy.problem]).toEqual(["default", null]);
    expect(JSON.parse(readFileSync(cachePath, "utf8"))).toEqual(bundle(ALLOW));
  });

  describe("signed before the last one is refused", () => {
    const NOW = Date.now();
    const signedBy = async (pair: Awaited<ReturnType<typeof keyPair>>, text: string, at?: number) =>
      reply(bundle(text, { signature: await signBundle(bundle(text), pair.key, at) }));

    test("while it runs: the one in force stays, and is stale; a later one is taken, the same one again too", async () => {
      const mine = await keyPair();
      let answer = await signedBy(mine, DENY, NOW);
      const served: Served = { answer: () => answer };
      const { open, cachePath } = machine(served, mine.path);
      const policy = await open();
      for (const at of [NOW - 1, NOW - 86_400_000, undefined]) {
        answer = await signedBy(mine, ALLOW, at);
        expect(await policy.reload()).toMatchObject({ ok: false, message: expect.stringContaining("is an older one") });
        expect([policy.version, judge(policy)]).toEqual([
          bundle(DENY).version,
          expect.objectContaining({ verdict: "block" }),
        ]);
        expect(policy.problem).toContain(new Date(NOW).toISOString());
      }
      // Another replica, whose clock is behind, with the same policy: it is no other, and does not turn the time back.
      answer = await signedBy(mine, DENY, NOW - 5_000);
      expect((await policy.reload()).ok).toBe(true);
      expect(policy.problem).toBeNull();
      answer = await signedBy(mine, ALLOW, NOW - 1);
      expect((await policy.reload()).ok).toBe(false);
      expect(JSON.parse(readFileSync(cachePath, "utf8"))).toMatchObject({ version: bundle(DENY).version });
      answer = await signedBy(mine, ALLOW, NOW + 1);
      expect((await policy.reload()).ok).toBe(true);
      expect([judge(policy), policy.problem]).toEqual(["default", null]);
    });

    test("at a start: the kept one begins, and is stale", async () => {
      const mine = await keyPair();
      let answer = await signedBy(mine, DENY, NOW);
      const { open, cachePath } = machine({ answer: () => answer }, mine.path);
      (await open()).close();
      const older = await signedBy(mine, DENY, NOW - 5_000);
      answer = older;
      (await machine({ answer: () => answer }, mine.path, cachePath).open()).close();
      answer = await signedBy(mine, ALLOW, NOW - 1);
      const policy = await machine({ answer: () => answer }, mine.path, cachePath).open();
      expect(judge(policy)).toMatchObject({ verdict: "block" });
      expect(policy.problem).toContain("is an older one");
      answer = await signedBy(mine, ALLOW, NOW + 1);
      expect((await policy.reload()).ok).toBe(true);
      expect(policy.problem).toBeNull();
    });

    test("a time in the future is not believed: it would keep out every later one", async () => {
      const mine = await keyPair();
      const answer = await signedBy(mine, DENY, NOW + 10 * 3_600_000);
      await expect(machine({ answer: () => answer }, mine.path).open()).rejects.toThrow("in the future");
    });

    test("without keys no time is believed", async () => {
      const mine = await keyPair();
      let answer = await signedBy(mine, DENY, NOW + 10 * 3_600_000);
      const policy = await machine({ answer: () => answer }).open();
      answer = await signedBy(mine, ALLOW, NOW);
      expect((await policy.reload()).ok).toBe(true);
    });
  });

  describe("that was kept, while nobody can be asked for the plane's keys,", () => {
    const NOWHERE = "https://plane.test/v1/jwks";

    async function kept(secret?: string | null) {
      const mine = await keyPair();
      const signature = await signBundle(bundle(DENY), mine.key);
      const served: Served = { answer: () => reply(bundle(DENY, { signature })) };
      const { open, cachePath } = machine(served, mine.path, undefined, secret);
      (await open()).close();
      served.answer = down;
      return { cachePath, signature, again: (other = secret) => machine(served, NOWHERE, cachePath, other).open() };
    }

    test("is not started on when it was changed, or written by somebody else", async () => {
      const { cachePath, signature, again } = await kept();
      const { kept: mark } = JSON.parse(readFileSync(cachePath, "utf8"));
      expect(mark).toMatch(/^[0-9a-f]{64}$/);
      for (const other of [
        bundle(ALLOW, { kept: mark }),
        bundle(ALLOW, { signature, kept: mark }),
        bundle(ALLOW, { signature, kept: "0".repeat(64) }),
        bundle(DENY, { signature: null, kept: mark }),
        bundle(ALLOW, { signature, kept: 1 }),
        bundle(DENY, { signature }),
        bundle(ALLOW),
      ]) {
        writeFileSync(cachePath, JSON.stringify(other));
        await expect(again(), JSON.stringify(other)).rejects.toThrow(
          /cannot be verified without the plane.s keys|carries no signature/,
        );
      }
    });

    test("is not started on under another secret, or without one", async () => {
      const { again } = await kept();
      await expect(again("another secret")).rejects.toMatchObject({ code: "policy_invalid" });
      await expect(again(null)).rejects.toMatchObject({ code: "policy_invalid" });
      const without = await kept(null);
      await expect(without.again()).rejects.toMatchObject({ code: "policy_invalid" });
    });

    test("is started on as it was kept", async () => {
      const { again } = await kept();
      const policy = await again();
      expect([judge(policy), policy.version]).toEqual([
        expect.objectContaining({ verdict: "block" }),
        bundle(DENY).version,
      ]);
      policy.close();
    });
  });

  test("that was kept and then changed is not started on", async () => {
    const mine = await keyPair();
    const signature = await signBundle(bundle(DENY), mine.key);
    const served: Served = { answer: () => reply(bundle(DENY, { signature })) };
    const { open, cachePath } = machine(served, mine.path);
    (await open()).close();
    served.answer = down;
    (await machine(served, mine.path, cachePath).open()).close();
    const kept = bundle(ALLOW, { signature });
    for (const text of [JSON.stringify(kept), JSON.stringify({ ...bundle(DENY), version: "x" }), "{", ""]) {
      writeFileSync(cachePath, text);
      await expect(machine(served, mine.path, cachePath).open()).rejects.toMatchObject({ code: "policy_invalid" });
    }
  });
});
