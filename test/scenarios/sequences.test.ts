/** Sequences of a policy in a running gateway: what is vetoed, what is only watched, and what never left is no step. */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exchange } from "../e2e/_raw.ts";
import { startInProcess } from "./_in-process.ts";
import { get, ok, post, Upstream } from "./_rig.ts";

const policy = (mode: string, extra = "") => `version: 1
default: allow
${extra}sequences:
  - id: secret-then-post
    steps:
      - paths: /v1/secret/**
      - methods: POST
    other_host: true
    within: 10m
    verdict: deny
    mode: ${mode}
    reason: a secret was read, and this goes elsewhere
`;

async function running(text: string) {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-sequence-"));
  const file = join(folder, "policy.yaml");
  writeFileSync(file, text);
  const vault = await Upstream.start();
  const other = await Upstream.start("127.0.0.2");
  for (const upstream of [vault, other]) upstream.answers(() => ok("x"));
  const inside = await startInProcess({
    EVE_PROXY_AUDIT_PATH: join(folder, "events.jsonl"),
    EVE_PROXY_POLICY: file,
  });
  const elsewhere = `127.0.0.2:${other.port}`;
  return {
    reads: (at = vault.at) => exchange(inside.port, get(at, "/v1/secret/data")),
    posts: (at = elsewhere, content = "{}", path = "/") =>
      exchange(inside.port, post(at, content, path, "Content-Type: application/json\r\n")),
    vault,
    certificates: () =>
      readFileSync(join(folder, "events.jsonl"), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    async stop() {
      await inside.stop();
      vault.stop();
      other.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

test("what is posted elsewhere after a secret was read is a veto; to where it was read it is none", async () => {
  const rig = await running(policy("enforce"));
  try {
    expect((await rig.posts()).status).toBe(200);
    expect((await rig.reads()).status).toBe(200);
    expect((await rig.posts(rig.vault.at)).status).toBe(200);
    const veto = await rig.posts();
    expect(veto.status).toBe(451);
    expect(JSON.parse(veto.body)).toMatchObject({
      vector: "sequence",
      reason: "a secret was read, and this goes elsewhere",
      certificate: { rule: "sequences.secret-then-post", policy_version: expect.stringMatching(/^sha256-/) },
    });
  } finally {
    await rig.stop();
  }
});

test("in shadow it passes and is certified as what would have been", async () => {
  const rig = await running(policy("shadow"));
  try {
    await rig.reads();
    expect((await rig.posts()).status).toBe(200);
    expect(rig.certificates().at(-1)).toMatchObject({
      verdict: "allow",
      mode: "shadow",
      would: "block",
      matched_vector: "sequence",
      rule: "sequences.secret-then-post",
    });
  } finally {
    await rig.stop();
  }
});

test("a read that was vetoed is no step", async () => {
  const rig = await running(policy("enforce", "hosts: { deny: [127.0.0.1] }\n"));
  try {
    expect((await rig.reads()).status).toBe(451);
    expect((await rig.posts()).status).toBe(200);
  } finally {
    await rig.stop();
  }
});

test("a read that the address guard refused is no step", async () => {
  const rig = await running(policy("enforce"));
  try {
    const refused = await rig.reads("10.1.2.3:80");
    expect([refused.status, JSON.parse(refused.body).vector]).toEqual([451, "address_private"]);
    expect((await rig.posts()).status).toBe(200);
  } finally {
    await rig.stop();
  }
});

test("a read that a limit refused is no step", async () => {
  const limits = "limits:\n  - {id: none, per: [], bytes: {max: 1B, per: 1d}, match: {paths: [/v1/secret/**]}}\n";
  const rig = await running(policy("enforce", limits));
  try {
    const refused = await rig.posts(rig.vault.at, "0123456789", "/v1/secret/data");
    expect([refused.status, JSON.parse(refused.body).certificate.rule]).toEqual([451, "limit: none"]);
    expect((await rig.posts()).status).toBe(200);
  } finally {
    await rig.stop();
  }
});

test("a long body is read in turns where a step asks for it", async () => {
  const text = policy("enforce").replace("methods: POST", 'json: { "$.to": elsewhere }');
  const rig = await running(text);
  try {
    await rig.reads();
    const padding = JSON.stringify("x".repeat(100_000));
    expect((await rig.posts(undefined, `{"padding":${padding},"to":"here"}`)).status).toBe(200);
    expect((await rig.posts(undefined, `{"padding":${padding},"to":"elsewhere"}`)).status).toBe(451);
  } finally {
    await rig.stop();
  }
});
