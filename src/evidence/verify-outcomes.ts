import type { Runtime } from "../runtime/contract.ts";
import { ZERO_HASH } from "./chain.ts";
import { type Damaged, readLines } from "./lines.ts";
import { quickOutcome } from "./quick-certificate.ts";
import type { FindingCode, Report, Severity } from "./report.ts";
import { TornRegion } from "./torn-region.ts";

/** One file of a log, readable more than once. */
export interface LogSource {
  readonly name: string;
  chunks(): AsyncIterable<Uint8Array>;
}

type Hashing = Pick<Runtime, "sha256" | "hasher">;

interface ReadOutcome {
  readonly seq: number;
  readonly prev: string;
  readonly id: string | null;
  readonly recovered: { torn_hash: string; torn_bytes: number; lost: number } | null;
}

function readOutcome(text: string): ReadOutcome | null {
  const quick = quickOutcome(text);
  if (quick !== null) return { ...quick, recovered: null };
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

interface OutcomeOptions {
  readonly runtime: Hashing;
  readonly files: readonly LogSource[];
  readonly report: Report;
  /** How a front that is not here is reported. */
  readonly frontMissing: Severity;
}

/** Checks the hash chain of an outcome log by itself, line after line. */
class OutcomeChain {
  readonly #o: OutcomeOptions;
  #last: { readonly seq: number; readonly hash: string } | null = null;
  #torn: TornRegion | null = null;

  constructor(options: OutcomeOptions) {
    this.#o = options;
  }

  take({ file, line, text, open }: Item, found: ReadOutcome | null, hash: string): void {
    if (found === null) {
      this.#torn ??= new TornRegion(this.#o.runtime, { file, line, detail: "it is no outcome" });
      this.#torn.add(text, open);
      return;
    }
    const { seq, prev, recovered } = found;
    const add = (severity: Severity, code: FindingCode, detail: string) =>
      this.#o.report.add({ severity, code, file, line, detail });
    if (this.#torn !== null && !(recovered !== null && this.#torn.explainedBy(recovered))) this.#reportTorn();
    this.#torn = null;
    const lost = recovered?.lost ?? 0;
    if (lost > 0) add("warning", "outcomes_lost", `${lost} outcomes could not be written before this line`);
    if (this.#last === null) {
      if (seq > 0) add(this.#o.frontMissing, "continues_from", `the outcome log begins at seq ${seq}`);
      else if (seq < 0 || prev !== ZERO_HASH) {
        add("error", "outcome_broken_link", "the first line names a line before it");
      }
    } else if (seq !== this.#last.seq + 1) {
      add("error", "outcome_broken_link", `seq ${seq} follows seq ${this.#last.seq}`);
    } else if (prev !== this.#last.hash) {
      add("error", "outcome_broken_link", "prev is not the hash of the line before");
    }
    this.#last = { seq, hash };
  }

  end(): void {
    if (this.#torn !== null) this.#reportTorn();
    this.#torn = null;
  }

  #reportTorn(): void {
    if (this.#torn === null) return;
    const { file, line, detail, lines } = this.#torn;
    const text = `${detail} (${lines} such lines)`;
    this.#o.report.add({ severity: "error", code: "outcome_malformed", file, line, detail: text });
  }
}

/** Allows of one generation waiting for their outcome. The two newest are remembered, older ones count as unknown. */
const GENERATION = 32_768;
/** Heads looked for in vain before the comparison is given up: each costs a pass over the file. */
const MAX_MISSES = 8;

/**
 * Walks an outcome log beside the audit log: certificates name ever later lines of it. Each line is checked as a link
 * when it is first passed. Remembers a place, a hash and the allows still waiting for their outcome, never the log.
 */
export class OutcomeWalk {
  readonly #o: OutcomeOptions;
  readonly #chain: OutcomeChain;
  #cursor: Cursor;
  #passed = 0;
  /** Items handed to #chain; fewer than `#passed` at no time. */
  #checked = 0;
  #head = ZERO_HASH;
  #misses = 0;
  #young = new Set<string>();
  #old = new Set<string>();
  #forgotten = 0;

  constructor(options: OutcomeOptions) {
    this.#o = options;
    this.#chain = new OutcomeChain(options);
    this.#cursor = new Cursor(options.files);
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
    if (head === this.#head || this.gaveUp) return true;
    const from = { passed: this.#passed, head: this.#head };
    return (head !== ZERO_HASH && this.#passUntil(head)) || this.#advance(head, from);
  }

  get gaveUp(): boolean {
    return this.#misses >= MAX_MISSES;
  }

  /** Reads to the end: how many allows have no outcome, and one of them. */
  async finish(): Promise<{ count: number; example: string | null }> {
    do this.#passUntil("");
    while (await this.#cursor.more());
    this.#chain.end();
    const [example = null] = this.#old.size > 0 ? this.#old : this.#young;
    return { count: this.#young.size + this.#old.size + this.#forgotten, example };
  }

  async #advance(head: string, from: { readonly passed: number; readonly head: string }): Promise<boolean> {
    if (head !== ZERO_HASH) {
      while (await this.#cursor.more()) if (this.#passUntil(head)) return true;
      this.#cursor = new Cursor(this.#o.files);
      await this.#cursor.skip(from.passed);
    }
    this.#passed = from.passed;
    this.#head = from.head;
    this.#misses++;
    return false;
  }

  /** Passes what is at hand, up to the line with this hash; false when it was not there. */
  #passUntil(head: string): boolean {
    for (let item = this.#cursor.next(); item !== null; item = this.#cursor.next()) {
      this.#pass(item);
      if (this.#head === head) return true;
    }
    return false;
  }

  #pass(item: Item): void {
    const { text } = item;
    const outcome = typeof text === "string" ? readOutcome(text) : null;
    const hash = outcome === null ? "" : this.#o.runtime.sha256(text as string);
    if (++this.#passed > this.#checked) {
      this.#checked = this.#passed;
      this.#chain.take(item, outcome, hash);
    }
    if (outcome === null) return;
    this.#head = hash;
    if (outcome.id !== null && !this.#young.delete(outcome.id)) this.#old.delete(outcome.id);
  }
}

interface Item {
  readonly text: string | Damaged;
  readonly file: string;
  readonly line: number;
  /** It is the last of its file and has no newline. */
  readonly open: boolean;
}

/** Reads lines of several files, waiting only between batches. */
class Cursor {
  readonly #batches: AsyncGenerator<{
    file: string;
    first: boolean;
    lines: readonly (string | Damaged)[];
    open: boolean;
  }>;
  #lines: readonly (string | Damaged)[] = [];
  #at = 0;
  #file = "";
  #line = 1;
  #open = false;

  constructor(files: readonly LogSource[]) {
    this.#batches = batchesOf(files);
  }

  /** Null when `more` must be asked. */
  next(): Item | null {
    const text = this.#lines[this.#at];
    if (text === undefined) return null;
    this.#at++;
    const item = { text, file: this.#file, line: this.#line, open: this.#open && this.#at === this.#lines.length };
    if (typeof text === "string" || text.ends) this.#line++;
    return item;
  }

  /** Fetches what `next` gives; false at the end. To be asked only when `next` gave null. */
  async more(): Promise<boolean> {
    const next = await this.#batches.next();
    if (next.done) return false;
    const { file, first, lines, open } = next.value;
    if (first) this.#line = 1;
    this.#file = file;
    this.#lines = lines;
    this.#open = open;
    this.#at = 0;
    return true;
  }

  async skip(items: number): Promise<void> {
    for (let left = items; left > 0; ) {
      if (this.next() !== null) left--;
      else if (!(await this.more())) return;
    }
  }
}

async function* batchesOf(files: readonly LogSource[]): AsyncGenerator<{
  file: string;
  first: boolean;
  lines: readonly (string | Damaged)[];
  open: boolean;
}> {
  for (const file of files) {
    let first = true;
    for await (const { lines, open } of readLines(file.chunks())) {
      yield { file: file.name, first, lines, open };
      first = false;
    }
  }
}
