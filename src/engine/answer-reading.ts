import type { AnswerProfile } from "./answer-profile.ts";
import type { AnswerTally } from "./answer-tally.ts";
import type { Ruled } from "./engine.ts";

/** One answer being read. Each step of a generator is a millisecond of work or less. */
export interface AnswerReading {
  /** Takes the next bytes. The veto it comes to, or null. */
  take(bytes: Uint8Array): Generator<void, Ruled | null>;
  /** There are no more. */
  end(): Generator<void, Ruled | null>;
  /** Bytes from the answer's beginning that may leave. */
  readonly free: number;
  /** Bytes of a message that is not whole, and what else is kept beyond what every answer takes. */
  readonly kept: number;
  /** What may leave ends where something whole does. */
  readonly between: boolean;
}

/** What one answer's readings share. */
export interface Reader {
  readonly profile: AnswerProfile;
  readonly tally: AnswerTally;
  readonly host: string;
}
