import { expect, test } from "bun:test";
import { portableDigest } from "../../src/crypto/digest.ts";
import { hmacKey } from "../../src/crypto/signature.ts";
import { ChainBook, MAX_CHAINS } from "../../src/evidence/chain-book.ts";
import { type EvidenceConfig, openEvidence } from "../../src/evidence/evidence.ts";
import { readLines } from "../../src/evidence/lines.ts";
import { Report } from "../../src/evidence/report.ts";
import { verifyLog } from "../../src/evidence/verify.ts";
import {
  AUDIT,
  codes,
  config,
  draft,
  failClosedDraft,
  keys,
  OUTCOMES,
  outcome,
  signer,
  verifyMemory,
} from "./_draft.ts";
import { Memory } from "./_memory.ts";

/** A log of `count` allows, each with its outcome. */
async function log(count: number, over: Partial<EvidenceConfig> = {}): Promise<{ memory: Memory; lines: string[] }> {
  const memory = new Memory();
  const evidence = await openEvidence(memory.runtime, { ...config, ...over }, signer);
  for (let i = 0; i < count; i++) {
    memory.clock += 7;
    evidence.settle(outcome((await evidence.commit(draft())).id));
    if (i % 3 === 0) await evidence.flush();
  }
  await evidence.close();
  return { memory, lines: memory.lines(AUDIT) };
}

/** A log of `count` refusals, which have no outcomes. */
async function bare(count: number): Promise<{ memory: Memory; lines: string[] }> {
  const memory = new Memory();
  const evidence = await openEvidence(memory.runtime, config, signer);
  for (let i = 0; i < count; i++) await evidence.commit(draft({ verdict: "block" }));
  await evidence.close();
  memory.files.delete(OUTCOMES);
  return { memory, lines: memory.lines(AUDIT) };
}

async function verified(memory: Memory, lines: readonly string[], end = "\n"): Promise<string[]> {
  memory.put(AUDIT, lines.join("\n") + end);
  return codes(await verifyMemory(memory));
}

/** Signs a changed certificate again, as only the holder of the key could. */
function resigned(line: string, change: (certificate: Record<string, unknown>) => void): string {
  const { signature: _, ...signed } = JSON.parse(line) as Record<string, unknown>;
  change(signed);
  const text = JSON.stringify(signed);
  return `${text.slice(0, -1)},"signature":"${signer.sign(text)}"}`;
}

test("verifyLog finds nothing wrong with a good log and its outcomes", async () => {
  const { memory } = await log(20);
  const report = await verifyMemory(memory);
  expect([report.certificates, report.verdicts.allow, report.counts]).toEqual([
    20,
    20,
    { error: 0, warning: 0, info: 0 },
  ]);
});

test("verifyLog names the line of any flipped byte", async () => {
  const { memory, lines } = await log(3);
  const line = lines[1] as string;
  for (let at = 0; at < line.length; at++) {
    const flipped = line.slice(0, at) + String.fromCharCode(line.charCodeAt(at) ^ 1) + line.slice(at + 1);
    const found = await verified(memory, [lines[0] as string, flipped, lines[2] as string]);
    expect(found[0], `byte ${at}: ${flipped.slice(at - 10, at + 10)}`).toStartWith("2 ");
  }
});

test("verifyLog reports a deleted line as a gap, a repeated one as a duplicate, swapped ones as both", async () => {
  const { memory, lines } = await log(4);
  const [a = "", b = "", c = "", d = ""] = lines;
  expect(await verified(memory, [a, c, d])).toEqual(["2 gap"]);
  expect(await verified(memory, [a, b, b, c, d])).toEqual(["3 duplicate"]);
  expect(await verified(memory, [a, c, b, d])).toEqual(["2 gap", "3 duplicate"]);
});

test("verifyLog reports a line replaced by a signed one that another chain holds", async () => {
  const one = await log(3);
  const two = await log(3);
  expect(await verified(one.memory, [one.lines[0] as string, two.lines[1] as string, one.lines[2] as string])).toEqual([
    "2 chain_changed",
    "2 outcomes_mismatch",
    "3 gap",
  ]);
});

test("verifyLog reports a broken link even where every signature is good", async () => {
  const { memory, lines } = await log(3);
  lines[1] = resigned(lines[1] as string, (certificate) => {
    certificate.reason = "rewritten";
  });
  expect(await verified(memory, lines)).toEqual(["3 broken_link"]);
});

