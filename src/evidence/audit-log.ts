import type { AuditSync } from "../config/config.ts";
import type { Signer } from "../crypto/signature.ts";
import { Fault, messageOf } from "../errors.ts";
import type { CertificateDraft, Recovered } from "../model/certificate.ts";
import type { Runtime } from "../runtime/contract.ts";
import { BLANK_DRAFT } from "./blank-draft.ts";
import { type Sealed, seal } from "./certificate.ts";
import { type ChainPoint, ZERO_HASH } from "./chain.ts";
import { CommitQueue, unwritable } from "./commit-queue.ts";
import type { Committed, Waiting } from "./evidence.ts";
import { Finished } from "./finished.ts";
import type { Sink } from "./journal.ts";
import type { Tail } from "./tail.ts";

/** Certificates made while the log cannot be written that are kept for it; more are only counted. */
const MAX_KEPT = 1024;
/** How many of them follow one recovery certificate. */
const KEPT_BATCH = 32;
/** How often a log that cannot be written is tried again, and a healthy one is looked after, ms. */
const RETRY_MS = 1000;
/** A commit tries by itself when the last try is longer ago than this, ms. */
const EAGER_RETRY_MS = 100;
/** Hex digits of randomness fetched at a time: 64 ids. */
const RANDOM_POOL = 1024;

const NO_LINES = new Uint8Array(0);
const encoder = new TextEncoder();

export interface AuditLogOptions {
  readonly runtime: Runtime;
  readonly signer: Signer;
  readonly orgId: string;
  readonly sync: AuditSync;
  readonly sink: Sink<ChainPoint>;
  /** The newest written outcome line's hash. */
  readonly outcomesHead: () => string;
}

/**
 * The chain of certificates: gives out `seq`, `prev` and `timestamp` in one synchronous step (#seal), and heals itself
 * after a failed write by reading the log's end again (#recover). Lines go out through CommitQueue, in `seq` order.
 */
export class AuditLog {
  readonly #o: AuditLogOptions;
  readonly #queue: CommitQueue;
  /** Where the next certificate goes. */
  #id = "";
  #seq = 0;
  #prev = ZERO_HASH;
  /** Why the log cannot be written; null while it can. */
  #problem: string | null = "the audit log is not open";
  #recovering: Promise<void> | null = null;
  #triedAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #closed = false;
  #kept: string[] = [];
  #lost = 0;
  /** The file was found gone or replaced while nothing else was wrong. */
  #moved = false;
  /** Id of the certificate whose text was made last. */
  #takenId = "";
  #random = "";
  #randomAt = 0;
  #lastNow = Number.NaN;
  #lastTimestamp = "";

  constructor(options: AuditLogOptions) {
    this.#o = options;
    this.#queue = new CommitQueue(options.sink, options.sync, options.runtime.afterTurn, (cause) => this.#broke(cause));
  }

  get problem(): string | null {
    return this.#problem;
  }

  /**
   * `locked` runs once this process owns the log and before anything is written. Rejects with the sink's own Fault
   * (`evidence_locked`) or with `evidence_unwritable`.
   */
  async start(locked: (() => Promise<void>) | null): Promise<void> {
    try {
      const tail = await this.#o.sink.open();
      await locked?.();
      this.#continueFrom(tail);
      if (tail.open) this.#o.sink.mend("\n");
      this.#problem = null;
      if (tail.tornBytes > 0 || owesLate(tail)) await this.#appended(recoveryDraft(tail, [], 0, this.#o.runtime), []);
    } catch (thrown) {
      this.#problem = "the audit log could not be opened";
      this.#o.sink.close();
      if (thrown instanceof Fault) throw thrown;
      throw new Fault("evidence_unwritable", `open the audit log: ${messageOf(thrown)}`, { cause: thrown });
    }
    this.#arm();
  }

