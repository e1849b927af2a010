/** What a policy says of places, wherever it was read from. */
import type { Engine } from "../engine/engine.ts";
import type { LimitProgram } from "../limits/compile.ts";
import { block, type Decision } from "../model/decision.ts";
import type { Destination } from "../model/egress.ts";
import type { CacheTerms } from "../policy/cache-terms.ts";
import type { PolicySource } from "../policy/document.ts";
import { evaluateHost } from "../policy/evaluate-host.ts";
import type { Program } from "../policy/program.ts";
import type { Sequence } from "../policy/sequence-state.ts";
import { formatAuthority } from "../wire/authority.ts";
import { parseIp } from "../wire/ip.ts";
import type { AddressPolicy } from "./address.ts";

/** A policy's verdicts. Without a policy nothing is denied and nothing opaque. */
export interface PolicyVerdicts extends AddressPolicy {
  /** Of the program in force; null without a policy. */
  limits(): LimitProgram | null;
  /** The veto for a destination, or the name of the rule that lets it go (null without a policy). */
  judge(destination: Destination): Decision | string | null;
  opaque(host: string, port: number): boolean;
  /** What of it only its engine carries out (docs/policy.md names the parts); empty without a policy. */
  engineOnly(): readonly string[];
}

export interface Policy extends PolicyVerdicts {
  readonly version: string | null;
  /** The texts the policy in force was made of; none without a policy. For whoever serves it to others. */
  readonly sources: readonly PolicySource[];
  /** Of the program in force. Another program is another engine. */
  readonly engine: Engine;
  /** Of the same program; for who keeps sessions. */
  readonly sequences: readonly Sequence[];
  /** Of the same program; for who remembers decisions. */
  readonly cache: CacheTerms;
  /** Why the files on disk are not what is in force; null when they are. */
  readonly problem: string | null;
  reload(): Promise<{ ok: boolean; message: string }>;
}

/** `current` is asked every time: the program in force may be replaced. */
export function verdictsOf(current: () => Program | null): PolicyVerdicts {
  return {
    limits: () => current()?.limits ?? null,
    judge({ host, port, literal }) {
      const program = current();
      if (program === null) return null;
      const verdict = evaluateHost(program, { host, port, literal });
      if (verdict.allowed) return verdict.rule;
      // With its port: rules may name another.
      const none = `no rule lets this through to "${formatAuthority(host, port)}"`;
      return denied(program, verdict.rule === "default" ? none : `policy denies host "${host}"`, verdict.rule);
    },
    deniedAddress(address, port) {
      const program = current();
      if (program === null || !program.deny.hasNetworks) return null;
      const rule = program.deny.matchAddress(address, port);
      return rule === null ? null : denied(program, `policy denies address ${address}`, rule);
    },
    engineOnly: () => current()?.engineOnly ?? [],
    opaque: (host, port) => current()?.opaque.match(host, port, parseIp(host) !== null) != null,
  };
}

const MAX_NAMED = 8;

/** For an operator, of a relay whose decisions a plane makes; null when nothing of the policy is left out. */
export function leftToPlane(engineOnly: readonly string[]): string | null {
  if (engineOnly.length === 0) return null;
  const more = engineOnly.length - MAX_NAMED;
  const named = `${engineOnly.slice(0, MAX_NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  return `the governance plane decides, and these parts of the local policy are NOT run: ${named}; write them into the plane's policy`;
}

function denied(program: Program, reason: string, rule: string): Decision {
  return block(reason, "policy_deny", { rule, policyVersion: program.version });
}
