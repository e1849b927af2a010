import { afterEach, expect, test } from "bun:test";
import { portableDigest } from "../../src/crypto/digest.ts";
import { generateKey, loadPrivate, loadVerifiers } from "../../src/crypto/keys.ts";
import type { Signer } from "../../src/crypto/signature.ts";
import type { Committed } from "../../src/evidence/evidence.ts";
import { type Evidence, type EvidenceConfig, openEvidence } from "../../src/evidence/evidence.ts";
import { AUDIT, codes, config, draft, failClosedDraft, OUTCOMES, outcome, signer, verifyMemory } from "./_draft.ts";
import { Memory } from "./_memory.ts";

const opened: Evidence[] = [];

async function open(memory: Memory, over: Partial<EvidenceConfig> = {}, key: Signer = signer): Promise<Evidence> {
  const evidence = await openEvidence(memory.runtime, { ...config, ...over }, key);
  opened.push(evidence);
  return evidence;
}

afterEach(async () => {
  for (const evidence of opened.splice(0)) await evidence.close();
});

const isAudit = (path: string) => path === AUDIT;

test("commit resolves after its line is written, and what one turn commits leaves in one write", async () => {
  const memory = new Memory();
  const evidence = await open(memory);
  const writes: string[] = [];
  memory.onAppend = (path, text) => {
    if (isAudit(path)) writes.push(text);
    return null;
  };
  const pending = [evidence.commit(draft()), evidence.commit(draft())];
  expect(memory.text(AUDIT)).toBe("");
  const made = (await pending[0]) as Committed;
  const next = (await pending[1]) as Committed;
  expect(writes).toEqual([`${made.json}\n${next.json}\n`]);
  expect(memory.text(AUDIT)).toBe(`${made.json}\n${next.json}\n`);
  expect(JSON.parse(made.header)).toEqual(JSON.parse(made.json));
  expect(made.id).toMatch(/^cert_[0-9a-f]{16}$/);
});

test("commit throws evidence_unwritable when the write fails, and the log is not writable", async () => {
  const memory = new Memory();
  const evidence = await open(memory);
  memory.onAppend = () => ({ arrives: 0 });
  await expect(Promise.resolve(evidence.commit(draft()))).rejects.toMatchObject({ code: "evidence_unwritable" });
  expect(evidence.writable).toBe(false);
  expect(evidence.problem).toContain("ENOSPC");
});

for (const [name, fault] of [
  ["failed", { arrives: 0 }],
  ["was short", { arrives: 97 }],
  ["was short by the newline only", null],
  ["failed but persisted", { persisted: true }],
] as const) {
  test(`a log whose write ${name} goes on by itself and verifies`, async () => {
    const memory = new Memory();
    const evidence = await open(memory);
    await evidence.commit(draft());
    memory.onAppend = (path, text) => (isAudit(path) ? (fault ?? { arrives: text.length - 1 }) : null);
    expect(() => evidence.commit(draft())).toThrow();
    memory.onAppend = () => null;
    const unwritten = await evidence.unwritten(failClosedDraft());
    expect(JSON.parse(unwritten.json).chain).toBeNull();
    const after = await evidence.commit(draft());
    expect(evidence.writable).toBe(true);
    expect(memory.text(AUDIT)).toContain(`${unwritten.json}\n`);
    expect(memory.text(AUDIT)).toEndWith(`${after.json}\n`);
    const report = await verifyMemory(memory);
    expect(report.findings.error).toEqual([]);
    expect(report.recoveries).toBe(1);
    expect(report.verdicts.fail_closed).toBe(1);
    expect(codes(report)).toEqual(
      fault !== null && "arrives" in fault && fault.arrives > 0 ? ["2 torn_recovered"] : [],
    );
  });
}

test("a recovery that itself fails half way is recovered from, without losing or doubling a certificate", async () => {
  const memory = new Memory();
  const evidence = await open(memory);
  await evidence.commit(draft());
  memory.onAppend = () => ({ arrives: 0 });
  expect(() => evidence.commit(draft())).toThrow();
  const late = [await evidence.unwritten(failClosedDraft("one")), await evidence.unwritten(failClosedDraft("two"))];
  // The recovery line and the first late certificate arrive, the second is cut.
  memory.onAppend = (_path, text) => ({ arrives: text.lastIndexOf("{", text.length - 3) > 0 ? text.length - 50 : 0 });
  await expect(Promise.resolve(evidence.commit(draft()))).rejects.toMatchObject({ code: "evidence_unwritable" });
  memory.onAppend = () => null;
  memory.ticks += 1000;
  await evidence.commit(draft());
  for (const { json } of late) expect(memory.text(AUDIT).split(`${json}\n`).length).toBe(2);
  const report = await verifyMemory(memory);
  expect(report.findings.error).toEqual([]);
  expect(codes(report)).toEqual(["2 recovery_interrupted", "4 torn_recovered"]);
});

