/**
 * CEL and linear-time regular expressions. Their packages need tens of milliseconds to load, which a start without
 * them must not pay: they are loaded when a policy that names one of them is, before it is compiled.
 */
import { loadPatternEngine } from "../dlp/dlp.ts";
import type { Asked, Truth } from "./asked.ts";
import type { PolicySource } from "./document.ts";

export interface CelProblem {
  readonly problem: string;
  /** From 1, in the expression. */
  readonly line: number;
  readonly column: number;
}

export interface CelProgram {
  /** Of the question it reads nothing but what a tunnel has. */
  readonly tunnel: boolean;
  /** It reads what evidence does not keep. */
  readonly content: boolean;
  /** Over all readings of what it reads of the request: SOME where they differ. A text says why it could not be evaluated. */
  test(asked: Asked): Truth | string;
}

export interface Engines {
  /** A text says what is wrong with the expression. */
  regex(text: string): ((text: string) => boolean) | string;
  cel(text: string): CelProgram | CelProblem;
}

const ABSENT = "CEL and regular expressions are not to be had here (docs/policy.md)";
const NONE: Engines = { regex: () => ABSENT, cel: () => ({ problem: ABSENT, line: 1, column: 1 }) };

let loaded: Engines = NONE;

/** Those that are loaded; without them every expression is a problem. */
export function engines(): Engines {
  return loaded;
}

/** Has to be awaited before `compilePolicy` of files in which an expression may stand. */
export async function loadEngines(sources: readonly PolicySource[]): Promise<void> {
  if (sources.some(({ text }) => /patterns/.test(text))) await loadPatternEngine();
  if (loaded !== NONE || !sources.some(({ text }) => /cel|regex/.test(text))) return;
  const { scriptEngines } = await import("./_scripts.ts");
  loaded = scriptEngines();
}
