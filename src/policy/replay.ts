/** What another policy would have said of decisions that were certified, as far as a certificate tells. */
import { type Facts, factsOf } from "../content/facts.ts";
import type { Certificate } from "../model/certificate.ts";
import type { Question } from "../model/question.ts";
import { parseIp } from "../wire/ip.ts";
import { Asked, NO, type Truth, YES } from "./asked.ts";
import { type PolicyRuling, rule } from "./evaluate.ts";
import type { Program } from "./program.ts";
import type { CompiledRule } from "./rule.ts";
import type { RuleVerdict } from "./schema.ts";

export interface Replayed {
  readonly outcome: "same" | "changed" | "unknown";
  readonly before: RuleVerdict | "unknown";
  readonly after: RuleVerdict | "unknown";
  readonly ruleBefore: string;
  readonly ruleAfter: string;
}

const NOT_KEPT = { known: false, reason: "invalid", detail: "evidence does not keep it" } as const;
const BODY = new Uint8Array(0);

/** Null for certificates that no policy had a say in: tunnels' ends, recoveries, refusals before and after it. */
export function questionOfCertificate(certificate: Certificate): Question | null {
  const { request, phase, agent } = certificate;
  if (request === null || (phase !== "request" && phase !== "tunnel")) return null;
  const at = Date.parse(certificate.timestamp);
  const scheme = request.scheme === "http" || request.scheme === "https" ? request.scheme : "tcp";
  return {
    org: certificate.org_id,
    caller: certificate.caller,
    agent,
    parentAgent: null,
    phase,
    door: request.door,
    method: request.method,
    scheme,
    host: request.host,
    port: request.port,
    literal: parseIp(request.host) !== null,
    path: request.path,
    query: [],
    headers: [],
    trailers: [],
    upgrade: null,
    body: certificate.content_hash === null ? null : BODY,
    at: Number.isNaN(at) ? 0 : at,
  };
}

function askedOfCertificate(question: Question): Asked {
  const facts: Facts = {
    question,
    body: () => factsOf(question).body(),
    *prepare() {},
    llm: () => NOT_KEPT,
    graphql: () => NOT_KEPT,
    json: () => NOT_KEPT,
    form: () => NOT_KEPT,
    release() {},
  };
  return new Asked(question, facts, [], { content: false, findings: false });
}

/** True for a decision that was made before a policy's rules had a say, and would be made again. */
export function beforePolicy({ matched_pillar, matched_vector }: Certificate): boolean {
  if (matched_pillar === null) return false;
  return matched_pillar !== "CoreGuard" || !/^policy_/.test(matched_vector ?? "");
}

export function replay(before: Program, after: Program, question: Question): Replayed {
  const asked = askedOfCertificate(question);
  const [strictBefore, looseBefore] = bothWays(before, asked);
  const [strictAfter, looseAfter] = bothWays(after, asked);
  const alike = strictBefore.verdict === strictAfter.verdict && looseBefore.verdict === looseAfter.verdict;
  const surely = strictBefore.verdict === looseBefore.verdict && strictAfter.verdict === looseAfter.verdict;
  // Two rules that may hold are alike only when they are the same rule.
  const same = alike && (surely || undecided(strictBefore) === undecided(strictAfter));
  return {
    outcome: same ? "same" : surely ? "changed" : "unknown",
    before: strictBefore.verdict === looseBefore.verdict ? strictBefore.verdict : "unknown",
    after: strictAfter.verdict === looseAfter.verdict ? strictAfter.verdict : "unknown",
    ruleBefore: strictBefore.rule,
    ruleAfter: strictAfter.rule,
  };
}

function undecided({ matched }: PolicyRuling): string {
  return matched.map(({ rule: each }) => `${each.verdict} ${each.mode} ${each.source()}`).join("\n");
}

/** Whatever is not known turned against the request, and in its favour. */
function bothWays(program: Program, asked: Asked): readonly [PolicyRuling, PolicyRuling] {
  const loose = ({ verdict }: CompiledRule, truth: Truth): boolean =>
    verdict === "allow" ? truth !== NO : truth === YES;
  return [rule(program, asked), rule(program, asked, loose)];
}