test("a full disk that empties is found by the timer, without traffic", async () => {
  const memory = new Memory();
  const evidence = await open(memory);
  memory.onAppend = () => ({ arrives: 0 });
  expect(() => evidence.commit(draft())).toThrow();
  const kept = await evidence.unwritten(failClosedDraft());
  memory.onAppend = () => null;
  while (!evidence.writable) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(memory.lines(AUDIT)[1]).toBe(kept.json);
});

test("a disk with room for some late certificates gets those, and the rest when there is more", async () => {
  const memory = new Memory();
  const evidence = await open(memory);
  memory.onAppend = () => ({ arrives: 0 });
  expect(() => evidence.commit(draft())).toThrow();
  for (let i = 0; i < 100; i++) await evidence.unwritten(failClosedDraft());
  let room = 50_000;
  memory.onAppend = (_path, text) => {
    room -= text.length;
    return room < 0 ? { arrives: 11 } : null;
  };
  await expect(Promise.resolve(evidence.commit(draft()))).rejects.toThrow();
  expect((await verifyMemory(memory)).verdicts.fail_closed).toBe(32);
  memory.onAppend = () => null;
  memory.ticks += 1000;
  await evidence.commit(draft());
  const report = await verifyMemory(memory);
  expect([report.verdicts.fail_closed, report.counts.error]).toEqual([100, 0]);
});

test("unwritten certificates beyond the bound are counted in the recovery line", async () => {
  const memory = new Memory();
  const evidence = await open(memory);
  memory.onAppend = () => ({ arrives: 0 });
  expect(() => evidence.commit(draft())).toThrow();
  for (let i = 0; i < 1030; i++) await evidence.unwritten(failClosedDraft());
  memory.onAppend = () => null;
  await evidence.commit(draft());
  expect(JSON.parse(memory.lines(AUDIT)[0] as string).recovered).toMatchObject({ lost: 6 });
  expect((await verifyMemory(memory)).verdicts.fail_closed).toBe(1024);
  expect(codes(await verifyMemory(memory))).toEqual(["1 certificates_lost"]);
});

test("a log torn by kill -9 is never truncated, and its recovery names the torn bytes", async () => {
  const memory = new Memory();
  await (await open(memory)).commit(draft());
  const whole = memory.text(AUDIT);
  memory.kill();
  memory.put(AUDIT, `${whole}${whole.slice(0, 100)}`);
  const evidence = await open(memory);
  await evidence.commit(draft());
  expect(memory.text(AUDIT)).toStartWith(`${whole}${whole.slice(0, 100)}\n`);
  const recovery = JSON.parse(memory.lines(AUDIT)[2] as string);
  expect(recovery).toMatchObject({ phase: "recovery", chain: { seq: 1 } });
  expect(recovery.recovered).toMatchObject({
    torn_bytes: 100,
    torn_hash: memory.runtime.sha256(whole.slice(0, 100)),
  });
  expect(codes(await verifyMemory(memory))).toEqual(["2 torn_recovered"]);
});

for (const [name, tail] of [
  ["a complete line that is no JSON", "not json at all\n"],
  ["two broken lines", '{"a":\nxx\n'],
  ["zero bytes, as after a power cut", "\0".repeat(5000)],
  ["garbage longer than the window that is read first", "x".repeat(200_000)],
  ["a JSON value that is no certificate", "[1,2]\n"],
] as const) {
  test(`a log that ends in ${name} continues its chain and verifies`, async () => {
    const memory = new Memory();
    await (await open(memory)).commit(draft());
    const id = JSON.parse(memory.text(AUDIT)).chain.id;
    memory.kill();
    memory.put(AUDIT, memory.text(AUDIT) + tail);
    const made = await (await open(memory)).commit(draft());
    expect(JSON.parse(made.json).chain).toMatchObject({ id, seq: 2 });
    expect(codes(await verifyMemory(memory))).toEqual(["2 torn_recovered"]);
  });
}

test("a start on a good log goes on in the same chain without a recovery", async () => {
  const memory = new Memory();
  const first = await open(memory);
  const one = JSON.parse((await first.commit(draft())).json);
  await first.close();
  const two = JSON.parse((await (await open(memory)).commit(draft())).json);
  expect(two.chain).toMatchObject({ id: one.chain.id, seq: 1 });
  expect((await verifyMemory(memory)).certificates).toBe(2);
});

