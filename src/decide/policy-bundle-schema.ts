/** A policy as a plane serves it (docs/governance-api.md). */
import { z } from "zod";

export const policyBundleSchema = z.strictObject({
  /** As the relay itself computes it from the files: anything else is another policy. */
  version: z.string().max(256),
  files: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[^./\\\p{Cc}][^/\\\p{Cc}]{0,254}$/u),
        text: z.string().max(1024 * 1024),
      }),
    )
    .min(1)
    .max(256),
  /** Whose policy it is. */
  tenant: z.string().max(256),
  /** Detached compact JWS over the canonical JSON of `files`, `tenant` and `version`. */
  signature: z.string().max(4096).nullable(),
});

export type PolicyBundle = z.infer<typeof policyBundleSchema>;
