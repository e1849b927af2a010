/**
 * The whole engine on one core: what a ruling costs by the length of the body, by the number of rules, and on hostile bodies;
 * and what a large policy costs to compile. Medians; run it on a quiet machine.
 *
 *   bun scripts/bench/engine.ts
 */
import { readFileSync } from "node:fs";
import { UNLIMITED } from "../../src/detect/effort.ts";
import { SliceSize } from "../../src/detect/inspect.ts";
import { prepareJudge } from "../../src/detect/judge.ts";
import { prepareLikenesses } from "../../src/detect/look-alikes.ts";
import { Engine } from "../../src/engine/engine.ts";
import type { Question } from "../../src/model/question.ts";
import { compilePolicy } from "../../src/policy/program.ts";
import { questionWith } from "../../test/_question.ts";

const ROUNDS = 15;
const SENTENCES = [
  "Please summarise the quarterly report of the sales team and list the three largest risks for the next year.",
  "The meeting on Tuesday moved to four in the afternoon, and the room is still the small one on the second floor.",
  "How do I sort a list of records by two fields when the second one may be missing?",
  "We measured the temperature of the water every ten minutes and wrote the values into the table below.",
];

const prose = (length: number): string => {
  let text = "";
  for (let i = 0; text.length < length; i++) text += `${SENTENCES[(i * 7) % 4]} (${i}) `;
  return text.slice(0, length);
};

function chat(length: number): string {
  const messages = [];
  for (let size = 40, i = 0; size < length; i++) {
    const content = prose(Math.min(400, length - size)).slice((i % 5) * 3);
    messages.push({ role: i % 2 === 0 ? "user" : "assistant", content });
    size += content.length + 34;
  }
  return JSON.stringify({ model: "gpt-4o", messages });
}

const source = readFileSync(new URL("../../src/pipeline.ts", import.meta.url), "utf8");
const code = (length: number): string =>
  JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: source.repeat(200).slice(0, length) }] });

const said = (content: string): string => JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content }] });
const ABROAD = "Das Fräulein läuft über die Brücke, während Müßiggänger schön grüßen. ".repeat(2);
const CYRILLIC = "Съешь же ещё этих мягких французских булок, да выпей чаю. ";
const JAPANESE = "東京は日本の首都であり、世界最大の都市の一つです。人口は約千四百万人。";
const schemas = Array.from({ length: 29 }, (_, i) => ({
  type: "function",
  function: {
    name: `get_weather_${i}`,
    description: `Get the current weather in a given location, variant ${i}. Returns a temperature.`,
    parameters: {
      type: "object",
      properties: { location: { type: "string", description: "The city and state" }, days: { type: "integer" } },
      required: ["location"],
    },
  },
}));
const records = Array.from({ length: 100 }, (_, i) => ({
  id: i * 7919,
  name: `user ${i}`,
  email: `u${i}@example.com`,
  at: `2026-01-${10 + (i % 20)}T10:00:00Z`,
}));

/** The same numbers each time. */
function* noise(): Generator<number, never> {
  for (let seed = 12345; ; ) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    yield seed / 0x7fffffff;
  }
}
const numbers = (count: number, made: (share: number) => number): string => {
  const from = noise();
  return JSON.stringify({ input: Array.from({ length: count }, () => made(from.next().value)) });
};

function question(body: string): Question {
  const headers = [["content-type", "application/json"]] as const;
  return questionWith({ host: "api.openai.com", path: "/v1/chat/completions", headers, body, at: Date.now() });
}

/** Microseconds a ruling, and what it was. */
function cost(engine: Engine, body: string): { median: number; verdict: string; longestMs: number } {
  const asked = { question: question(body), budget: UNLIMITED, unread: { url: false, headers: [] }, layers: [] };
  const short = Engine.isShort(asked, Number.POSITIVE_INFINITY);
  let longestMs = 0;
  let verdict = "";
  const once = (): void => {
    if (short) {
      const ruled = engine.rule(asked);
      verdict = ruled === "exhausted" ? ruled : `${ruled.verdict} ${ruled.vector ?? ""}`;
      return;
    }
    const size = new SliceSize();
    const steps = engine.ruleInSteps(asked, size);
    for (;;) {
      const from = performance.now();
      const step = steps.next();
      const took = performance.now() - from;
      size.took(took);
      longestMs = Math.max(longestMs, took);
      if (!step.done) continue;
      verdict = step.value === "exhausted" ? step.value : `${step.value.verdict} ${step.value.vector ?? ""}`;
      return;
    }
  };
  const times = Math.max(1, Math.min(2000, Math.floor(400_000 / body.length)));
  // Until what runs is compiled: some thousand runs of a short body.
  for (let i = 0; i < Math.max(3, 10 * times); i++) once();
  longestMs = 0;
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now();
    for (let i = 0; i < times; i++) once();
    rounds.push(((performance.now() - from) * 1000) / times);
  }
  rounds.sort((a, b) => a - b);
  return { median: rounds[ROUNDS >> 1] as number, verdict, longestMs };
}

