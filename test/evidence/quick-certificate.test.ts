import { expect, test } from "bun:test";
import { canonicalize } from "../../src/crypto/canonical.ts";
import { MAX_CERTIFICATE_BYTES } from "../../src/evidence/certificate.ts";
import { openEvidence } from "../../src/evidence/evidence.ts";
import { quickCertificate, quickOutcome, readLine } from "../../src/evidence/quick-certificate.ts";
import { readCertificate } from "../../src/evidence/read-certificate.ts";
import type { Outcome } from "../../src/model/certificate.ts";
import { AUDIT, config, draft, OUTCOMES, outcome, signer } from "./_draft.ts";
import { Memory } from "./_memory.ts";

/** Lines as the writer makes them, of every shape a draft can have. */
async function written(): Promise<{ audit: string[]; outcomes: string[] }> {
  const memory = new Memory();
  const evidence = await openEvidence(memory.runtime, config, signer);
  for (const over of [
    {},
    { verdict: "block" as const, addresses: null, request: null, content_hash: null, content_bytes: null },
    { addresses: [], agent: 'an "agent"', reason: "back\\slash, tab\t and newline\n", parent: "cert_0000000000000001" },
    { addresses: ["192.0.2.7", "2001:db8::1"], reason: "é … \u007f \u2028", would: "block" as const, latency_ms: 0 },
    { reason: "\u{1f600}", latency_ms: 12.5 },
    { reason: "\u0001\u001f", latency_ms: 1e-9 },
    { reason: "\ud800", latency_ms: 123456789.125 },
    { phase: "tunnel" as const, mode: "shadow" as const, matched_pillar: "128", matched_vector: "x", rule: "r" },
  ]) {
    evidence.settle(outcome((await evidence.commit(draft(over))).id));
  }
  await evidence.close();
  return { audit: memory.lines(AUDIT), outcomes: memory.lines(OUTCOMES) };
}

const { audit, outcomes } = await written();

/** That both roads say the same of a line, if the quick one says anything at all. */
function agree(line: string): boolean {
  const quick = quickCertificate(line);
  if (quick === null) return false;
  const slow = readCertificate(line);
  if ("code" in slow) throw new Error(`the quick road takes what the slow one calls ${slow.code}: ${line}`);
  expect(slow.signedText).toBe(quick.signedText);
  expect(slow.certificate).toMatchObject(quick.certificate);
  return true;
}

test("quickCertificate takes what the writer makes, and says of it what readCertificate says", () => {
  // Surrogate pairs and \u escapes go the slow road.
  expect(audit.map(agree)).toEqual([true, true, true, true, false, false, true, true]);
});

test("quickCertificate agrees with readCertificate on every line with one byte changed, put in or taken out", () => {
  const bytes = [...'"\\{}[],:0x-+.eE \t\nul1', "\u0000", "\u007f", "é", "\ud800", "\udc00"];
  let taken = 0;
  for (const line of [audit[2] as string, audit[3] as string]) {
    for (let at = 0; at < line.length; at++) {
      for (const byte of bytes) {
        if (agree(line.slice(0, at) + byte + line.slice(at + 1))) taken++;
        if (agree(line.slice(0, at) + byte + line.slice(at))) taken++;
      }
      if (agree(line.slice(0, at) + line.slice(at + 1))) taken++;
    }
  }
  expect(taken).toBeGreaterThan(1000);
});

test("quickCertificate leaves to the strict road what could have two readings or another canonical form", () => {
  const line = audit[0] as string;
  const [empty = ""] = [quickCertificate(line)?.signedText];
  expect(empty.endsWith('"would":null}')).toBe(true);
  for (const [from, to] of [
    ['"agent":null', '"agent":null,"agent":null'],
    ['"agent":null', '"agent":"\\u0041"'],
    ['"agent":null', '"agent":"\\/"'],
    ['"agent":null', '"zagent":null'],
    ['"v":1', '"v":1.0'],
    ['"v":1', '"v":1,"verdict":"block"'],
    ['"seq":0', '"seq":-0'],
    ['"seq":0', '"seq":00'],
    ['"seq":0', '"seq":9007199254740993'],
    ['"latency_ms":0.422', '"latency_ms":0.420'],
    ['"latency_ms":0.422', '"latency_ms":4.22e-1'],
    ['"latency_ms":0.422', '"latency_ms":0.'],
    ['"port":80', '"port":80 '],
    ['"phase":"request"', '"phase":"recovery"'],
    ['"signature":"', '"signature":"x","signature":"'],
  ] as const) {
    expect(line).toContain(from);
    expect(quickCertificate(line.replace(from, to)), to).toBeNull();
  }
});