test("a second process is refused with evidence_locked", async () => {
  const memory = new Memory();
  await open(memory);
  await expect(openEvidence(memory.runtime, config, signer)).rejects.toMatchObject({
    code: "evidence_locked",
    message: expect.stringMatching(
      /is locked by another process \(sallyport doctor names it; .* own EVE_PROXY_AUDIT_PATH\)$/,
    ),
  });
});

test("the lock holds between the two halves of a rotation", async () => {
  const memory = new Memory();
  const evidence = await open(memory, { auditRotateBytes: 1000 });
  await evidence.commit(draft());
  const intruder: unknown[] = [];
  memory.onOpen = (path) => {
    if (path !== AUDIT) return;
    memory.onOpen = () => undefined;
    intruder.push(openEvidence(memory.runtime, config, signer).catch((thrown: unknown) => thrown));
  };
  await evidence.commit(draft());
  expect(await intruder[0]).toMatchObject({ code: "evidence_locked" });
});

test("rotation keeps every file and one chain through all of them", async () => {
  const memory = new Memory();
  const evidence = await open(memory, { auditRotateBytes: 3000 });
  for (let i = 0; i < 10; i++) await evidence.commit(draft());
  const rotated = [...memory.files.keys()].filter((path) => /log\.\d+\.jsonl$/.test(path));
  for (const path of rotated) {
    expect(path).toBe(`audit/log.${JSON.parse(memory.lines(path).at(-1) as string).chain.seq}.jsonl`);
  }
  expect(rotated.length).toBeGreaterThan(2);
  const report = await verifyMemory(memory, [...rotated, AUDIT]);
  expect([report.certificates, report.counts.error, report.counts.warning]).toEqual([10, 0, 0]);
});

test("under a sync policy a rotated log's new name is safe before the certificate in it is answered", async () => {
  const memory = new Memory();
  const evidence = await open(memory, { auditSync: "batch", auditRotateBytes: 4000 });
  const directory = AUDIT.slice(0, AUDIT.lastIndexOf("/"));
  const rotated = () => [...memory.files.keys()].filter((path) => /log\.\d+\.jsonl$/.test(path)).length;
  let unsafe = 0;
  let renamed = 0;
  let synced = 0;
  memory.onRename = () => {
    renamed++;
  };
  memory.onSync = async (path) => {
    if (path === directory) synced = renamed;
  };
  for (let i = 0; i < 12; i++) {
    await evidence.commit(draft());
    if (synced < renamed) unsafe++;
  }
  expect(rotated()).toBeGreaterThan(1);
  expect(unsafe).toBe(0);
});

test("a log that is opened is safe in its directory under a sync policy, and without one is not waited for", async () => {
  for (const [auditSync, expected] of [
    ["batch", true],
    ["none", false],
  ] as const) {
    const memory = new Memory();
    const paths: string[] = [];
    memory.onSync = async (path) => void paths.push(path);
    await open(memory, { auditSync });
    expect(paths.includes(AUDIT.slice(0, AUDIT.lastIndexOf("/")))).toBe(expected);
  }
});

test("a crash between rename and create goes on from the newest rotated file", async () => {
  const memory = new Memory();
  const evidence = await open(memory, { auditRotateBytes: 1000 });
  const first = JSON.parse((await evidence.commit(draft())).json);
  memory.onOpen = (path) => {
    if (path === AUDIT) throw new Error("EMFILE");
  };
  expect(() => evidence.commit(draft())).toThrow();
  expect([...memory.files.keys()]).toContain("audit/log.0.jsonl");
  memory.kill();
  memory.onOpen = () => undefined;
  const after = JSON.parse((await (await open(memory)).commit(draft())).json);
  expect(after.chain).toMatchObject({ id: first.chain.id, seq: 1 });
});

test("a rotation never replaces a file that is there", async () => {
  const memory = new Memory();
  memory.put("audit/log.0.jsonl", "precious\n");
  const evidence = await open(memory, { auditRotateBytes: 1000 });
  await evidence.commit(draft());
  await evidence.commit(draft());
  expect(memory.text("audit/log.0.jsonl")).toBe("precious\n");
  expect(memory.lines("audit/log.1.jsonl").length).toBe(1);
});

test("a rename that fails costs the rotation, not the certificate", async () => {
  const memory = new Memory();
  memory.onRename = () => {
    throw new Error("EACCES");
  };
  const evidence = await open(memory, { auditRotateBytes: 1000 });
  await evidence.commit(draft());
  await evidence.commit(draft());
  expect(memory.lines(AUDIT).length).toBe(2);
});

