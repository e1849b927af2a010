/** JSON and GraphQL: what is read strictly is what the language's own reader reads, in however many steps. */
import { parseGraphQl } from "../../src/content/_graphql-parse.ts";
import { JsonTape, KEY } from "../../src/content/json.ts";
import { first, isKey, materialise, member, sibling, textOf } from "../../src/content/json-look.ts";
import { bytesOf, demand, latin1, type Random } from "./random.ts";

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const NAMES = [
  "model",
  "a",
  "query",
  "\ufeffmodel",
  "é",
  "",
  "__proto__",
  "\u0000",
  "Model",
  "€",
  "🙂",
  "x".repeat(40),
];
const SCALARS = [
  ...["0", "-0", "1", "-1.5", "1e3", "1E-2", "123456789012345678901", "true", "false", "null", '""'],
  ...["01", "1.", ".5", "+1", "1e", "tru", "nul", "NaN", "'a'", '"\\x"', '"\\u12"', '"a'],
];
/** The first of them are JSON. */
const GOOD = 11;

function string(random: Random, text: string): string {
  let out = "";
  for (const char of text) {
    if (random.once(4))
      for (let i = 0; i < char.length; i++) out += `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`;
    else if (char < " " || char === '"' || char === "\\") out += JSON.stringify(char).slice(1, -1);
    else out += char;
  }
  if (random.once(30)) out += random.pick(["\\ud800", "\\n", "\\/", "\\udc00x", "\\ud83d\\ude00"]);
  return `"${out}"`;
}

function value(random: Random, depth: number): string {
  const blank = () => random.pick(["", "", "", " ", "\n", "\t\r"]);
  if (depth === 0 || random.once(3)) {
    if (random.once(2)) return string(random, random.pick(NAMES));
    return SCALARS[random.below(random.once(20) ? SCALARS.length : GOOD)] as string;
  }
  const count = random.below(4);
  const of = (): string =>
    Array.from({ length: count }, () => `${blank()}${value(random, depth - 1)}${blank()}`).join(",");
  if (random.once(2)) return `[${of() || blank()}]`;
  const names = Array.from({ length: count }, () => random.pick(NAMES));
  const entries = names.map(
    (name) => `${blank()}${string(random, name)}${blank()}:${blank()}${value(random, depth - 1)}`,
  );
  return `{${entries.join(",") || blank()}}`;
}

function parsed(bytes: Uint8Array): { value: unknown } | null {
  try {
    return { value: JSON.parse(strict.decode(bytes)) };
  } catch {
    return null;
  }
}

