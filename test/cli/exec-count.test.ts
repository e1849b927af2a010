import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { countEvidence } from "../../src/cli/_exec-count.ts";
import { type Summary, summaryText } from "../../src/cli/_exec-summary.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { emptyDirectory } from "./_program.ts";

let folder = "";
beforeEach(async () => {
  folder = await emptyDirectory();
});
afterEach(() => rmSync(folder, { recursive: true }));

const put = (name: string, lines: readonly unknown[]) =>
  writeFileSync(
    join(folder, name),
    lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join(""),
  );

let id = 0;
function certificate(host: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const request = { host, port: 443 };
  return {
    certificate_id: `cert_${id++}`,
    verdict: "allow",
    would: null,
    phase: "request",
    reason: "r",
    request,
    ...more,
  };
}

function summary(counted: Summary["counted"], more: Partial<Summary> = {}): string {
  return summaryText({
    counted,
    folder: "/e",
    keyFile: "/e/development.key",
    keyPrivate: false,
    sandboxed: false,
    mode: "enforce",
    code: 0,
    signal: null,
    program: "x",
    startedMs: 0,
    endedMs: 0,
    ...more,
  });
}

describe("countEvidence", () => {
  test("counts by host and phase, joins outcomes, and groups equal vetoes", async () => {
    const tunnel = certificate("a.test", { phase: "tunnel" });
    const request = certificate("a.test");
    const failed = certificate("b.test");
    const veto = { verdict: "block", matched_pillar: "128", matched_vector: "706", reason: "no" };
    put("audit.1.jsonl", [tunnel, request]);
    put("audit.jsonl", [
      failed,
      certificate("c.test", veto),
      certificate("c.test", veto),
      certificate("a.test", { phase: "message", ...veto }),
    ]);
    const ended = (of: Record<string, unknown>, more: Record<string, unknown>) => ({
      certificate_id: of.certificate_id,
      address: "192.0.2.1",
      error: null,
      severed: false,
      protocol: "http",
      ...more,
    });
    put("outcomes.jsonl", [
      ended(tunnel, { protocol: "https" }),
      ended(request, {}),
      ended(failed, { address: null, error: "dial_failed" }),
    ]);
    const counted = await countEvidence(runtime, folder);
    expect(counted.hosts).toEqual([
      { host: "c.test", port: 443, reached: false, tunnels: 0, requests: 2, others: 0, vetoed: 2, failed: 0 },
      { host: "a.test", port: 443, reached: true, tunnels: 1, requests: 1, others: 1, vetoed: 1, failed: 0 },
      { host: "b.test", port: 443, reached: false, tunnels: 0, requests: 1, others: 0, vetoed: 0, failed: 1 },
    ]);
    expect(counted.vetoes.map(({ host, count }) => [host, count])).toEqual([
      ["c.test", 2],
      ["a.test", 1],
    ]);
    expect(summary(counted)).toStartWith("sallyport exec: 4 requests, 1 host reached, 3 vetoes\n");
  });

  test("what shadow mode let pass is told as what it would have been", async () => {
    put("audit.jsonl", [certificate("a.test", { would: "block", mode: "shadow", reason: "not listed" })]);
    const counted = await countEvidence(runtime, folder);
    expect(counted.vetoes).toMatchObject([{ verdict: "block", enforced: false, count: 1 }]);
    expect(counted.hosts[0]?.vetoed).toBe(0);
    expect(summary(counted, { mode: "shadow" })).toContain("would be vetoed  a.test: block: not listed");
  });

  test("lines that are no certificate are counted and harm nothing", async () => {
    put("audit.jsonl", ["{torn", "[]", "null", certificate("a.test"), { verdict: "allow", request: { host: 1 } }]);
    const counted = await countEvidence(runtime, folder);
    expect(counted.unreadable).toBe(3);
    expect(counted.hosts.length).toBe(1);
    expect(summary(counted)).toContain("3 lines of the evidence cannot be read");
  });

  test("hosts beyond the bound are said to be more, not silently dropped", async () => {
    put(
      "audit.jsonl",
      Array.from({ length: 400 }, (_, i) => certificate(`h${i}.test`)),
    );
    const counted = await countEvidence(runtime, folder);
    expect(counted.hosts.length).toBe(256);
    expect(counted.more).toBe(true);
    const text = summary(counted);
    expect(text).toContain("and 236 more");
    expect(text).toContain("there is more of it than is told one by one");
  });

  test("nothing a peer chose steers the terminal", async () => {
    put("audit.jsonl", [
      certificate("\u001b[2Jx", { verdict: "block", reason: "\u001b]0;t\u0007\nsallyport exec: forged" }),
    ]);
    const text = summary(await countEvidence(runtime, folder));
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
    expect(text.split("\n").filter((line) => line.startsWith("sallyport exec: forged"))).toEqual([]);
  });

  test("no evidence is nothing, not an error; paths are quoted for a shell", async () => {
    const counted = await countEvidence(runtime, folder);
    expect(summary(counted)).toBe(
      "sallyport exec: nothing was sent through the gateway\nsallyport exec: evidence in /e\n",
    );
    put("audit.jsonl", [certificate("a.test")]);
    const text = summary(await countEvidence(runtime, folder), { folder: "/it's $(x)", keyFile: "/a b" });
    expect(text).toContain("verify it: sallyport verify --key-file '/a b' '/it'\\''s $(x)'\n");
    const signed = summary(await countEvidence(runtime, folder), { keyFile: "/k/my key.pem", keyPrivate: true });
    expect(signed).toContain("verify it: sallyport verify --key-file <(sallyport keys jwks '/k/my key.pem') /e\n");
  });
});
