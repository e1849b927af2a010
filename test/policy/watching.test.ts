import { expect, test } from "bun:test";
import { compilePolicy } from "../../src/policy/program.ts";
import { onlyWatched } from "../../src/policy/watching.ts";
import "./_ask.ts";

const watched = (text: string) => onlyWatched(compilePolicy([{ name: "p.yaml", text: `version: 1\n${text}` }]));
const NOTHING = expect.stringMatching(/^the policy enforces nothing: every host, attacks .* and secrets .* pass;/);

test("a policy that enforces nothing is said to", () => {
  expect(watched("extends: [observe]")).toEqual(NOTHING);
  expect(watched("default: allow\ndetect: {mode: off}\ndlp: {secrets: off}")).toEqual(NOTHING);
  expect(watched("extends: [observe]\nlimits: [{id: a, mode: shadow, concurrency: 1}]")).toEqual(NOTHING);
});

test.each([
  "hosts: {deny: [a.test]}",
  "access: {writes: closed}",
  "rules: [{id: r, when: {methods: PUT}, verdict: approval_needed}]",
  "limits: [{id: a, concurrency: 1}]",
  "dlp: {canaries: {values: [XK-canary-0001]}}",
  "dlp: {personal: sanitize}",
  "default: deny",
])("beside %s attacks and secrets pass all the same", (text) => {
  expect(watched(`extends: [observe]\n${text}`)).toMatch(/^the policy lets pass attacks .* and secrets .*;/);
});

test("what passes alone is named alone", () => {
  expect(watched("default: allow\ndetect: {mode: shadow}")).toMatch(
    /^the policy lets pass attacks on models \(detect\);/,
  );
  expect(watched("default: deny\ndlp: {secrets: shadow}")).toMatch(/^the policy lets pass secrets \(dlp\.secrets\);/);
});

test.each([
  "default: allow",
  "extends: [pci]",
  "extends: [llm-only]\nmode: shadow",
  "default: allow\ndetect: {mode: shadow, vectors: {'701': enforce}}",
  "default: allow\ndetect: {vectors: {'703': shadow}}\ndlp: {personal: shadow, secrets: sanitize}",
])("%s is no news", (text) => expect(watched(text)).toBeNull());
