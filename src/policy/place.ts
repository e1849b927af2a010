/** What a program says of a place alone. */
import type { Layer, Program } from "./program.ts";

/** What is asked of a place alone. */
export interface Place {
  readonly host: string;
  readonly port: number;
  /** True when `host` is an IP literal. */
  readonly literal: boolean;
}

export interface PolicyVerdict {
  readonly allowed: boolean;
  /** The rule that decided, as in `hosts.deny[2] *.evil.com`, or `default`. */
  readonly rule: string;
  /** What it would be if everything that is in shadow were enforced; null when that is the same. */
  readonly would: { readonly allowed: boolean; readonly rule: string } | null;
}

/** Of a place alone: CONNECT, and what is asked again about a tunnel. Pure and total. Deny beats allow. */
export function evaluateHost(program: Program, place: Place): PolicyVerdict {
  const { allowed, rule } = judgePlace(program, place);
  if (program.unshadowed === null) return { allowed, rule, would: null };
  const would = judgePlace(program.unshadowed, place);
  return { allowed, rule, would: would.allowed === allowed ? null : would };
}

function judgePlace(layer: Layer, { host, port, literal }: Place): { allowed: boolean; rule: string } {
  const denied = layer.deny.match(host, port, literal) ?? layer.denyRules.match(host, port, literal);
  if (denied !== null) return { allowed: false, rule: denied };
  const allowed = layer.allow.match(host, port, literal) ?? layer.allowRules.match(host, port, literal);
  if (allowed !== null) return { allowed: true, rule: allowed };
  return { allowed: layer.allowByDefault, rule: "default" };
}
