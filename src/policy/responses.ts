/** The `responses:` section as whoever looks at answers takes it. Rules say nothing of answers, only this does. */
import { listOf } from "./_values.ts";
import { HostSet, parseHostPattern } from "./host-set.ts";
import type { ResponsesSection } from "./schema.ts";

export type ResponseMode = "enforce" | "shadow" | "off";
export type ResponseClass = "secret" | "personal" | "health" | "canary" | "pattern" | "dictionary";

/** What is made of the answers of one place. */
export interface ResponseTerms {
  /** Of a vector of Pillar 128, by its number or its name. */
  attack(vector: string, name: string): ResponseMode;
  readonly classes: Readonly<Record<ResponseClass, ResponseMode>>;
  /** Bytes of what comes out of the body's codings, and of the Content-Length it comes with. Null: any. */
  readonly maxBytes: number | null;
  /** Of media types, lower case: "text/html", "image/*". Null: any. */
  readonly allow: readonly string[] | null;
  readonly deny: readonly string[];
  /** What the limits of size and type lead to. */
  readonly limits: ResponseMode;
  /** As rules are named in certificates: `responses`, `responses.hosts[1]`. */
  readonly rule: string;
}

type Stated = Omit<ResponsesSection, "hosts">;

/** The one vector that no ordinary answer was found to hold, and that does its harm by being shown. */
const SURE = "705";

export class ResponsePolicy {
  readonly #base: ResponseTerms;
  readonly #hosts = new HostSet<number>();
  readonly #terms: ResponseTerms[] = [];

  constructor(section: ResponsesSection) {
    const { hosts = [], ...base } = section;
    const stated = Object.keys(section).length > 0;
    this.#base = termsOf(base, stated, "responses");
    hosts.forEach(({ hosts: patterns, ...over }, index) => {
      this.#terms.push(termsOf({ ...base, ...over }, true, `responses.hosts[${index}]`));
      for (const text of listOf(patterns)) {
        const pattern = parseHostPattern(text);
        if (typeof pattern !== "string") this.#hosts.add(pattern, index);
      }
    });
  }

  /** `host` is normalised. Equal places get one object. */
  of(host: string, port: number, literal: boolean): ResponseTerms {
    if (this.#hosts.size === 0) return this.#base;
    let first = Number.POSITIVE_INFINITY;
    this.#hosts.each(host, port, literal, (index) => {
      first = Math.min(first, index);
    });
    return this.#terms[first] ?? this.#base;
  }
}

/** `stated` false: no policy says anything of answers. */
function termsOf(said: Stated, stated: boolean, rule: string): ResponseTerms {
  const mode = said.mode ?? (stated ? "enforce" : "shadow");
  const { vectors = {} } = said;
  // A mode is the most that anything below it comes to.
  const softened = (own: ResponseMode): ResponseMode => (mode === "enforce" ? own : own === "off" ? "off" : mode);
  const others = stated ? "enforce" : "shadow";
  return {
    attack(vector, name) {
      const own = vectors[vector] ?? vectors[name] ?? said.attacks;
      if (own !== undefined) return softened(own);
      return stated ? softened("enforce") : vector === SURE ? "enforce" : "shadow";
    },
    classes: {
      secret: softened(said.secrets ?? others),
      personal: softened(said.personal ?? "shadow"),
      health: softened(said.health ?? "shadow"),
      canary: softened(said.canaries ?? others),
      pattern: softened(said.patterns ?? others),
      dictionary: softened(said.dictionaries ?? others),
    },
    maxBytes: said.max_bytes ?? null,
    allow: said.types?.allow === undefined ? null : listOf(said.types.allow),
    deny: listOf(said.types?.deny),
    limits: softened("enforce"),
    rule,
  };
}

/** The same with nothing that acts. */
export function softenedTerms(terms: ResponseTerms): ResponseTerms {
  const soft = (mode: ResponseMode): ResponseMode => (mode === "enforce" ? "shadow" : mode);
  const { secret, personal, health, canary, pattern, dictionary } = terms.classes;
  return {
    ...terms,
    attack: (vector, name) => soft(terms.attack(vector, name)),
    classes: {
      secret: soft(secret),
      personal: soft(personal),
      health: soft(health),
      canary: soft(canary),
      pattern: soft(pattern),
      dictionary: soft(dictionary),
    },
    limits: soft(terms.limits),
  };
}

/** `type`: lower case, without parameters; "" when the answer does not say. */
export function typeAllowed({ allow, deny }: Pick<ResponseTerms, "allow" | "deny">, type: string): boolean {
  if (deny.some((range) => covers(range, type))) return false;
  return allow === null || allow.some((range) => covers(range, type));
}

function covers(range: string, type: string): boolean {
  if (range === "*/*") return true;
  return range.endsWith("/*") ? type.startsWith(range.slice(0, -1)) : range === type;
}
