import type { Egress } from "../model/egress.ts";

/** `revoked`: policy no longer allows it; `killed`: the kill switch; `drained`: the gateway ends. */
export type SeverReason = "revoked" | "killed" | "drained";

/** Something that is still carrying bytes under a permit. */
export interface Live {
  readonly egress: Egress;
  /** It is carried unseen because policy calls its place opaque, and only as long as it does. */
  readonly opaque?: boolean;
  /** Its place in the LiveSet, which alone writes it; -1 while it is in none. */
  place: number;
  /** Cuts it: its permit no longer holds. The reason is the outcome's error. */
  sever(reason: SeverReason): void;
}

/**
 * What is live, for drain, the kill switch and policy changes. Not a Set: every request joins and leaves, and the tables
 * a Set outgrows keep their last entries, and each other, alive until a full collection (measured: a third of
 * all memory that requests used survived the young generation).
 */
export class LiveSet {
  readonly #members: Live[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** Of them the tunnels and WebSockets, counted now. */
  get tunnels(): number {
    let count = 0;
    for (const { egress } of this.#members) if (egress.phase === "tunnel" || egress.upgrade !== null) count++;
    return count;
  }

  add(live: Live): void {
    if (live.place !== -1) return;
    live.place = this.#members.length;
    this.#members.push(live);
  }

  delete(live: Live): void {
    const { place } = live;
    if (place === -1) return;
    const last = this.#members.pop() as Live;
    if (last !== live) {
      this.#members[place] = last;
      last.place = place;
    }
    live.place = -1;
  }

  /** A copy: members leave while they are severed. */
  all(): Live[] {
    return this.#members.slice();
  }
}
