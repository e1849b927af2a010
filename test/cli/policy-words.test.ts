import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Glob } from "bun";
import { wordsOf } from "../../src/cli/_policy-words.ts";

/** Codes that decisions are made with, read from the source: a new one needs words. */
function vectors(): string[] {
  const found = new Set<string>();
  for (const path of new Glob("src/{decide,enforce,engine,listen,policy}/*.ts").scanSync(".")) {
    const text = readFileSync(path, "utf8");
    for (const [, code] of text.matchAll(/\b(?:block|failClosed)\([^;]{0,200}?,\s*"([a-z]+(?:_[a-z]+)*)"/g))
      found.add(code ?? "");
    for (const [, code] of text.matchAll(/\bvector: "([a-z]+(?:_[a-z]+)*)"/g)) found.add(code ?? "");
  }
  return [...found].sort();
}

test("every code of a veto is explained in words of its own", () => {
  const all = vectors();
  for (const known of ["policy_deny", "rate_limited", "sni_mismatch", "loop", "decision_timeout"])
    expect(all).toContain(known);
  const unknown = wordsOf("a_code_nobody_has").what;
  expect(all.filter((code) => wordsOf(code).what === unknown)).toEqual([]);
});
