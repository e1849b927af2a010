/** The `dlp:` section as detectors take it. */
import type { Severity } from "../model/finding.ts";
import { listOf } from "./_values.ts";
import type { DlpSection } from "./schema.ts";

export type DlpMode = "enforce" | "sanitize" | "shadow" | "off";

/** What is not said is absent: detectors have their own defaults. */
export interface DlpPolicy {
  readonly modes: Partial<
    Readonly<Record<"secret" | "personal" | "health" | "canary" | "pattern" | "dictionary", DlpMode>>
  >;
  readonly canaries: readonly string[];
  readonly patterns: readonly { readonly name: string; readonly pattern: string; readonly severity?: Severity }[];
  readonly dictionaries: readonly { readonly name: string; readonly words: readonly string[] }[];
  readonly allow: { readonly fingerprints: readonly string[]; readonly names: readonly string[] };
}

export function dlpPolicyOf(section: DlpSection): DlpPolicy {
  const { secrets, personal, health, canaries, patterns, dictionaries, allow } = section;
  const modes = {
    secret: secrets,
    personal,
    health,
    canary: canaries?.mode,
    pattern: patterns?.mode,
    dictionary: dictionaries?.mode,
  };
  return {
    modes: Object.fromEntries(Object.entries(modes).filter(([, mode]) => mode !== undefined)),
    canaries: listOf(canaries?.values),
    patterns: (patterns?.list ?? []).map(({ name, regex, severity }) =>
      severity === undefined ? { name, pattern: regex } : { name, pattern: regex, severity },
    ),
    dictionaries: (dictionaries?.list ?? []).map(({ name, words }) => ({ name, words: listOf(words) })),
    allow: { fingerprints: listOf(allow?.fingerprints), names: listOf(allow?.names) },
  };
}
