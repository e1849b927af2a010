import { describe, expect, test } from "bun:test";
import { factsOf } from "../../src/content/facts.ts";
import { Asked, NO, YES } from "../../src/policy/asked.ts";
import { dlpPolicyOf } from "../../src/policy/dlp-settings.ts";
import { compilePolicy } from "../../src/policy/program.ts";
import { policy, question } from "./_ask.ts";

const compile = (...texts: string[]) =>
  compilePolicy(texts.map((text, i) => ({ name: `p${i}.yaml`, text: `version: 1\n${text}` })));
const refusal = (...texts: string[]): string => {
  try {
    compile(...texts);
  } catch (thrown) {
    return String(thrown);
  }
  return "accepted";
};

describe("sections of several files", () => {
  test("a file of mode shadow takes no inspection away", () => {
    expect(refusal("default: allow\nmode: shadow\ndlp: { secrets: off }\n")).toContain(
      "p0.yaml:4:6: dlp: has no place in a file of mode shadow",
    );
  });

  test("two files with one section, two limits and two sequences with one id", () => {
    expect(refusal("default: allow\ncache: { reads: 1s }\n", "cache: { reads: 2s }\n")).toContain(
      'p1.yaml:2:8: cache: "p0.yaml" has this section already',
    );
    expect(
      refusal("default: allow\nlimits: [{ id: a, concurrency: 1 }]\n", "limits: [{ id: a, concurrency: 1 }]\n"),
    ).toContain('p1.yaml:2:16: limits "a": "a" is the id of another limit');
    const sequence = "sequences: [{ id: a, steps: [{}, {}], within: 1m, verdict: deny }]\n";
    expect(refusal(`default: allow\n${sequence}`, sequence)).toContain("p1.yaml:2:13: sequences: the id");
  });

  test("what a file says goes before what it extends, key by key", () => {
    const { dlp } = compile("extends: hipaa\ndlp: { health: enforce }\n");
    expect(dlp).toEqual({ secrets: "enforce", personal: "sanitize", health: "enforce" });
  });

  test("limits of a shadow file are in shadow", () => {
    const { limits } = compile("default: allow\nmode: shadow\nlimits: [{ id: a, concurrency: 1 }]\n");
    expect(limits.limits[0]).toMatchObject({ id: "a", enforce: false });
  });
});

test("a sequence's steps are conditions like any other", () => {
  const { sequences } = policy(
    "",
    "default: allow\nsequences: [{ id: s, steps: [{ hosts: vault.test }, { class: write, not: { hosts: vault.test } }], within: 10m, verdict: deny }]",
  );
  const [sequence] = sequences;
  const asked = (given: Parameters<typeof question>[0]) => {
    const made = question(given);
    return new Asked(made, factsOf(made), []);
  };
  expect(sequence).toMatchObject({ name: "sequences.s", steps: 2, withinS: 600, mode: "enforce" });
  expect(sequence?.holds(0, asked({ host: "vault.test" }))).toBe(YES);
  expect(sequence?.holds(1, asked({ host: "vault.test", method: "POST" }))).toBe(NO);
  expect(sequence?.holds(1, asked({ host: "other.test", method: "POST" }))).toBe(YES);
});

test("dlp as detectors take it says nothing that nobody said", () => {
  expect(dlpPolicyOf({})).toEqual({
    modes: {},
    canaries: [],
    patterns: [],
    dictionaries: [],
    allow: { fingerprints: [], names: [] },
  });
  const { dlp } = compile(
    "default: allow\ndlp: { secrets: shadow, canaries: { mode: enforce, values: abcdefgh }, patterns: { list: [{ name: a, regex: 'a+' }] } }\n",
  );
  expect(dlpPolicyOf(dlp)).toMatchObject({
    modes: { secret: "shadow", canary: "enforce" },
    canaries: ["abcdefgh"],
    patterns: [{ name: "a", pattern: "a+" }],
  });
});
