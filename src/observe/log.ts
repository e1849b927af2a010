import type { LogFormat, LogLevel } from "../config/config.ts";
import type { Mode, Verdict } from "../model/decision.ts";
import type { Runtime } from "../runtime/contract.ts";

export type Fields = Readonly<Record<string, string | number | boolean | null>>;

/** What the one line of a request says. `verdict` null: nothing was decided (malformed, too slow, too large a head). */
export interface DecisionRecord {
  readonly certificateId: string | null;
  readonly verdict: Verdict | null;
  /** What enforce mode would have done; null when it is the same. */
  readonly would: Verdict | null;
  readonly mode: Mode;
  readonly pillar: string | null;
  readonly vector: string | null;
  readonly rule: string | null;
  readonly door: string;
  readonly method: string;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  /** Redacted, without query. */
  readonly path: string;
  /** What the client was answered; null when it was not answered any more. */
  readonly status: number | null;
  readonly latencyMs: number;
  readonly peer: string;
  /** Body bytes each way; null when nothing was decided. */
  readonly bytesUp: number | null;
  readonly bytesDown: number | null;
  /** A stable code when it did not end well, else null. */
  readonly error: string | null;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Whether `decision` writes anything. */
  readonly decisions: boolean;
}

const SEVERITY: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };
const FLUSH_MS = 10;
const FLUSH_CHARS = 65_536;
const MAX_VALUE = 256;

/**
 * Lines on the standard error. Messages go out at once; decision lines are gathered, because a system call a request
 * would cost as much as its parse. Order is kept. Whoever ends the process calls `flush` before.
 */
export class Log {
  readonly #runtime: Runtime;
  readonly #severity: number;
  readonly #json: boolean;
  readonly #decisions: boolean;
  #pending = "";
  #timer: ReturnType<typeof setTimeout> | null = null;
  #stampMs = Number.NaN;
  #stamp = "";

  constructor(runtime: Runtime, options: LogOptions) {
    this.#runtime = runtime;
    this.#severity = SEVERITY[options.level];
    this.#json = options.format === "auto" ? !runtime.stderrIsTerminal : options.format === "json";
    this.#decisions = options.decisions;
  }

  error(message: string, fields?: Fields): void {
    this.#message("error", message, fields);
  }

  warn(message: string, fields?: Fields): void {
    this.#message("warn", message, fields);
  }

  info(message: string, fields?: Fields): void {
    this.#message("info", message, fields);
  }

  debug(message: string, fields?: Fields): void {
    this.#message("debug", message, fields);
  }

  /** The one line of a request, whatever its verdict and the level. */
  decision(record: DecisionRecord): void {
    if (!this.#decisions) return;
    this.#pending += this.#json ? decisionJson(this.#now(), record) : decisionText(this.#now(), record);
    if (this.#pending.length >= FLUSH_CHARS) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#pending === "") return;
    const lines = this.#pending;
    this.#pending = "";
    this.#runtime.stderr(lines);
  }

  #message(level: LogLevel, message: string, fields: Fields = {}): void {
    if (SEVERITY[level] > this.#severity) return;
    const time = this.#now();
    let line = this.#json ? `{"time":"${time}","level":"${level}","message":${quoted(message, 4096)}` : "";
    if (this.#json) {
      for (const [name, value] of Object.entries(fields)) line += `,${quoted(name)}:${plain(value)}`;
      line += "}\n";
    } else {
      line = `${time} ${level.padEnd(5)} ${quoted(message, 4096).slice(1, -1).replaceAll('\\"', '"')}`;
      for (const [name, value] of Object.entries(fields)) line += ` ${name}=${plain(value)}`;
      line += "\n";
    }
    this.#pending += line;
    this.flush();
  }

  /** Formatting a date costs more than the line does; under load many lines share a millisecond. */
  #now(): string {
    const now = this.#runtime.now();
    if (now !== this.#stampMs) {
      this.#stampMs = now;
      this.#stamp = new Date(now).toISOString();
    }
    return this.#stamp;
  }
}

/**
 * A JSON string of printable ASCII: whatever a peer put into a name or path, it cannot end the line, forge a field or
 * steer a terminal.
 */
function quoted(text: string, max = MAX_VALUE): string {
  const cut = text.length > max ? `${text.slice(0, max - 1)}…` : text;
  if (!/[^\x20-\x21\x23-\x5b\x5d-\x7e]/.test(cut)) return `"${cut}"`;
  return JSON.stringify(cut).replace(/[\x7f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function plain(value: string | number | boolean | null): string {
  return typeof value === "string" ? quoted(value) : String(value);
}

function orNull(text: string | null): string {
  return text === null ? "null" : quoted(text);
}

function decisionJson(time: string, r: DecisionRecord): string {
  return (
    `{"time":"${time}","level":"info","message":"decision","certificate_id":${orNull(r.certificateId)},` +
    `"verdict":${orNull(r.verdict)},"would":${orNull(r.would)},"mode":"${r.mode}","pillar":${orNull(r.pillar)},"vector":${orNull(r.vector)},` +
    `"rule":${orNull(r.rule)},"door":${quoted(r.door)},"method":${quoted(r.method)},"scheme":${quoted(r.scheme)},` +
    `"host":${quoted(r.host)},"port":${r.port},"path":${quoted(r.path)},"status":${r.status},` +
    `"latency_ms":${Math.round(r.latencyMs * 1000) / 1000},"peer":${quoted(r.peer)},"bytes_up":${r.bytesUp},` +
    `"bytes_down":${r.bytesDown},"error":${orNull(r.error)}}\n`
  );
}

function decisionText(time: string, r: DecisionRecord): string {
  const at = r.host === "" ? "-" : quoted(r.host.includes(":") ? `[${r.host}]:${r.port}` : `${r.host}:${r.port}`);
  let line = `${time} info  ${(r.verdict ?? "rejected").padEnd(11)} ${r.status ?? "-"} ${quoted(r.method)} ${at} ${quoted(r.path)}`;
  if (r.mode !== "enforce") line += ` mode=${r.mode}`;
  if (r.would !== null) line += ` would=${r.would}`;
  if (r.vector !== null) line += ` vector=${quoted(r.vector)}`;
  if (r.pillar !== null) line += ` pillar=${quoted(r.pillar)}`;
  if (r.rule !== null) line += ` rule=${quoted(r.rule)}`;
  if (r.error !== null) line += ` error=${quoted(r.error)}`;
  line += ` latency_ms=${Math.round(r.latencyMs * 1000) / 1000} peer=${quoted(r.peer)}`;
  return `${line} bytes=${r.bytesUp ?? "-"}/${r.bytesDown ?? "-"}${r.certificateId === null ? "" : ` ${r.certificateId}`}\n`;
}
