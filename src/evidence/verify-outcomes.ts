import type { Runtime } from "../runtime/contract.ts";
import { ZERO_HASH } from "./chain.ts";
import { type Damaged, readLines } from "./lines.ts";
import type { FindingCode, Report, Severity } from "./report.ts";
import { TornRegion } from "./torn-region.ts";

/** One file of a log, readable more than once. */
export interface LogSource {
  readonly name: string;
  chunks(): AsyncIterable<Uint8Array>;
}

type Hashing = Pick<Runtime, "sha256" | "hasher">;

/** Checks the hash chain of an outcome log by itself. */
export async function verifyOutcomes(runtime: Hashing, files: readonly LogSource[], report: Report): Promise<void> {
  let last: { seq: number; hash: string } | null = null;
  let torn: TornRegion | null = null;
  for (const { name: file, chunks } of files) {
    let line = 1;
    const add = (severity: Severity, code: FindingCode, detail: string) =>
      report.add({ severity, code, file, line, detail });
    for await (const batch of readLines(chunks())) {
      for (const [index, text] of batch.lines.entries()) {
        const open = batch.open && index === batch.lines.length - 1;
        const found = typeof text === "string" ? readOutcome(text) : null;
        if (found === null) {
          torn ??= new TornRegion(runtime, { file, line, detail: "it is no outcome" });
          torn.add(text, open);
        } else {
          if (torn !== null && !(found.recovered !== null && torn.explainedBy(found.recovered)))
            reportTorn(report, torn);
          torn = null;
          const lost = found.recovered?.lost ?? 0;
          if (lost > 0) add("warning", "outcomes_lost", `${lost} outcomes could not be written before this line`);
          if (last === null && found.seq > 0) add("warning", "continues_from", `the log begins at seq ${found.seq}`);
          const expected: { seq: number; hash: string } = last ?? {
            seq: found.seq - 1,
            hash: found.seq === 0 ? ZERO_HASH : found.prev,
          };
          if (found.seq !== expected.seq + 1) {
            add("error", "outcome_broken_link", `seq ${found.seq} follows seq ${expected.seq}`);
          } else if (found.prev !== expected.hash) {
            add("error", "outcome_broken_link", "prev is not the hash of the line before");
          }
          last = { seq: found.seq, hash: runtime.sha256(text as string) };
        }
        if (typeof text === "string" || text.ends) line++;
      }
    }
  }
  if (torn !== null) reportTorn(report, torn);
}

function reportTorn(report: Report, torn: TornRegion): void {
  const { file, line, detail, lines } = torn;
  report.add({ severity: "error", code: "outcome_malformed", file, line, detail: `${detail} (${lines} such lines)` });
}

interface ReadOutcome {
  readonly seq: number;
  readonly prev: string;
  readonly id: string | null;
  readonly recovered: { torn_hash: string; torn_bytes: number; lost: number } | null;
}

function readOutcome(text: string): ReadOutcome | null {
  try {
    const value = JSON.parse(text) as Record<string, unknown> | null;
    if (typeof value?.prev !== "string" || !Number.isSafeInteger(value.seq)) return null;
    const id = typeof value.certificate_id === "string" ? value.certificate_id : null;
    const recovered = (value.recovered ?? null) as ReadOutcome["recovered"];
    return id === null && recovered === null ? null : { seq: value.seq as number, prev: value.prev, id, recovered };
  } catch {
    return null;
  }
}

/** Allows of one generation waiting for their outcome. The two newest are remembered, older ones count as unknown. */
const GENERATION = 32_768;
/** Heads looked for in vain before the comparison is given up: each costs a pass over the file. */
const MAX_MISSES = 8;

/**
 * Walks an outcome log beside the audit log: certificates name ever later lines of it. Remembers a place, a hash and the
 * allows still waiting for their outcome, never the log.
 */
export class OutcomeWalk {
  readonly #runtime: Hashing;
  readonly #files: readonly LogSource[];
  #lines: AsyncGenerator<string | Damaged>;
  #passed = 0;
  #head = ZERO_HASH;
  #misses = 0;
  #young = new Set<string>();
  #old = new Set<string>();
  #forgotten = 0;

  constructor(runtime: Hashing, files: readonly LogSource[]) {
    this.#runtime = runtime;
    this.#files = files;
    this.#lines = eachLine(files);
  }

  /** An allow was read: its outcome may come. */
  expect(certificateId: string): void {
    this.#young.add(certificateId);
    if (this.#young.size < GENERATION) return;
    this.#forgotten += this.#old.size;
    this.#old = this.#young;
    this.#young = new Set();
  }

  /** A certificate names this head. True when the outcome log agrees; a promise when that takes reading. */
  reaches(head: string): boolean | Promise<boolean> {
    return head === this.#head || this.gaveUp ? true : this.#advance(head);
  }

  get gaveUp(): boolean {
    return this.#misses >= MAX_MISSES;
  }

  /** How many allows have no outcome, and one of them; reads to the end. */
  async unknown(): Promise<{ count: number; example: string | null }> {
    if (!this.gaveUp) for await (const line of this.#lines) this.#pass(line);
    const [example = null] = this.#old.size > 0 ? this.#old : this.#young;
    return { count: this.#young.size + this.#old.size + this.#forgotten, example };
  }

  async #advance(head: string): Promise<boolean> {
    const [passed, before] = [this.#passed, this.#head];
    if (head !== ZERO_HASH) {
      for (let next = await this.#lines.next(); !next.done; next = await this.#lines.next()) {
        this.#pass(next.value);
        if (this.#head === head) return true;
      }
      this.#lines = eachLine(this.#files);
      for (let i = 0; i < passed; i++) await this.#lines.next();
    }
    this.#passed = passed;
    this.#head = before;
    this.#misses++;
    return false;
  }

  #pass(line: string | Damaged): void {
    this.#passed++;
    if (typeof line !== "string") return;
    const outcome = readOutcome(line);
    if (outcome === null) return;
    this.#head = this.#runtime.sha256(line);
    if (outcome.id !== null && !this.#young.delete(outcome.id)) this.#old.delete(outcome.id);
  }
}

async function* eachLine(files: readonly LogSource[]): AsyncGenerator<string | Damaged> {
  for (const file of files) for await (const batch of readLines(file.chunks())) yield* batch.lines;
}
