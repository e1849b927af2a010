/** What a policy says of places, wherever it was read from. */
import type { Engine } from "../engine/engine.ts";
import type { LimitProgram } from "../limits/compile.ts";
import { block, type Decision } from "../model/decision.ts";
import type { Destination } from "../model/egress.ts";
import { evaluateHost } from "../policy/place.ts";
import type { Program } from "../policy/program.ts";
import { parseIp } from "../wire/ip.ts";
import type { AddressPolicy } from "./address.ts";

/** A policy's verdicts. Without a policy nothing is denied and nothing opaque. */
export interface PolicyVerdicts extends AddressPolicy {
  /** Of the program in force; null without a policy. */
  limits(): LimitProgram | null;
  /** The veto for a destination, or the name of the rule that lets it go (null without a policy). */
  judge(destination: Destination): Decision | string | null;
  opaque(host: string, port: number): boolean;
}

export interface Policy extends PolicyVerdicts {
  readonly version: string | null;
  /** Of the program in force. Another program is another engine. */
  readonly engine: Engine;
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
      return verdict.allowed ? verdict.rule : denied(program, `host "${host}"`, verdict.rule);
    },
    deniedAddress(address, port) {
      const program = current();
      if (program === null || !program.deny.hasNetworks) return null;
      const rule = program.deny.matchAddress(address, port);
      return rule === null ? null : denied(program, `address ${address}`, rule);
    },
    opaque: (host, port) => current()?.opaque.match(host, port, parseIp(host) !== null) != null,
  };
}

function denied(program: Program, what: string, rule: string): Decision {
  return block(`policy denies ${what}`, "policy_deny", { rule, policyVersion: program.version });
}
