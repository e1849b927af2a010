/** The `limits:` and `prices:` sections as they are written; what they mean is in the room of the limits. */
import { z } from "zod";
import { choice, count, identifier, many, strict, word, words } from "./_schema-parts.ts";

const PER = ["tenant", "agent", "host", "model"] as const;
const amount = z.number({ error: "must be a number" }).positive("must be more than 0").max(1e12, "is too large");
const currency = z
  .string({ error: "must be a currency such as USD" })
  .regex(/^[A-Z]{3}$/, "must be a currency such as USD");
const PERIOD = "must be minute, hour, day, week, month or a time such as 10m";
const period = z.string({ error: PERIOD }).regex(/^(?:minute|hour|day|week|month|[1-9][0-9]{0,5}[smhd])$/, PERIOD);

const perPeriod = (of: string) =>
  strict({ max: count().min(1, "must be at least 1"), period }, `must be a map of max and period (${of})`);

const limit = strict(
  {
    id: identifier,
    /** Each combination of these has a budget of its own; none: one budget for all. */
    per: many(choice(PER), "tenant, agent, host or model", PER.length).optional(),
    hosts: words("a host pattern").optional(),
    tenants: words("a tenant").optional(),
    agents: words("an agent").optional(),
    models: words("a model such as gpt-4*").optional(),
    requests: strict(
      { max: count().min(1, "must be at least 1"), period, burst: count().optional() },
      "must be a map of max, period and burst",
    ).optional(),
    concurrency: count().min(1, "must be at least 1").optional(),
    bytes: perPeriod("bytes of requests").optional(),
    tokens: perPeriod("tokens of a model").optional(),
    money: strict({ max: amount, currency, period }, "must be a map of max, currency, period").optional(),
    payments: strict(
      {
        /** Where the amount stands; the currency is read there or stated. */
        amount: many(word("a path such as $.amount"), "a path such as $.amount", 16),
        currency_at: word("a path such as $.currency").optional(),
        currency: currency.optional(),
        /** What one unit of the field is worth: 0.01 for cents. */
        unit: amount.optional(),
        each: amount.optional(),
        max: amount.optional(),
        period: period.optional(),
      },
      "must be a map of amount, currency, unit, each, max, period",
    ).optional(),
    /** What is done when the shared store cannot be asked. */
    outage: choice(["closed", "open"]).optional(),
    mode: choice(["enforce", "shadow"]).optional(),
    message: word("text", 1000).optional(),
  },
  "must be a map that begins with id",
);

const price = strict(
  {
    models: words("a model such as gpt-4*"),
    hosts: words("a host pattern").optional(),
    currency: currency.optional(),
    /** For a million tokens. */
    input: z.number({ error: "must be a number" }).min(0, "must not be negative"),
    output: z.number({ error: "must be a number" }).min(0, "must not be negative"),
    cached_input: z.number({ error: "must be a number" }).min(0, "must not be negative").optional(),
  },
  "must be a map of models, input, output",
);

export const limitsSection = z.array(limit, { error: "must be a list" }).max(1024, "has more than 1024 entries");
export const pricesSection = z.array(price, { error: "must be a list" }).max(1024, "has more than 1024 entries");

export type LimitEntry = z.infer<typeof limit>;
export type PriceEntry = z.infer<typeof price>;
