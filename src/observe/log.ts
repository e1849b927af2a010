import type { LogFormat, LogLevel } from "../config/config.ts";
import type { CertificateDraft } from "../model/certificate.ts";
import type { Runtime } from "../runtime/contract.ts";

export type Fields = Readonly<Record<string, string | number | boolean | null>>;

/** What a decision line says of a decision. */
export type DecidedRecord = Pick<
  CertificateDraft,
  | "verdict"
  | "would"
  | "mode"
  | "matched_pillar"
  | "matched_vector"
  | "rule"
  | "request"
  | "latency_ms"
  | "phase"
  | "parent"
>;

/** What the one line of a request says. */
export interface DecisionRecord {
  readonly certificateId: string | null;
  /** Null: nothing was decided (malformed, too slow, too large a head), so there is nothing to say of it. */
  readonly decided: DecidedRecord | null;
  /** What the client was answered; null when it was not answered any more. */
  readonly status: number | null;
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

  /** A line that is one of many, whatever the level: gathered as decision lines are. */
  record(message: string, fields: Fields): void {
    if (!this.#decisions) return;
    this.#pending += this.#line("info", message, fields);
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
    this.#pending += this.#line(level, message, fields);
    this.flush();
  }

  #line(level: LogLevel, message: string, fields: Fields): string {
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
    return line;
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
  if (text.length <= SHORT && isPlain(text)) return `"${text}"`;
  const cut = text.length > max ? `${text.slice(0, max - 1)}…` : text;
  if (!/[^\x20-\x21\x23-\x5b\x5d-\x7e]/.test(cut)) return `"${cut}"`;
  return JSON.stringify(cut).replace(/[\x7f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Up to here a loop is quicker than the regular expression. */
const SHORT = 48;

function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return false;
  }
  return true;
}

function plain(value: string | number | boolean | null): string {
  return typeof value === "string" ? quoted(value) : String(value);
}

function orNull(text: string | null): string {
  return text === null ? "null" : quoted(text);
}

/** The middle of one decision line after the other, which most often says the same. */
let lastDecided: DecidedRecord | null = null;
let lastMiddle = "";

function middleOf(r: DecidedRecord): string {
  const last = lastDecided;
  if (
    last !== null &&
    last.request === r.request &&
    last.verdict === r.verdict &&
    last.would === r.would &&
    last.mode === r.mode &&
    last.matched_pillar === r.matched_pillar &&
    last.matched_vector === r.matched_vector &&
    last.rule === r.rule
  ) {
    return lastMiddle;
  }
  const { request } = r;
  const place =
    request === null
      ? ""
      : `"door":${quoted(request.door)},"method":${quoted(request.method)},"scheme":${quoted(request.scheme)},` +
        `"host":${quoted(request.host)},"port":${request.port},"path":${quoted(request.path)},`;
  lastMiddle =
    `"verdict":${quoted(r.verdict)},"would":${orNull(r.would)},"mode":"${r.mode}","pillar":${orNull(r.matched_pillar)},` +
    `"vector":${orNull(r.matched_vector)},"rule":${orNull(r.rule)},${place}`;
  lastDecided = r;
  return lastMiddle;
}

function decisionJson(time: string, r: DecisionRecord): string {
  const { decided } = r;
  // Ids are ours and need no escape.
  const id = r.certificateId === null ? "null" : `"${r.certificateId}"`;
  const head = `{"time":"${time}","level":"info","message":"decision","certificate_id":${id},`;
  const tail = `"peer":${quoted(r.peer)},"bytes_up":${r.bytesUp},"bytes_down":${r.bytesDown},"error":${orNull(r.error)}}\n`;
  if (decided === null) return `${head}"verdict":null,"status":${r.status},${tail}`;
  const { phase, parent } = decided;
  const place = parent === null ? `"phase":"${phase}","parent":null,` : `"phase":"${phase}","parent":"${parent}",`;
  return `${head}${place}${middleOf(decided)}"status":${r.status},"latency_ms":${Math.round(decided.latency_ms * 1000) / 1000},${tail}`;
}

function decisionText(time: string, r: DecisionRecord): string {
  const { decided } = r;
  const request = decided?.request ?? null;
  const host = request === null ? "" : request.host.includes(":") ? `[${request.host}]` : request.host;
  const what =
    request === null
      ? "- - -"
      : `${quoted(request.method)} ${quoted(`${host}:${request.port}`)} ${quoted(request.path)}`;
  let line = `${time} info  ${(decided?.verdict ?? "rejected").padEnd(11)} ${r.status ?? "-"} ${what}`;
  if (decided !== null) {
    if (decided.parent !== null) line += ` ${decided.phase} of ${decided.parent}`;
    if (decided.mode !== "enforce") line += ` mode=${decided.mode}`;
    if (decided.would !== null) line += ` would=${decided.would}`;
    if (decided.matched_vector !== null) line += ` vector=${quoted(decided.matched_vector)}`;
    if (decided.matched_pillar !== null) line += ` pillar=${quoted(decided.matched_pillar)}`;
    if (decided.rule !== null) line += ` rule=${quoted(decided.rule)}`;
  }
  if (r.error !== null) line += ` error=${quoted(r.error)}`;
  if (decided !== null) line += ` latency_ms=${Math.round(decided.latency_ms * 1000) / 1000}`;
  line += ` peer=${quoted(r.peer)}`;
  return `${line} bytes=${r.bytesUp ?? "-"}/${r.bytesDown ?? "-"}${r.certificateId === null ? "" : ` ${r.certificateId}`}\n`;
}