test("readLine refuses white space around a certificate, which readCertificate allows", () => {
  const line = audit[0] as string;
  for (const text of [` ${line}`, `${line} `, `${line}\r`, `\t${line}`]) {
    expect(readCertificate(text)).toMatchObject({ certificate: {} });
    expect(readLine(text)).toMatchObject({ code: "malformed" });
  }
  expect(readLine(line)).toMatchObject({ certificate: {} });
});

test("quickOutcome says of an outcome line what parsing says, and takes nothing else", () => {
  for (const line of outcomes) {
    const { certificate_id, prev, seq } = JSON.parse(line) as Record<string, unknown>;
    expect(quickOutcome(line)).toEqual({ id: certificate_id as string, prev: prev as string, seq: seq as number });
  }
  const line = outcomes[1] as string;
  for (let at = 0; at < line.length; at++) {
    for (const byte of ['"', "\\", "0", "-", " ", ",", "é", "\u0000"]) {
      const changed = line.slice(0, at) + byte + line.slice(at + 1);
      const quick = quickOutcome(changed);
      if (quick === null) continue;
      const { certificate_id, prev, seq } = JSON.parse(changed) as Record<string, unknown>;
      expect([certificate_id, prev, seq]).toEqual([quick.id, quick.prev, quick.seq]);
    }
  }
  expect(quickOutcome('{"prev":"","recovered":{},"seq":0}')).toBeNull();
  for (const [from, to] of [
    ['"answer":"allow",', '"answer":"allow","answer":"allow",'],
    ['"answer":"allow",', '"answer":"\\u0061llow",'],
    ['"answer":"allow",', '"answer":null,'],
    [',"transcript":"', ',"transcript":"cd","transcript":"'],
    [',"transcript":"cd', ',"transcript":"CD'],
  ] as const) {
    expect(line).toContain(from);
    expect(quickOutcome(line.replace(from, to)), to).toBeNull();
  }
});

/** For every member two values that a line tells apart; a member that is added has to say here what it may be. */
const VARIANTS = {
  certificate_id: ["cert_0123456789abcdef", "cert_fedcba9876543210"],
  status: [null, 502],
  bytes_up: [0, 1],
  bytes_down: [0, 1],
  address: [null, "2001:db8::1"],
  duration_ms: [0, 1.5],
  severed: [false, true],
  protocol: [null, "grpc"],
  error: [null, "dial_failed"],
  answer: [null, "sanitize"],
  transcript: [null, "ef".repeat(32)],
} satisfies { readonly [K in keyof Required<Outcome>]: readonly [Outcome[K], Outcome[K]] };

for (const member of Object.keys(VARIANTS) as (keyof typeof VARIANTS)[]) {
  test(`an outcome's own ${member} is in its line, which is canonical and read the quick way`, async () => {
    const memory = new Memory();
    const evidence = await openEvidence(memory.runtime, config, signer);
    for (const value of VARIANTS[member])
      for (const rest of [{}, { answer: null, transcript: null }])
        evidence.settle(outcome("cert_0000000000000001", { ...rest, [member]: value }));
    await evidence.close();
    const lines = memory.lines(OUTCOMES);
    expect(lines).toHaveLength(4);
    for (const [i, line] of lines.entries()) {
      const value = VARIANTS[member][i < 2 ? 0 : 1];
      const read = JSON.parse(line);
      const leftOut = value === null && (member === "answer" || member === "transcript");
      expect(read[member]).toEqual(leftOut ? undefined : value);
      expect(canonicalize(read)).toBe(line);
      expect(quickOutcome(line)).toEqual({ id: read.certificate_id, prev: read.prev, seq: i });
    }
  });
}

test("quickCertificate leaves a line that is longer than any the writer makes to the strict road", () => {
  const line = audit[0] as string;
  const room = MAX_CERTIFICATE_BYTES - line.length;
  const longer = (by: number) => line.replace("no rule matched", `no rule matched${"x".repeat(by)}`);
  expect([agree(longer(room)), agree(longer(room + 1))]).toEqual([true, false]);
  expect(readCertificate(longer(room + 1))).toMatchObject({ certificate: {} });
});
