/** A part of the evaluation: it measures, and says in Markdown what it found. */
import type { Material } from "./material.ts";

export interface Bench {
  readonly material: Material;
  /** Leave out what takes models made anew. */
  readonly quick: boolean;
}

/** One number the project promises, and whether it is kept. */
export interface Goal {
  readonly what: string;
  readonly wanted: string;
  readonly measured: string;
  readonly kept: boolean;
}

export interface Result {
  readonly markdown: string;
  readonly goals: readonly Goal[];
}

/** Null: there is nothing to measure yet, or nothing to measure with. */
export type Section = (bench: Bench) => Result | null | Promise<Result | null>;
