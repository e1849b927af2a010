/** A relay that asks for attestations, and planes that give it others than it should get. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AttestationKey, attestationKey } from "../../src/crypto/attestation.ts";
import { jwks } from "../../src/crypto/jwk.ts";
import { generateKey, loadPrivate } from "../../src/crypto/keys.ts";
import { guarded } from "../../src/decide/decider.ts";
import { planeDecider } from "../../src/decide/governance.ts";
import { openPolicy } from "../../src/decide/policy-files.ts";
import { ruling } from "../../src/engine/ruling.ts";
import type { Decision } from "../../src/model/decision.ts";
import type { Egress, HeldBody } from "../../src/model/egress.ts";
import { answerOf, type LimitedRuling } from "../../src/plane/answer.ts";
import { readQuestion } from "../../src/plane/question.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { body, egress } from "./_egress.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-attested-"));
const jwksPath = join(folder, "jwks.json");
let key: AttestationKey;
beforeAll(async () => {
  const loaded = await loadPrivate((await generateKey("Ed25519")).privatePem, runtime);
  key = attestationKey(loaded.key, loaded.publicJwk, runtime);
  writeFileSync(jwksPath, JSON.stringify(jwks([loaded.publicJwk], runtime)));
});
afterAll(() => rmSync(folder, { recursive: true }));
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

type Answer = { attestation?: string } & Record<string, unknown>;

interface Meddling {
  readonly ruled?: LimitedRuling;
  /** On what reaches the plane, and on what leaves it. */
  readonly question?: (text: string) => string;
  readonly answer?: (answer: Answer) => Answer;
  readonly now?: number;
  readonly failClosed?: boolean;
}

async function relay({ ruled = ruling("allow", "fine"), question, answer, now, failClosed = true }: Meddling) {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const bytes = new TextEncoder().encode(question === undefined ? text : question(text));
    const reading = { maxBody: 1e7, clock: () => runtime.monotonic(), now: () => runtime.now() };
    const asked = await readQuestion(bytes, reading);
    const machine = now === undefined ? runtime : { ...runtime, now: () => runtime.now() + now };
    const made = (await (await answerOf(asked, ruled, { runtime: machine, key, tenant: "acme" })).json()) as Answer;
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer === undefined ? made : answer(made)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const settings = {
    enforceTimeoutMs: 2000,
    maxBody: 1024 * 1024,
    maxHeld: 64 * 1024 * 1024,
    orgId: "acme",
    hmacKey: "0123456789abcdef",
    signingKey: null,
    failClosed,
    mode: "enforce" as const,
    governance: {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      token: null,
      ca: null,
      cert: null,
      key: null,
      jwks: jwksPath,
    },
  };
  const decider = planeDecider(runtime, settings, await openPolicy(runtime, null));
  closers.push(() => {
    void decider.close();
    server.closeAllConnections();
    server.close();
  });
  const safe = guarded(decider, settings);
  return async (about: Egress = egress(), held: HeldBody | null = body('{"prompt":"hello"}')): Promise<Decision> =>
    safe.decide(about, held);
}

const SHUT = { verdict: "fail_closed", vector: "attestation_invalid", pillar: "114", status: 503 };

test("an answer that nobody meddled with counts, whatever the question", async () => {
  const ask = await relay({});
  const longer = body("x".repeat(600_000));
  const coded = body(Bun.gzipSync(new TextEncoder().encode('{"prompt":"hello"}')));
  const odd = egress({
    path: "/a%20b?token=secretsecretsecretsecret&x=%ff&y",
    headers: ["X-Note", "na\u00efve \u00ff"],
  });
  for (const [about, held] of [
    [egress(), body("")],
    [egress(), longer],
    [egress({ headers: ["content-encoding", "gzip"] }), coded],
    [odd, body("{}")],
    [egress({ phase: "tunnel", method: "CONNECT", path: "" }), null],
  ] as const) {
    const decision = await ask(about, held);
    expect(decision).toMatchObject({ verdict: "allow", attestationHash: expect.stringMatching(/^[0-9a-f]{64}$/) });
  }
});

const finding = {
  pillar: "CoreGuard",
  vector: "dlp_pii",
  name: "email",
  severity: "low" as const,
  view: "plain",
  where: "body",
  start: 3,
  end: 9,
  reason: "an e-mail address",
};