for (const steps of [prepareLikenesses(), prepareJudge()]) while (!steps.next().done);
const plain = new Engine(null);
const row = (name: string, body: string, engine = plain): number => {
  const { median, verdict, longestMs } = cost(engine, body);
  const perByte = ((median * 1000) / body.length).toFixed(1);
  const step = longestMs > 0 ? `  longest step ${longestMs.toFixed(1)} ms` : "";
  console.log(`${name.padEnd(34)} ${median.toFixed(1).padStart(10)} us ${perByte.padStart(8)} ns/B  ${verdict}${step}`);
  return median;
};

row("150-byte prompt", chat(150));
row("10 KB prose", prose(10_000));
row("10 KB chat", chat(10_000));
row("10 KB, one prompt", said(prose(10_000)));
row("10 KB, German", said(ABROAD.repeat(68)));
row("10 KB, four scripts", said((ABROAD + CYRILLIC + JAPANESE).repeat(28)));
row("10 KB source code", code(10_000));
row("10 KB of tool schemas", JSON.stringify({ messages: [], tools: schemas }));
row("10 KB of records", JSON.stringify({ records }));
const nineDigits = (share: number): number => Number((share / 5 - 0.1).toFixed(9));
row("10 KB of embeddings", numbers(800, nineDigits));
const below = (most: number) => (share: number) => Math.floor(share * most);
row("10 KB of numbers below 100", numbers(3700, below(100)));
row("10 KB of numbers below 256", numbers(2800, below(256)));
row("10 KB, base64 twice", said(btoa(btoa(prose(5_600)))));
row("1 MB prose", prose(1_000_000));
row("1 MB chat", chat(1_000_000));
row("1 MB source code", code(1_000_000));

const usual = row("60 KB chat", chat(60_000));
const hostile: Readonly<Record<string, string>> = {
  quotes: "'a'+".repeat(15_000),
  digits: "4111 ".repeat(12_000),
  percent: "%69%67".repeat(10_000),
  "one letter": "a".repeat(60_000),
  "base64 pieces": "aWdub3Jl ".repeat(6_600),
  "nested base64": btoa(btoa(btoa(prose(24_000)))),
  morse: ".. --. -. --- .-. . / ".repeat(2_700),
  "sk- keys": "sk-".repeat(20_000),
  assignments: "token: abc1234567x ".repeat(3_100),
  binary: Array.from({ length: 60_000 }, (_, i) => String.fromCharCode((i * 7919) & 127)).join(""),
};
for (const [name, body] of Object.entries(hostile)) {
  const took = row(`60 KB hostile: ${name}`, body.slice(0, 60_000));
  console.log(`${"".padEnd(34)} ${(took / usual).toFixed(1).padStart(10)} x 60 KB chat`);
}

const rules = (count: number): string =>
  Array.from(
    { length: count },
    (_, i) =>
      `  - { id: r${i}, when: { hosts: [h${i}.example.com], methods: [POST], paths: ["/v${i}/**"] }, verdict: deny }\n`,
  ).join("");
const withRules = (count: number): Engine =>
  new Engine(compilePolicy([{ name: "p.yaml", text: `version: 1\ndefault: allow\nrules:\n${rules(count)}` }]));
const ten = row("150-byte prompt, 10 rules", chat(150), withRules(10));
const thousand = row("150-byte prompt, 1,000 rules", chat(150), withRules(1000));
console.log(`${"".padEnd(34)} ${(thousand / ten).toFixed(2).padStart(10)} x`);

const hosts = Array.from({ length: 10_000 }, (_, i) => `    - host${i}.example${i % 97}.com\n`).join("");
const compiles = Array.from({ length: ROUNDS }, () => {
  const from = performance.now();
  compilePolicy([{ name: "p.yaml", text: `version: 1\ndefault: deny\nhosts:\n  allow:\n${hosts}` }]);
  return performance.now() - from;
}).sort((a, b) => a - b);
console.log(
  `10,000 hosts compile: first of this process aside, ${(compiles[ROUNDS >> 1] as number).toFixed(1)} ms median`,
);
