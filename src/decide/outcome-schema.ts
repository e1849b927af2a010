/** How relays tell a plane what came of that which its limits let go (docs/governance-api.md). */
import { z } from "zod";

/** Bytes of a `settle.token`; what would need a longer one stays as it was reserved. */
export const MAX_SETTLE_TOKEN = 8_192;
/** Outcomes of one request, and bytes of it. */
export const MAX_OUTCOMES = 256;
export const MAX_OUTCOMES_BYTES = 1_048_576;

const token = z
  .string()
  .max(MAX_SETTLE_TOKEN)
  .regex(/^[\u0021-\u007e]+$/);

/** In the metadata of an answer that permits: what it took from limits can be settled. */
export const settleSchema = z.strictObject({
  /** Opaque to whoever is given it. */
  token,
  /** Whether the tokens that the answer says it used are counted. */
  usage: z.boolean(),
});

export type Settle = z.infer<typeof settleSchema>;

const count = z.int().min(0);

const endedSchema = z.strictObject({
  /** A byte of the request may have left. */
  sent: z.boolean(),
  /** The upstream's; null when it did not answer. */
  status: z.int().min(100).max(999).nullable(),
  bytes_up: count,
  bytes_down: count,
  /** False: the answer is not whole, and what it says it used is not all of it. */
  whole: z.boolean(),
  /** What the answer says it used; `input` without `cached`. Null when it does not say. */
  usage: z.strictObject({ input: count, cached: count, output: count }).nullable(),
});

export const outcomesSchema = z.strictObject({
  v: z.literal(1),
  outcomes: z
    .array(
      z.strictObject({
        settle: token,
        /** Null: it is still under way. */
        ended: endedSchema.nullable(),
      }),
    )
    .min(1)
    .max(MAX_OUTCOMES),
});

export type Outcomes = z.infer<typeof outcomesSchema>;
export type Outcome = Outcomes["outcomes"][number];

/** `known`: how many of them were; what a plane does not know (any more) stays as it was reserved. */
export const outcomesAnswerSchema = z.strictObject({ known: count });
