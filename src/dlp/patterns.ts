/** Patterns of an operator, matched in linear time whatever they are. */
import type { RE2JS } from "re2js";
import { Fault, messageOf } from "../errors.ts";
import type { Severity } from "../model/finding.ts";
import type { Rule } from "./rule.ts";
import type { Sink } from "./sink.ts";

export interface PatternSetting {
  /** Kebab-case. */
  readonly name: string;
  /** RE2's syntax: no look-around, no back-references. */
  readonly pattern: string;
  readonly severity?: Severity;
}

/** Longer matches may be cut where a slice ends. */
export const MAX_MATCH = 512;
/** Bytes a slice: the engine is linear but slow, a few hundred nanoseconds a byte. */
export const PATTERN_SLICE = 4096;
const MAX_PATTERN = 1000;
export const MAX_PATTERNS = 64;

/** Their package takes tens of milliseconds to load, which a start without patterns must not pay. */
let engine: typeof RE2JS | null = null;

/** Has to be awaited before patterns are compiled. */
export async function loadPatternEngine(): Promise<void> {
  engine ??= (await import("re2js")).RE2JS;
}

export class Patterns {
  readonly #compiled: readonly Compiled[];

  /** @throws Fault `policy_invalid` when one is no pattern, too long, or matches nothing at all. */
  constructor(settings: readonly PatternSetting[]) {
    if (settings.length > MAX_PATTERNS) throw new Fault("policy_invalid", `more than ${MAX_PATTERNS} patterns`);
    this.#compiled = settings.map(({ name, pattern, severity = "medium" }) => ({
      rule: { name, class: "pattern", severity, issuer: null, reason: `what the pattern ${name} describes` },
      expression: compiled(name, pattern),
    }));
  }

  get count(): number {
    return this.#compiled.length;
  }

  /** One of them. */
  scan(index: number, bytes: Uint8Array, sink: Sink): void {
    const { rule, expression } = this.#compiled[index] as Compiled;
    const matcher = expression.matcher(bytes);
    while (matcher.find()) {
      const start = matcher.start();
      const end = matcher.end();
      if (start !== null && end !== null && end > start) sink.add(rule, start, end, "high");
    }
  }
}

interface Compiled {
  readonly rule: Rule;
  readonly expression: RE2JS;
}

function compiled(name: string, pattern: string): RE2JS {
  if (pattern.length > MAX_PATTERN)
    throw new Fault("policy_invalid", `pattern ${name} is longer than ${MAX_PATTERN} characters`);
  if (engine === null) throw new Fault("policy_invalid", "the engine of patterns has not been loaded");
  let expression: RE2JS;
  try {
    expression = engine.compile(pattern);
  } catch (thrown) {
    throw new Fault("policy_invalid", `pattern ${name}: ${messageOf(thrown)}`);
  }
  if (expression.matcher("").find()) throw new Fault("policy_invalid", `pattern ${name} matches the empty text`);
  return expression;
}
