/**
 * The sections `limits:` and `prices:` of a policy, as strict schemas. What they produce is plain data; compile.ts makes
 * a program of it.
 */
import { z } from "zod";
import { type Path, parseAmountPath } from "./amount-path.ts";
import { scaled } from "./money.ts";
import { durationSeconds, type Period, parsePeriod } from "./period.ts";

/** What a counter is kept apart by. */
const DIMENSIONS = ["tenant", "agent", "parent", "host", "model"] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** What is counted in periods, and settled. */
export const BUDGETS = ["bytes", "tokens", "money", "payment"] as const;
export type BudgetPart = (typeof BUDGETS)[number];

/** What one limit may bound. */
const PARTS = ["rate", "concurrency", ...BUDGETS] as const;
export type Part = (typeof PARTS)[number];

const MAX_COUNT = Number.MAX_SAFE_INTEGER;

/** A value that is read from a text (or a number that YAML made of it); `read` answers null for what it cannot read. */
function written<T>(read: (text: string) => T | null, hint: string) {
  return z.union([z.string(), z.number()], { error: hint }).transform((input, context): T => {
    const value = read(String(input));
    if (value !== null) return value;
    context.issues.push({ code: "custom", message: hint, input });
    return z.NEVER;
  });
}

const SIZE: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

function readSize(text: string): number | null {
  const match = /^([0-9]{1,15}) ?([KMGT]i?B|B|)$/.exec(text);
  const bytes = match === null ? Number.NaN : Number(match[1]) * (SIZE[match[2] as string] ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

const whole = (min: number, max: number) =>
  z.int({ error: "must be a whole number" }).min(min, `is less than ${min}`).max(max, `is more than ${max}`);

const period = written<Period>(parsePeriod, "must be a part of a day such as 1m, 15m or 6h, or 1d, 1w or 1mo");
const money = written((text) => scaled(text, 6), "must be an amount such as 25.00, with at most 6 decimals");
const currency = z.string().regex(/^[A-Z]{3}$/, "must be a currency code such as USD");

const names = (of: string) =>
  z
    .array(
      z
        .string({ error: `must be ${of}: put it in quotes` })
        .min(1, "is empty")
        .max(300, "has more than 300 characters"),
      {
        error: "must be a list",
      },
    )
    .max(1024, "has more than 1024 entries")
    .default([]);

const suchAs = (example: string) => ({ error: `must be a map such as ${example}` });

const match = z.strictObject(
  {
    /** Host patterns, as everywhere in a policy. */
    hosts: names("a host pattern"),
    methods: names("a method"),
    /** Paths without query, dots and doubled slashes undone. */
    paths: names("a path"),
    /** `*` stands for any characters, as in `paths` and the next two. */
    models: names("a model"),
    agents: names("an agent"),
    tenants: names("a tenant"),
  },
  suchAs("{hosts: [api.example.com]}"),
);

const rate = z
  .strictObject(
    {
      requests: whole(1, 1_000_000),
      per: written(durationSeconds, "must be a duration such as 1s, 1m or 1h").refine(
        (s) => s <= 86_400,
        "is more than a day",
      ),
      /** Requests that may come at once; as many as `requests` when not said. */
      burst: whole(1, 1_000_000).optional(),
    },
    suchAs("{requests: 60, per: 1m}"),
  )
  .refine(
    ({ requests, per, burst }) => (burst ?? requests) * per * 1e6 <= MAX_COUNT,
    "burst times per is too large to be counted",
  );

const tokens = z.strictObject(
  {
    max: whole(0, MAX_COUNT),
    per: period,
    /** Output tokens reserved for a request that does not bound them itself. */
    assume_output: whole(1, 10_000_000).default(4096),
  },
  suchAs("{max: 1000000, per: 1d}"),
);

const spending = z.strictObject(
  {
    max: money,
    currency: currency.default("USD"),
    per: period,
    assume_output: whole(1, 10_000_000).default(4096),
  },
  suchAs("{max: 25.00, per: 1d}"),
);

const payment = z
  .strictObject(
    {
      /** Where the amount is in a JSON or form body: `$.amount`, `$.items[*].price`. Several are added up. */
      field: written<Path>(parseAmountPath, "must be a path such as $.amount or $.items[*].price"),
      currency_field: written<Path>(parseAmountPath, "must be a path such as $.currency").optional(),
      currency: currency.default("USD"),
      /** How amounts are written: `minor` counts cents, `major` whole units. */
      unit: z.enum(["minor", "major"], { error: "must be minor (cents) or major (whole units)" }),
      max_each: money.optional(),
      max: money.optional(),
      per: period.optional(),
    },
    suchAs("{field: $.amount, unit: minor, max_each: 100.00}"),
  )
  .refine(({ max, max_each }) => max !== undefined || max_each !== undefined, "needs max with per, or max_each")
  .refine(({ max, per }) => (max === undefined) === (per === undefined), "max and per are only useful together");

const limit = z
  .strictObject(
    {
      id: z
        .string({ error: "must be a name" })
        .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "must be 1 to 64 of a-z, 0-9, dot, hyphen and underscore"),
      per: z
        .array(z.enum(DIMENSIONS, { error: `must be one of ${DIMENSIONS.join(", ")}` }), { error: "must be a list" })
        .refine((all) => new Set(all).size === all.length, "names one of them twice")
        .default([]),
      match: match.prefault({}),
      rate: rate.optional(),
      /** Requests under way at once. */
      concurrency: whole(1, 100_000).optional(),
      /** Bodies of requests and answers, and what tunnels carry. */
      bytes: z
        .strictObject(
          { max: written(readSize, "must be a size such as 500KB, 10MB or 1GiB"), per: period },
          suchAs("{max: 10MB, per: 1h}"),
        )
        .optional(),
      tokens: tokens.optional(),
      money: spending.optional(),
      payment: payment.optional(),
      /** When the store of the counters cannot be asked: `closed` refuses, `open` lets pass. */
      on_outage: z.enum(["closed", "open"], { error: "must be closed or open" }).default("closed"),
      mode: z.enum(["enforce", "shadow"], { error: "must be enforce or shadow" }).default("enforce"),
    },
    { error: "must be a map that begins with id" },
  )
  .refine((each) => PARTS.some((part) => each[part] !== undefined), `limits nothing: give one of ${PARTS.join(", ")}`);

const perMillion = money;

const price = z.strictObject(
  {
    model: z.string({ error: "must be a model" }).min(1, "is empty").max(300, "has more than 300 characters"),
    currency: currency.default("USD"),
    input: perMillion,
    output: perMillion,
    /** As `input` when not said. */
    cached_input: perMillion.optional(),
  },
  { error: "must be a map of model, input, output" },
);

export const limitsSection = z.array(limit, { error: "must be a list of limits" }).max(256, "has more than 256 limits");

export const pricesSection = z
  .array(price, { error: "must be a list of prices" })
  .max(4096, "has more than 4096 prices");

export type LimitsSection = z.output<typeof limitsSection>;
export type PricesSection = z.output<typeof pricesSection>;
