/** The sections that others carry out: inspection, limits, sequences, the cache. Merged over files, compiled where they can be. */
import { compileLimits, type HostMatcher, type LimitProgram } from "../limits/compile.ts";
import { quote } from "../words/quote.ts";
import { listOf, secondsOf } from "./_values.ts";
import type { Asked, Truth } from "./asked.ts";
import type { Condition } from "./condition.ts";
import type { ParsedPolicy } from "./document.ts";
import { engines } from "./engines.ts";
import { allHold } from "./holding.ts";
import { HostSet, parseHostPattern } from "./host-set.ts";
import { compilingAt, conditionsOf, type RuleContext } from "./rule.ts";
import type { CacheSection, DetectSection, DlpSection, ResponsesSection, SequenceEntry } from "./schema.ts";

/** Things that are vetoed when they happen one after the other. */
export interface Sequence {
  readonly entry: SequenceEntry;
  /** As certificates name it: `sequences.read-then-send`. */
  readonly name: string;
  readonly at: () => string;
  readonly steps: number;
  readonly withinS: number;
  readonly mode: "enforce" | "shadow";
  /** Every step makes sense of a tunnel. */
  readonly tunnel: boolean;
  /** Whether a question is this step, from 0; a step that forbids further ones counts also when it is not sure. */
  holds(step: number, asked: Asked): Truth;
}

export interface Sections {
  /** As written, what a file extends below what it says itself; empty when nobody says anything. */
  readonly detect: DetectSection;
  readonly dlp: DlpSection;
  readonly cache: CacheSection;
  readonly responses: ResponsesSection;
  readonly limits: LimitProgram;
  readonly sequences: readonly Sequence[];
}

interface Merging {
  /** Those that were given; the others are extended. */
  readonly own: readonly ParsedPolicy[];
  readonly contexts: ReadonlyMap<ParsedPolicy, Omit<RuleContext, "tree"> & { readonly tree: ParsedPolicy["tree"] }>;
  readonly problems: string[];
}

export function mergeSections(files: readonly ParsedPolicy[], merging: Merging): Sections {
  const { own, contexts, problems } = merging;
  const isShadow = (file: ParsedPolicy): boolean => contexts.get(file)?.shadow === true;
  const merged = { detect: {}, dlp: {}, cache: {}, responses: {} } as {
    detect: DetectSection;
    dlp: DlpSection;
    cache: CacheSection;
    responses: ResponsesSection;
  };
  for (const key of ["detect", "dlp", "cache", "responses"] as const) {
    let said: ParsedPolicy | null = null;
    for (const file of files) {
      const section = file.sections?.[key];
      if (section === undefined) continue;
      // What inspection does by itself is more than nothing: a file that enforces nothing must not take it away.
      if (isShadow(file) && own.includes(file)) {
        problems.push(`${placeOf(file, [key])}: ${key}: has no place in a file of mode shadow`);
      }
      if (isShadow(file)) continue;
      if (own.includes(file)) {
        if (said !== null)
          problems.push(`${placeOf(file, [key])}: ${key}: ${quote(said.name)} has this section already`);
        said = file;
      }
      Object.assign(merged[key], section);
    }
  }
  for (const file of files) {
    checkPatterns(file, problems);
    checkResponses(file, problems);
  }
  return { ...merged, limits: limitsOf(files, merging), sequences: sequencesOf(files, merging) };
}

/** Whether the engine that reads them is there depends on the file: it is loaded where `regex` stands in one. */
function checkPatterns(file: ParsedPolicy, problems: string[]): void {
  for (const [index, { regex }] of (file.sections?.dlp?.patterns?.list ?? []).entries()) {
    const compiled = engines().regex(regex);
    const path = ["dlp", "patterns", "list", index, "regex"];
    const problem = typeof compiled === "string" ? compiled : compiled("") ? "matches the empty text" : null;
    if (problem !== null) problems.push(`${placeOf(file, path)}: dlp.patterns: ${problem}`);
  }
}

