import type { Certified } from "./certificate.ts";
import type { Decision } from "./decision.ts";

/** `up`: from the client to the upstream. */
export type Direction = "up" | "down";

/** One message of a stream that was allowed by its head, whole. */
export interface Message {
  readonly direction: Direction;
  readonly protocol: "websocket" | "grpc";
  /** Valid UTF-8. */
  readonly text: boolean;
  /** What a ping or pong carries, or the reason of a close: at most 125 bytes, and never none. */
  readonly control: boolean;
  /** Decoded: unmasked, inflated, reassembled. Whoever judges must not keep it behind the answer: it is written over. */
  readonly bytes: Uint8Array;
}

export interface MessageVeto {
  readonly kind: "veto";
  readonly decision: Decision;
  /** It may not have been written yet. */
  readonly certificate: Certified;
}

/** `replace` of a text is valid UTF-8 again; of what a control frame carries it means nothing at all. */
export type MessageAnswer =
  | { readonly kind: "pass" }
  | { readonly kind: "replace"; readonly bytes: Uint8Array }
  | MessageVeto;

/** Decides the messages of one stream, both ways. */
export interface MessageGate {
  /** At most one call at a time for one direction. Never throws and never rejects: a crash is a veto. */
  judge(message: Message): MessageAnswer | Promise<MessageAnswer>;
  /** A message went over what may be held of one, so there is nothing to judge but a veto to certify. As `judge`. */
  tooLarge(direction: Direction): MessageVeto | Promise<MessageVeto>;
  /** What cannot be judged is refused with this decision, and certified. As `judge`. */
  refuse(direction: Direction, decision: Decision): MessageVeto | Promise<MessageVeto>;
  /** Somebody acts on what messages of this direction say, so that one nobody can read is none to pass. */
  looksAt(direction: Direction): boolean;
  /** 64 hex digits of a rolling SHA-256 over what passed, or null when nothing did; for the outcome. */
  transcript(): string | null;
}
