/** What several files of one policy come to together: what they extend, their named lists, defaults and hosts. */
import { quote } from "../words/quote.ts";
import { listOf } from "./_values.ts";
import {
  listName,
  type ParsedPolicy,
  type PolicyEntry,
  type PolicySource,
  parsePolicy,
  unknownList,
} from "./document.ts";
import { type HostSet, parseHostPattern } from "./host-set.ts";
import { namedPolicy } from "./named.ts";
import type { Access } from "./program.ts";

export interface Included {
  readonly file: ParsedPolicy;
  readonly source: PolicySource;
  /** Only files in shadow ask for it. */
  readonly shadow: boolean;
}

export function includedBy(own: readonly ParsedPolicy[]): Included[] {
  const wanted = new Map<string, boolean>();
  for (const { sections } of own) {
    for (const name of listOf(sections?.extends)) {
      wanted.set(name, (wanted.get(name) ?? true) && sections?.mode === "shadow");
    }
  }
  return [...wanted].map(([name, shadow]) => {
    const source = { name, text: namedPolicy(name) };
    return { source, file: parsePolicy(source), shadow };
  });
}

export function namedLists(files: readonly ParsedPolicy[], problems: string[]) {
  const lists = new Map<string, readonly PolicyEntry[]>();
  const places = new Map<string, () => string>();
  for (const { named, tree, name: file } of files) {
    for (const [name, entries] of named) {
      const at = () => tree?.atKey(["lists"], name) ?? file;
      if (lists.has(name)) problems.push(`${at()}: lists: ${quote(name)} is given in another file too`);
      for (const { text, at: place } of entries) {
        if (listName(text) !== null) problems.push(`${place()}: lists.${name}: a list cannot stand in a list`);
      }
      lists.set(name, entries);
      places.set(name, at);
    }
  }
  return { lists, places };
}

interface Stating {
  readonly unread: boolean;
  readonly shadowFiles: ReadonlySet<ParsedPolicy>;
  readonly problems: string[];
}

/** A file's own word goes before that of what it extends; of several that it extends the stricter. */
export function defaultOf(
  sources: readonly PolicySource[],
  own: readonly ParsedPolicy[],
  included: readonly Included[],
  { unread, shadowFiles, problems }: Stating,
): { enforced: boolean; every: boolean } {
  let first: { readonly verdict: "allow" | "deny"; readonly file: string } | null = null;
  const stated = (files: readonly ParsedPolicy[]): "allow" | "deny" | null => {
    const said = files.flatMap((file) => (file.default ? [file.default.verdict] : []));
    return said.length === 0 ? null : said.includes("deny") ? "deny" : "allow";
  };
  // A file that cannot be read may be the one that says it.
  let unsaid = !unread;
  for (const file of own) {
    const said = file.default;
    if (said !== null || file.sections === null) unsaid = unsaid && said === null && file.tree !== null;
    if (said === null || said === undefined || shadowFiles.has(file)) continue;
    if (first !== null && first.verdict !== said.verdict) {
      problems.push(`${said.at}: default: ${quote(first.file)} says ${first.verdict}`);
    }
    first = { verdict: said.verdict, file: file.name };
  }
  const extended = included.map(({ file }) => file);
  if (unsaid && stated(extended) === null) {
    problems.push(`${sources[0]?.name ?? "policy"}:1:1: default: say allow or deny for hosts that no rule names`);
  }
  const of = (keep: (file: ParsedPolicy) => boolean) => stated(own.filter(keep)) ?? stated(extended.filter(keep));
  return {
    // Where only files in shadow say it, nothing is enforced.
    enforced: (of((file) => !shadowFiles.has(file)) ?? "allow") === "allow",
    every: (of(() => true) ?? "allow") === "allow",
  };
}

export function accessOf(files: readonly ParsedPolicy[], own: readonly ParsedPolicy[]): Access {
  const of = (key: "reads" | "writes"): "open" | "closed" | null => {
    for (const group of [files.filter((file) => own.includes(file)), files]) {
      const said = group.flatMap(({ sections }) => (sections?.access?.[key] ? [sections.access[key]] : []));
      if (said.length > 0) return said.includes("closed") ? "closed" : "open";
    }
    return null;
  };
  return { reads: of("reads"), writes: of("writes") };
}

interface Adding {
  readonly sets: readonly HostSet[];
  /** Before a rule's name when there are several files. */
  readonly prefix: string;
  readonly needsPort: boolean;
  readonly lists: ReadonlyMap<string, readonly PolicyEntry[]>;
  readonly used: Set<string>;
}

export function addAll(entries: readonly PolicyEntry[], adding: Adding, problems: string[]): void {
  const { sets, prefix, needsPort, lists, used } = adding;
  for (const { text, where, at } of entries) {
    const name = listName(text);
    if (name !== null) {
      used.add(name);
      const list = lists.get(name);
      if (list === undefined) problems.push(`${at()}: ${where}: ${unknownList(name)}`);
      addAll(list ?? [], { ...adding, lists: new Map(), prefix: `${prefix}${where} ` }, problems);
      continue;
    }
    const pattern = parseHostPattern(text);
    const portless = needsPort && typeof pattern !== "string" && pattern.port === 0;
    if (typeof pattern === "string") problems.push(`${at()}: ${where}: ${quote(text)}: ${pattern}`);
    else if (portless)
      problems.push(`${at()}: ${where}: ${quote(text)}: a port is needed, such as ${quote(`${text}:5432`)}`);
    else for (const set of sets) set.add(pattern, `${prefix}${where} ${text}`);
  }
}
