/** The sections that others carry out: inspection, limits, prices, sequences, the cache. Merged over files, typed, no more. */
import { quote } from "../words/quote.ts";
import { secondsOf } from "./_schema-parts.ts";
import type { ParsedPolicy } from "./document.ts";
import type { LimitEntry, PriceEntry } from "./limits-section.ts";
import type { CacheSection, DetectSection, DlpSection, SequenceEntry } from "./schema.ts";

export interface Sections {
  /** As written, what a file extends below what it says itself; empty when nobody says anything. */
  readonly detect: DetectSection;
  readonly dlp: DlpSection;
  readonly cache: CacheSection;
  readonly limits: readonly LimitEntry[];
  readonly prices: readonly PriceEntry[];
  readonly sequences: readonly SequenceEntry[];
}

interface Merging {
  /** Those that were given; the others are extended. */
  readonly own: readonly ParsedPolicy[];
  readonly shadowFiles: ReadonlySet<ParsedPolicy>;
  readonly problems: string[];
}

export function mergeSections(files: readonly ParsedPolicy[], { own, shadowFiles, problems }: Merging): Sections {
  const merged = { detect: {}, dlp: {}, cache: {} } as { detect: DetectSection; dlp: DlpSection; cache: CacheSection };
  for (const key of ["detect", "dlp", "cache"] as const) {
    let said: ParsedPolicy | null = null;
    for (const file of files) {
      const section = file.sections?.[key];
      if (section === undefined) continue;
      // What inspection does by itself is more than nothing: a file that enforces nothing must not take it away.
      if (shadowFiles.has(file)) {
        problems.push(`${placeOf(file, key)}: ${key}: has no place in a file of mode shadow`);
        continue;
      }
      if (own.includes(file)) {
        if (said !== null) problems.push(`${placeOf(file, key)}: ${key}: ${quote(said.name)} has this section already`);
        said = file;
      }
      Object.assign(merged[key], section);
    }
  }
  const all = <T>(read: (file: ParsedPolicy) => readonly T[] | undefined): T[] =>
    files.flatMap((file) => read(file) ?? []);
  const shadowed = <T extends { readonly mode?: "enforce" | "shadow" | undefined }>(
    file: ParsedPolicy,
    list: readonly T[],
  ) => (shadowFiles.has(file) ? list.map((entry) => ({ ...entry, mode: "shadow" as const })) : list);
  const limits = files.flatMap((file) => shadowed(file, file.sections?.limits ?? []));
  const sequences = files.flatMap((file) => shadowed(file, file.sections?.sequences ?? []));
  for (const key of ["limits", "sequences"] as const) refuseTwice(files, key, problems);
  return { ...merged, limits, sequences, prices: all((file) => file.sections?.prices) };
}

function refuseTwice(files: readonly ParsedPolicy[], key: "limits" | "sequences", problems: string[]): void {
  const known = new Map<string, string>();
  for (const file of files) {
    for (const [index, { id }] of (file.sections?.[key] ?? []).entries()) {
      const at = file.tree?.at([key, index, "id"]) ?? file.name;
      const before = known.get(id);
      if (before === undefined) known.set(id, at);
      else problems.push(`${at}: ${key}: the id ${quote(id)} is given twice, before at ${before}`);
    }
  }
}

function placeOf(file: ParsedPolicy, key: string): string {
  return file.tree?.atKey([], key) ?? file.name;
}

/** Seconds of a period as a limit writes it: a name or a time. A month has 30 days. */
export function periodSeconds(text: string): number {
  const named: Readonly<Record<string, number>> = {
    minute: 60,
    hour: 3600,
    day: 86_400,
    week: 604_800,
    month: 2_592_000,
  };
  return named[text] ?? secondsOf(text);
}
