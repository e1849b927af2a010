/** The schema of policy files as JSON Schema, for editors. */
import { z } from "zod";
import { policySchema } from "./schema.ts";

/** What it cannot say (patterns of hosts, expressions, ids given twice), `policy lint` says. */
export function policyJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(policySchema, { io: "input", reused: "ref" });
  return {
    $schema,
    title: "sallyport policy, version 1",
    description: "A policy file of sallyport (docs/policy.md).",
    ...schema,
  };
}