function checkResponses(file: ParsedPolicy, problems: string[]): void {
  for (const [index, { hosts }] of (file.sections?.responses?.hosts ?? []).entries()) {
    for (const text of listOf(hosts)) {
      const pattern = parseHostPattern(text);
      if (typeof pattern !== "string") continue;
      problems.push(
        `${placeOf(file, ["responses", "hosts", index, "hosts"])}: responses.hosts: ${quote(text)}: ${pattern}`,
      );
    }
  }
}

function limitsOf(files: readonly ParsedPolicy[], { contexts, problems }: Merging): LimitProgram {
  const placed = files.flatMap((file) =>
    (file.sections?.limits ?? []).map((limit, index) => ({
      limit: contexts.get(file)?.shadow === true ? { ...limit, mode: "shadow" as const } : limit,
      at: (rest: readonly (string | number)[]) => placeOf(file, ["limits", index, ...rest]),
    })),
  );
  const prices = files.flatMap((file) => file.sections?.prices ?? []);
  const compiled = compileLimits(
    placed.map(({ limit }) => limit),
    prices,
    hostMatcher,
  );
  if (compiled.ok) return compiled.program;
  for (const { path, message } of compiled.problems) {
    const [section, index, ...rest] = path;
    const found = section === "limits" && typeof index === "number" ? placed[index] : undefined;
    const at = found?.at(rest) ?? `${files[0]?.name ?? "policy"}:1:1`;
    problems.push(`${at}: ${section}${found === undefined ? "" : ` ${quote(found.limit.id)}`}: ${message}`);
  }
  // Nobody gets it: there are problems.
  const none = compileLimits([], [], hostMatcher);
  if (!none.ok) throw new TypeError("a policy without limits has none that are wrong");
  return none.program;
}

function hostMatcher(patterns: readonly string[]): HostMatcher | string {
  const set = new HostSet();
  for (const text of patterns) {
    const pattern = parseHostPattern(text);
    if (typeof pattern === "string") return `${quote(text)}: ${pattern}`;
    set.add(pattern, text);
  }
  return (host, port, literal) => set.match(host, port, literal) !== null;
}

function sequencesOf(files: readonly ParsedPolicy[], { contexts, problems }: Merging): Sequence[] {
  const known = new Map<string, string>();
  return files.flatMap((file) =>
    (file.sections?.sequences ?? []).flatMap((entry, index): Sequence[] => {
      const context = contexts.get(file);
      if (context === undefined || context.tree === null) return [];
      const { tree } = context;
      const at = () => tree.at(["sequences", index]);
      const before = known.get(entry.id);
      if (before !== undefined) {
        problems.push(`${at()}: sequences: the id ${quote(entry.id)} is given twice, before at ${before}`);
      }
      known.set(entry.id, at());
      const steps = entry.steps.map((when, step): { all: readonly Condition[]; not: readonly Condition[] | null } => {
        const path = ["sequences", index, "steps", step];
        const all = conditionsOf(when, compilingAt(path, entry.id, { ...context, tree }));
        if (when.not === undefined) return { all, not: null };
        return { all, not: conditionsOf(when.not, compilingAt([...path, "not"], entry.id, { ...context, tree })) };
      });
      return [
        {
          entry,
          name: `sequences.${entry.id}`,
          at,
          steps: steps.length,
          withinS: secondsOf(entry.within),
          mode: context.shadow ? "shadow" : (entry.mode ?? "enforce"),
          tunnel: steps.every(({ all, not }) => [...all, ...(not ?? [])].every((condition) => condition.tunnel)),
          holds: (step, asked) => allHold(steps[step]?.all ?? [], steps[step]?.not ?? null, asked),
        },
      ];
    }),
  );
}

function placeOf(file: ParsedPolicy, path: readonly (string | number)[]): string {
  return file.tree?.at(path) ?? `${file.name}:1:1`;
}