test("verifyLog reports a key that was not given, and never trusts the algorithm of the certificate", async () => {
  const { memory, lines } = await log(2);
  const other = hmacKey(new TextEncoder().encode("quite another key, long enough"), portableDigest);
  memory.put(AUDIT, `${lines.join("\n")}\n`);
  expect(codes(await verifyMemory(memory, [AUDIT], new Map([[other.kid, other]])))).toEqual([
    "1 unknown_key",
    "2 unknown_key",
  ]);
  const claims = resigned(lines[0] as string, (certificate) => {
    certificate.algorithm = "none";
  });
  expect((await verified(memory, [claims]))[0]).toBe("1 wrong_algorithm");
});

test("verifyLog takes a torn tail for an error until a recovery accounts for exactly those bytes", async () => {
  const { memory, lines } = await log(2);
  expect(await verified(memory, lines, '\n{"addr')).toEqual(["3 torn_tail"]);
  expect(await verified(memory, lines, "\n\ufffd\n")).toEqual(["3 torn_tail"]);
  memory.put(AUDIT, `${lines.join("\n")}\n{"addr`);
  await (await openEvidence(memory.runtime, config, signer)).close();
  expect(codes(await verifyMemory(memory))).toEqual(["3 torn_recovered"]);
  memory.put(AUDIT, memory.text(AUDIT).replace('\n{"addr\n', '\n{"addR\n'));
  expect(codes(await verifyMemory(memory))).toEqual(["3 malformed"]);
  memory.put(AUDIT, memory.text(AUDIT).replace('\n{"addR\n', "\n"));
  expect(codes(await verifyMemory(memory))).toEqual(["3 malformed"]);
});

test("verifyLog accepts a certificate without a chain only where a recovery promised it", async () => {
  const memory = new Memory();
  const evidence = await openEvidence(memory.runtime, config, signer);
  await evidence.commit(draft());
  memory.onAppend = () => ({ arrives: 0 });
  expect(() => evidence.commit(draft())).toThrow();
  const refusal = draft({ verdict: "fail_closed" });
  const late = [await evidence.unwritten(refusal), await evidence.unwritten(refusal)].map(({ json }) => json);
  memory.onAppend = () => null;
  await evidence.commit(draft());
  await evidence.close();
  const [first = "", recovery = "", one = "", two = "", last = ""] = memory.lines(AUDIT);
  expect([one, two]).toEqual(late);
  expect(await verified(memory, [first, recovery, one, two, last])).toEqual([]);
  expect(await verified(memory, [first, one, recovery, one, two, last])).toEqual(["2 unchained"]);
  expect(await verified(memory, [first, recovery, one, two, two, last])).toEqual(["5 unchained"]);
  expect(await verified(memory, [first, recovery, one, last])).toEqual(["2 unwritten_mismatch"]);
  expect(await verified(memory, [first, recovery, one, one, last])).toEqual(["2 unwritten_mismatch"]);
  expect(await verified(memory, [first, recovery, one, two.replace("rule matched", "rule watched"), last])).toContain(
    "4 bad_signature",
  );
});

test("verifyLog warns where a log continues another and where the clock steps back", async () => {
  const { memory, lines } = await log(3);
  expect(await verified(memory, lines.slice(1))).toEqual(["1 continues_from"]);
  const stepped = await log(1);
  const evidence = await openEvidence(stepped.memory.runtime, config, signer);
  stepped.memory.clock -= 10_000;
  await evidence.commit(draft());
  await evidence.close();
  expect(codes(await verifyMemory(stepped.memory))).toEqual(["2 clock_step"]);
});

test("verifyLog warns where a new chain begins, as on standard output", async () => {
  const one = await bare(2);
  const two = await bare(1);
  expect(await verified(one.memory, [...one.lines, ...two.lines])).toEqual(["3 new_chain"]);
});

test("verifyLog finds lines that come again with another chain between them, and lets a chain go on after one", async () => {
  const one = await bare(3);
  const two = await bare(2);
  const [a = "", b = "", c = ""] = one.lines;
  expect(await verified(one.memory, [a, b, c, ...two.lines, a, b, c])).toEqual([
    "6 duplicate",
    "7 duplicate",
    "8 duplicate",
    "4 new_chain",
  ]);
  expect(await verified(one.memory, [a, ...two.lines, c])).toEqual(["4 gap", "2 new_chain"]);
  expect(await verified(one.memory, [a, ...two.lines, b, c])).toEqual(["2 new_chain"]);
});

