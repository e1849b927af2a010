/** Who can throw the kill switch: an operator at the admin port, a file that is there, a signal. */
export type KillSource = "admin" | "file" | "signal";

/** What holds of the kill switch. While it is on nothing leaves. */
export interface KillOrder {
  readonly on: boolean;
  /** The operator's words, shown to refused clients and in certificates; "" when none were given. */
  readonly reason: string;
  /** RFC 3339 time it was given; null for the off a process starts with. */
  readonly since: string | null;
  /** Whoever says on; it is off when nobody does. */
  readonly sources: readonly KillSource[];
}

export const KILL_OFF: KillOrder = { on: false, reason: "", since: null, sources: [] };

export const MAX_KILL_REASON = 200;
