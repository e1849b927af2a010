/** What of a policy TLS tunnels go past. No slip, and no warning: nearly every policy has some, and its author should know. */
import { quote } from "../words/quote.ts";
import type { Program } from "./program.ts";
import type { CompiledRule } from "./rule.ts";

const MAX_NAMED = 4;

/** One sentence; null when a tunnel shows all that the policy asks for. True of a gateway that has no CA, and of no other. */
export function pastTunnels(program: Program): string | null {
  const asking = program.rules.filter((rule) => rule.mode === "enforce" && !rule.tunnel && !isPlain(rule));
  // Where none is let through, nothing is missed in one.
  const unseen = letsTunnels(program)
    ? [
        ...some(named(asking.filter(forbids))),
        ...some(sequencesOf(program)),
        ...some(limitsOf(program)),
        ...sectionsOf(program),
      ]
    : [];
  const shut = program.allowByDefault ? [] : some(named(asking.filter((rule) => !forbids(rule))));
  const said = [
    ...(unseen.length > 0 ? [`${unseen.join(", ")} ${unseen.length === 1 ? "does" : "do"} nothing there`] : []),
    ...(shut.length > 0 ? [`${shut.join(", ")} ${shut.length === 1 ? "lets" : "let"} none through`] : []),
  ];
  if (said.length === 0) return null;
  return `without a CA only host and port of a TLS tunnel (clients with https_proxy) are seen: ${said.join(", and ")}; sallyport ca init makes one (docs/interception.md)`;
}

function letsTunnels({ allowByDefault, allow, rules }: Program): boolean {
  return allowByDefault || allow.size > 0 || rules.some((rule) => rule.tunnel && !forbids(rule));
}

function forbids({ verdict }: CompiledRule): boolean {
  return verdict !== "allow";
}

/** Of plain HTTP, which no TLS hides. */
function isPlain({ entry }: CompiledRule): boolean {
  return [entry.when?.schemes].flat().join() === "http";
}

function named(rules: readonly CompiledRule[]): string[] {
  return rules.map(({ name }) => name);
}

/** Those that count what a tunnel hides, or look for it. */
function limitsOf({ files }: Program): string[] {
  return files
    .flatMap(({ sections }) => sections?.limits ?? [])
    .filter(({ tokens, money, payment, match: { methods, models, paths } }) => {
      if (tokens !== undefined || money !== undefined || payment !== undefined) return true;
      return (
        models.length > 0 ||
        paths.length > 0 ||
        (methods.length > 0 && methods.every((method) => method.toUpperCase() !== "CONNECT"))
      );
    })
    .map(({ id }) => `limit ${quote(id)}`);
}

/** Those with a step that no tunnel can be. */
function sequencesOf({ sequences }: Program): string[] {
  return sequences.filter(({ mode, tunnel }) => mode === "enforce" && !tunnel).map(({ name }) => name);
}

/** What is said of inspection: it looks at heads, bodies and answers, of which a tunnel shows none. */
function sectionsOf({ detect, dlp, responses }: Program): string[] {
  const vectors = Object.values(detect.vectors ?? {}).map((said) => (typeof said === "string" ? said : said.mode));
  const attacks = [detect.mode ?? "enforce", detect.classifier?.mode ?? "off", ...vectors];
  const answers = [responses.mode ?? "enforce", ...(responses.hosts ?? []).map(({ mode = "off" }) => mode)];
  return [
    ...(isGiven(detect) && attacks.some(isOn) ? ["detect"] : []),
    ...(["secrets", "personal", "health"] as const)
      .filter((key) => dlp[key] !== undefined && isOn(dlp[key]))
      .map((key) => `dlp.${key}`),
    ...(["canaries", "patterns", "dictionaries"] as const)
      .filter((key) => dlp[key] !== undefined && isOn(dlp[key].mode))
      .map((key) => `dlp.${key}`),
    ...(isGiven(responses) && answers.some(isOn) ? ["responses"] : []),
  ];
}

function isGiven(section: object): boolean {
  return Object.keys(section).length > 0;
}

function isOn(mode: string | undefined): boolean {
  return mode !== "off";
}

/** The first few, and how many more there are. */
function some(names: readonly string[]): string[] {
  const more = names.length - MAX_NAMED;
  if (more <= 0) return [...names];
  return [...names.slice(0, MAX_NAMED - 1), `${names[MAX_NAMED - 1]} and ${more} more`];
}
