import type { Severity } from "../model/finding.ts";

/** One reading of a text: what it says once a disguise is undone. Valid until the next reading is made. */
export interface Reading {
  /**
   * Nothing but letters, from 0 to `count`: a–z for whatever is or looks like a Latin letter, one byte of 0x90–0xFF (a fixed
   * hash of its code point, the same for both cases) for a letter of another script, 0x7C where no phrase may go on.
   */
  readonly letters: Uint8Array;
  readonly count: number;
  /** The same with everything between the letters, mostly ASCII, for detectors of markup and commands. */
  readonly text: Uint8Array;
  /**
   * Whether likeness counts. It does for what a text says, plainly or encoded; in what was put together from parts of an
   * ordinary text (pieces in quotes, words turned round, letters taken out) only stock phrases do.
   */
  readonly learned: boolean;
}

/** What a reading says that it should not. */
export interface Match {
  readonly vector: string;
  /** In kebab-case: "instruction-override". */
  readonly name: string;
  readonly severity: Severity;
  /** In `letters`, or in `text` when `inText`; end exclusive. */
  readonly start: number;
  readonly end: number;
  readonly inText: boolean;
  /** One sentence for a person. */
  readonly reason: string;
}
