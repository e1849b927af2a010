/** The sections of a policy become a program that is only asked, never changed. */
import { readPath } from "../wire/path-readings.ts";
import type { Path } from "./amount-path.ts";
import { globMatches } from "./glob.ts";
import type { AmountUnit } from "./money.ts";
import type { Period } from "./period.ts";
import { type Price, PriceTable } from "./prices.ts";
import type { Dimension, LimitsSection, PricesSection } from "./schema.ts";
import type { LimitSubject } from "./subject.ts";

export type HostMatcher = (host: string, port: number, literal: boolean) => boolean;

/** Makes a matcher of host patterns, all of which the policy language reads; a string says what is wrong with the first bad one. */
export type HostCompiler = (patterns: readonly string[]) => HostMatcher | string;

interface Spending {
  readonly max: number;
  readonly period: Period;
  readonly assumeOutput: number;
}

export interface Payment {
  readonly field: Path;
  readonly currencyField: Path | null;
  readonly currency: string;
  readonly unit: AmountUnit;
  /** Micro-units; null: no such bound. */
  readonly maxEach: number | null;
  readonly ceiling: { readonly max: number; readonly period: Period } | null;
}

export interface Limit {
  readonly id: string;
  readonly per: readonly Dimension[];
  readonly enforce: boolean;
  /** True: what it limits is let pass while the counters cannot be had. */
  readonly openOnOutage: boolean;
  readonly matches: (subject: LimitSubject) => boolean;
  /** Of what matches and came through a tunnel: the tunnel's place is its place too. */
  readonly tunnelHolds: (subject: LimitSubject) => boolean;
  /** It reads amounts of GET, HEAD and OPTIONS too: they are named. */
  readonly paysByReads: boolean;
  readonly rate: { readonly requests: number; readonly seconds: number; readonly burst: number } | null;
  readonly concurrency: number | null;
  readonly bytes: { readonly max: number; readonly period: Period } | null;
  readonly tokens: Spending | null;
  readonly money: (Spending & { readonly currency: string }) | null;
  readonly payment: Payment | null;
}

export interface LimitProgram {
  readonly limits: readonly Limit[];
  readonly prices: PriceTable;
  /** Whether any limit looks at what models are asked, or at amounts. */
  readonly readsModels: boolean;
  readonly readsPayments: boolean;
}

/** `path` leads from the section (`limits` or `prices`) to what is wrong. */
export interface LimitProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export type CompiledLimits =
  | { readonly ok: true; readonly program: LimitProgram }
  | { readonly ok: false; readonly problems: readonly LimitProblem[] };

export function compileLimits(limits: LimitsSection, prices: PricesSection, hosts: HostCompiler): CompiledLimits {
  const problems: LimitProblem[] = [];
  const ids = new Set<string>();
  const compiled = limits.map((limit, index): Limit => {
    if (ids.has(limit.id))
      problems.push({ path: ["limits", index, "id"], message: `"${limit.id}" is the id of another limit` });
    ids.add(limit.id);
    const place = hosts(limit.match.hosts);
    if (typeof place === "string") problems.push({ path: ["limits", index, "match", "hosts"], message: place });
    return compileLimit(limit, typeof place === "string" || limit.match.hosts.length === 0 ? null : place);
  });
  if (problems.length > 0) return { ok: false, problems };
  const own = prices.map(
    (price): Price => ({
      model: price.model.toLowerCase(),
      currency: price.currency,
      input: price.input,
      cached: price.cached_input ?? price.input,
      output: price.output,
    }),
  );
  const program = {
    limits: compiled,
    prices: new PriceTable(own),
    readsModels: limits.some(
      ({ tokens, money, match, per }) =>
        tokens !== undefined || money !== undefined || match.models.length > 0 || per.includes("model"),
    ),
    readsPayments: limits.some(({ payment }) => payment !== undefined),
  };
  return { ok: true, program };
}

function compileLimit(limit: LimitsSection[number], hosts: HostMatcher | null): Limit {
  const { rate, bytes, tokens, money, payment, match } = limit;
  const methods = new Set(match.methods.map((method) => method.toUpperCase()));
  const models = match.models.map((model) => model.toLowerCase());
  const { paths, agents, tenants } = match;
  const told = agents.length > 0 ? [...limit.per, "agent" as const] : limit.per;
  const toldInside = told.filter((dimension) => TOLD_INSIDE.has(dimension));
  return {
    id: limit.id,
    per: limit.per,
    enforce: limit.mode === "enforce",
    openOnOutage: limit.on_outage === "open",
    tunnelHolds(subject) {
      if ((methods.size > 0 && !methods.has("CONNECT")) || models.length > 0 || paths.length > 0) return false;
      return !toldInside.some((dimension) => scopeOf(subject, dimension) !== null);
    },
    paysByReads: methods.has("GET") || methods.has("HEAD") || methods.has("OPTIONS"),
    matches(subject) {
      if (methods.size > 0 && !subject.overridden && !methods.has(subject.method.toUpperCase())) return false;
      if (hosts !== null && !hosts(subject.host, subject.port, subject.literal)) return false;
      if (paths.length > 0 && !leadsTo(paths, subject.path)) return false;
      if (agents.length > 0 && !some(agents, subject.agent ?? "")) return false;
      if (tenants.length > 0 && !some(tenants, subject.tenant)) return false;
      if (models.length === 0) return true;
      // A model that cannot be read in one way may be any.
      return subject.call !== null && (subject.call.model === null || some(models, subject.call.model.toLowerCase()));
    },
    rate:
      rate === undefined ? null : { requests: rate.requests, seconds: rate.per, burst: rate.burst ?? rate.requests },
    concurrency: limit.concurrency ?? null,
    bytes: bytes === undefined ? null : { max: bytes.max, period: bytes.per },
    tokens: tokens === undefined ? null : { max: tokens.max, period: tokens.per, assumeOutput: tokens.assume_output },
    money:
      money === undefined
        ? null
        : { max: money.max, period: money.per, currency: money.currency, assumeOutput: money.assume_output },
    payment:
      payment === undefined
        ? null
        : {
            field: payment.field,
            currencyField: payment.currency_field ?? null,
            currency: payment.currency,
            unit: payment.unit,
            maxEach: payment.max_each ?? null,
            ceiling:
              payment.max === undefined || payment.per === undefined ? null : { max: payment.max, period: payment.per },
          },
  };
}

/** What a CONNECT does not show, or not as the request inside does. */
const TOLD_INSIDE: ReadonlySet<Dimension> = new Set(["agent", "parent", "model"]);

/** Null: nobody, nothing, or not to be told. */
export function scopeOf(subject: LimitSubject, dimension: Dimension): string | null {
  return dimension === "model" ? (subject.call?.model?.toLowerCase() ?? null) : subject[dimension];
}

function some(patterns: readonly string[], text: string): boolean {
  return patterns.some((pattern) => globMatches(pattern, text));
}

/** As any server may read the path. One that nobody can read may lead anywhere. */
function leadsTo(patterns: readonly string[], path: string): boolean {
  if (some(patterns, path)) return true;
  const read = readPath(path);
  if (read === null) return true;
  if (read.readings.some((segments) => some(patterns, `/${segments.join("/")}`))) return true;
  const lowered = patterns.map((pattern) => pattern.toLowerCase());
  return read.lowered.some((segments) => some(lowered, `/${segments.join("/")}`));
}
