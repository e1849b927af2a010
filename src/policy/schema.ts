/** The schema of a policy file, version 1. `docs/policy.schema.json` is printed from it. */
import { z } from "zod";
import { MAX_CANARIES, MIN_CANARY } from "../dlp/canary.ts";
import { MAX_PATTERNS } from "../dlp/patterns.ts";
import { limitsSection, pricesSection } from "../limits/schema.ts";
import {
  choice,
  count,
  duration,
  identifier,
  MAX_ENTRIES,
  many,
  severity,
  strict,
  word,
  words,
} from "./_schema-parts.ts";
import { notSchema, whenSchema } from "./_schema-when.ts";

/** Long lists are read by hand (document.ts): a schema needs longer for ten thousand words than a start may take. */
const list = (of: string, max: number) =>
  z.array(word(of), { error: "must be a list ([] for none)" }).max(max, `has more than ${max} entries`).default([]);

export const VERDICTS = ["allow", "deny", "sanitize", "approval_needed"] as const;
export const NAMED_POLICIES = ["llm-only", "deny-by-default", "observe", "pci", "hipaa"] as const;

const mode = choice(["enforce", "shadow"]);
/** YAML reads a bare `off` as text, which is what is meant. */
const inspection = choice(["enforce", "shadow", "off"]);
const redaction = choice(["enforce", "sanitize", "shadow", "off"]);

const control = z
  .string({ error: "must be a control such as LLM01 or ASI02" })
  .regex(/^(?:LLM(?:0[1-9]|10)|ASI(?:0[1-9]|10)|[A-Z][A-Z0-9]{1,15}-[A-Za-z0-9.()-]{1,24})$/, {
    error: "must be LLM01 to LLM10, ASI01 to ASI10, or a control of your own such as PCI-3.4",
  });

const instant = word("a day or an instant such as 2026-01-31");

export const ruleSchema = strict(
  {
    id: identifier,
    when: whenSchema.optional(),
    unless: notSchema.optional(),
    verdict: choice(VERDICTS),
    mode: mode.optional(),
    reason: word("text", 300).optional(),
    message: word("text", 1000).optional(),
    controls: many(control, "a control such as LLM01", 32).optional(),
    ttl: duration.optional(),
    expires: instant.optional(),
  },
  "must be a map of id, when, verdict",
);

const vector = z
  .string()
  .regex(/^(?:[0-9]{3}|[a-z][a-z0-9-]{1,63})$/, 'is not a vector: a number in quotes such as "701"');

const detect = strict(
  {
    mode: inspection.optional(),
    /** The lowest severity that is a veto. */
    threshold: severity.optional(),
    vectors: z
      .record(
        vector,
        z.union(
          [
            inspection,
            strict({ mode: inspection.optional(), threshold: severity.optional() }, "must be a map of mode, threshold"),
          ],
          { error: "must be enforce, shadow or off, or a map of mode and threshold" },
        ),
        { error: "must be a map from vectors to enforce, shadow or off" },
      )
      .optional(),
    classifier: strict(
      {
        mode: inspection.optional(),
        threshold: z
          .number({ error: "must be a number from 0 to 1" })
          .min(0, "must be a number from 0 to 1")
          .max(1, "must be a number from 0 to 1")
          .optional(),
      },
      "must be a map of mode and threshold",
    ).optional(),
  },
  "must be a map of mode, threshold, vectors, classifier",
);

/** As findings are called: `dlp.ts` takes no other name. */
const findingName = z
  .string({ error: "must be a name such as our-projects" })
  .max(64, "has more than 64 characters")
  .regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, "must be lower-case letters and digits, with single dashes between them");

const canary = word("a canary").superRefine((token, context) => {
  const { length } = new TextEncoder().encode(token);
  if (length > 0 && length < MIN_CANARY)
    context.addIssue(`has ${length} byte${length === 1 ? "" : "s"}, at least ${MIN_CANARY} are needed`);
});

const dlp = strict(
  {
    secrets: redaction.optional(),
    personal: redaction.optional(),
    health: redaction.optional(),
    canaries: strict(
      { mode: redaction.optional(), values: many(canary, "a canary", MAX_CANARIES) },
      "must be a map of mode and values",
    ).optional(),
    patterns: strict(
      {
        mode: redaction.optional(),
        list: z
          .array(
            strict(
              { name: findingName, regex: word("a regular expression", 1000), severity: severity.optional() },
              "must be a map of name, regex, severity",
            ),
            { error: "must be a list" },
          )
          .max(MAX_PATTERNS, `has more than ${MAX_PATTERNS} entries`),
      },
      "must be a map of mode and list",
    ).optional(),
    dictionaries: strict(
      {
        mode: redaction.optional(),
        list: z
          .array(
            strict({ name: findingName, words: words("a word", MAX_ENTRIES) }, "must be a map of name and words"),
            {
              error: "must be a list",
            },
          )
          .max(64, "has more than 64 entries"),
      },
      "must be a map of mode and list",
    ).optional(),
    /** What is found and is none: values by their SHA-256, rules by their names. */
    allow: strict(
      {
        fingerprints: many(
          z
            .string({ error: "must be a SHA-256 as 64 hex digits: put it in quotes" })
            .regex(/^[0-9a-f]{64}$/, "must be a SHA-256 as 64 hex digits"),
          "a SHA-256 as 64 hex digits",
          4096,
        ).optional(),
        names: words("the name of a finding").optional(),
      },
      "must be a map of fingerprints and names",
    ).optional(),
  },
  "must be a map of secrets, personal, health, canaries, patterns, dictionaries, allow",
);

