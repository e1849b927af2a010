import { expect, test } from "bun:test";
import { type DecisionRecord, Log, type LogOptions } from "../../src/observe/log.ts";
import { runtime } from "../../src/runtime/bun.ts";

const RECORD: DecisionRecord = {
  certificateId: "cert_0123456789abcdef",
  verdict: "block",
  would: null,
  mode: "enforce",
  pillar: "CoreGuard",
  vector: "blocked_host",
  rule: null,
  door: "forward",
  method: "POST",
  scheme: "http",
  host: "evil.test",
  port: 80,
  path: "/v1/x",
  status: 451,
  latencyMs: 0.12345,
  peer: "127.0.0.1",
  bytesUp: 5,
  bytesDown: 0,
  error: null,
};

function logger(options: Partial<LogOptions> = {}): { log: Log; writes: string[] } {
  const writes: string[] = [];
  const fake = { ...runtime, stderrIsTerminal: false, stderr: (text: string) => void writes.push(text) };
  return { log: new Log(fake, { level: "info", format: "auto", decisions: true, ...options }), writes };
}

const HOSTILE = '/\r\n{"verdict":"allow"}\u0000\u001b[2J\u2028\u202e\u0085\u007f"\\é😀';

test.each(["json", "text"] as const)("Log.decision as %s stays one printable line whatever a peer sends", (format) => {
  const { log, writes } = logger({ format });
  log.decision({ ...RECORD, path: HOSTILE, method: HOSTILE, host: HOSTILE, peer: HOSTILE, rule: HOSTILE });
  log.error(HOSTILE, { path: HOSTILE });
  const lines = writes.join("").split("\n");
  expect(lines).toHaveLength(3);
  expect(writes.join("").replaceAll("\n", "")).toMatch(/^[\x20-\x7e]+$/);
  if (format === "json") {
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ path: HOSTILE, verdict: "block" });
    expect(JSON.parse(lines[1] ?? "")).toMatchObject({ message: HOSTILE, level: "error" });
  }
});

test("Log.decision cuts what is too long", () => {
  const { log, writes } = logger();
  log.decision({ ...RECORD, path: "/".repeat(100_000) });
  log.flush();
  expect(JSON.parse(writes.join("")).path).toHaveLength(256);
});

test("Log.decision says what was decided", () => {
  const { log, writes } = logger();
  log.decision(RECORD);
  log.flush();
  const line = JSON.parse(writes.join(""));
  expect(line).toMatchObject({
    level: "info",
    message: "decision",
    certificate_id: "cert_0123456789abcdef",
    verdict: "block",
    pillar: "CoreGuard",
    vector: "blocked_host",
    rule: null,
    port: 80,
    status: 451,
    latency_ms: 0.123,
    bytes_up: 5,
  });
  expect(new Date(line.time).toISOString()).toBe(line.time);
});

test("Log gathers decision lines and writes them before a message that follows", () => {
  const { log, writes } = logger();
  log.decision(RECORD);
  log.decision(RECORD);
  expect(writes).toEqual([]);
  log.warn("policy is stale", { file: "p.yaml" });
  expect(writes).toHaveLength(1);
  const messages = writes[0]?.trim().split("\n");
  expect(messages?.map((line) => JSON.parse(line).message)).toEqual(["decision", "decision", "policy is stale"]);
});

test("Log.decision writes without being asked when much is pending, and soon otherwise", async () => {
  const { log, writes } = logger();
  const arrived = Promise.withResolvers<void>();
  const patient = new Log(
    { ...runtime, stderr: () => arrived.resolve() },
    { level: "info", format: "json", decisions: true },
  );
  patient.decision(RECORD);
  await arrived.promise;
  for (let i = 0; i < 1000; i++) log.decision(RECORD);
  expect(writes.length).toBeGreaterThan(1);
  for (const write of writes) expect(write.length).toBeLessThan(66_000);
  log.flush();
});

test("Log keeps to its level, and decisions can be switched off", () => {
  const { log, writes } = logger({ level: "warn", decisions: false });
  log.info("quiet");
  log.debug("quiet");
  log.decision(RECORD);
  log.flush();
  expect(writes).toEqual([]);
  log.warn("heard");
  expect(writes).toHaveLength(1);
});
