/** Dictionaries: thousands of words of an operator, found at word boundaries in one pass. */
import { Automaton } from "./automaton.ts";
import { ALNUM, KIND } from "./bytes.ts";
import type { Rule } from "./rule.ts";
import type { Sink } from "./sink.ts";

export interface DictionarySetting {
  /** Kebab-case. */
  readonly name: string;
  /** Words and phrases. ASCII letters count in either case; nothing else is folded. */
  readonly words: readonly string[];
}

const encoder = new TextEncoder();

export class Dictionaries {
  readonly #automaton: Automaton;
  readonly #rules: Rule[] = [];
  readonly #lengths: number[] = [];

  constructor(settings: readonly DictionarySetting[]) {
    const strings: Uint8Array[] = [];
    for (const { name, words } of settings) {
      const rule: Rule = {
        name,
        class: "dictionary",
        severity: "medium",
        issuer: null,
        reason: `a word of the dictionary ${name}`,
      };
      for (const word of words) {
        const bytes = encoder.encode(word.trim());
        if (bytes.length === 0) continue;
        strings.push(bytes);
        this.#rules.push(rule);
        this.#lengths.push(bytes.length);
      }
    }
    this.#automaton = new Automaton(strings);
  }

  scan(bytes: Uint8Array, sink: Sink): void {
    const { next, columns, shift, firstTelling, told } = this.#automaton;
    let state = 0;
    for (let i = 0; i < bytes.length; i++) {
      state = next[(state << shift) | (columns[bytes[i] as number] as number)] as number;
      if (state < firstTelling || joins(bytes, i, i + 1)) continue;
      for (const index of told[state - firstTelling] ?? []) {
        const start = i + 1 - (this.#lengths[index] as number);
        if (joins(bytes, start, start - 1)) continue;
        sink.add(this.#rules[index] as Rule, start, i + 1, "high");
        break;
      }
    }
    const begun = this.#automaton.depth[state] as number;
    if (begun > 0) sink.opens(bytes.length - begun);
  }
}

/** True when both are letters or digits of one word. Scripts without blanks have no such boundary: there a word may be anywhere. */
function joins(bytes: Uint8Array, inside: number, outside: number): boolean {
  if (outside < 0 || outside >= bytes.length) return false;
  return (
    ((KIND[bytes[inside] as number] as number) & ALNUM) !== 0 &&
    ((KIND[bytes[outside] as number] as number) & ALNUM) !== 0
  );
}
