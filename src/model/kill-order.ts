/** What an operator has said of the kill switch. While it is on nothing leaves; no file keeps it, a restart is off. */
export interface KillOrder {
  readonly on: boolean;
  /** The operator's words, shown to refused clients and in certificates; "" when none were given. */
  readonly reason: string;
  /** RFC 3339 time it was given; null for the off a process starts with. */
  readonly since: string | null;
}

export const KILL_OFF: KillOrder = { on: false, reason: "", since: null };
