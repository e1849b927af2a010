/**
 * Finds the few rules that may hold for a question, so that a thousand rules cost what ten do. Each rule stands in the
 * index under one of its conditions, the one that fewest other rules share; rules without any such are always asked.
 */
import type { Asked } from "./asked.ts";
import { compileGlob, compilePathGlob } from "./glob.ts";
import { HostSet, parseHostPattern } from "./host-set.ts";
import type { CompiledRule } from "./rule.ts";

const TEXT_KEYS = ["paths", "agents", "tenants", "models", "methods", "vectors", "names", "headers", "tools"] as const;
type TextKey = (typeof TEXT_KEYS)[number];

interface Placing {
  readonly key: TextKey | "hosts";
  /** Of `hosts` the patterns; else literals that a text equals or begins with. */
  readonly patterns: readonly { readonly text: string; readonly exact: boolean }[];
}

export class RuleIndex {
  readonly #hosts = new HostSet<number>();
  readonly #texts = new Map<TextKey, PrefixTable>();
  readonly #always: number[] = [];
  readonly #seen: Uint32Array;
  #round = 0;

  constructor(rules: readonly CompiledRule[]) {
    this.#seen = new Uint32Array(rules.length);
    const placings = rules.map(placingsOf);
    const shared = new Map<string, number>();
    for (const each of placings) {
      for (const { key, patterns } of each) {
        for (const { text } of patterns) shared.set(`${key} ${text}`, (shared.get(`${key} ${text}`) ?? 0) + 1);
      }
    }
    const crowd = ({ key, patterns }: Placing): number =>
      patterns.reduce((most, { text }) => Math.max(most, shared.get(`${key} ${text}`) ?? 0), 0);
    for (const [number, each] of placings.entries()) {
      const [first, ...others] = each;
      if (first === undefined) this.#always.push(number);
      else
        this.#place(
          number,
          others.reduce((best, other) => (crowd(other) < crowd(best) ? other : best), first),
        );
    }
  }

  /** Rules that are asked whatever the question. */
  get always(): number {
    return this.#always.length;
  }

  /** The numbers of the rules that may hold; each once, in no order. */
  candidates(asked: Asked): number[] {
    const found: number[] = [...this.#always];
    this.#round = (this.#round + 1) >>> 0;
    if (this.#round === 0) this.#seen.fill(0);
    const add = (number: number): void => {
      if (this.#seen[number] === this.#round) return;
      this.#seen[number] = this.#round;
      found.push(number);
    };
    const { host, port, literal } = asked.question;
    if (this.#hosts.size > 0) this.#hosts.each(host, port, literal, add);
    for (const [key, table] of this.#texts) {
      const texts = textsOf(key, asked);
      if (texts === null) table.all(add);
      else for (const text of texts) table.find(text, add);
    }
    return found;
  }

  #place(number: number, { key, patterns }: Placing): void {
    if (key === "hosts") {
      for (const { text } of patterns) {
        const pattern = parseHostPattern(text);
        if (typeof pattern !== "string") this.#hosts.add(pattern, number);
      }
      return;
    }
    let table = this.#texts.get(key);
    if (table === undefined) {
      table = new PrefixTable();
      this.#texts.set(key, table);
    }
    for (const { text, exact } of patterns) table.add(text, exact, number);
  }
}

function placingsOf(rule: CompiledRule): Placing[] {
  const { when = {} } = rule.entry;
  const placings: Placing[] = [];
  const hosts = rule.words("hosts");
  if (hosts.length > 0 && !hosts.some((host) => host.startsWith("*:") || host === "*")) {
    placings.push({ key: "hosts", patterns: hosts.map((text) => ({ text, exact: true })) });
  }
  if (when.paths !== undefined) {
    const patterns = rule.words("paths").map(compilePathGlob);
    const known = patterns.filter((pattern) => typeof pattern !== "string");
    if (known.length === patterns.length && known.every(({ prefix }) => prefix.length > 1)) {
      placings.push({ key: "paths", patterns: known.map(({ prefix, exact }) => ({ text: prefix, exact })) });
    }
  }
  const add = (key: TextKey, words: readonly string[]): void => {
    const globs = words.map(compileGlob);
    if (globs.length > 0 && globs.every(({ prefix }) => prefix !== "")) {
      placings.push({ key, patterns: globs.map(({ prefix, exact }) => ({ text: prefix, exact })) });
    }
  };
  const lower = (words: readonly string[]): readonly string[] => words.map((word) => word.toLowerCase());
  if (when.agents !== undefined) add("agents", rule.words("agents"));
  if (when.tenants !== undefined) add("tenants", rule.words("tenants"));
  if (when.models !== undefined) add("models", lower(rule.words("models")));
  if (typeof when.tools === "string" || Array.isArray(when.tools)) add("tools", lower(rule.words("tools")));
  const header = Object.entries(when.headers ?? {}).find(
    ([, test]) => typeof test === "string" || test.present !== false,
  );
  if (header !== undefined) add("headers", [header[0].toLowerCase()]);
  // Lists in here may have names in them: those are found by asking.
  const { vectors, names } = when.findings ?? {};
  if (vectors !== undefined) add("vectors", plain(vectors));
  if (names !== undefined) add("names", plain(names));
  if (when.methods !== undefined) add("methods", rule.words("methods"));
  return placings;
}

function plain(words: string | readonly string[]): readonly string[] {
  const list = typeof words === "string" ? [words] : words;
  return list.some((word) => word.startsWith("$")) ? [] : list;
}

/** Null: not known, any rule may hold. */
function textsOf(key: TextKey, asked: Asked): Iterable<string> | null {
  const { question, known } = asked;
  switch (key) {
    case "paths":
      return asked.path === null ? null : asked.path.lowered.map((segments) => `/${segments.join("/")}`);
    case "agents":
      return question.agent === null ? [] : [question.agent];
    case "tenants":
      return [question.org];
    case "methods":
      return asked.methods;
    case "headers":
      return known.content ? asked.headerNames() : null;
    case "vectors":
      return known.findings ? asked.findings.map(({ vector }) => vector) : null;
    case "names":
      return known.findings ? asked.findings.map(({ name }) => name) : null;
    case "models":
    case "tools": {
      if (question.phase === "tunnel") return [];
      if (!known.content || !asked.llm.known) return null;
      const llm = asked.llm.value;
      if (llm === null) return [];
      if (key === "models") return llm.model === null ? [] : [llm.model.toLowerCase()];
      return [...llm.tools, ...llm.toolCalls.map(({ name }) => name)].map((tool) => tool.toLowerCase());
    }
    default:
      return key satisfies never;
  }
}

/** Literals by their text; those that a text begins with also by their lengths. */
class PrefixTable {
  readonly #exact = new Map<string, number[]>();
  readonly #prefixes = new Map<string, number[]>();
  readonly #lengths: number[] = [];

  add(text: string, exact: boolean, rule: number): void {
    const table = exact ? this.#exact : this.#prefixes;
    const rules = table.get(text);
    if (rules !== undefined) rules.push(rule);
    else table.set(text, [rule]);
    if (!exact && !this.#lengths.includes(text.length)) this.#lengths.push(text.length);
  }

  find(text: string, visit: (rule: number) => void): void {
    const own = this.#exact.get(text);
    if (own !== undefined) for (const rule of own) visit(rule);
    for (const length of this.#lengths) {
      if (length > text.length) continue;
      const rules = this.#prefixes.get(length === text.length ? text : text.slice(0, length));
      if (rules !== undefined) for (const rule of rules) visit(rule);
    }
  }

  all(visit: (rule: number) => void): void {
    for (const rules of this.#exact.values()) for (const rule of rules) visit(rule);
    for (const rules of this.#prefixes.values()) for (const rule of rules) visit(rule);
  }
}