/** The same whether objects have a prototype, and in whatever order keys are listed. */
function same(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Object.is(a, b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [of, other] = [Object.keys(a), Object.keys(b)];
  return (
    of.length === other.length &&
    of.every((key) => Object.hasOwn(b, key) && same(Reflect.get(a, key), Reflect.get(b, key)))
  );
}

function shape(tape: JsonTape): string {
  const { outcome, at, count, duplicateAt, loneAt, badUtf8At } = tape;
  const nodes = Array.from({ length: outcome === "ok" ? count : 0 }, (_, i) =>
    [tape.kind[i], tape.start[i], tape.end[i], tape.parent[i], tape.next[i], tape.escaped[i]].join(),
  );
  return [outcome, at, duplicateAt, loneAt, badUtf8At, ...nodes].join(" ");
}

/** True when it has one reading. */
export function checkJson(random: Random): boolean {
  const plain = encoder.encode(value(random, 4));
  const bytes = random.once(3) ? random.mutate(plain) : plain;
  const tape = new JsonTape().read(bytes);
  const parted = new JsonTape();
  parted.begin(bytes);
  while (!parted.step(1 + random.below(5)));
  demand(shape(parted) === shape(tape), "steps differ from one go", bytes);
  const theirs = parsed(bytes);
  if (tape.badUtf8At === -1)
    demand((tape.outcome === "ok") === (theirs !== null), "only one of two readers takes it", bytes);
  else demand(theirs === null, "bad UTF-8 that is none", bytes);
  if (!tape.plain || theirs === null) return false;
  demand(same(materialise(tape, 0, 1 << 20), theirs.value), "two readers, two values", bytes);
  for (let node = 0; node < tape.count; node++) {
    if (tape.kind[node] !== KEY) continue;
    const name = textOf(tape, node);
    for (const other of NAMES) demand(isKey(tape, node, other) === (name === other), "a key of another name", bytes);
    demand(
      member(tape, tape.parent[node] as number, name) === node + 1,
      "another member is found by a key's name",
      bytes,
    );
  }
  for (
    let each = first(tape, 0), seen = 0;
    each !== -1;
    each = sibling(tape, tape.kind[each] === KEY ? each + 1 : each)
  )
    demand(++seen <= tape.count, "siblings go in a circle", bytes);
  return true;
}

interface Made {
  readonly text: string;
  readonly fields: readonly string[];
  readonly depth: number;
}

const FIELDS = ["a", "user", "on", "query", "fragment", "type", "_x", "true"];
const VALUES = [
  ...[
    "1",
    "-0.5e3",
    "true",
    "null",
    "ENUM",
    '"s"',
    '"\\u{1F600}"',
    '""',
    '"""block " " \\""" """',
    "[1, 2]",
    "[]",
    "{}",
  ],
  ...["{a: {b: [$v]}}", "$v", '"# {"', '"""{"""'],
];

function selections(random: Random, depth: number, fragments: readonly Made[]): Made {
  const fields: string[] = [];
  const parts: string[] = [];
  let deepest = 1;
  for (let left = 1 + random.below(3); left > 0; left--) {
    if (random.once(6) && fragments.length > 0) {
      const at = random.below(fragments.length);
      const made = fragments[at] as Made;
      parts.push(`...F${at}`);
      fields.push(...made.fields);
      deepest = Math.max(deepest, made.depth);
      continue;
    }
    if (random.once(6) && depth > 0) {
      const made = selections(random, depth - 1, fragments);
      parts.push(`... ${random.pick(["", "on T", "@if(a: 1)", "on on @x"])} ${made.text}`);
      fields.push(...made.fields);
      deepest = Math.max(deepest, made.depth);
      continue;
    }
    const name = random.pick(FIELDS);
    fields.push(name);
    let text = random.once(4) ? `${random.pick(FIELDS)}: ${name}` : name;
    if (random.once(3)) text += `(${random.pick(FIELDS)}: ${random.pick(VALUES)}, b: ${random.pick(VALUES)})`;
    if (random.once(5)) text += ` @${random.pick(FIELDS)}`;
    if (depth > 0 && random.once(3)) {
      // Spreads further down are not followed for what is said of the top, so they are left out of it here.
      const made = selections(random, depth - 1, []);
      text += made.text;
      deepest = Math.max(deepest, 1 + made.depth);
    }
    parts.push(text);
  }
  return { text: `{${parts.join(" ")}}`, fields, depth: deepest };
}

const BETWEEN = [" ", "\n", ",", "\ufeff", "# { query\n", "\t,"];

/** True when it was read. */
export function checkGraphQl(random: Random): boolean {
  const fragments: Made[] = [];
  for (let left = random.below(3); left > 0; left--) fragments.push(selections(random, 1, fragments.slice()));
  const made = Array.from({ length: 1 + random.below(2) }, () => selections(random, 2, fragments));
  const head = (at: number) =>
    at === 0 && made.length === 1 && random.once(3)
      ? ""
      : `${random.pick(["query", "mutation", "subscription"])} ${random.pick(["", "N", "on"])} ${random.pick(["", "($v: [T!]! = 1 @x)"])}`;
  const parts = [
    ...made.map(({ text }, at) => `${head(at)}${text}`),
    ...fragments.map(({ text }, at) => `fragment F${at} on T ${text}`),
  ];
  const plain = parts.join(random.pick(BETWEEN));
  const text = random.once(2) ? latin1(random.mutate(bytesOf(plain))) : plain;
  const read = parseGraphQl(text);
  demand(read !== "too_many", "a short text is too many", text);
  if (text === plain) {
    demand(read !== null && read.length === made.length, "a document is not taken for one", text);
    for (const [at, { fields, depth }] of made.entries()) {
      const found = typeof read === "string" || read === null ? undefined : read[at];
      demand(found?.fields.toSorted().join() === [...new Set(fields)].toSorted().join(), "it has other fields", text);
      demand(found?.depth === depth, "it is as deep as no other", text);
    }
  }
  // What is ignored between tokens says nothing at the ends of the text either.
  const wrapped = parseGraphQl(`${random.pick(BETWEEN)}${text}\n${random.pick(BETWEEN)}`);
  demand(JSON.stringify(wrapped) === JSON.stringify(read), "blanks around it make it another", text);
  return read !== null && read !== "too_many";
}
