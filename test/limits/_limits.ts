import { type CompiledLimits, compileLimits, type LimitProgram } from "../../src/limits/compile.ts";
import { limitsSection, pricesSection } from "../../src/limits/schema.ts";
import type { LimitSubject } from "../../src/limits/subject.ts";

export function compiled(limits: unknown, prices: unknown = []): CompiledLimits {
  const hosts = (patterns: readonly string[]) =>
    patterns.includes("bad") ? "no host" : (host: string) => patterns.includes(host);
  return compileLimits(limitsSection.parse(limits), pricesSection.parse(prices), hosts);
}

export function program(limits: unknown, prices: unknown = []): LimitProgram {
  const made = compiled(limits, prices);
  if (!made.ok) throw new Error(JSON.stringify(made.problems));
  return made.program;
}

export function subject(rest: Partial<LimitSubject> = {}): LimitSubject {
  return {
    tenant: "acme",
    agent: "writer",
    parent: null,
    host: "api.test",
    port: 443,
    literal: false,
    method: "POST",
    overridden: false,
    path: "/v1/chat",
    tunnel: false,
    inside: false,
    bytes: 100,
    call: null,
    paying: { body: null, contentType: "", query: "" },
    ...rest,
  };
}
