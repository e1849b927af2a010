/** What a certificate says was done, to what, and what can be done about it. */
import type { Certificate } from "../model/certificate.ts";
import type { CompiledRule } from "../policy/rule.ts";
import { type Words, wordsOf } from "./_policy-words.ts";

/** Names of rules that stand somewhere in a file; with several files that of the file is before it. */
export const HAS_PLACE = /^(?:rules\.|(?:[^ ]+: )?hosts\.)/;

/** Messages go either way; of those that come down only `responses:` speaks. */
const OF_ANSWERS = /^responses(?:[.[]|$)/;

export function doneTo(certificate: Certificate): string {
  const { verdict, would, mode, timestamp } = certificate;
  const said: Readonly<Record<string, string>> = {
    allow: "let through",
    sanitize: "let through redacted",
    hold: "held for approval",
    block: "blocked",
    fail_closed: "refused because the decision failed",
  };
  const otherwise = would === null ? "" : ` (mode ${mode}; otherwise ${said[would] ?? would})`;
  return `${whatOf(certificate)} at ${timestamp} was ${said[verdict] ?? verdict}${otherwise}`;
}

function whatOf({ request, phase, rule }: Certificate): string {
  if (request === null) return "nothing";
  const asked = `${request.method} ${request.scheme}://${request.host}:${request.port}${request.path}`;
  if (phase === "response") return `the answer to ${asked}`;
  if (phase !== "message") return asked;
  return `a message of ${isOfAnswer({ phase, rule }) ? "the answer to " : ""}${asked}`;
}

/** What a vector says, and what can be done; of the policy's own verdicts by the rule that is named, which may not be at hand. */
export function inWords(certificate: Certificate, shown: boolean): Words {
  const { matched_vector: vector, rule, request, verdict } = certificate;
  const words = wordsOf(vector);
  if (isOfAnswer(certificate)) return ofAnswer(vector, words);
  if (verdict === "sanitize") return { ...words, help: TAKEN_OUT };
  if (rule === "dlp.foreign-credential") return { what: FOREIGN, help: FOREIGN_HELP };
  if (vector !== "policy_deny" || rule === null || shown) return words;
  if (HAS_PLACE.test(rule)) {
    const help = `see ${rule} in the gateway's policy: give that policy here too, and its text is shown; whoever keeps it can add an allow rule or an exception`;
    return { ...words, help };
  }
  const place = request === null ? "this" : `${request.host}:${request.port}`;
  const closed = rule.startsWith("access.") ? `, and ${rule} is closed` : "";
  return { ...words, help: `no rule lets ${place} through${closed}: add it to hosts.allow, or an allow rule for it` };
}

const TAKEN_OUT =
  "nothing has to be: the rest went on. If what was taken out is meant to go, the gateway's policy takes its kind out (dlp, or a rule that says sanitize), and dlp.allow excepts a value or a name (docs/dlp.md)";

const FOREIGN = "a credential of one service is on its way to a host of somebody else";
const FOREIGN_HELP =
  "if that host is one to have it: dlp.allow.names with foreign-credential, and a rule that denies the issuer's credentials everywhere else (docs/dlp.md, Credentials for another host)";

function isOfAnswer({ phase, rule }: Pick<Certificate, "phase" | "rule">): boolean {
  return phase === "response" || (phase === "message" && rule !== null && OF_ANSWERS.test(rule));
}

const OF_INSPECTION = /^(?:[0-9]+|dlp_.*|(?:policy_)?sanitize.*|ssrf_url)$/;
const BY_RULES: readonly (string | null)[] = ["policy_deny", "approval_needed"];

/**
 * Whether what inspection found can be behind it: where it cannot, that no findings are kept says nothing. `rule`: the one that
 * is named, null when it is not at hand; rules may ask for findings.
 */
export function mayRestOnFindings(certificate: Certificate, rule: CompiledRule | null): boolean {
  const { matched_vector: vector } = certificate;
  if (vector === null) return false;
  if (!BY_RULES.includes(vector)) return OF_INSPECTION.test(vector);
  if (certificate.rule?.startsWith("rules.") !== true) return false;
  return rule === null || JSON.stringify([rule.entry.when, rule.entry.unless]).includes("findings");
}

const KINDS: Readonly<Record<string, string>> = {
  dlp_secret: "secrets",
  dlp_personal: "personal",
  dlp_health: "health",
  dlp_canary: "canaries",
  dlp_pattern: "patterns",
  dlp_dictionary: "dictionaries",
};

function ofAnswer(vector: string | null, { what, help }: Words): Words {
  if (vector === null || vector.startsWith("response_")) return { what, help };
  const kind = KINDS[vector] ?? (/^[0-9]+$/.test(vector) ? "attacks" : null);
  if (kind === null) return { what, help };
  const found = kind === "attacks" ? what : `the answer holds what responses.${kind} of the policy speaks of`;
  return {
    what: found,
    help: `the request had gone out, this came back: see who wrote it, findings below say where it stands; if such answers of this host are meant, an entry of responses.hosts with ${kind}: shadow lets them in (docs/responses.md)`,
  };
}
