import { canonicalize } from "../crypto/canonical.ts";
import type { Digest } from "../crypto/digest.ts";

/** The `prev` of a first line, and the `outcomes` before any. */
export const ZERO_HASH = "0".repeat(64);

/** A place in a chain of lines: all that the next line needs to know. */
export interface ChainPoint {
  /** Identity of the log; "" where lines carry none (outcomes). */
  readonly id: string;
  readonly seq: number;
  /** What the next line gives as `prev`. */
  readonly hash: string;
}

/** Reads an audit line as a link: its hash is of the signed bytes. */
export function auditLink(digest: Pick<Digest, "sha256">, text: string): ChainPoint | "loose" | null {
  const value = parseObject(text);
  if (value === null || typeof value.certificate_id !== "string" || typeof value.signature !== "string") return null;
  if (value.chain === null) return "loose";
  const chain = value.chain as Record<string, unknown> | undefined;
  const id = chain?.id;
  const seq = chain?.seq;
  if (typeof id !== "string" || !/^[0-9a-f]{16}$/.test(id) || !isSeq(seq)) return null;
  const { signature: _, ...signed } = value;
  return { id, seq, hash: digest.sha256(canonicalize(signed)) };
}

/** Reads an outcome line as a link: its hash is of the line. */
export function outcomeLink(digest: Pick<Digest, "sha256">, text: string): ChainPoint | null {
  const value = parseObject(text);
  if (value === null || typeof value.prev !== "string" || !isSeq(value.seq)) return null;
  return { id: "", seq: value.seq, hash: digest.sha256(text) };
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