test("what is in shadow, with its findings, is told as the engine in the relay tells it", async () => {
  const detail = { would: "deny" as const, pillar: "CoreGuard", vector: "dlp_pii", findings: [finding] };
  const ask = await relay({ ruled: ruling("allow", "fine", detail) });
  expect(await ask()).toMatchObject({
    verdict: "allow",
    would: "block",
    mode: "shadow",
    vector: "dlp_pii",
    findings: [finding],
  });
});

test("a question changed on its way by one byte", async () => {
  const changes: ((text: string) => string)[] = [
    (text) => text.replace('{\\"prompt\\":\\"hello\\"}', '{\\"prompt\\":\\"hellp\\"}'),
    (text) => text.replace('"method":"POST"', '"method":"POSS"'),
    (text) => text.replace('"host":"api.example.test"', '"host":"api.example.tess"'),
    (text) => text.replace('"port":443', '"port":444'),
    (text) => text.replace('"org":"acme"', '"org":"acmf"'),
    (text) => text.replace('"id":"agent-7"', '"id":"agent-8"'),
    (text) => text.replace('"Content-Type","application/json"', '"Content-Type","application/jsoo"'),
    (text) => text.replace(/"id":"req_.{4}/, '"id":"req_0000'),
  ];
  for (const change of changes) {
    let changed = false;
    const question = (text: string): string => {
      const other = change(text);
      changed = other !== text;
      return other;
    };
    const ask = await relay({ question });
    expect(await ask()).toMatchObject(SHUT);
    expect(changed).toBe(true);
  }
});

test("an answer changed on its way", async () => {
  const deny = ruling("deny", "no", { pillar: "128", vector: "701", rule: "r", policyVersion: "p" });
  const changes: ((answer: Answer) => Answer)[] = [
    ({ attestation, ...rest }) => rest,
    (answer) => ({ ...answer, attestation: "" }),
    (answer) => ({ ...answer, attestation: `${answer.attestation}x` }),
    (answer) => ({ ...answer, decision: "allow" }),
    (answer) => ({ ...answer, vector: "702" }),
    (answer) => ({ ...answer, pillar: "CoreGuard" }),
    (answer) => ({ ...answer, rule: "s" }),
    (answer) => ({ ...answer, reason: "yes" }),
    (answer) => ({ ...answer, policy_version: "q" }),
    (answer) => ({ ...answer, metadata: { would: "allow" } }),
  ];
  for (const answer of changes) expect(await (await relay({ ruled: deny, answer }))()).toMatchObject(SHUT);
});

test("an answer that gained, lost or changed what is not one of its claims", async () => {
  const metadata = (made: object) => (answer: Answer) => ({
    ...answer,
    metadata: { ...(answer.metadata ?? {}), ...made },
  });
  const allowed = ruling("allow", "fine");
  const told = ruling("allow", "fine", { ttlS: 5, controls: ["LLM01"], findings: [finding] });
  const held = ruling("approval_needed", "ask");
  for (const ruled of [allowed, told, held]) expect(await (await relay({ ruled }))()).not.toMatchObject(SHUT);
  const cases: [LimitedRuling, (answer: Answer) => Answer][] = [
    [allowed, (answer) => ({ ...answer, ttl_s: 86_400 })],
    [allowed, (answer) => ({ ...answer, message: "as you like" })],
    [allowed, (answer) => ({ ...answer, message: null })],
    [allowed, (answer) => ({ ...answer, approval_id: "apr_1" })],
    [allowed, (answer) => ({ ...answer, metadata: {} })],
    [allowed, metadata({ controls: ["LLM01"] })],
    [allowed, metadata({ findings: [finding] })],
    [allowed, metadata({ limit: { mode: "degraded" } })],
    [allowed, metadata({ settle: { token: "a.b", usage: true } })],
    [allowed, metadata({ anything: [1] })],
    [allowed, metadata({ anything: "\ud800" })],
    [told, ({ ttl_s, ...rest }) => rest],
    [told, (answer) => ({ ...answer, ttl_s: 6 })],
    [told, metadata({ controls: ["LLM02"] })],
    [told, metadata({ controls: null })],
    [told, metadata({ findings: [] })],
    [told, metadata({ findings: [{ ...finding, severity: "high" }] })],
    [held, (answer) => ({ ...answer, approval_id: "apr_1" })],
    [held, (answer) => ({ ...answer, message: "granted" })],
  ];
  for (const [ruled, answer] of cases) {
    let sent: Answer = {};
    const meddle = (made: Answer): Answer => {
      sent = answer(made);
      return sent;
    };
    const { verdict, vector } = await (await relay({ ruled, answer: meddle }))();
    const shut = JSON.stringify(sent).includes("ud800") ? "decision_malformed" : "attestation_invalid";
    expect([verdict, vector, JSON.stringify(sent)]).toEqual(["fail_closed", shut, JSON.stringify(sent)]);
  }
});

test("what stands between cannot have an allow remembered", async () => {
  let ttl_s = 0;
  const ask = await relay({ answer: (made) => (ttl_s === 0 ? made : { ...made, ttl_s }) });
  expect(await ask()).toMatchObject({ verdict: "allow", ttlS: 0 });
  ttl_s = 60;
  expect(await ask()).toMatchObject({ ...SHUT, ttlS: 0 });
});

test("what limits add to an answer, changed on its way", async () => {
  const limit = { status: 429 as const, fields: [["Retry-After", "60"] as ["Retry-After", string]] };
  const detail = { pillar: "CoreGuard", vector: "rate_limited", rule: "limit: pace" };
  const over: LimitedRuling = { ...ruling("deny", "too many", detail), limit };
  expect(await (await relay({ ruled: over }))()).toMatchObject({ status: 429, fields: ["Retry-After", "60"] });
  const settle = { token: "a.b", usage: false };
  const taken: LimitedRuling = { ...ruling("allow", "fine"), settle };
  expect(await (await relay({ ruled: taken }))()).toMatchObject({ verdict: "allow" });
  const metadata = (made: object) => (answer: Answer) => ({ ...answer, metadata: made });
  const cases: [LimitedRuling, (answer: Answer) => Answer][] = [
    [over, ({ metadata, ...rest }) => rest],
    [over, metadata({ limit: { ...limit, status: 451 } })],
    [over, metadata({ limit: { ...limit, fields: [["Retry-After", "1"]] } })],
    [over, metadata({ limit, settle })],
    [taken, ({ metadata, ...rest }) => rest],
    [taken, metadata({ settle: { ...settle, token: "a.c" } })],
    [taken, metadata({ settle, limit: { mode: "degraded" } })],
    [ruling("allow", "fine"), metadata({ limit: { mode: "degraded" } })],
    [ruling("deny", "no"), metadata({ limit })],
  ];
  for (const [ruled, answer] of cases) expect(await (await relay({ ruled, answer }))()).toMatchObject(SHUT);
});

test("a replacement body changed on its way", async () => {
  const ruled = ruling("sanitize", "a key was removed", {
    replacement: new TextEncoder().encode('{"prompt":"[key]"}'),
  });
  expect(await (await relay({ ruled }))()).toMatchObject({ verdict: "sanitize", replacement: ruled.replacement });
  const answer = (made: Answer): Answer => ({ ...made, redacted_body: '{"prompt":"a key"}' });
  expect(await (await relay({ ruled, answer }))()).toMatchObject(SHUT);
});

test("an attestation of another question, or of another time", async () => {
  let first: string | undefined;
  const answer = (made: Answer): Answer => {
    first ??= made.attestation;
    return { ...made, attestation: first ?? "" };
  };
  const ask = await relay({ answer });
  expect(await ask()).toMatchObject({ verdict: "allow" });
  expect(await ask()).toMatchObject(SHUT);
  expect(await (await relay({ now: -120_000 }))()).toMatchObject(SHUT);
  expect(await (await relay({ now: 3_600_000 }))()).toMatchObject(SHUT);
});

test("fail-open lets it pass as it does any garbage, and the certificate says what it would have been", async () => {
  const ask = await relay({ failClosed: false, answer: ({ attestation, ...rest }) => rest });
  expect(await ask()).toMatchObject({
    verdict: "allow",
    mode: "fail_open",
    would: "fail_closed",
    vector: "attestation_invalid",
  });
});

test("a large replacement comes whole", async () => {
  const replacement = new Uint8Array(900_000).map((_, at) => at % 251);
  const ask = await relay({ ruled: ruling("sanitize", "r", { replacement }) });
  const decision = await ask();
  const hash = (bytes: Uint8Array | null) =>
    createHash("sha256")
      .update(bytes ?? "")
      .digest("hex");
  expect([decision.verdict, hash(decision.replacement)]).toEqual(["sanitize", hash(replacement)]);
});
