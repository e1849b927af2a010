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

/** "sha256-" + hex over what limits add to an answer's metadata; undefined when it is nothing. */
export function limitsHash(
  metadata: Readonly<Record<string, unknown>> | null | undefined,
  digest: Pick<Digest, "sha256">,
): string | undefined {
  const limit = metadata?.limit ?? null;
  const settle = metadata?.settle ?? null;
  if (limit === null && settle === null) return undefined;
  return `sha256-${digest.sha256(canonicalize({ limit, settle }))}`;
}
