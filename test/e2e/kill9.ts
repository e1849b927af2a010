/**
 * kill -9 during load: `bun test/e2e/kill9.ts [ROUNDS]`, 200 rounds unless told.
 *
 * One audit folder lives through all rounds. In each, clients keep the gateway busy, SIGHUP reloads it and its log
 * rotates (every 1 MiB, the least it takes), and at a random moment it is killed. Afterwards:
 * every certificate a client was given is a line of the logs; no log was shortened or lost; the logs verify with
 * exit 0. A killed process rarely leaves half a line, since write(2) is done or not; a power cut does, so every fifth
 * round half a line is put behind the log, and each must be closed by a recovery certificate.
 */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Gateway, until } from "./_gateway.ts";
import { listen } from "./_upstream.ts";

export interface KillReport {
  readonly rounds: number;
  /** Certificates that clients received whole. */
  readonly answers: number;
  readonly lines: number;
  readonly files: number;
  readonly reloads: number;
  /** Half lines put behind the log. */
  readonly torn: number;
  /** Recovery certificates: torn tails found and closed. */
  readonly recoveries: number;
  readonly problems: readonly string[];
}

const CLIENTS = 16;
const MIN_LIFE_MS = 50;
const LIFE_SPREAD_MS = 600;

export async function killRepeatedly(rounds: number, say: (text: string) => void = () => {}): Promise<KillReport> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-kill9-"));
  const upstream = createServer((request, response) => {
    request.resume();
    request.on("end", () => response.end("ok"));
  });
  const target = `127.0.0.1:${await listen(upstream)}`;
  const policy = join(folder, "policy.yaml");
  writeFileSync(policy, "version: 1\ndefault: allow\n");
  const problems: string[] = [];
  const received = new Map<string, string>();
  let reloads = 0;
  let torn = 0;
  let sizes = new Map<string, number>();
  let gateway: Gateway | null = null;
  try {
    for (let round = 0; round < rounds && problems.length === 0; round++) {
      if (gateway === null) {
        const env = { EVE_PROXY_AUDIT_ROTATE: "1048576", EVE_PROXY_POLICY: policy, EVE_PROXY_DECISION_LOG: "off" };
        gateway = await Gateway.start(env, folder);
      } else await gateway.begin();
      const living = gateway;
      const clients = Array.from({ length: CLIENTS }, (_, i) => keepAsking(living.port, target, round, i, received));
      const hup = setInterval(() => {
        living.signal("SIGHUP");
        reloads++;
      }, 40);
      await new Promise((resolve) => setTimeout(resolve, MIN_LIFE_MS + Math.random() * LIFE_SPREAD_MS));
      // However slow the machine is, no report is of a log that never rotated.
      if (round === rounds - 1) await until(() => eventFiles(join(folder, "audit")) > 1, "rotated", 60_000);
      clearInterval(hup);
      await living.end("SIGKILL");
      await Promise.all(clients);
      sizes = checkNothingShrank(join(folder, "audit"), sizes, problems);
      if (round % 5 === 4) {
        appendFileSync(living.auditPath, `{"addresses":["127.0.0.1"],"torn":${round},"caller":"sidec`);
        torn++;
      }
      if ((round + 1) % (rounds <= 10 ? 1 : 10) === 0)
        say(`${round + 1} kills, ${received.size} answers, ${problems.length} problems`);
    }
    if (gateway === null) throw new Error("needs at least one round");
    // The last start closes the last torn tail; an orderly end settles the outcomes.
    await gateway.begin();
    const code = await gateway.end("SIGTERM");
    if (code !== 0) problems.push(`ended with ${code} on SIGTERM: ${gateway.stderr.slice(-500)}`);
    return finish(gateway, { rounds, reloads, torn, problems }, received);
  } finally {
    gateway?.remove();
    upstream.closeAllConnections();
    upstream.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Asks over one connection until the gateway is gone; keeps the certificate of every head that arrived whole. */
function keepAsking(port: number, target: string, round: number, client: number, received: Map<string, string>) {
  return new Promise<void>((resolve) => {
    let text = "";
    let asked = 0;
    const ask = () => {
      const body = `{"round":${round},"client":${client},"n":${asked++}}`;
      const head = `POST http://${target}/ HTTP/1.1\r\nHost: ${target}\r\nContent-Length: ${body.length}\r\n\r\n`;
      socket.write(head + body);
    };
    const socket = createConnection(port, "127.0.0.1", ask);
    socket.setNoDelay(true);
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
        const head = text.slice(0, end);
        const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
        const certificate = /^x-eve-decision-cert: *(.*)$/im.exec(head)?.[1];
        if (certificate !== undefined) received.set(JSON.parse(certificate).certificate_id, certificate);
        if (text.length < end + 4 + length) return;
        text = text.slice(end + 4 + length);
        ask();
      }
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve());
  });
}