test("verifyLog takes one chain in two logs for an error, whatever their order", async () => {
  const { memory, lines } = await bare(6);
  memory.put("audit/a.jsonl", `${lines.slice(0, 3).join("\n")}\n`);
  memory.put("audit/b.jsonl", `${lines.slice(4).join("\n")}\n`);
  const source = (name: string) => ({ name, chunks: () => memory.runtime.readChunks(name) });
  for (const order of [
    ["audit/a.jsonl", "audit/b.jsonl"],
    ["audit/b.jsonl", "audit/a.jsonl"],
  ]) {
    const report = new Report();
    const chains = new ChainBook();
    for (const name of order) {
      await verifyLog({ runtime: memory.runtime, keys, files: [source(name)], outcomes: null, chains, report });
    }
    expect(report.findings.error.map(({ file, line, code }) => [file, line, code])).toEqual([
      [order[1] as string, 1, "chain_split"],
    ]);
  }
});

test("ChainBook remembers a bounded number of chains and says when it does not", () => {
  const book = new ChainBook();
  const end = (n: number) => ({ id: n.toString(16), seq: n, hash: "", timestamp: "", log: "a" });
  for (let n = 0; n < MAX_CHAINS; n++) expect(book.keep(end(n))).toBe(true);
  expect(book.keep(end(MAX_CHAINS))).toBe(false);
  expect(book.keep({ ...end(5), seq: 9 })).toBe(true);
  expect(book.find("5")?.seq).toBe(9);
});

test("verifyLog says where certificates name outcomes that were not given; where they are expected it is an error", async () => {
  const { memory } = await log(5);
  memory.files.delete(OUTCOMES);
  const files = [{ name: AUDIT, chunks: () => memory.runtime.readChunks(AUDIT) }];
  for (const [over, severity] of [
    [{}, "warning"],
    [{ outcomesExpected: true }, "error"],
    [{ complete: true }, "error"],
  ] as const) {
    const report = new Report();
    await verifyLog({ runtime: memory.runtime, keys, files, outcomes: null, report, ...over });
    expect(report.findings[severity].map(({ line, code }) => `${line} ${code}`)).toEqual(["2 outcomes_missing"]);
    expect(report.counts.error + report.counts.warning).toBe(1);
  }
});

test("verifyLog asked for the whole takes a missing beginning for an error and says where the log begins", async () => {
  const { memory, lines } = await bare(4);
  memory.put(AUDIT, `${lines.slice(2).join("\n")}\n`);
  const files = [{ name: AUDIT, chunks: () => memory.runtime.readChunks(AUDIT) }];
  const report = new Report();
  await verifyLog({ runtime: memory.runtime, keys, files, outcomes: null, complete: true, report });
  expect(codes(report)).toEqual(["1 continues_from"]);
  expect([report.ok, report.late]).toEqual([false, { logs: 1, log: AUDIT, seq: 2 }]);
});

test("verifyLog finds a final newline, or a space, that was changed", async () => {
  const { memory, lines } = await bare(3);
  expect(await verified(memory, lines, " ")).toEqual(["3 torn_tail"]);
  expect(await verified(memory, lines.with(1, `${lines[1]} `))).toEqual(["2 malformed", "3 gap"]);
  expect(await verified(memory, lines.with(1, ` ${lines[1]}`))).toEqual(["2 malformed", "3 gap"]);
});

/** A log of one line, two recoveries (the first with 32 late certificates, the second with one) and a last line. */
async function twice(): Promise<{ memory: Memory; lines: string[] }> {
  const memory = new Memory();
  const evidence = await openEvidence(memory.runtime, config, signer);
  await evidence.commit(draft({ verdict: "block" }));
  memory.onAppend = () => ({ arrives: 0 });
  expect(() => evidence.commit(draft({ verdict: "block" }))).toThrow();
  for (let i = 0; i < 33; i++) await evidence.unwritten(failClosedDraft(`late ${i}`));
  memory.onAppend = () => null;
  await evidence.commit(draft({ verdict: "block" }));
  await evidence.close();
  memory.files.delete(OUTCOMES);
  return { memory, lines: memory.lines(AUDIT) };
}

test("verifyLog misses late certificates that were taken out between two recoveries", async () => {
  const { memory, lines } = await twice();
  expect(lines.length).toBe(1 + 1 + 32 + 1 + 1 + 1);
  expect(await verified(memory, lines)).toEqual([]);
  expect(await verified(memory, lines.toSpliced(2, 32))).toEqual(["2 unwritten_mismatch"]);
  expect(await verified(memory, lines.toSpliced(20, 1))).toEqual(["2 unwritten_mismatch"]);
  expect(await verified(memory, lines.toSpliced(33, 1))).toEqual(["2 unwritten_mismatch"]);
});

