import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Candidate, openCandidate } from "../../src/decide/candidate.ts";
import { allow, block, type Decision, failClosed } from "../../src/model/decision.ts";
import type { HeldBody } from "../../src/model/egress.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { until } from "../scenarios/_rig.ts";
import { body, egress } from "./_egress.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-candidate-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "candidate.yaml");

const SETTINGS = {
  orgId: "default",
  enforceTimeoutMs: 2000,
  maxBody: 10 * 1024 * 1024,
  maxHeld: 64 * 1024 * 1024,
  failClosed: true,
  mode: "enforce",
} as const;

let same: number;
let skipped: number;
let lines: { from: string; to: string; line: string }[];
beforeEach(() => {
  same = 0;
  skipped = 0;
  lines = [];
});

function open(settings: Omit<typeof SETTINGS, "mode"> & { mode: "enforce" | "shadow" } = SETTINGS): Promise<Candidate> {
  return openCandidate(runtime, settings, {
    path,
    fingerprint: (value) => value,
    events: {
      same: () => void same++,
      skipped: () => void skipped++,
      differs: (from, to, line) => void lines.push({ from, to, line }),
    },
  });
}

function compare(
  candidate: Candidate,
  decision: Decision,
  host = "api.example.test",
  held: HeldBody | null = null,
): void {
  candidate.compare({ egress: egress({ host }), held, decision, certificateId: "cert_1" });
}

const done = (count: number) => until(() => same + lines.length + skipped === count, `${count} comparisons`);

describe("a candidate that is no good", () => {
  test("compares nothing and says why; when it is mended, a reload brings it in", async () => {
    writeFileSync(path, "version: 1\ndefualt: deny\n");
    const candidate = await open();
    expect(candidate.version).toBeNull();
    expect(candidate.problem).toContain("candidate.yaml:2:1");
    compare(candidate, allow("fine"));
    writeFileSync(path, "version: 1\ndefault: deny\n");
    await candidate.reload();
    expect(candidate.problem).toBeNull();
    compare(candidate, allow("fine"));
    await done(1);
    expect(lines).toMatchObject([{ from: "allow", to: "block" }]);
  });

  test("after a bad reload the one before goes on", async () => {
    writeFileSync(path, "version: 1\ndefault: deny\n");
    const candidate = await open();
    const { version } = candidate;
    rmSync(path);
    await candidate.reload();
    expect(candidate.problem).toContain("does not exist");
    expect(candidate.version).toBe(version);
    compare(candidate, allow("fine"));
    await done(1);
    expect(lines).toHaveLength(1);
  });
});

describe("a candidate", () => {
  test("writes what would change, by rule, and nothing of the request", async () => {
    writeFileSync(path, "version: 1\ndefault: allow\nhosts: { deny: [api.example.test] }\n");
    const candidate = await open();
    compare(candidate, allow("fine", { rule: "default", policyVersion: "v1" }), undefined, body('{"secret":"text"}'));
    compare(candidate, block("no", "policy_deny"), "other.test");
    compare(candidate, allow("fine"), "other.test");
    await done(3);
    expect(same).toBe(1);
    expect(lines.map(({ from, to }) => `${from} ${to}`)).toEqual(["allow block", "block allow"]);
    expect(lines[0]?.line).not.toContain("secret");
    expect(JSON.parse(lines[0]?.line ?? "")).toEqual({
      certificate_id: "cert_1",
      at: expect.stringMatching(/^20/),
      from: { verdict: "allow", would: null, pillar: null, vector: null, rule: "default", policy_version: "v1" },
      to: {
        verdict: "block",
        would: null,
        pillar: "CoreGuard",
        vector: "policy_deny",
        rule: "hosts.deny[0] api.example.test",
        policy_version: candidate.version,
      },
    });
  });

  test("in shadow mode is compared by what would have been done", async () => {
    writeFileSync(path, "version: 1\ndefault: deny\n");
    const candidate = await open({ ...SETTINGS, mode: "shadow" });
    compare(candidate, allow("fine", { mode: "shadow" }));
    compare(candidate, allow("no", { mode: "shadow", would: "block" }));
    await done(2);
    expect(same).toBe(1);
    expect(lines).toMatchObject([{ from: "allow", to: "allow_would_block" }]);
  });

  test("is not asked about what could not be decided", async () => {
    writeFileSync(path, "version: 1\ndefault: deny\n");
    const candidate = await open();
    compare(candidate, failClosed("down", "breaker_open"));
    compare(candidate, allow("fine"));
    await done(1);
    expect(lines).toHaveLength(1);
  });

  test("is asked behind the answer, never before it, and leaves out what is too much", async () => {
    writeFileSync(path, "version: 1\ndefault: deny\n");
    const candidate = await open();
    for (let i = 0; i < 300; i++) compare(candidate, allow("fine"));
    expect(lines).toHaveLength(0);
    expect(skipped).toBe(44);
    await done(300);
    expect(lines).toHaveLength(256);
    const large = body(new Uint8Array(5 * 1024 * 1024));
    compare(candidate, allow("fine"), undefined, large);
    compare(candidate, allow("fine"), undefined, large);
    expect(skipped).toBe(45);
    await done(302);
  });
});
