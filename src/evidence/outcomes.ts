import type { AuditSync } from "../config/config.ts";
import { textJson } from "../crypto/canonical.ts";
import { messageOf } from "../errors.ts";
import type { Outcome } from "../model/certificate.ts";
import type { Runtime } from "../runtime/contract.ts";
import { type ChainPoint, ZERO_HASH } from "./chain.ts";
import type { Sink } from "./journal.ts";

/** A batch is written when it has this many lines or is this old (ms). */
const BATCH = 64;
const BATCH_MS = 50;
/** Outcomes kept while the file cannot be written; more are counted as lost. */
const MAX_WAITING = 8192;
const RETRY_MS = 1000;

export interface OutcomeLogOptions {
  readonly runtime: Runtime;
  readonly sync: AuditSync;
  readonly sink: Sink<ChainPoint>;
}

/**
 * How allowed egresses ended, as hash-chained lines. Losing some is no reason to stop traffic: `verify` reports an allow
 * without an outcome as unknown, and the line after a failure says how many were lost.
 */
export class OutcomeLog {
  readonly #o: OutcomeLogOptions;
  #waiting: Outcome[] = [];
  #lost = 0;
  #seq = 0;
  #prev = ZERO_HASH;
  #head = ZERO_HASH;
  #problem: string | null = "the outcome log is not open";
  #timer: ReturnType<typeof setTimeout> | null = null;
  #flushing: Promise<void> | null = null;
  #closed = false;

  constructor(options: OutcomeLogOptions) {
    this.#o = options;
  }

  /** sha256 hex of the newest line that is written (and, under a sync policy, synced). */
  get head(): string {
    return this.#head;
  }

  get problem(): string | null {
    return this.#problem;
  }

  /** Rejects as the sink does. */
  async start(): Promise<void> {
    await this.#open();
    this.#problem = null;
  }

  settle(outcome: Outcome): void {
    if (this.#waiting.length >= MAX_WAITING || this.#closed) {
      this.#lost++;
      return;
    }
    this.#waiting.push(outcome);
    if (this.#waiting.length >= BATCH && this.#problem === null) void this.flush();
    else this.#arm(this.#problem === null ? BATCH_MS : RETRY_MS);
  }

  /** Writes what waits. Resolves also when that fails: it is then tried again. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = null;
    });
    return this.#flushing;
  }

  async close(): Promise<void> {
    await this.flush();
    if (this.#waiting.length > 0) await this.flush();
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#problem = "the outcome log is closed";
    this.#o.sink.close();
  }

  async #flush(): Promise<void> {
    if (this.#closed) return;
    try {
      if (this.#problem !== null) {
        await this.#open();
        this.#problem = null;
      }
      while (this.#waiting.length > 0) await this.#writeBatch();
    } catch (thrown) {
      this.#problem = messageOf(thrown);
      this.#arm(RETRY_MS);
    }
  }

  async #writeBatch(): Promise<void> {
    const batch = this.#waiting.slice(0, BATCH * 4);
    const { runtime, sink, sync } = this.#o;
    let { seq, prev } = { seq: this.#seq, prev: this.#prev };
    let lines = "";
    for (const outcome of batch) {
      const line = outcomeLine(outcome, prev, seq++);
      prev = runtime.sha256(line);
      lines += `${line}\n`;
    }
    sink.append(lines, this.#seq);
    this.#waiting.splice(0, batch.length);
    this.#seq = seq;
    this.#prev = prev;
    // A certificate must not name a line that a power cut could still take back.
    if (sync !== "none") await sink.sync();
    this.#head = prev;
  }

  /** Goes on from the file's end. */
  async #open(): Promise<void> {
    const { sink, runtime } = this.#o;
    const tail = await sink.open();
    if (tail.last !== null) {
      // Lines of a failed batch that did arrive are not written twice.
      const { certificate_id } = JSON.parse(tail.last.text) as Partial<Outcome>;
      const arrived = this.#waiting.findIndex((outcome) => outcome.certificate_id === certificate_id);
      this.#waiting.splice(0, arrived + 1);
      this.#seq = tail.last.value.seq + 1;
      this.#prev = tail.last.value.hash;
    }
    if (tail.open) sink.mend("\n");
    if (tail.tornBytes > 0 || this.#lost > 0) {
      const recovered = { lost: this.#lost, torn_bytes: tail.tornBytes, torn_hash: tail.tornHash };
      const line = JSON.stringify({ prev: this.#prev, recovered, seq: this.#seq });
      sink.append(`${line}\n`, this.#seq);
      this.#lost -= recovered.lost;
      this.#seq++;
      this.#prev = runtime.sha256(line);
    }
    this.#head = this.#prev;
  }

  #arm(ms: number): void {
    if (this.#timer !== null || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.flush();
    }, ms);
  }
}

/** Members in canonical order, as everywhere in evidence. Addresses, ids and protocols are ours and need no escape. */
function outcomeLine(outcome: Outcome, prev: string, seq: number): string {
  const { address, certificate_id: id, protocol, answer = null, transcript = null } = outcome;
  return (
    `{"address":${address === null ? "null" : `"${address}"`},` +
    `${answer === null ? "" : `"answer":"${answer}",`}"bytes_down":${outcome.bytes_down},` +
    `"bytes_up":${outcome.bytes_up},"certificate_id":"${id}",` +
    `"duration_ms":${Math.round(outcome.duration_ms * 1000) / 1000},"error":${textJson(outcome.error)},` +
    `"prev":"${prev}","protocol":${protocol === null ? "null" : `"${protocol}"`},"seq":${seq},` +
    `"severed":${outcome.severed},"status":${outcome.status}${transcript === null ? "" : `,"transcript":"${transcript}"`}}`
  );
}
