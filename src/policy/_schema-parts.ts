/** What every section of a policy file is made of. */
import { z } from "zod";
import { DURATION } from "../limits/period.ts";
import { SEVERITIES } from "../model/finding.ts";

export const MAX_ENTRIES = 65_536;
export const MAX_TEXT = 300;

/** A word of a list. */
export const word = (of: string, max = MAX_TEXT) =>
  z
    .string({ error: `must be ${of}: put it in quotes` })
    .min(1, "is empty")
    .max(max, `has more than ${max} characters`);

/** `x` or `[x, y]`. */
export function many<T extends z.ZodType>(item: T, of: string, max = 1024) {
  const list = z.array(item).min(1, "is an empty list").max(max, `has more than ${max} entries`);
  return z.union([item, list], { error: `must be ${of}, or a list of them` });
}

/** A list of words: everything that is asked "is it one of these". */
export const words = (of: string, max = 1024) => many(word(of), of, max);

export const choice = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: `must be ${values.slice(0, -1).join(", ")} or ${values[values.length - 1]}` });

export const strict = <T extends z.core.$ZodLooseShape>(shape: T, error: string) => z.strictObject(shape, { error });

export const count = (most: number = Number.MAX_SAFE_INTEGER) =>
  z
    .number({ error: "must be a whole number" })
    .int("must be a whole number")
    .min(0, "must not be negative")
    .max(most, `must be at most ${most}`);

/** `30s`, `10m`, `12h`, `7d`. */
export const duration = z
  .string({ error: "must be a time such as 30s, 10m, 12h, 7d or 2w" })
  .regex(DURATION, "must be a time such as 30s, 10m, 12h, 7d or 2w");

export const identifier = z
  .string({ error: "must be a name such as no-uploads" })
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    "must be letters, digits, dots, dashes and underscores, at most 64 of them",
  );

export const severity = choice(SEVERITIES);
