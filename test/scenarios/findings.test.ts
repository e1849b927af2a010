/** What a decision found goes to the file on this host, by the id of a certificate that exists, and nowhere else. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { allow, block, type Decision } from "../../src/model/decision.ts";
import type { Finding } from "../../src/model/finding.ts";
import type { AnswerGuard } from "../../src/model/screen.ts";
import { Gateway } from "../e2e/_gateway.ts";
import { exchange } from "../e2e/_raw.ts";
import { get, ok, post, Rig, Upstream } from "./_rig.ts";

const FOUND: Finding = {
  pillar: "CoreGuard",
  vector: "dlp_pii",
  name: "e-mail",
  severity: "low",
  view: "plain",
  where: "body",
  start: 0,
  end: 4,
  reason: "an e-mail address",
};

/** Vetoes an answer by its head. */
function refusing(veto: Decision): AnswerGuard {
  const nothing = { release: 0, veto: null, more: false };
  return {
    holdWhole: true,
    watchesOnly: false,
    kept: 0,
    atHead: veto,
    push: () => nothing,
    more: () => nothing,
    end: () => nothing,
    allowed: allow("fine"),
    ending: () => null,
    close() {},
  };
}

describe("findings", () => {
  let rig: Rig;
  let upstream: Upstream;
  let told: unknown[];
  beforeEach(async () => {
    upstream = await Upstream.start();
    upstream.answers(() => ok("x"));
    rig = await Rig.start();
    told = [];
    rig.certified = ({ decision }, id) => told.push([id, decision?.findings.length]);
    rig.found = (id, findings) => told.push([id, findings]);
  });
  afterEach(async () => {
    await rig.stop();
    upstream.stop();
  });

  test("of a decision whose evidence could not be written are not told", async () => {
    rig.evidence.fail = true;
    rig.decide = () => block("no", "dlp_pii", { findings: [FOUND] });
    const client = await rig.client();
    client.send(post(upstream.at, "a@b.c"));
    expect((await client.answer()).status).toBe(503);
    expect(told).toEqual([]);
  });

  test("of the veto on an answer are told by its own certificate, behind the request's", async () => {
    rig.screen = () => refusing(block("no", "dlp_pii", { findings: [FOUND] }));
    const client = await rig.client();
    client.send(get(upstream.at));
    expect((await client.answer()).status).toBe(451);
    expect(rig.evidence.proofs.map(({ phase, parent }) => [phase, parent])).toEqual([
      ["request", null],
      ["response", "cert_0"],
    ]);
    expect(told).toEqual([
      ["cert_0", 0],
      ["cert_1", [FOUND]],
    ]);
  });

  test("of the veto on an answer are not told when its certificate could not be written", async () => {
    rig.screen = () => {
      rig.evidence.fail = true;
      return refusing(block("no", "dlp_pii", { findings: [FOUND] }));
    };
    const client = await rig.client();
    client.send(get(upstream.at));
    expect((await client.answer()).status).toBe(451);
    expect(rig.evidence.proofs.map(({ written }) => written)).toEqual([true, false]);
    expect(told).toEqual([["cert_0", 0]]);
  });

  test("of allows and vetoes are told by the id of the certificate that was written", async () => {
    const decisions = [
      allow("fine"),
      allow("watched", { mode: "shadow", would: "block", findings: [FOUND] }),
      block("no", "dlp_pii", { findings: [FOUND, FOUND] }),
    ];
    for (const decision of decisions) {
      rig.decide = () => decision;
      const client = await rig.client();
      client.send(post(upstream.at, "a@b.c"));
      await client.answer();
    }
    expect(told).toEqual([
      ["cert_0", 0],
      ["cert_1", 1],
      ["cert_2", 2],
    ]);
  });
});

test("a folder with findings and candidate files beside the log verifies", async () => {
  const upstream = await Upstream.start();
  upstream.answers(() => ok("x"));
  const gateway = await Gateway.start();
  try {
    await exchange(gateway.port, get(upstream.at));
    await gateway.end();
    for (const name of [
      "findings.jsonl",
      "findings.1.jsonl",
      "findings.w0.jsonl",
      "candidate.jsonl",
      "candidate.w1.1.jsonl",
    ]) {
      await Bun.write(join(gateway.folder, "audit", name), '{"certificate_id":"cert_0000000000000000"}\n');
    }
    expect(gateway.verifyLogs()).toMatchObject({ status: 0 });
    expect(readFileSync(gateway.auditPath, "utf8")).toContain('"verdict":"allow"');
  } finally {
    await gateway.stop();
    upstream.stop();
  }
}, 120_000);
