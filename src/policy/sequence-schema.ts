/** The `sequences` section of a policy file: what no single request shows. */
import { z } from "zod";
import { parseHostPattern } from "./host-set.ts";

const MAX_LIST = 1024;
const DAY_MS = 86_400_000;
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

const word = (of: string, form: RegExp) => z.string({ error: `must be ${of}` }).regex(form, `must be ${of}`);

const listOf = <T extends z.ZodType>(item: T) =>
  z
    .array(item, { error: "must be a list" })
    .min(1, "is empty: leave it out")
    .max(MAX_LIST, `has more than ${MAX_LIST} entries`);

const hostPattern = z
  .string({ error: "must be a host pattern: put it in quotes" })
  .max(300, "has more than 300 characters")
  .superRefine((text, context) => {
    const pattern = parseHostPattern(text);
    if (typeof pattern === "string") context.addIssue({ code: "custom", message: pattern });
  });

/** What a request must be; each member that is given must hold, by any of its entries. */
export const sequenceWhenSchema = z
  .strictObject(
    {
      hosts: listOf(hostPattern).optional(),
      methods: listOf(word("a method in capitals", /^[A-Z]{1,32}$/)).optional(),
      /** Globs over the path without its query: `*` within a segment, `**` over any number of them. */
      paths: listOf(word("a path that begins with /, of at most 300 characters", /^\/.{0,299}$/)).optional(),
      /** Vectors or names of findings. */
      findings: listOf(word("the vector or name of a finding", /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)).optional(),
    },
    { error: "must be a map with hosts, methods, paths or findings" },
  )
  .refine((when) => Object.values(when).some((value) => value !== undefined), {
    message: "says nothing: give hosts, methods, paths or findings",
  });

export type SequenceWhen = z.infer<typeof sequenceWhenSchema>;

const stepSchema = z.strictObject(
  {
    when: sequenceWhenSchema,
    /** Only when it goes to another host than the request that made the first step. */
    not_hosts_of_first: z.boolean({ error: "must be true or false" }).default(false),
  },
  { error: "must be a map with when" },
);

export const sequenceSchema = z
  .strictObject(
    {
      id: word("an id of letters, digits, dots and dashes", /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
      /** Milliseconds from the first step to the last. */
      window: z
        .string({ error: "must be a time such as 10m" })
        .regex(/^[1-9][0-9]{0,5}[smh]$/, "must be a time such as 30s, 10m or 2h")
        .transform((text) => Number(text.slice(0, -1)) * (UNITS[text.slice(-1)] ?? 0))
        .refine((ms) => ms <= DAY_MS, "is longer than 24h")
        .default(600_000),
      /** What makes two requests one session. */
      by: listOf(z.enum(["agent", "tenant", "client"], { error: "must be agent, tenant or client" })).default([
        "tenant",
        "client",
      ]),
      steps: z
        .array(stepSchema, { error: "must be a list of steps" })
        .min(2, "needs two steps at least")
        .max(5, "has more than 5 steps"),
      verdict: z.enum(["deny", "approval_needed"], { error: "must be deny or approval_needed" }).default("deny"),
      mode: z.enum(["enforce", "shadow"], { error: "must be enforce or shadow" }).default("enforce"),
      reason: z
        .string({ error: "must be text" })
        .min(1, "is empty")
        .max(256, "has more than 256 characters")
        .optional(),
      controls: listOf(word("the id of a control", /^[A-Za-z0-9][A-Za-z0-9._:-]{0,31}$/)).default([]),
    },
    { error: "must be a map with id and steps" },
  )
  .refine(({ steps }) => steps[0]?.not_hosts_of_first !== true, {
    path: ["steps", 0, "not_hosts_of_first"],
    message: "says nothing of the first step",
  });

export type SequenceSection = z.infer<typeof sequenceSchema>;

export const sequencesSchema = z
  .array(sequenceSchema, { error: "must be a list of sequences" })
  .max(256, "has more than 256 entries")
  .default([]);

/** The keys of each map, for those who mistype one. */
export const SEQUENCE_KEYS: Readonly<Record<string, readonly string[]>> = {
  "sequences.*": Object.keys(sequenceSchema.shape),
  "sequences.*.steps.*": Object.keys(stepSchema.shape),
  "sequences.*.steps.*.when": Object.keys(sequenceWhenSchema.shape),
};
