/** What an answer says it cost: by what budgets are settled. Read as the answer passes, bounded, without holding it up. */

import { fromBase64 } from "../wire/base64.ts";
import { amazonFramer, type Framer, lineFramer, wholeFramer } from "./_frames.ts";
import { type Counted, fold } from "./_usage-fold.ts";
import { type JsonLimits, JsonTape } from "./json.ts";
import { member, stringAt } from "./json-look.ts";
import type { Usage } from "./llm.ts";

const LIMITS: JsonLimits = { bytes: 16 * 1024 * 1024, depth: 128, nodes: 1 << 20 };

/**
 * Takes an answer (codings undone) in any pieces. Counts are the provider's own word; `null` when it gave none, as for a
 * stream that was not asked to tell. Never throws: an answer that cannot be read has no usage.
 */
export class UsageReader {
  readonly #framer: Framer;
  readonly #tape = new JsonTape();
  readonly #counted: Counted = { input: -1, output: -1, cached: 0, thought: 0, total: -1, model: null };

  /** `contentType`: the answer's field, or null. */
  constructor(contentType: string | null) {
    const type = (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
    const sink = (bytes: Uint8Array): boolean => this.#fold(bytes);
    if (type === "text/event-stream") this.#framer = lineFramer((bytes) => this.#foldEvent(bytes), true);
    else if (type === "application/vnd.amazon.eventstream") this.#framer = amazonFramer(sink);
    else if (/ndjson|jsonl|json-seq|stream\+json/.test(type)) this.#framer = lineFramer(sink, false);
    else this.#framer = wholeFramer(sink);
  }

  push(chunk: Uint8Array): void {
    this.#framer.push(chunk);
  }

  /** A field of the answer's head: Bedrock counts there. */
  header(name: string, value: string): void {
    const known = name.toLowerCase();
    const count = /^\d{1,12}$/.test(value) ? Number(value) : -1;
    if (known === "x-amzn-bedrock-input-token-count") this.#counted.input = Math.max(this.#counted.input, count);
    if (known === "x-amzn-bedrock-output-token-count") this.#counted.output = Math.max(this.#counted.output, count);
  }

  /** As far as has been seen: after the last piece call `end` first. */
  get usage(): Usage | null {
    const { input, output, cached, thought, total, model } = this.#counted;
    if (input < 0 && output < 0 && total < 0) return null;
    // Embeddings have no output, and some tell the sum alone.
    const asked = input < 0 && output < 0 ? total : input;
    return {
      inputTokens: Math.max(asked, 0),
      outputTokens: Math.max(output, 0),
      cachedTokens: cached,
      reasoningTokens: thought,
      model,
    };
  }

  /** The model that answers, known before the counts are. */
  get model(): string | null {
    return this.#counted.model;
  }

  end(): Usage | null {
    this.#framer.end();
    return this.usage;
  }

  /** Nearly every event of a stream is a word of the answer: what cannot hold a count is not read. */
  #foldEvent(bytes: Uint8Array): void {
    if (this.#counted.model === null || mayCount(bytes)) this.#fold(bytes);
  }

  #fold(bytes: Uint8Array): boolean {
    const tape = this.#tape.read(bytes, LIMITS);
    if (tape.outcome !== "ok") return false;
    const inner = stringAt(tape, member(tape, 0, "bytes"), LIMITS.bytes);
    if (inner === null) fold(tape, 0, this.#counted);
    else {
      // The payload of an event that wraps the model's own answer.
      const text = fromBase64(inner);
      if (text !== null && tape.read(text, LIMITS).outcome === "ok") fold(tape, 0, this.#counted);
    }
    return true;
  }
}

/** A whole answer at once. */
export function readUsage(contentType: string | null, body: Uint8Array): Usage | null {
  const reader = new UsageReader(contentType);
  reader.push(body);
  return reader.end();
}

/** Every count's name, in an event, has `oken` in it. */
function mayCount(bytes: Uint8Array): boolean {
  for (let at = bytes.indexOf(0x6b); at !== -1; at = bytes.indexOf(0x6b, at + 1)) {
    if (bytes[at - 1] === 0x6f && bytes[at + 1] === 0x65 && bytes[at + 2] === 0x6e) return true;
  }
  return false;
}
