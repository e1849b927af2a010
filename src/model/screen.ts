import type { Decision } from "./decision.ts";
import type { HeaderList } from "./headers.ts";

/** An answer as its head tells of it. */
export interface ScreenedHead {
  readonly status: number;
  readonly headers: HeaderList;
  /** Content-Length, or -1 when it is not told. */
  readonly contentLength: number;
  /** The fields that say how to read it say `application/json`, and nothing else: none has to be asked. Absent: false. */
  readonly plainJson?: boolean;
}

export interface ScreenStep {
  /** Bytes, from the front of those that have been given and have not left, that may leave now. */
  readonly release: number;
  /** Nothing more of the answer may leave. Said once and for all. */
  readonly veto: Decision | null;
  /** Work is left: call `more` in another turn, and give nothing before it says false. */
  readonly more: boolean;
}

/**
 * Decides one answer while it passes. Bytes are given as they come from the upstream, content-encoded and without
 * framing, and leave as they are. Never throws, never rejects; one call at a time.
 */
export interface AnswerGuard {
  /** Nothing leaves before the end: a veto can still be an answer of its own. */
  readonly holdWhole: boolean;
  /**
   * Nothing that may be found in it ends the answer, so its bytes may leave before they are given. What cannot be looked at
   * at all is a veto still, behind what has left.
   */
  readonly watchesOnly: boolean;
  /** The veto on the head alone, or null. Nothing is given then. */
  readonly atHead: Decision | null;
  /** A promise only for an answer whose codings have to be undone. `bytes` stay as they are while more is to be done. */
  push(bytes: Uint8Array): ScreenStep | Promise<ScreenStep>;
  more(): ScreenStep;
  end(): ScreenStep | Promise<ScreenStep>;
  /** After `end` without a veto: the allow, which says what would have been a veto (`would`) and what was found. */
  readonly allowed: Decision;
  /** Bytes it keeps itself for now, copied or decoded, of what it was given: the message that is not whole. */
  readonly kept: number;
  /**
   * After a veto in the middle of an answer: what the client is sent before it is severed; null when its protocol has no
   * end for that. `certificateId`: of the veto.
   */
  ending(veto: Decision, certificateId: string): Uint8Array | null;
  /** When nobody is interested any more. Idempotent. */
  close(): void;
}