test("a log that is moved away is replaced by a new file in the same chain", async () => {
  const memory = new Memory();
  const evidence = await open(memory);
  const one = JSON.parse((await evidence.commit(draft())).json);
  memory.runtime.rename(AUDIT, "audit/elsewhere");
  while (!memory.files.has(AUDIT)) await new Promise((resolve) => setTimeout(resolve, 5));
  await evidence.commit(draft());
  expect(JSON.parse(memory.lines(AUDIT)[0] as string).chain).toMatchObject({ id: one.chain.id, seq: 1 });
  expect((await verifyMemory(memory, ["audit/elsewhere", AUDIT])).counts.error).toBe(0);
});

/** A signer whose signatures finish when told. */
function slowSigner(): { signer: Signer; finish: (index: number, error?: Error) => void } {
  const waiting: { text: string; resolve: (s: string) => void; reject: (e: Error) => void }[] = [];
  return {
    signer: {
      algorithm: signer.algorithm,
      kid: signer.kid,
      sign: (data) =>
        new Promise((resolve, reject) =>
          waiting.push({ text: new TextDecoder().decode(data as Uint8Array), resolve, reject }),
        ),
    },
    finish(index, error) {
      const one = waiting[index] as (typeof waiting)[number];
      if (error === undefined) one.resolve(signer.sign(one.text) as string);
      else one.reject(error);
    },
  };
}

test("signatures that finish out of order are written in seq order, what is ready in one write", async () => {
  const memory = new Memory();
  const slow = slowSigner();
  const evidence = await open(memory, {}, slow.signer);
  const made = [0, 1, 2].map(() => evidence.commit(draft()));
  memory.appends = [];
  slow.finish(2);
  slow.finish(1);
  await Promise.resolve();
  expect(memory.text(AUDIT)).toBe("");
  slow.finish(0);
  const ids = (await Promise.all(made)).map(({ id }) => id);
  expect(memory.lines(AUDIT).map((line) => JSON.parse(line).certificate_id)).toEqual(ids);
  expect(memory.appends.length).toBe(1);
  expect((await verifyMemory(memory)).counts.error).toBe(0);
});

