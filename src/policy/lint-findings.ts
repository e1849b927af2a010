/** Names of findings that nothing finds: a rule on one never holds, and nobody is told. */
import { OPAQUE_NAMES } from "../content/inner-texts.ts";
import { ANSWER_VECTORS } from "../detect/answers.ts";
import { ASSEMBLED, VECTORS as ATTACKS, type AttackVector } from "../detect/vectors.ts";
import { VECTORS as DATA } from "../dlp/finding.ts";
import { dlpNames } from "../dlp/finding-names.ts";
import { nearest } from "../words/nearest.ts";
import { quote } from "../words/quote.ts";
import type { Path } from "./_problems.ts";
import type { Conditions } from "./_schema-when.ts";
import { listOf } from "./_values.ts";
import { listName, type ParsedPolicy, type PolicyEntry } from "./document.ts";
import { compileGlob } from "./glob.ts";
import type { ResponsesSection } from "./schema.ts";

export interface UnknownName {
  /** `file:line:column`. */
  readonly at: string;
  readonly message: string;
}

type Asked = "pillars" | "vectors" | "names";

/** What the patterns of conditions, `dlp.allow.names` and `detect.vectors` name and no detector or pattern of the policy finds. */
export function unknownFindings(files: readonly ParsedPolicy[]): UnknownName[] {
  const known = knownBy(files);
  const lists = new Map(files.flatMap(({ named }) => [...named]));
  const found: UnknownName[] = [];
  const look = (key: Asked, text: string, at: () => string): void => {
    const pattern = compileGlob(text);
    if (known[key].some((name) => pattern.test(name))) return;
    const meant = text.includes("*") ? null : nearest(text, known[key]);
    const hint = meant === null ? "docs/dlp.md and docs/pillar128.md have them" : `did you mean ${meant}?`;
    found.push({ at: at(), message: `${quote(text)} is none of the ${key} of findings, and never found; ${hint}` });
  };
  for (const file of files) {
    const at = (path: Path) => () => file.tree?.at(path) ?? `${file.name}:1:1`;
    const lookAll = (key: Asked, given: string | readonly string[] | undefined, path: Path): void => {
      for (const [i, text] of listOf(given).entries()) {
        const name = listName(text);
        const entries: readonly Pick<PolicyEntry, "text" | "at">[] =
          name === null ? [{ text, at: at(Array.isArray(given) ? [...path, i] : path) }] : (lists.get(name) ?? []);
        for (const entry of entries) look(key, entry.text, entry.at);
      }
    };
    const lookIn = (conditions: Conditions | undefined, path: Path): void => {
      for (const key of ["pillars", "vectors", "names"] as const)
        lookAll(key, conditions?.findings?.[key], [...path, "findings", key]);
    };
    for (const { entry, index } of file.rules) {
      lookIn(entry.when, ["rules", index, "when"]);
      lookIn(entry.when?.not, ["rules", index, "when", "not"]);
      lookIn(entry.unless, ["rules", index, "unless"]);
    }
    for (const [index, { steps }] of (file.sections?.sequences ?? []).entries()) {
      for (const [step, when] of steps.entries()) {
        lookIn(when, ["sequences", index, "steps", step]);
        lookIn(when.not, ["sequences", index, "steps", step, "not"]);
      }
    }
    lookAll("names", file.sections?.dlp?.allow?.names, ["dlp", "allow", "names"]);
    for (const vector of Object.keys(file.sections?.detect?.vectors ?? {}))
      look("vectors", vector, () => file.tree?.atKey(["detect", "vectors"], vector) ?? file.name);
    const { hosts = [], ...responses } = file.sections?.responses ?? {};
    const said: readonly Pick<ResponsesSection, "vectors">[] = [responses, ...hosts];
    said.forEach(({ vectors = {} }, index) => {
      const path: Path = index === 0 ? ["responses", "vectors"] : ["responses", "hosts", index - 1, "vectors"];
      for (const vector of Object.keys(vectors)) {
        const place = (): string => file.tree?.atKey(path, vector) ?? file.name;
        const known = NAMES_OF_ANSWERS.has(vector);
        if (!known && isVector(vector)) found.push({ at: place(), message: `${quote(vector)} ${NEVER_IN_ANSWERS}` });
        else if (!known) look("vectors", vector, place);
      }
    });
  }
  return found;
}

const NEVER_IN_ANSWERS = "is not looked for in answers; docs/responses.md has what is";
const NAMES_OF_ANSWERS: ReadonlySet<string> = new Set(
  [...ANSWER_VECTORS].flatMap((vector) => [vector, ATTACKS[vector as AttackVector].name]),
);

function isVector(text: string): boolean {
  return Object.entries(ATTACKS).some(([vector, { name }]) => text === vector || text === name);
}

function knownBy(files: readonly ParsedPolicy[]): Readonly<Record<Asked, readonly string[]>> {
  const own = files.flatMap(({ sections }) => [
    ...(sections?.dlp?.patterns?.list ?? []),
    ...(sections?.dlp?.dictionaries?.list ?? []),
  ]);
  return {
    pillars: ["128", "CoreGuard"],
    // Assembly has no row: what was put together is named by what it says.
    vectors: [...Object.keys(ATTACKS), ASSEMBLED, ...Object.values(DATA), "opaque_content"],
    names: [
      ...OPAQUE_NAMES,
      ...Object.values(ATTACKS).map(({ name }) => name),
      ...dlpNames(),
      ...own.map(({ name }) => name),
    ],
  };
}
