import type { Finding } from "../model/finding.ts";

/** Names of fields and parameters are the client's, and may be long. */
const MAX_TEXT = 256;

/** One line of the findings file: what a certificate rests on. Member by member, so that nothing else is ever in it. */
export function findingsLine(certificateId: string, at: string, findings: readonly Finding[]): string {
  return JSON.stringify({
    certificate_id: certificateId,
    at,
    findings: findings.map(({ pillar, vector, name, severity, view, where, start, end, reason }) => ({
      pillar: cut(pillar),
      vector: cut(vector),
      name: cut(name),
      severity,
      view: cut(view),
      where: cut(where),
      start,
      end,
      reason: cut(reason),
    })),
  });
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text;
}
