import type { Confidence, Hit, Rule } from "./rule.ts";

/** More than this are not told of one body: by then it is clear what it is. */
export const MAX_HITS = 10_000;

/** Takes what detectors find. */
export class Sink {
  hits: Hit[] = [];
  /** How what is being scanned stands in the body. */
  view = "plain";
  /** While something decoded is scanned: the range all of it is told as; -1 otherwise. */
  #start = -1;
  #end = -1;
  /** Values under names before this place have been judged. */
  judged = 0;
  /** Up to here no word stands that tells what a number is. */
  silentUntil = 0;
  /** Up to here such a word is taken to stand near. */
  spokenUntil = 0;
  /** Looks at the words around a number that are left: a table of numbers must not cost more than a text. */
  looks = 1500;
  /** Values under names that may still be judged: each costs as much as a kilobyte of text. */
  judgements = 400;

  add(rule: Rule, start: number, end: number, confidence: Confidence): void {
    if (this.hits.length >= MAX_HITS) return;
    const whole = this.#start !== -1;
    this.hits.push({
      rule,
      start: whole ? this.#start : start,
      end: whole ? this.#end : end,
      confidence,
      view: this.view,
    });
  }

  /** Runs `scan`; what it finds is told as this range, under this view. */
  within(start: number, end: number, view: string, scan: () => void): void {
    const before = this.view;
    const { judged } = this;
    this.judged = 0;
    this.#start = start;
    this.#end = end;
    this.view = view;
    scan();
    this.#start = this.#end = -1;
    this.view = before;
    this.judged = judged;
  }
}
