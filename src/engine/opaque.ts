/** Content that may hold text and was not read: told to the policy, which may deny it. */
import type { InnerOpaque, OpaqueName } from "../content/inner-texts.ts";
import type { Finding } from "../model/finding.ts";

export const OPAQUE = "opaque_content";

const REASONS: Readonly<Record<OpaqueName, string>> = {
  "pdf-document": "a PDF document, of whose text only what is not compressed was read",
  "ole-document": "an old or a locked office document, which was not read",
  "packed-archive": "an archive packed in a way that was not read",
  "encrypted-archive": "an archive with a password, of which only what lies open was read",
  "damaged-archive": "an archive that could not be read to its end",
  "deep-archive": "something packed deeper than was read",
  "large-archive": "an archive of more than was read",
};

export function opaqueFinding({ name, view, start, end }: InnerOpaque): Finding {
  const reason = `the body holds ${REASONS[name]}`;
  return { pillar: "CoreGuard", vector: OPAQUE, name, severity: "low", view, where: "body", start, end, reason };
}
