/** From a ruling, whoever made it, to the decision of this gateway. */
import type { Ruling, RulingVerdict } from "../engine/ruling.ts";
import { allow, block, type Decision, failClosed, type Verdict } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import type { LimitWord } from "./governance-schema.ts";
import { boundBy } from "./signed-request.ts";

/** What a ruling is carried out on. */
export interface Ruled {
  readonly egress: Egress;
  readonly held: HeldBody | null;
  /** sha256 hex of the attestation the ruling came with, or null. */
  readonly attestationHash: string | null;
  /** What the limits of who ruled said of it; absent or null: nothing. */
  readonly limit?: LimitWord | null;
}

const VERDICT: Readonly<Record<RulingVerdict, Verdict>> = {
  allow: "allow",
  sanitize: "sanitize",
  approval_needed: "hold",
  deny: "block",
};

export function decisionOf(ruling: Ruling, { egress, held, attestationHash, limit = null }: Ruled): Decision {
  const { reason, rule, policyVersion, findings, ttlS } = ruling;
  const would = ruling.would === null ? null : VERDICT[ruling.would];
  const pillar = ruling.pillar ?? "CoreGuard";
  // What is only watched is said of the certificate it is said in.
  const watched = would === null ? "enforce" : "shadow";
  const mode = limit !== null && "mode" in limit ? limit.mode : watched;
  const detail = { rule, policyVersion, attestationHash, findings, ttlS, would, mode } as const;
  const { vector } = ruling;
  switch (ruling.verdict) {
    case "allow":
      return allow(reason, would === null ? { ...detail, vector } : { ...detail, vector, pillar });
    case "deny": {
      const denied = { ...detail, pillar };
      if (limit === null || "mode" in limit) return block(reason, vector ?? "policy_deny", denied);
      const { status } = limit;
      if (status === 503) return failClosed(reason, vector ?? "limits_unavailable", detail);
      const fields = limit.fields.length === 0 ? null : limit.fields.flat();
      return block(reason, vector ?? "rate_limited", { ...denied, status, fields });
    }
    case "approval_needed":
      return { ...block(reason, vector ?? "approval_needed", { ...detail, pillar }), verdict: "hold" };
    case "sanitize": {
      const bound = boundBy(egress);
      if (bound !== null) return block(`content to be removed is ${bound}`, "sanitize_signed", { ...detail, pillar });
      // Nothing was held, so what was found is in the head or the URL, which are never rewritten.
      if (held === null || held.bytes.length === 0 || ruling.replacement === null) {
        return block("content to be removed is not in a body", "sanitize_head", { ...detail, pillar });
      }
      const replaced = { ...detail, pillar, vector: vector ?? "sanitized", replacement: ruling.replacement };
      return { ...allow(reason, replaced), verdict: "sanitize" };
    }
  }
}