test("verifyLog accepts late certificates that are missing only as the next recovery says it found them", async () => {
  for (const arrived of [0, 5]) {
    const { memory, lines } = await twice();
    memory.put(AUDIT, `${lines.slice(0, 2 + arrived).join("\n")}\n`);
    await (await openEvidence(memory.runtime, config, signer)).close();
    const found = memory.lines(AUDIT);
    expect(found.length).toBe(2 + arrived + 1);
    expect(await verified(memory, found)).toEqual(["2 recovery_interrupted"]);
    if (arrived > 0) expect(await verified(memory, found.toSpliced(3, 1))).toEqual(["2 unwritten_mismatch"]);
    const unsaid = resigned(found.at(-1) as string, (certificate) => {
      certificate.recovered = { lost: 0, torn_bytes: 0, torn_hash: "" };
    });
    expect(await verified(memory, found.with(-1, unsaid))).toEqual(["2 unwritten_mismatch"]);
  }
});

test("verifyLog finds an outcome that was changed, removed or cut off after a certificate named it", async () => {
  const { memory } = await log(9);
  const good = memory.lines(OUTCOMES);
  const put = async (lines: readonly string[]) => {
    memory.put(OUTCOMES, `${lines.join("\n")}\n`);
    return codes(await verifyMemory(memory));
  };
  expect(await put(good)).toEqual([]);
  expect(await put(good.with(3, (good[3] as string).replace('"status":200', '"status":201')))).toContain(
    "5 outcome_broken_link",
  );
  expect(await put(good.toSpliced(3, 1))).toContain("4 outcome_broken_link");
  expect(await put(good.slice(0, 2))).toContain("8 outcomes_mismatch");
  expect(await put([])).toContain("2 outcomes_mismatch");
  expect(await put(good.with(0, "garbage"))).toContain("1 outcome_malformed");
});

test("verifyLog reports allows without an outcome as unknown, which is no error", async () => {
  const { memory } = await log(5);
  const evidence = await openEvidence(memory.runtime, config, signer);
  const { id } = await evidence.commit(draft());
  await evidence.commit(draft({ verdict: "block" }));
  await evidence.close();
  const report = await verifyMemory(memory);
  expect(report.counts).toEqual({ error: 0, warning: 0, info: 1 });
  expect(report.findings.info[0]?.detail).toContain(id);
});

test("verifyLog keeps the first 20 errors and counts the rest", async () => {
  const { memory } = await log(60);
  memory.put(AUDIT, memory.text(AUDIT).replaceAll('"allow"', '"block"'));
  const report = await verifyMemory(memory);
  expect([report.findings.error.length, report.findings.error[0]?.line]).toEqual([20, 1]);
  expect(report.counts.error).toBeGreaterThanOrEqual(60);
});

test("verifyLog reads any bytes without an exception and calls none of them a certificate", async () => {
  const { memory, lines } = await log(2);
  let seed = 1;
  const random = () => {
    seed = (seed * 48271) % 2147483647;
    return seed;
  };
  const good = new TextEncoder().encode(`${lines.join("\n")}\n`);
  memory.files.delete(OUTCOMES);
  for (let round = 0; round < 500; round++) {
    const bytes = good.slice();
    for (let hits = 1 + (random() % 4); hits > 0; hits--) bytes[random() % bytes.length] = random() % 256;
    const cut = round % 3 === 0 ? bytes.slice(0, random() % bytes.length) : bytes;
    memory.put(AUDIT, cut);
    const report = await verifyMemory(memory);
    const untouched = cut.length <= good.length && cut.every((byte, i) => byte === good[i]) && cut.at(-1) === 10;
    if (!untouched && cut.length > 0 && !cut.every((byte, i) => byte === good[i])) expect(report.ok).toBe(false);
  }
});

test("readLines gives the same lines for any cut of the stream", async () => {
  const text = `one\n\n${"long ".repeat(30_000)}\nδύο\n\n${"x".repeat(70_000)}`;
  const bytes = new TextEncoder().encode(text);
  const seen = new Set<string>();
  for (const size of [1, 7, 1000, 65_536, 65_537, bytes.length]) {
    const out: string[] = [];
    let damaged = 0;
    const chunks = async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    };
    for await (const batch of readLines(chunks())) {
      for (const line of batch.lines) {
        if (typeof line === "string") out.push(line);
        else {
          damaged += line.bytes.length;
          if (line.ends) {
            out.push(`damaged ${damaged}`);
            damaged = 0;
          }
        }
      }
      if (batch.open) out.push("open");
    }
    seen.add(JSON.stringify(out));
  }
  expect([...seen]).toEqual([JSON.stringify(["one", "", "damaged 150000", "δύο", "", "damaged 70000", "open"])]);
});