function logFiles(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
}

function eventFiles(folder: string): number {
  return logFiles(folder).filter((name) => name.startsWith("events")).length;
}

/** Files only grow. A rotated file keeps its bytes under a new name, so what counts is the sum of each kind. */
function checkNothingShrank(folder: string, before: Map<string, number>, problems: string[]): Map<string, number> {
  const after = new Map<string, number>();
  for (const name of logFiles(folder)) {
    const kind = name.startsWith("outcomes") ? "outcomes" : "events";
    after.set(kind, (after.get(kind) ?? 0) + statSync(join(folder, name)).size);
  }
  for (const [kind, size] of before) {
    const now = after.get(kind) ?? 0;
    if (now < size) problems.push(`${kind} shrank from ${size} to ${now} bytes`);
  }
  return after;
}

function finish(
  gateway: Gateway,
  told: { rounds: number; reloads: number; torn: number; problems: string[] },
  received: ReadonlyMap<string, string>,
): KillReport {
  const { rounds, problems } = told;
  const folder = join(gateway.folder, "audit");
  const lines = new Map<string, string>();
  let recoveries = 0;
  let files = 0;
  for (const name of logFiles(folder)) {
    if (!name.startsWith("events")) continue;
    files++;
    for (const line of readFileSync(join(folder, name), "utf8").split("\n")) {
      // Closed torn tails are no JSON; `verify` judges them by the recovery certificate that names them.
      const parsed = parse(line);
      if (parsed === null) continue;
      if (lines.has(parsed.certificate_id)) problems.push(`${parsed.certificate_id} has two lines`);
      lines.set(parsed.certificate_id, line);
      if (parsed.phase === "recovery") recoveries++;
    }
  }
  let lost = 0;
  for (const [id, certificate] of received) {
    const line = lines.get(id);
    if (line === undefined) lost++;
    else if (JSON.stringify(JSON.parse(line)) !== JSON.stringify(JSON.parse(certificate))) {
      problems.push(`${id} differs between answer and log`);
    }
  }
  if (lost > 0) problems.push(`${lost} of ${received.size} answers have no line`);
  if (received.size < rounds) problems.push(`only ${received.size} answers in ${rounds} rounds: this was no load`);
  if (recoveries < told.torn) problems.push(`${told.torn} torn tails, but ${recoveries} recovery certificates`);
  const verified = gateway.verifyLogs();
  if (verified.status !== 0) {
    problems.push(
      `verify ended with ${verified.status}: ${verified.stdout.slice(-1500)}${verified.stderr.slice(-500)}`,
    );
  }
  const counts = { answers: received.size, lines: lines.size, files, recoveries };
  return { ...told, ...counts, problems: problems.slice(0, 20) };
}

function parse(line: string): { certificate_id: string; phase: string } | null {
  try {
    return line === "" ? null : JSON.parse(line);
  } catch {
    return null;
  }
}

if (import.meta.main) {
  const rounds = Number(process.argv[2] ?? 200);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 10_000) throw new Error("ROUNDS is 1 to 10000");
  const report = await killRepeatedly(rounds, (text) => console.error(text));
  console.log(JSON.stringify(report, null, 2));
  process.exit(report.problems.length === 0 ? 0 : 1);
}
