import type { Question } from "../model/question.ts";
import { canonicalize } from "./canonical.ts";
import type { Digest } from "./digest.ts";

/**
 * What a ruling was about, as one hash that whoever asked and whoever answered can each compute: everything of the question
 * but its time. `bodySha256` is of the body with its codings undone, hex; null for a tunnel. Throws TypeError for text that
 * has no bytes (a lone surrogate).
 */
export function paramsHash(
  question: Omit<Question, "body" | "at">,
  bodySha256: string | null,
  digest: Pick<Digest, "sha256">,
): string {
  const { org, caller, agent, parentAgent, phase, door, method, scheme, host, port, path, upgrade } = question;
  const { query, headers, trailers } = question;
  const said = {
    org,
    caller,
    agent,
    parentAgent,
    phase,
    door,
    method,
    scheme,
    host,
    port,
    path,
    query,
    headers,
    trailers,
  };
  return `sha256-${digest.sha256(canonicalize({ v: 1, ...said, upgrade, bodySha256 }))}`;
}

/**
 * "sha256-" + hex over an answer as it stands in JSON, members that are null too, without its attestation and without the
 * body to send instead, which has a hash of its own. Throws TypeError for what has no canonical form (a lone surrogate, more
 * than 256 levels).
 */
export function answerHash(answer: Readonly<Record<string, unknown>>, digest: Pick<Digest, "sha256">): string {
  const { attestation: _, redacted_body: __, redacted_encoding: ___, ...rest } = answer;
  return `sha256-${digest.sha256(canonicalize(rest))}`;
}