const mediaRange = z
  .string({ error: "must be a media type such as text/html or image/*" })
  .regex(
    /^(?:\*|[a-z0-9!#$&^_.+-]{1,64})\/(?:\*|[a-z0-9!#$&^_.+-]{1,64})$/,
    "must be a media type such as text/html or image/*",
  );

const sequences = z
  .array(
    strict(
      {
        id: identifier,
        /** Each must have happened, in this order, in one session. */
        steps: z
          .array(whenSchema, { error: "must be a list of conditions" })
          .min(2, "needs two steps or more")
          .max(8, "has more than 8 steps"),
        within: duration,
        /** What is one session. */
        per: many(choice(["tenant", "agent", "client", "host"]), "tenant, agent, client or host", 4).optional(),
        /** The last step goes to another host than the first. */
        other_host: z.boolean({ error: "must be true or false" }).optional(),
        verdict: choice(["deny", "approval_needed"]),
        mode: mode.optional(),
        reason: word("text", 300).optional(),
        message: word("text", 1000).optional(),
        controls: many(control, "a control such as LLM01", 32).optional(),
      },
      "must be a map of id, steps, within, verdict",
    ),
    { error: "must be a list" },
  )
  .max(256, "has more than 256 entries");

const cache = strict(
  {
    /** Allows of reads are kept this long, at most. */
    reads: duration.optional(),
    entries: count(1_000_000).optional(),
    /** When the deciding plane is down: let go what was allowed before. Each certificate then says `degraded`. */
    degraded: strict({ allow_known: duration }, "must be a map with allow_known").optional(),
  },
  "must be a map of reads, entries, degraded",
);

/** What is looked at in answers, here and per host. Nothing is taken out of an answer: it goes, or it does not. */
const responseTerms = {
  mode: inspection.optional(),
  attacks: inspection.optional(),
  vectors: z.record(vector, inspection, { error: "must be a map from vectors to enforce, shadow or off" }).optional(),
  secrets: inspection.optional(),
  personal: inspection.optional(),
  health: inspection.optional(),
  canaries: inspection.optional(),
  patterns: inspection.optional(),
  dictionaries: inspection.optional(),
  /** Bytes of what comes out of the body's codings, and of the Content-Length it comes with. Null: any. */
  max_bytes: count().nullable().optional(),
  types: strict(
    { allow: many(mediaRange, "a media type", 256).optional(), deny: many(mediaRange, "a media type", 256).optional() },
    "must be a map of allow and deny",
  ).optional(),
};

const responses = strict(
  {
    ...responseTerms,
    /** The first that names the host says what it says; the rest is as above. */
    hosts: z
      .array(
        strict(
          { hosts: words("a host pattern"), ...responseTerms },
          "must be a map of hosts and of what is said of them",
        ),
        { error: "must be a list" },
      )
      .max(256, "has more than 256 entries")
      .optional(),
  },
  "must be a map of mode, attacks, secrets, personal, max_bytes, types, hosts",
);

const classDefault = choice(["open", "closed"]).optional();

export const policySchema = z.strictObject(
  {
    version: z.literal(1, { error: "must be 1" }),
    /** The verdict for what no rule names. At least one file of a policy says it. */
    default: z.enum(["allow", "deny"], { error: "must be allow or deny" }).optional(),
    /** Nothing in a shadow file is enforced; what it would do is told. */
    mode: mode.optional(),
    extends: many(choice(NAMED_POLICIES), "a starting policy such as llm-only", 16).optional(),
    hosts: z
      .strictObject(
        { allow: list("a host pattern", MAX_ENTRIES), deny: list("a host pattern", MAX_ENTRIES) },
        { error: "must be a map with allow and deny" },
      )
      .default({ allow: [], deny: [] }),
    /** `host:port` of tunnels that may carry any protocol. */
    opaque: list("host:port", 4096),
    /** The default by class: whether what no rule names may read, may write. */
    access: strict({ reads: classDefault, writes: classDefault }, "must be a map of reads and writes").optional(),
    /** Lists with a name, used as $name. */
    lists: z
      .record(
        z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, "is not a name for a list: small letters, digits, dashes"),
        z
          .array(word("a pattern"), { error: "must be a list" })
          .max(MAX_ENTRIES, `has more than ${MAX_ENTRIES} entries`),
        { error: "must be a map from names to lists" },
      )
      .optional(),
    rules: z
      .array(ruleSchema, { error: "must be a list of rules" })
      .max(16_384, "has more than 16384 entries")
      .optional(),
    detect: detect.optional(),
    dlp: dlp.optional(),
    responses: responses.optional(),
    limits: limitsSection.optional(),
    prices: pricesSection.optional(),
    sequences: sequences.optional(),
    cache: cache.optional(),
  },
  { error: "must be a map that begins with version: 1" },
);

export type PolicyDocument = z.infer<typeof policySchema>;
export type RuleEntry = z.infer<typeof ruleSchema>;
export type DetectSection = z.infer<typeof detect>;
export type DlpSection = z.infer<typeof dlp>;
export type ResponsesSection = z.infer<typeof responses>;
export type SequenceEntry = z.infer<typeof sequences>[number];
export type CacheSection = z.infer<typeof cache>;
export type RuleVerdict = (typeof VERDICTS)[number];
export type RuleMode = "enforce" | "shadow";
