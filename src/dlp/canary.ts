/** Exact tokens an operator has planted, in the clear or disguised. */
import { Automaton } from "./automaton.ts";
import type { Rule } from "./rule.ts";
import type { Sink } from "./sink.ts";

/** A shorter token would be met by accident, above all in its encodings. */
export const MIN_CANARY = 8;
export const MAX_CANARIES = 1000;

const RULE: Rule = {
  name: "canary",
  class: "canary",
  severity: "critical",
  issuer: null,
  reason: "a planted canary token",
};
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const encoder = new TextEncoder();

interface Form {
  readonly bytes: Uint8Array;
  readonly view: string;
  /** Letters count in either case. */
  readonly fold: boolean;
}

export class Canaries {
  readonly #automaton: Automaton;
  readonly #forms: Form[];

  constructor(tokens: readonly string[]) {
    this.#forms = tokens.flatMap(formsOf);
    this.#automaton = new Automaton(this.#forms.map((form) => form.bytes));
  }

  scan(bytes: Uint8Array, sink: Sink): void {
    const { next, columns, shift, firstTelling, told } = this.#automaton;
    let state = 0;
    for (let i = 0; i < bytes.length; i++) {
      state = next[(state << shift) | (columns[bytes[i] as number] as number)] as number;
      if (state < firstTelling) continue;
      for (const index of told[state - firstTelling] ?? []) {
        const form = this.#forms[index] as Form;
        const start = i + 1 - form.bytes.length;
        if (!form.fold && !equal(bytes, start, form.bytes)) continue;
        sink.view = form.view;
        sink.add(RULE, start, i + 1, "high");
        sink.view = "plain";
      }
    }
    const begun = this.#automaton.depth[state] as number;
    if (begun > 0) sink.opens(bytes.length - begun);
  }
}

function equal(bytes: Uint8Array, start: number, form: Uint8Array): boolean {
  for (let i = 0; i < form.length; i++) if (bytes[start + i] !== form[i]) return false;
  return true;
}

function formsOf(token: string): Form[] {
  const bytes = encoder.encode(token);
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0"));
  const forms: Form[] = [
    { bytes, view: "plain", fold: true },
    { bytes: bytes.slice().reverse(), view: "reversed", fold: true },
    { bytes: encoder.encode(hex.join("")), view: "hex", fold: true },
    { bytes: encoder.encode(hex.map((pair) => `%${pair}`).join("")), view: "percent", fold: true },
  ];
  const escaped = encodeURIComponent(token);
  if (escaped !== token) forms.push({ bytes: encoder.encode(escaped), view: "percent", fold: true });
  for (let lead = 0; lead < 3; lead++) {
    const text = inBase64(bytes, lead);
    forms.push({ bytes: encoder.encode(text), view: "base64", fold: false });
    const url = text.replaceAll("+", "-").replaceAll("/", "_");
    if (url !== text) forms.push({ bytes: encoder.encode(url), view: "base64", fold: false });
  }
  return forms;
}

/** The characters of base64 that say only these bytes when `lead` bytes of anything stand before them. */
function inBase64(bytes: Uint8Array, lead: number): string {
  let text = "";
  const firstBit = lead * 8;
  const lastBit = firstBit + bytes.length * 8;
  for (let bit = Math.ceil(firstBit / 6) * 6; bit + 6 <= lastBit; bit += 6) {
    let value = 0;
    for (let i = bit; i < bit + 6; i++) {
      const at = i - firstBit;
      value = (value << 1) | (((bytes[at >> 3] as number) >> (7 - (at & 7))) & 1);
    }
    text += ALPHABET.charAt(value);
  }
  return text;
}
