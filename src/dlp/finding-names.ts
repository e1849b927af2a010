/** The names a finding of data can have, besides those of a policy's own patterns and dictionaries. A test holds this to the detectors. */
import { FORMATS } from "./formats.ts";
import { IDENTIFIERS } from "./identifiers.ts";
import { IBAN_RULE, LETTERED } from "./lettered-identifiers.ts";
import { SHAPE_RULES } from "./shapes.ts";

const OTHERS = [
  "authorization",
  "canary",
  "data-in-host",
  "email-address",
  "foreign-credential",
  "generic-secret",
  "ip-address",
  "jwt",
  "password",
  "phone-number",
  "private-key",
  "url-password",
];

export function dlpNames(): ReadonlySet<string> {
  return new Set([
    ...FORMATS.map(([name]) => name),
    ...[...IDENTIFIERS, ...LETTERED].map(({ rule }) => rule.name),
    ...SHAPE_RULES.map(({ name }) => name),
    IBAN_RULE.name,
    ...OTHERS,
  ]);
}
