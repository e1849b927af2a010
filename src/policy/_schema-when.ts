/** The conditions of a rule. */
import { z } from "zod";
import { choice, count, many, severity, strict, word, words } from "./_schema-parts.ts";

const regex = word("a regular expression", 1000);
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()], {
  error: "must be text, a number, true, false or null",
});

const text = strict(
  {
    present: z.boolean({ error: "must be true or false" }).optional(),
    equals: words("text").optional(),
    glob: words("a pattern").optional(),
    regex: regex.optional(),
    /** Of a credential, whose value no rule sees. */
    kind: words("a kind of credential, such as bearer").optional(),
    issuer: words("an issuer, such as openai").optional(),
  },
  "must be a pattern, or a map of present, equals, glob, regex, kind, issuer",
);

/** By name: `accept: "text/*"`, `x-debug: { present: true }`. */
const fields = (of: string) =>
  z.record(
    word(of),
    z.union([word("a pattern"), text], {
      error: "must be a pattern, or a map of present, equals, glob, regex, kind, issuer",
    }),
    { error: `must be a map from ${of} to what it must be` },
  );

const jsonTest = strict(
  {
    exists: z.boolean({ error: "must be true or false" }).optional(),
    eq: scalar.optional(),
    in: z.array(scalar, { error: "must be a list" }).min(1, "is an empty list").max(1024).optional(),
    gt: z.number({ error: "must be a number" }).optional(),
    gte: z.number({ error: "must be a number" }).optional(),
    lt: z.number({ error: "must be a number" }).optional(),
    lte: z.number({ error: "must be a number" }).optional(),
    glob: words("a pattern").optional(),
    regex: regex.optional(),
  },
  "must be a value, or a map of exists, eq, in, gt, gte, lt, lte, glob, regex",
);

const json = z.record(
  word("a path such as $.order.amount"),
  z.union([scalar, jsonTest], { error: "must be a value, or a map of exists, eq, in, gt, gte, lt, lte, glob, regex" }),
  { error: "must be a map from paths such as $.order.amount to what stands there" },
);

const range = (of: string) =>
  strict({ min: count().optional(), max: count().optional() }, `must be a map of min and max (${of})`);

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

const hours = z
  .string({ error: 'must be hours such as "08:00-18:00"' })
  .regex(
    /^(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)$/,
    'must be hours such as "08:00-18:00"',
  );

const times = strict(
  {
    days: many(choice(DAYS), "a day such as mon", 7).optional(),
    hours: many(hours, 'hours such as "08:00-18:00"', 24).optional(),
    zone: word("a time zone such as Europe/Berlin").optional(),
    from: word("a day or an instant such as 2026-01-31").optional(),
    until: word("a day or an instant such as 2026-01-31").optional(),
  },
  "must be a map of days, hours, zone, from, until",
);

const conditions = {
  hosts: words("a host pattern", 65_536).optional(),
  methods: words("a method such as POST", 64).optional(),
  class: choice(["read", "write"]).optional(),
  schemes: many(choice(["http", "https", "tcp"]), "http, https or tcp", 3).optional(),
  paths: words("a path such as /v1/files/**").optional(),
  query: fields("a parameter").optional(),
  headers: fields("a header").optional(),
  agents: words("an agent").optional(),
  parents: words("an agent").optional(),
  tenants: words("a tenant").optional(),
  callers: words("a caller").optional(),
  doors: words("a door", 64).optional(),
  phases: many(choice(["request", "tunnel", "message"]), "request, tunnel or message", 3).optional(),
  models: words("a model such as gpt-4*").optional(),
  roles: words("a role such as system", 64).optional(),
  messages: strict(
    {
      roles: words("a role such as user", 64).optional(),
      contains: words("text").optional(),
      regex: regex.optional(),
      min: count().optional(),
      max: count().optional(),
    },
    "must be a map of roles, contains, regex, min, max",
  ).optional(),
  tools: z
    .union(
      [
        word("a tool"),
        z.array(word("a tool")).min(1, "is an empty list").max(1024),
        strict(
          { offered: words("a tool").optional(), called: words("a tool").optional() },
          "must be a tool, a list of tools, or a map of offered and called",
        ),
      ],
      { error: "must be a tool, a list of tools, or a map of offered and called" },
    )
    .optional(),
  tool_calls: strict(
    {
      names: words("a tool").optional(),
      contains: words("text").optional(),
      regex: regex.optional(),
      min: count().optional(),
      max: count().optional(),
    },
    "must be a map of names, contains, regex, min, max",
  ).optional(),
  dialects: words("a dialect such as openai-*", 64).optional(),
  operations: words("an operation such as chat or embedding", 64).optional(),
  stream: z.boolean({ error: "must be true or false" }).optional(),
  tokens: range("an estimate").optional(),
  max_tokens: range("tokens asked for").optional(),
  images: range("how many").optional(),
  files: range("how many").optional(),
  graphql: strict(
    {
      operations: many(choice(["query", "mutation", "subscription"]), "query, mutation or subscription", 3).optional(),
      names: words("a name of an operation").optional(),
      fields: words("a field such as user.email").optional(),
    },
    "must be a map of operations, names, fields",
  ).optional(),
  json: json.optional(),
  content_types: words("a content type such as application/json").optional(),
  body: strict(
    { min_bytes: count().optional(), max_bytes: count().optional() },
    "must be a map of min_bytes and max_bytes",
  ).optional(),
  times: many(times, "a map of days, hours, zone, from, until", 64).optional(),
  findings: strict(
    {
      pillars: words('a pillar such as "128"').optional(),
      vectors: words('a vector such as "701" or dlp_secret').optional(),
      names: words("the name of a finding").optional(),
      severity: severity.optional(),
      min: count(10_000).optional(),
    },
    "must be a map of pillars, vectors, names, severity, min",
  ).optional(),
  cel: word("a CEL expression", 4000).optional(),
};

const WHEN = "must be a map of conditions such as hosts, methods, paths";

/** What must not hold, as a whole. */
export const notSchema = strict(conditions, WHEN);
export const whenSchema = strict({ ...conditions, not: notSchema.optional() }, WHEN);

export type When = z.infer<typeof whenSchema>;
export type Conditions = z.infer<typeof notSchema>;
export type TextTest = z.infer<typeof text>;
export type JsonTest = z.infer<typeof jsonTest>;
export type TimeWindow = z.infer<typeof times>;
export const CONDITION_NAMES = Object.keys(conditions);
