/** Conditions on calls of models, whatever their dialect. */
import type { Fact } from "../content/facts.ts";
import type { Llm } from "../content/llm.ts";
import type { Conditions } from "./_schema-when.ts";
import { listOf } from "./_values.ts";
import { textTest } from "./_when-head.ts";
import { type Asked, NO, ofSome, type SpokenMessage, type Truth, UNKNOWN, YES } from "./asked.ts";
import { type Compiling, type Condition, saying, sayRange } from "./condition.ts";
import { compileGlob } from "./glob.ts";

export function llmConditions(when: Conditions, compiling: Compiling): Condition[] {
  const made: Condition[] = [];
  const { path, words } = compiling;
  const named = (name: "models" | "roles" | "dialects" | "operations", read: (llm: Llm) => readonly string[]): void => {
    const given = when[name];
    if (given === undefined) return;
    const patterns = lowered(words(given, [...path, name]));
    made.push(ofLlm(name, saying(listOf(given)), (llm) => some(read(llm), patterns)));
  };
  const counted = (name: "tokens" | "max_tokens" | "images" | "files", read: (llm: Llm) => number): void => {
    const given = when[name];
    if (given === undefined) return;
    const { min = 0, max = Number.POSITIVE_INFINITY } = given;
    made.push(
      ofLlm(name, sayRange(given.min, given.max), (llm) => {
        const count = read(llm);
        return count >= min && count <= max ? YES : NO;
      }),
    );
  };
  named("models", ({ model }) => (model === null ? NO_TEXTS : [model.toLowerCase()]));
  named("roles", rolesOf);
  named("dialects", ({ dialect }) => [dialect]);
  named("operations", ({ operation }) => [operation]);
  if (when.messages !== undefined) made.push(messages(when.messages, compiling));
  if (when.tools !== undefined) made.push(...tools(when.tools, compiling));
  if (when.tool_calls !== undefined) made.push(toolCalls(when.tool_calls, compiling));
  const { stream } = when;
  if (stream !== undefined) made.push(ofLlm("stream", String(stream), (llm) => (llm.stream === stream ? YES : NO)));
  counted("tokens", ({ inputTokens }) => inputTokens);
  // Who names no bound may be given any number.
  counted("max_tokens", ({ maxTokens }) => maxTokens ?? Number.POSITIVE_INFINITY);
  counted("images", ({ images }) => images);
  counted("files", ({ files }) => files);
  return made;
}

const NO_TEXTS: readonly string[] = [];

function rolesOf({ messages: list, system }: Llm): string[] {
  const roles = list.map(({ role }) => role);
  return system.length > 0 ? ["system", ...roles] : roles;
}

function ofLlm(name: string, says: string, test: (llm: Llm, asked: Asked) => Truth): Condition {
  return {
    name,
    says,
    tunnel: false,
    cost: 5,
    test(asked) {
      if (!asked.known.content) return UNKNOWN;
      const fact = asked.llm;
      if (!fact.known) return UNKNOWN;
      return fact.value === null ? NO : test(fact.value, asked);
    },
    found(asked) {
      if (!asked.known.content) return "not kept";
      const fact = asked.llm;
      if (!fact.known) return whyUnknown(fact);
      if (fact.value === null) return "no call of a model";
      const { model, messages: list, tools: offered, inputTokens } = fact.value;
      return `model ${model ?? "unnamed"}, ${list.length} messages, ${offered.length} tools, about ${inputTokens} tokens`;
    },
  };
}

function messages(given: NonNullable<Conditions["messages"]>, compiling: Compiling): Condition {
  const at = [...compiling.path, "messages"];
  const roles = given.roles === undefined ? null : lowered(compiling.words(given.roles, [...at, "roles"]));
  const contains = compiling.words(given.contains, [...at, "contains"]).map((text) => text.toLowerCase());
  const matches = given.regex === undefined ? null : textTest({ regex: given.regex }, compiling, at);
  const { min = 1, max = Number.POSITIVE_INFINITY } = given;
  const truthOf = countOf({ contains, matches, min, max });
  return ofLlm("messages", "as described", (llm, asked) => {
    const needsText = contains.length > 0 || matches !== null;
    const spoken = needsText ? asked.messages : rolesOf(llm).map((role) => ({ role, texts: NO_TEXTS, lowered: "" }));
    if (spoken === null) return UNKNOWN;
    const needles = contains.filter((text) => asked.mayBeSaid(text));
    if (contains.length > 0 && needles.length === 0) return min === 0 ? YES : NO;
    const wanted = roles === null ? spoken : spoken.filter(({ role }) => roles.some((pattern) => pattern.test(role)));
    return truthOf(wanted, needles, asked);
  });
}

