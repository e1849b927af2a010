/** What was found in one answer so far, and the ruling it comes to. */
import type { DlpFinding } from "../dlp/dlp.ts";
import type { Finding } from "../model/finding.ts";
import type { AnswerProfile } from "./answer-profile.ts";
import { type Ruling, ruling } from "./ruling.ts";
import { type Reason, Tally } from "./tally.ts";

const PART = "response";

export class AnswerTally {
  readonly #profile: AnswerProfile;
  readonly #tally = new Tally();

  constructor(profile: AnswerProfile) {
    this.#profile = profile;
  }

  /** The veto it is, or null. */
  attack(finding: Finding): Ruling | null {
    return this.#add(finding, this.#profile.attack(finding), `responses.attacks ${finding.vector} ${finding.name}`);
  }

  data(finding: DlpFinding): Ruling | null {
    return this.#add(finding, this.#profile.data(finding), `responses.${finding.class} ${finding.name}`);
  }

  /** A limit of size or type. */
  limit(vector: string, reason: string): Ruling | null {
    const { limits, rule } = this.#profile.terms;
    if (limits === "off") return null;
    const why: Reason = { verdict: "deny", pillar: "CoreGuard", vector, reason, rule, controls: [] };
    this.#tally.add(why, limits === "shadow");
    return limits === "shadow" ? null : this.#denied();
  }

  /** An answer that cannot be looked at: as bad as what it may hold. */
  unreadable(vector: string, reason: string): Ruling | null {
    if (this.#profile.acting.size === 0 && !this.#profile.holds) return null;
    const rule = this.#profile.terms.rule;
    this.#tally.add({ verdict: "deny", pillar: "CoreGuard", vector, reason, rule, controls: [] }, false);
    return this.#denied();
  }

  /** Of the whole answer, when nothing of it was a veto. */
  get ruling(): Ruling {
    const { policyVersion, quiet } = this.#profile;
    const { every, findings } = this.#tally;
    if (every === null) return findings.length === 0 ? quiet : { ...quiet, findings };
    const { verdict, reason, pillar, vector, rule } = every;
    return ruling("allow", reason, { would: verdict, pillar, vector, rule, policyVersion, findings });
  }

  #add(finding: Finding, mode: string, rule: string): Ruling | null {
    if (mode === "off") return null;
    const told = { ...finding, where: PART, reason: spoken(finding) };
    this.#tally.note(told);
    const { pillar, vector, reason } = told;
    this.#tally.add({ verdict: "deny", pillar, vector, reason, rule, controls: [] }, mode === "shadow");
    return mode === "shadow" ? null : this.#denied();
  }

  #denied(): Ruling {
    const { policyVersion } = this.#profile;
    const { reason, pillar, vector, rule } = this.#tally.enforced as Reason;
    return ruling("deny", reason, { pillar, vector, rule, policyVersion, findings: this.#tally.findings });
  }
}

/** Reasons of data speak of where it goes; here it comes. */
function spoken({ reason }: Finding): string {
  const to = reason.indexOf(" is on its way to ");
  if (to !== -1) return `${reason.slice(0, to)} stands in the answer`;
  return reason.replace(/ stands in the body\b/, " stands in the answer");
}
