import type { Certified } from "./certificate.ts";
import type { Decision } from "./decision.ts";
import type { MessageGate } from "./message.ts";
import type { AnswerGuard, ScreenedHead } from "./screen.ts";

/** What is decided inside an exchange that was let go: its answer, and the messages it goes on with. */
export interface Within {
  /** For the answer; null: nothing in it is looked at. Throws only by a defect. */
  screen(head: ScreenedHead): AnswerGuard | null;
  /** Certifies a veto of the answer, under the request's certificate. Never rejects. */
  vetoed(decision: Decision): Promise<Certified>;
  /** Certifies what was found in an answer that passed only because nobody enforces it. */
  watched(decision: Decision): void;
  /** For both directions of a stream. Each call makes a new one. */
  messages(): MessageGate;
}
