/** What a model's answer says it used, read as it streams by. Bounded: what is too long to be kept says nothing. */
import { MAX_TOKENS, type TokenUse } from "./prices.ts";

/** Of a whole JSON answer, and of one line of a stream. */
const MAX_KEPT = 1_048_576;
const MAX_LINE = 262_144;

type Json = Readonly<Record<string, unknown>>;

export class UsageReader {
  readonly #stream: boolean;
  readonly #decoder = new TextDecoder();
  #parts: Uint8Array[] = [];
  #length = 0;
  /** What has been kept is too long already. */
  #over = false;
  #use: TokenUse | null = null;

  /** `stream`: server-sent events or JSON lines; else one JSON text. */
  constructor(stream: boolean) {
    this.#stream = stream;
  }

  /** `bytes` are not kept. */
  push(bytes: Uint8Array): void {
    if (!this.#stream) {
      this.#keep(bytes, MAX_KEPT);
      return;
    }
    let from = 0;
    for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, from)) {
      this.#keep(bytes.subarray(from, end), MAX_LINE);
      this.#line();
      from = end + 1;
    }
    this.#keep(bytes.subarray(from), MAX_LINE);
  }

  /** The largest of every count that was told; null when none was. */
  end(): TokenUse | null {
    this.#line();
    return this.#use;
  }

  #keep(bytes: Uint8Array, most: number): void {
    if (this.#over || bytes.length === 0) return;
    this.#length += bytes.length;
    if (this.#length > most) {
      this.#over = true;
      this.#parts = [];
    } else this.#parts.push(bytes.slice());
  }

  #line(): void {
    const parts = this.#parts;
    const whole = parts.length === 1 ? (parts[0] as Uint8Array) : joined(parts, this.#over ? 0 : this.#length);
    this.#parts = [];
    this.#length = 0;
    this.#over = false;
    if (whole.length === 0) return;
    const text = this.#decoder.decode(whole);
    if (!/usage|_eval_count/i.test(text)) return;
    const json = this.#stream ? text.replace(/^data:/, "") : text;
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch {
      return;
    }
    for (const each of Array.isArray(value) ? value : [value]) this.#read(each);
  }

  #read(value: unknown): void {
    if (!isMap(value)) return;
    for (const holder of [value, value.message, value.response]) {
      if (!isMap(holder)) continue;
      for (const use of [holder.usage, holder.usageMetadata, holder.metadata]) this.#add(useOf(use));
    }
    if ("eval_count" in value)
      this.#add(useOf({ input_tokens: value.prompt_eval_count, output_tokens: value.eval_count }));
  }

  #add(use: TokenUse | null): void {
    const old = this.#use;
    if (use === null) return;
    const most = (key: keyof TokenUse): number => Math.max(old?.[key] ?? 0, use[key]);
    this.#use = {
      input: most("input"),
      cached: most("cached"),
      cacheWrite: most("cacheWrite"),
      output: most("output"),
    };
  }
}

function useOf(found: unknown): TokenUse | null {
  if (!isMap(found)) return null;
  const usage = isMap(found.usage) ? found.usage : found;
  const one = (...names: readonly string[]): number | null => {
    for (const name of names) {
      const value = usage[name];
      if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return Math.min(value, MAX_TOKENS);
    }
    return null;
  };
  const inner = (name: string, key: string): number => {
    const details = usage[name];
    const value = isMap(details) ? details[key] : undefined;
    return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? Math.min(value, MAX_TOKENS) : 0;
  };
  const all = one("prompt_tokens", "input_tokens", "promptTokenCount", "inputTokens");
  const output = one("completion_tokens", "output_tokens", "candidatesTokenCount", "outputTokens");
  const total = one("total_tokens", "totalTokenCount", "totalTokens") ?? 0;
  if (all === null && output === null && total === 0) return null;
  // Some count what came from a cache in the input (OpenAI, Gemini), some beside it (Anthropic, Bedrock).
  const within = Math.min(
    all ?? 0,
    (one("cachedContentTokenCount") ?? 0) +
      inner("prompt_tokens_details", "cached_tokens") +
      inner("input_tokens_details", "cached_tokens"),
  );
  const beside = one("cache_read_input_tokens", "cacheReadInputTokens") ?? 0;
  const cacheWrite = one("cache_creation_input_tokens", "cacheWriteInputTokens") ?? 0;
  const input = (all ?? 0) - within + (one("toolUsePromptTokenCount") ?? 0);
  const answered = (output ?? 0) + (one("thoughtsTokenCount") ?? 0);
  const cached = within + beside;
  // A total that is more than its parts has one that is not known here: it is counted as the dearest, output.
  const rest = Math.max(0, total - input - cached - cacheWrite - answered);
  return { input, cached, cacheWrite, output: answered + rest };
}

function isMap(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of length === 0 ? [] : parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