test("a signature that fails takes down those behind it and not those before it", async () => {
  const memory = new Memory();
  const slow = slowSigner();
  const evidence = await open(memory, {}, slow.signer);
  const made = [0, 1, 2].map(() => Promise.resolve(evidence.commit(draft())));
  const results = Promise.allSettled(made);
  slow.finish(2);
  slow.finish(1, new Error("no key"));
  slow.finish(0);
  expect((await results).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  const again = evidence.commit(draft());
  const settled = Promise.resolve(again).then(() => true);
  for (let index = 3; index < 5; index++) {
    while (true) {
      try {
        slow.finish(index);
        break;
      } catch {
        await Promise.resolve();
      }
    }
  }
  expect(await settled).toBe(true);
  expect((await verifyMemory(memory)).counts.error).toBe(0);
});

for (const algorithm of ["Ed25519", "ECDSA-P256-SHA256"] as const) {
  test(`commit with ${algorithm} gives certificates that its public key verifies`, async () => {
    const memory = new Memory();
    const pair = await generateKey(algorithm);
    const evidence = await open(memory, {}, (await loadPrivate(pair.privatePem, portableDigest)).signer);
    await Promise.all(Array.from({ length: 20 }, () => evidence.commit(draft())));
    const keys = new Map((await loadVerifiers(pair.publicPem, portableDigest)).map((key) => [key.kid, key]));
    const report = await verifyMemory(memory, [AUDIT], keys);
    expect([report.certificates, report.counts.error]).toEqual([20, 0]);
  });
}

test("sync batch covers every waiting certificate with one fdatasync, and no answer comes before it", async () => {
  const memory = new Memory();
  const gates: (() => void)[] = [];
  let syncs = 0;
  memory.onSync = (path) => {
    if (!isAudit(path)) return;
    syncs++;
    return new Promise<void>((resolve) => gates.push(resolve));
  };
  const evidence = await open(memory, { auditSync: "batch" });
  let answered = 0;
  const made = Array.from({ length: 5 }, () => Promise.resolve(evidence.commit(draft())).then(() => answered++));
  while (gates.length === 0) await Promise.resolve();
  expect([memory.lines(AUDIT).length, answered]).toEqual([5, 0]);
  gates.shift()?.();
  await Promise.all(made);
  expect(syncs).toBe(1);
});

test("sync each gives every certificate an fdatasync of its own", async () => {
  const memory = new Memory();
  let syncs = 0;
  memory.onSync = (path) => {
    if (isAudit(path)) syncs++;
  };
  const evidence = await open(memory, { auditSync: "each" });
  await Promise.all(Array.from({ length: 5 }, () => evidence.commit(draft())));
  expect(syncs).toBe(5);
});

test("an fdatasync that fails refuses the certificates it should have covered", async () => {
  const memory = new Memory();
  const evidence = await open(memory, { auditSync: "batch" });
  memory.onSync = () => Promise.reject(new Error("EIO: fdatasync"));
  await expect(Promise.resolve(evidence.commit(draft()))).rejects.toMatchObject({ code: "evidence_unwritable" });
  memory.onSync = () => undefined;
  await evidence.commit(draft());
  expect((await verifyMemory(memory)).counts.error).toBe(0);
});

test("settle chains outcomes, and certificates name the newest written one", async () => {
  const memory = new Memory();
  const evidence = await open(memory);
  const one = await evidence.commit(draft());
  expect(JSON.parse(one.json).chain.outcomes).toBe("0".repeat(64));
  evidence.settle(outcome(one.id));
  await evidence.flush();
  const two = await evidence.commit(draft());
  const [line = ""] = memory.lines(OUTCOMES);
  expect(JSON.parse(two.json).chain.outcomes).toBe(memory.runtime.sha256(line));
  const report = await verifyMemory(memory);
  expect([report.counts.error, report.findings.info.map(({ code }) => code)]).toEqual([0, ["outcome_unknown"]]);
});

test("outcomes whose write fails are written once when it works again, and stop nothing", async () => {
  const memory = new Memory();
  const evidence = await open(memory);
  const ids = (await Promise.all(Array.from({ length: 5 }, () => evidence.commit(draft())))).map(({ id }) => id);
  memory.onAppend = (path, text) => (path === OUTCOMES ? { arrives: text.indexOf("\n") + 20 } : null);
  for (const id of ids) evidence.settle(outcome(id));
  await evidence.flush();
  expect([evidence.writable, evidence.problem !== null]).toEqual([true, true]);
  memory.onAppend = () => null;
  await evidence.flush();
  const settled = memory.text(OUTCOMES).match(/"certificate_id":"[^"]+","duration/g) ?? [];
  expect(settled.length).toBe(5);
  await evidence.commit(draft());
  expect((await verifyMemory(memory)).counts.error).toBe(0);
});

test("an outcome log torn by kill -9 goes on and verifies", async () => {
  const memory = new Memory();
  const first = await open(memory);
  const { id } = await first.commit(draft());
  first.settle(outcome(id));
  await first.flush();
  memory.kill();
  memory.put(OUTCOMES, `${memory.text(OUTCOMES)}{"address":nu`);
  const evidence = await open(memory);
  await evidence.commit(draft());
  expect(memory.lines(OUTCOMES).length).toBe(3);
  expect((await verifyMemory(memory)).counts.error).toBe(0);
});

test("outcomes of a worker's log go to the worker's file", async () => {
  const memory = new Memory();
  const evidence = await open(memory, { auditPath: "audit/log.w3.jsonl" });
  evidence.settle(outcome((await evidence.commit(draft())).id));
  await evidence.flush();
  expect(memory.lines("audit/outcomes.w3.jsonl").length).toBe(1);
});

test("standard output begins a chain at every start and has no outcome log", async () => {
  const memory = new Memory();
  for (let start = 0; start < 2; start++) {
    const evidence = await open(memory, { auditPath: "-" });
    evidence.settle(outcome((await evidence.commit(draft())).id));
    await evidence.close();
  }
  expect(memory.files.size).toBe(0);
  const [one, two] = memory.printed
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).chain);
  expect([one.seq, two.seq, one.outcomes]).toEqual([0, 0, "0".repeat(64)]);
  expect(one.id).not.toBe(two.id);
});

test("a log that cannot be opened refuses to start with evidence_unwritable", async () => {
  const memory = new Memory();
  memory.onOpen = () => {
    throw new Error("EACCES: permission denied");
  };
  await expect(openEvidence(memory.runtime, config, signer)).rejects.toMatchObject({ code: "evidence_unwritable" });
});

test("commit after close is refused", async () => {
  const memory = new Memory();
  const evidence = await open(memory);
  await evidence.close();
  await expect(Promise.resolve(evidence.commit(draft()))).rejects.toMatchObject({ code: "evidence_unwritable" });
});
