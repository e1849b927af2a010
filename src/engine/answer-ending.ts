/** How an answer ends that is vetoed in its middle, in the words of its own protocol. */
import type { AnswerKind } from "./answer-kind.ts";

export interface AnswerRefusal {
  /** BLOCK or FAIL_CLOSED. */
  readonly status: string;
  readonly reason: string;
  readonly pillar: string | null;
  readonly vector: string | null;
  readonly certificate_id: string;
}

const encoder = new TextEncoder();

/**
 * Server-sent events: an `error` event; lines of JSON: one more line. Null: nothing can be said, and severing is all.
 * `between` false: what has left ends within a message, so that line is ended first, and what there was of it is broken.
 * The member `error` is what clients of models show (OpenAI's keeps nothing else); the others are those of a refusal.
 */
export function answerEnding(kind: AnswerKind, between: boolean, ended: AnswerRefusal): Uint8Array | null {
  const { status, reason, pillar, vector, certificate_id } = ended;
  const error = { type: "vetoed", code: vector, message: reason, certificate_id };
  const data = JSON.stringify({ status, reason, pillar, vector, certificate_id, error });
  if (kind === "events") return encoder.encode(`${between ? "" : "\n\n"}event: error\ndata: ${data}\n\n`);
  if (kind === "lines") return encoder.encode(`${between ? "" : "\n"}${data}\n`);
  return null;
}