interface Counting {
  readonly contains: readonly string[];
  readonly matches: ReturnType<typeof textTest> | null;
  readonly min: number;
  readonly max: number;
}

/** Whether as many of some texts as wanted say what is wanted. `needles`: those of `contains` that may be there. */
function countOf({ contains, matches, min, max }: Counting) {
  return (
    spoken: readonly Pick<SpokenMessage, "texts" | "lowered">[],
    needles: readonly string[],
    asked: Asked,
  ): Truth => {
    let count = 0;
    let unsure = 0;
    for (const { texts, lowered } of spoken) {
      if (contains.length > 0 && !needles.some((text) => lowered.includes(text))) continue;
      const truths = matches === null ? [] : texts.map((text) => matches(text, asked));
      if (matches === null || truths.includes(YES)) count += 1;
      else if (truths.includes(UNKNOWN)) unsure += 1;
    }
    const sure = count >= min && count <= max;
    return unsure === 0 || sure === (count + unsure >= min && count + unsure <= max) ? (sure ? YES : NO) : UNKNOWN;
  };
}

function toolCalls(given: NonNullable<Conditions["tool_calls"]>, compiling: Compiling): Condition {
  const at = [...compiling.path, "tool_calls"];
  const names = given.names === undefined ? null : lowered(compiling.words(given.names, [...at, "names"]));
  const contains = compiling.words(given.contains, [...at, "contains"]).map((text) => text.toLowerCase());
  const matches = given.regex === undefined ? null : textTest({ regex: given.regex }, compiling, at);
  const { min = 1, max = Number.POSITIVE_INFINITY } = given;
  const truthOf = countOf({ contains, matches, min, max });
  return ofLlm("tool_calls", "as described", (llm, asked) => {
    const called = llm.toolCalls.filter(
      ({ name }) => names === null || names.some((pattern) => pattern.test(name.toLowerCase())),
    );
    if (contains.length === 0 && matches === null) return called.length >= min && called.length <= max ? YES : NO;
    const said = asked.argumentsOf(called);
    return said === null ? UNKNOWN : truthOf(said, contains, asked);
  });
}

function tools(given: NonNullable<Conditions["tools"]>, { path, words }: Compiling): Condition[] {
  const condition = (name: string, list: readonly string[], read: (llm: Llm) => readonly string[]): Condition => {
    const patterns = lowered(list);
    return ofLlm(name, saying(list), (llm) =>
      some(
        read(llm).map((tool) => tool.toLowerCase()),
        patterns,
      ),
    );
  };
  const called = (llm: Llm) => llm.toolCalls.map(({ name }) => name);
  if (typeof given === "string" || Array.isArray(given)) {
    return [
      condition("tools", words(given as string | readonly string[], [...path, "tools"]), (llm) => [
        ...llm.tools,
        ...called(llm),
      ]),
    ];
  }
  const { offered, called: wanted } = given as { offered?: string | string[]; called?: string | string[] };
  const made: Condition[] = [];
  if (offered !== undefined) {
    made.push(condition("tools.offered", words(offered, [...path, "tools", "offered"]), (llm) => llm.tools));
  }
  if (wanted !== undefined) made.push(condition("tools.called", words(wanted, [...path, "tools", "called"]), called));
  return made;
}

export function lowered(words: readonly string[]) {
  return words.map((text) => compileGlob(text.toLowerCase()));
}

export function some(values: readonly string[], patterns: readonly { test(text: string): boolean }[]): Truth {
  return ofSome(values.filter((value) => patterns.some((pattern) => pattern.test(value))).length, values.length);
}

export function whyUnknown(fact: Fact<unknown>): string {
  return fact.known ? "" : `not known: ${fact.detail}`;
}
