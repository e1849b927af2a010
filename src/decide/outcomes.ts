/** Tells a plane what came of that which its limits let go. Nothing that leaves ever waits for it. */
import { LEASE_MS } from "../limits/claims.ts";
import type { TokenUse } from "../limits/prices.ts";
import type { Carried } from "../limits/settlement.ts";
import type { HttpReply, Runtime } from "../runtime/contract.ts";
import { NOT_SENT } from "./limits-reservation.ts";
import { UsageTap } from "./limits-tap.ts";
import { MAX_OUTCOMES, MAX_OUTCOMES_BYTES, type Outcome, type Settle } from "./outcome-schema.ts";

export interface OutboxOptions {
  /** Rejects when nobody answers. */
  readonly send: (body: Uint8Array) => Promise<Pick<HttpReply, "status">>;
  readonly decode: Runtime["decode"];
  /** Told of what the plane will never hear of: it stays as it was reserved. */
  readonly lost: (outcomes: number) => void;
  readonly retryMs?: number;
  readonly renewMs?: number;
}

/** Outcomes that wait; of more the oldest are given up. */
const MAX_WAITING = 4096;
const RETRY_MS = 1_000;
/** An end of the process waits no longer for a plane. */
const CLOSE_MS = 3_000;

export class Outbox {
  readonly #options: OutboxOptions;
  #waiting: Outcome[] = [];
  /** What is under way, by its token. */
  readonly #open = new Set<string>();
  #sending: Promise<void> | null = null;
  #renewing: ReturnType<typeof setInterval> | null = null;
  #closed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** What an answer of the plane has reserved for an egress that may leave. */
  open(settle: Settle): PlaneReservation {
    this.#open.add(settle.token);
    this.#renewing ??= setInterval(() => this.#renew(), this.#options.renewMs ?? LEASE_MS / 3);
    return new PlaneReservation(settle, this.#options.decode, (carried, use) => this.end(settle.token, carried, use));
  }

  end(settle: string, carried: Carried, use: TokenUse | null): void {
    this.#open.delete(settle);
    if (this.#open.size === 0) this.#rest();
    const { sent, status, bytesUp: bytes_up, bytesDown: bytes_down, error } = carried;
    const usage = use === null ? null : { input: use.input, cached: use.cached, output: use.output };
    this.#add({ settle, ended: { sent, status, bytes_up, bytes_down, whole: error === null, usage } });
  }

  /** What waits is still told, or given up with the last try, or when it takes too long. Never rejects. */
  close(): Promise<void> {
    this.#closed = true;
    this.#rest();
    const told = this.#sending ?? Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CLOSE_MS);
      void told.finally(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #rest(): void {
    if (this.#renewing !== null) clearInterval(this.#renewing);
    this.#renewing = null;
  }

  #renew(): void {
    for (const settle of this.#open) this.#add({ settle, ended: null });
  }

  #add(outcome: Outcome): void {
    this.#waiting.push(outcome);
    if (this.#waiting.length > MAX_WAITING) this.#giveUp(this.#waiting.splice(0, this.#waiting.length - MAX_WAITING));
    // At once when nothing is on its way; else with all that comes meanwhile.
    this.#sending ??= this.#send();
  }

  async #send(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#waiting.splice(0, fitting(this.#waiting));
        if (await this.#tell(batch)) continue;
        if (this.#closed) {
          this.#giveUp(batch);
          continue;
        }
        // Beats of the past say nothing; ends do.
        const ends = batch.filter(({ ended }) => ended !== null);
        this.#waiting = [...ends, ...this.#waiting].slice(-MAX_WAITING);
        await pause(this.#options.retryMs ?? RETRY_MS);
      }
    } finally {
      this.#sending = null;
    }
  }

  /** False: it is worth another try. */
  async #tell(outcomes: readonly Outcome[]): Promise<boolean> {
    try {
      const { status } = await this.#options.send(encoder.encode(JSON.stringify({ v: 1, outcomes })));
      if (status >= 500) return false;
      if (status !== 200) this.#giveUp(outcomes);
      return true;
    } catch {
      return false;
    }
  }

  #giveUp(outcomes: readonly Outcome[]): void {
    const ends = outcomes.filter(({ ended }) => ended !== null).length;
    if (ends > 0) this.#options.lost(ends);
  }
}

/** As a `Reservation` of this process's own limits, for who carries an egress out. */
export class PlaneReservation {
  readonly tap: UsageTap | null;
  readonly #tell: (carried: Carried, use: TokenUse | null) => void;
  #over = false;

  constructor({ usage }: Settle, decode: Runtime["decode"], tell: (carried: Carried, use: TokenUse | null) => void) {
    this.tap = usage ? new UsageTap(decode) : null;
    this.#tell = tell;
  }

  /** Nothing has left. */
  release(): void {
    this.settle(NOT_SENT);
  }

  /** Once; never throws. */
  settle(carried: Carried): void {
    if (this.#over) return;
    this.#over = true;
    if (this.tap === null || !carried.sent) this.#tell(carried, null);
    else void this.tap.end().then((use) => this.#tell(carried, use));
  }
}

/** How many from the front are one request: at least one, which a token's bound sees to. */
function fitting(outcomes: readonly Outcome[]): number {
  let bytes = 64;
  let count = 0;
  for (const { settle } of outcomes.slice(0, MAX_OUTCOMES)) {
    bytes += settle.length + 256;
    if (bytes > MAX_OUTCOMES_BYTES) break;
    count++;
  }
  return Math.max(1, count);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const encoder = new TextEncoder();
