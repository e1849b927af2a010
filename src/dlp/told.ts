/** The findings of one body: of those that are only told as many as anybody can use, of those that are wanted all. */
import type { DlpFinding } from "./finding.ts";

/** Of one name and mode: what vetoes vetoes once, what is watched leads to nothing, and what is taken out is looked for again. */
const MAX_ALIKE = 2000;
/** A body of which more has to be taken out is no body that anybody meant to send. */
const MAX_WANTED = 100_000;
const FINDINGS_A_TURN = 2000;

export class Told {
  /** In the order of their starts, as is what is added between two calls of `settle`. */
  #settled: DlpFinding[] = [];
  #added: DlpFinding[] = [];
  /** More was found than may be told, though nothing may be left out. */
  full = false;
  readonly #wanted: ((finding: DlpFinding) => boolean) | null;
  readonly #counts = { shadow: new Map<string, number>(), enforce: new Map(), sanitize: new Map() };

  /** `wanted`: only these, and all of them. */
  constructor(wanted: ((finding: DlpFinding) => boolean) | null) {
    this.#wanted = wanted;
  }

  /** False: nobody can use one more of these. */
  room(name: string, mode: DlpFinding["mode"]): boolean {
    if (this.#wanted !== null) return true;
    const counts = this.#counts[mode];
    const count = counts.get(name) ?? 0;
    if (count >= MAX_ALIKE) return false;
    counts.set(name, count + 1);
    return true;
  }

  add(finding: DlpFinding): void {
    if (this.#wanted !== null && !this.#wanted(finding)) return;
    if (this.#settled.length + this.#added.length >= MAX_WANTED) this.full = true;
    else this.#added.push(finding);
  }

  /** All that was added, in the order of their starts. */
  *settle(): Generator<void, readonly DlpFinding[]> {
    const [one, other] = [this.#settled, this.#added];
    if (other.length === 0) return one;
    this.#added = [];
    if (one.length === 0) {
      this.#settled = other;
      return other;
    }
    const merged: DlpFinding[] = [];
    for (let i = 0, k = 0; i < one.length || k < other.length; ) {
      const [first, second] = [one[i], other[k]];
      if (second === undefined || (first !== undefined && first.start <= second.start)) {
        merged.push(first as DlpFinding);
        i++;
      } else {
        merged.push(second);
        k++;
      }
      if (merged.length % FINDINGS_A_TURN === 0) yield;
    }
    this.#settled = merged;
    return merged;
  }
}

/** What is put together from several values, which is told where nothing surer stands by itself. Not redactable. */
export class Joined {
  readonly #told: Told;
  readonly #others: readonly DlpFinding[];
  #next = 0;

  /** `others`: what stands by itself, in the order of their starts. */
  constructor(told: Told, others: readonly DlpFinding[]) {
    this.#told = told;
    this.#others = others;
  }

  /** In the order of their starts, from call to call too. */
  add(found: readonly DlpFinding[]): void {
    const others = this.#others;
    for (const finding of found) {
      let other = others[this.#next];
      while (other !== undefined && (other.end <= finding.start || !isSurer(other, finding)))
        other = others[++this.#next];
      if (other === undefined || other.start >= finding.end) this.#told.add({ ...finding, redactable: false });
    }
  }
}

function isSurer(other: DlpFinding, finding: DlpFinding): boolean {
  return other.confidence === "high" && other.class === "secret" && other.mode === finding.mode;
}