  submit(draft: CertificateDraft, waiting: Waiting): void {
    if (this.#problem === null) this.#append(draft, NO_LINES, waiting);
    else {
      this.#recovered()
        .then(() => this.#append(draft, NO_LINES, waiting))
        .catch((thrown: unknown) => waiting.unwritable(unwritable(thrown)));
    }
  }

  commit(draft: CertificateDraft): Promise<Committed> {
    return new Promise((resolve, reject) => this.submit(draft, { written: resolve, unwritable: reject }));
  }

  async unwritten(draft: CertificateDraft): Promise<Committed> {
    const sealed = this.#seal(draft, false);
    const id = this.#takenId;
    const signed = sealed.bytes.slice();
    let signature = "";
    try {
      signature = await this.#o.signer.sign(signed);
    } catch {
      // The answer must still say what happened; a certificate nobody can verify is the honest form of that.
    }
    const made = new Finished(id, signed, sealed.ascii, signature);
    if (this.#kept.length < MAX_KEPT) this.#kept.push(made.json);
    else this.#lost++;
    return made;
  }

  async flush(): Promise<void> {
    await this.#queue.idle();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#queue.idle();
    if (this.#problem !== null || this.#kept.length > 0) await this.#recoverOnce();
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#problem = "the audit log is closed";
    this.#o.sink.close();
  }

  #appended(draft: CertificateDraft, loose: readonly string[]): Promise<Committed> {
    const lines = encoder.encode(loose.map((line) => `${line}\n`).join(""));
    return new Promise((resolve, reject) => this.#append(draft, lines, { written: resolve, unwritable: reject }));
  }

  /** `loose` lines go out right behind it. */
  #append(draft: CertificateDraft, loose: Uint8Array, waiting: Waiting): void {
    const seq = this.#seq;
    const sealed = this.#seal(draft, true);
    const id = this.#takenId;
    const signature = this.#o.signer.sign(sealed.bytes);
    // From here on the certificate has its place: nothing below may leave it without a line or a failure of the log.
    this.#seq = seq + 1;
    this.#prev = this.#o.runtime.sha256(sealed.bytes);
    if (typeof signature === "string") {
      this.#queue.put({ seq, loose, waiting }, new Finished(id, sealed.bytes, sealed.ascii, signature));
      return;
    }
    // The next certificate is sealed in the same memory.
    const signed = sealed.bytes.slice();
    this.#queue.put(
      { seq, loose, waiting },
      signature.then((value) => new Finished(id, signed, sealed.ascii, value)),
    );
  }

  /** Gives a draft its id, timestamp and place at the chain's end; `#takenId` is its id. */
  #seal(draft: CertificateDraft, chained: boolean): Sealed {
    const { runtime, signer, orgId, outcomesHead } = this.#o;
    const now = runtime.now();
    if (now !== this.#lastNow) {
      this.#lastTimestamp = new Date(now).toISOString();
      this.#lastNow = now;
    }
    if (this.#randomAt >= this.#random.length) {
      this.#random = runtime.randomHex(RANDOM_POOL / 2);
      this.#randomAt = 0;
    }
    this.#takenId = `cert_${this.#random.slice(this.#randomAt, this.#randomAt + 16)}`;
    this.#randomAt += 16;
    return seal(draft, {
      id: this.#takenId,
      orgId,
      timestamp: this.#lastTimestamp,
      kid: signer.kid,
      algorithm: signer.algorithm,
      chain: chained ? { id: this.#id, outcomes: outcomesHead(), prev: this.#prev, seq: this.#seq } : null,
    });
  }

  #broke(cause: unknown): void {
    this.#problem = messageOf(cause);
    this.#arm();
  }

  /** Rejects while the log cannot be written. */
  async #recovered(): Promise<void> {
    const idle = this.#recovering === null;
    if (!this.#closed && (!idle || this.#o.runtime.monotonic() - this.#triedAt >= EAGER_RETRY_MS)) {
      await this.#recoverOnce();
    }
    if (this.#problem !== null) throw new Error(this.#problem);
  }

  #recoverOnce(): Promise<void> {
    this.#recovering ??= this.#recover().finally(() => {
      this.#recovering = null;
    });
    return this.#recovering;
  }

  /**
   * Finds out what the log really ends with and goes on from there. The recovery certificate is written even when
   * nothing was torn: that it could be is the proof that the log is writable again.
   */
  async #recover(): Promise<void> {
    this.#problem ??= "certificates wait to be appended";
    try {
      await this.#queue.idle();
      const { sink } = this.#o;
      const tail = await sink.open();
      this.#continueFrom(tail);
      const written = new Set(tail.loose);
      this.#kept = this.#kept.filter((line) => !written.has(line));
      if (tail.open) sink.mend("\n");
      let torn = tail;
      do {
        // A few at a time: where there is room for little, little gets written, and stays written.
        const kept = this.#kept.slice(0, KEPT_BATCH);
        const lost = this.#lost;
        await this.#appended(recoveryDraft(torn, kept, lost, this.#o.runtime), kept);
        this.#kept = this.#kept.slice(kept.length);
        this.#lost -= lost;
        torn = { ...tail, loose: kept, tornBytes: 0, tornHash: this.#o.runtime.sha256("") };
      } while (this.#kept.length > 0);
      this.#problem = null;
      this.#triedAt = Number.NEGATIVE_INFINITY;
    } catch (thrown) {
      this.#problem = messageOf(thrown);
      this.#triedAt = this.#o.runtime.monotonic();
    }
  }

  #continueFrom(tail: Tail<ChainPoint>): void {
    // When the file was taken from under us its last line went with it, and only memory knows it; nothing had failed.
    const moved = this.#moved;
    this.#moved = false;
    if (moved) return;
    if (tail.last !== null) {
      this.#id = tail.last.value.id;
      this.#seq = tail.last.value.seq + 1;
      this.#prev = tail.last.value.hash;
    } else {
      this.#id = this.#o.runtime.randomHex(8);
      this.#seq = 0;
      this.#prev = ZERO_HASH;
    }
  }

  #arm(): void {
    if (this.#timer !== null || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#tend().finally(() => this.#arm());
    }, RETRY_MS);
  }

  async #tend(): Promise<void> {
    if (this.#closed) return;
    if (this.#problem === null && this.#kept.length > 0) this.#problem = "certificates wait to be appended";
    if (this.#problem === null && !(await this.#o.sink.inPlace().catch(() => true)) && this.#problem === null) {
      this.#problem = "the audit log was moved or removed";
      this.#moved = true;
    }
    if (this.#problem !== null) await this.#recoverOnce();
  }
}

function recoveryDraft(
  tail: Tail<ChainPoint>,
  kept: readonly string[],
  lost: number,
  runtime: Runtime,
): CertificateDraft {
  const recovered: Recovered = {
    // Signed, so that a recovery that was cut short can be told from one whose late certificates were taken out.
    late: tail.loose.length,
    late_hash: hashOfLines(tail.loose, runtime),
    lost,
    torn_bytes: tail.tornBytes,
    torn_hash: tail.tornHash,
    unwritten: kept.length,
    unwritten_hash: hashOfLines(kept, runtime),
  };
  return {
    ...BLANK_DRAFT,
    verdict: "fail_closed",
    reason: `audit log recovered: ${tail.tornBytes} torn bytes, ${kept.length} certificates appended late, ${lost} lost`,
    matched_pillar: "114",
    matched_vector: "evidence_recovery",
    caller: "sidecar.evidence",
    latency_ms: 0,
    phase: "recovery",
    recovered,
  };
}

function hashOfLines(lines: readonly string[], runtime: Runtime): string {
  const hasher = runtime.hasher();
  for (const line of lines) hasher.update(encoder.encode(`${line}\n`));
  return hasher.hex();
}

/** True when the log ends with a recovery and not with all of the late certificates that it names. */
function owesLate(tail: Tail<ChainPoint>): boolean {
  if (tail.last === null) return false;
  const { recovered } = JSON.parse(tail.last.text) as { readonly recovered?: Partial<Recovered> };
  return (recovered?.unwritten ?? 0) > tail.loose.length;
}
