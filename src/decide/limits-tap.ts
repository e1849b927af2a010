/** Listens to an answer on its way to the client, for what a model says it used. Never delays or changes a byte. */
import { UsageReader } from "../content/usage.ts";
import { MAX_TOKENS, type TokenUse } from "../limits/prices.ts";
import { type HeaderList, headerValue } from "../model/headers.ts";
import type { ContentCoding, Runtime } from "../runtime/contract.ts";
import { contentCodings, isVeto } from "./decode.ts";

/** As it came, still coded. */
const MAX_CODED = 1_048_576;
const MAX_DECODED = 8_388_608;

export class UsageTap {
  readonly #decode: Runtime["decode"];
  #reader: UsageReader | null = null;
  #codings: readonly ContentCoding[] = [];
  #coded: Uint8Array[] = [];
  #length = 0;

  constructor(decode: Runtime["decode"]) {
    this.#decode = decode;
  }

  head(fields: HeaderList): void {
    const codings = contentCodings(fields);
    if (isVeto(codings)) return;
    this.#codings = codings;
    const reader = new UsageReader(headerValue(fields, "content-type"));
    for (let i = 0; i + 1 < fields.length; i += 2) reader.header(fields[i] as string, fields[i + 1] as string);
    this.#reader = reader;
  }

  body(bytes: Uint8Array): void {
    if (this.#reader === null) return;
    if (this.#codings.length === 0) {
      this.#reader.push(bytes);
      return;
    }
    this.#length += bytes.length;
    if (this.#length <= MAX_CODED) this.#coded.push(bytes.slice());
    else {
      this.#reader = null;
      this.#coded = [];
    }
  }

  /** Null when the answer does not say, or cannot be read. Never rejects. */
  async end(): Promise<TokenUse | null> {
    const reader = this.#reader;
    if (reader === null || this.#codings.length === 0) return reader === null ? null : used(reader);
    try {
      let bytes = new Uint8Array(this.#length);
      let at = 0;
      for (const part of this.#coded) {
        bytes.set(part, at);
        at += part.length;
      }
      for (const coding of [...this.#codings].reverse()) {
        bytes = new Uint8Array(await this.#decode(coding, bytes, MAX_DECODED));
      }
      reader.push(bytes);
      return used(reader);
    } catch {
      // Cut short, or no such coding: what it used is not known.
      return null;
    }
  }
}

function used(reader: UsageReader): TokenUse | null {
  const usage = reader.end();
  if (usage === null) return null;
  const input = Math.min(usage.inputTokens, MAX_TOKENS);
  const cached = Math.min(usage.cachedTokens, input);
  return { input: input - cached, cached, output: Math.min(usage.outputTokens, MAX_TOKENS) };
}
