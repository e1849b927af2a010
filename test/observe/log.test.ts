import { expect, test } from "bun:test";
import type { CertifiedRequest } from "../../src/model/certificate.ts";
import { type DecidedRecord, type DecisionRecord, Log, type LogOptions } from "../../src/observe/log.ts";
import { runtime } from "../../src/runtime/bun.ts";

const REQUEST: CertifiedRequest = {
  door: "forward",
  method: "POST",
  scheme: "http",
  host: "evil.test",
  port: 80,
  path: "/v1/x",
  target_hash: "0",
};

const DECIDED: DecidedRecord = {
  verdict: "block",
  would: null,
  mode: "enforce",
  matched_pillar: "CoreGuard",
  matched_vector: "blocked_host",
  rule: null,
  request: REQUEST,
  latency_ms: 0.12345,
  phase: "request",
  parent: null,
};

const RECORD: DecisionRecord = {
  certificateId: "cert_0123456789abcdef",
  decided: DECIDED,
  status: 451,
  peer: "127.0.0.1",
  bytesUp: 5,
  bytesDown: 0,
  error: null,
};

function recordOf(decided: Partial<DecidedRecord>, request: Partial<CertifiedRequest> = {}): DecisionRecord {
  return { ...RECORD, decided: { ...DECIDED, ...decided, request: { ...REQUEST, ...request } } };
}

function logger(options: Partial<LogOptions> = {}): { log: Log; writes: string[] } {
  const writes: string[] = [];
  const fake = { ...runtime, stderrIsTerminal: false, stderr: (text: string) => void writes.push(text) };
  return { log: new Log(fake, { level: "info", format: "auto", decisions: true, ...options }), writes };
}

const HOSTILE = '/\r\n{"verdict":"allow"}\u0000\u001b[2J\u2028\u202e\u0085\u007f"\\é😀';

test.each(["json", "text"] as const)("Log.decision as %s stays one printable line whatever a peer sends", (format) => {
  const { log, writes } = logger({ format });
  log.decision({
    ...recordOf({ rule: HOSTILE }, { path: HOSTILE, method: HOSTILE, host: HOSTILE }),
    peer: HOSTILE,
  });
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
  log.decision(recordOf({}, { path: "/".repeat(100_000) }));
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

test("Log.decision tells each line's own, however alike the one before it was", () => {
  const { log, writes } = logger();
  const changes: [Partial<DecidedRecord>, Partial<CertifiedRequest>][] = [
    [{}, {}],
    [{ verdict: "allow" }, {}],
    [{ would: "block" }, {}],
    [{ mode: "shadow" }, {}],
    [{ matched_pillar: "128" }, {}],
    [{ matched_vector: "706" }, {}],
    [{ rule: "r" }, {}],
    [{ phase: "tunnel" }, {}],
    [{ phase: "response", parent: "cert_fedcba9876543210" }, {}],
    [{}, { host: "b.test" }],
  ];
  for (const [decided, request] of changes) log.decision(recordOf(decided, request));
  log.flush();
  const lines = writes.join("").trim().split("\n");
  expect(new Set(lines).size).toBe(changes.length);
});

test("Log.decision of an answer names the request it came back for", () => {
  const answer = recordOf({ phase: "response", parent: "cert_fedcba9876543210" });
  const { log, writes } = logger();
  log.decision(RECORD);
  log.decision({ ...answer, status: null });
  log.flush();
  const [request, response] = writes
    .join("")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(request).toMatchObject({ phase: "request", parent: null, status: 451 });
  expect(response).toMatchObject({ phase: "response", parent: "cert_fedcba9876543210", status: null });
  const text = logger({ format: "text" });
  text.log.decision(RECORD);
  text.log.decision(answer);
  text.log.flush();
  const [plain, of] = text.writes.join("").split("\n");
  expect(plain).not.toContain(" of ");
  expect(of).toContain('"/v1/x" response of cert_fedcba9876543210 vector=');
});

test("Log.decision of what was not decided says only what is known", () => {
  const { log, writes } = logger();
  log.decision({ ...RECORD, certificateId: null, decided: null, status: 400, bytesUp: null, bytesDown: null });
  log.flush();
  const line = JSON.parse(writes.join(""));
  expect(line).toMatchObject({ verdict: null, status: 400, peer: "127.0.0.1" });
  for (const absent of ["mode", "host", "method", "path", "door", "latency_ms"])
    expect(line).not.toHaveProperty(absent);
});
