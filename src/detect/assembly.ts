/**
 * Symbolic assembly: text that holds an instruction in pieces and the recipe to join them. The pieces are joined as the
 * recipe says (concatenation, variables, templates, lists) and once more simply in their order.
 */
import { judge } from "./judge.ts";
import type { Match } from "./reading.ts";
import { Recipe } from "./recipe.ts";

const MIN_LETTERS = 16;

const recipe = new Recipe();

/**
 * What ASCII text of at most `MAX_LETTERS_INPUT` bytes assembles that it should not. Linear; "exhausted" when names would
 * make more of it than any honest recipe does.
 */
export function assembled(text: Uint8Array): Match | "exhausted" | null {
  recipe.clear();
  recipe.read(text);
  const { letters, ordered, builtFrom, built, exhausted } = recipe;
  const found = judged(letters.subarray(0, ordered)) ?? judged(letters.subarray(builtFrom, built));
  if (found !== null) {
    return { ...found, vector: "706", reason: "the content assembles a forbidden instruction from pieces" };
  }
  return exhausted ? "exhausted" : null;
}

function judged(letters: Uint8Array): Match | null {
  return letters.length < MIN_LETTERS ? null : judge({ letters, count: letters.length, text: letters });
}
