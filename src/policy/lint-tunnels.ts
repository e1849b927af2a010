/** What of a policy TLS tunnels go past. No slip, and no warning: nearly every policy has some, and its author should know. */
import { quote } from "../words/quote.ts";
import type { Program } from "./program.ts";
import type { CompiledRule } from "./rule.ts";

const MAX_NAMED = 4;

/** One sentence; null when a tunnel shows all that the policy asks for. */
export function pastTunnels(program: Program): string | null {
  const asking = program.rules.filter((rule) => rule.mode === "enforce" && !rule.tunnel && !isPlain(rule));
  // Where none is let through, nothing is missed in one.
  const unseen = letsTunnels(program)
    ? [...named(asking.filter(forbids)), ...limitsOf(program), ...lists(program)]
    : [];
  const shut = program.allowByDefault ? [] : named(asking.filter((rule) => !forbids(rule)));
  const said = [
    ...(unseen.length > 0 ? [`${some(unseen)} ${unseen.length === 1 ? "does" : "do"} nothing there`] : []),
    ...(shut.length > 0 ? [`${some(shut)} ${shut.length === 1 ? "lets" : "let"} none through`] : []),
  ];
  if (said.length === 0) return null;
  return `of a TLS tunnel (clients with https_proxy) only host and port are seen: ${said.join(", and ")}; see Tunnels in docs/policy.md, and EVE_PROXY_CONNECT_PASSTHROUGH`;
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

function lists({ dlp }: Program): string[] {
  return (["canaries", "patterns", "dictionaries"] as const)
    .filter((key) => dlp[key] !== undefined && dlp[key].mode !== "off")
    .map((key) => `dlp.${key}`);
}

function some(names: readonly string[]): string {
  const more = names.length - MAX_NAMED;
  return `${names.slice(0, MAX_NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
