import { expect, test } from "bun:test";
import { pastTunnels } from "../../src/policy/lint-tunnels.ts";
import { compilePolicy } from "../../src/policy/program.ts";
import "./_ask.ts";

const said = (text: string) => pastTunnels(compilePolicy([{ name: "p.yaml", text: `version: 1\n${text}` }]));
const note = (what: string) =>
  `without a CA only host and port of a TLS tunnel (clients with https_proxy) are seen: ${what}; sallyport ca init makes one (docs/interception.md)`;

test("a budget, a canary and a rule on requests do nothing in a tunnel, an allow of reads opens none", () => {
  expect(
    said(`default: deny
hosts: {allow: [api.openai.com]}
dlp: {canaries: {values: [XK-canary-0001]}}
limits: [{id: t, tokens: {max: 5, per: 1d}}]
rules:
  - {id: uploads, when: {paths: /v1/files}, verdict: deny}
  - {id: github-reads, when: {hosts: github.com, class: read}, verdict: allow}
`),
  ).toBe(note('rules.uploads, limit "t", dlp.canaries do nothing there, and rules.github-reads lets none through'));
});

test.each([
  ["limits: [{id: t, payment: {field: $.a, unit: minor, max_each: 5}}]", 'limit "t" does nothing there'],
  ["limits: [{id: t, match: {paths: [/a]}, concurrency: 5}]", 'limit "t" does nothing there'],
  ["dlp: {patterns: {mode: shadow, list: [{name: a, regex: b}]}}", "dlp.patterns does nothing there"],
  ["dlp: {secrets: enforce, personal: sanitize, health: off}", "dlp.secrets, dlp.personal do nothing there"],
  ["dlp: {health: shadow}", "dlp.health does nothing there"],
  ["detect: {threshold: high}", "detect does nothing there"],
  ["detect: {mode: off, vectors: {'701': {mode: enforce}}}", "detect does nothing there"],
  ["detect: {mode: off, classifier: {mode: shadow}}", "detect does nothing there"],
  ["responses: {max_bytes: 5}", "responses does nothing there"],
  ["responses: {mode: off, hosts: [{hosts: a.test, mode: shadow}]}", "responses does nothing there"],
  [
    "sequences: [{id: s, within: 1m, verdict: deny, steps: [{hosts: a.test}, {class: write}]}]",
    "sequences.s does nothing there",
  ],
  ["rules: [{id: r, when: {findings: {min: 1}}, verdict: sanitize}]", "rules.r does nothing there"],
])("with default: allow, %s", (text, what) => expect(said(`default: allow\n${text}`)).toBe(note(what)));

test("a starting policy's sections are its user's too", () => {
  expect(said("extends: [pci]")).toBe(note("rules.pci-cards, dlp.secrets, dlp.personal do nothing there"));
});

test("many are one line", () => {
  const rules = Array.from({ length: 9 }, (_, i) => `{id: r${i}, when: {methods: PUT}, verdict: deny}`);
  expect(said(`default: allow\nrules: [${rules.join(", ")}]\ndetect: {mode: enforce}`)).toBe(
    note("rules.r0, rules.r1, rules.r2, rules.r3 and 5 more, detect do nothing there"),
  );
});

test.each([
  "default: allow",
  "extends: [llm-only]",
  "default: deny\nhosts: {allow: [a.test]}\nlimits: [{id: t, rate: {requests: 5, per: 1m}, bytes: {max: 1MB, per: 1d}}]",
  "default: deny\nrules: [{id: r, when: {paths: /a}, verdict: deny}]\nlimits: [{id: t, tokens: {max: 5, per: 1d}}]",
  "default: deny\ndlp: {secrets: enforce}\ndetect: {mode: enforce}\nresponses: {mode: enforce}",
  "default: allow\ndlp: {secrets: off, allow: {names: [iban]}}\ndetect: {mode: off}\nresponses: {mode: off, hosts: [{hosts: a.test, attacks: shadow}]}",
  "default: allow\nsequences: [{id: s, within: 1m, verdict: deny, steps: [{hosts: a.test}, {hosts: b.test}]}]",
  "default: allow\nsequences: [{id: s, mode: shadow, within: 1m, verdict: deny, steps: [{hosts: a.test}, {class: write}]}]",
  "default: allow\nrules: [{id: r, when: {schemes: http, paths: /a}, verdict: deny}]",
  "default: allow\nrules: [{id: r, mode: shadow, when: {paths: /a}, verdict: deny}]",
  "default: allow\nrules: [{id: r, when: {phases: tunnel, hosts: a.test}, verdict: deny}]",
])("%s has nothing that a tunnel hides", (text) => expect(said(text)).toBeNull());
