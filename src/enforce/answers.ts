import type { Certified } from "../model/certificate.ts";
import type { Decision, RefusalStatus } from "../model/decision.ts";
import type { Responder } from "../model/exchange.ts";

const REASONS: Readonly<Record<RefusalStatus, string>> = {
  407: "Proxy Authentication Required",
  413: "Content Too Large",
  429: "Too Many Requests",
  451: "Unavailable For Legal Reasons",
  503: "Service Unavailable",
  508: "Loop Detected",
};

/** `X-EVE-Verdict` and the body's `status` for a refusal. */
function word(decision: Decision): "BLOCK" | "HOLD" | "FAIL_CLOSED" {
  if (decision.verdict === "fail_closed") return "FAIL_CLOSED";
  return decision.verdict === "hold" ? "HOLD" : "BLOCK";
}

/** 502 for an egress that was allowed and could not be carried out. `certificate` is the allow's. */
export function badGateway(responder: Responder, certificate: Certified, detail: string, sever: boolean): void {
  const headers = ["Content-Type", "text/plain; charset=utf-8", "X-EVE-Decision-Cert", certificate.header];
  responder.answer(502, "Bad Gateway", headers, `upstream error: ${detail}\n`, sever);
}

/** Answers a refusal with its certificate and severs the connection behind it. */
export function refuse(responder: Responder, decision: Decision, certificate: Certified): void {
  const status = decision.status ?? 503;
  const verdict = word(decision);
  const headers = [
    "Content-Type",
    status === 413 || status === 508 ? "text/plain; charset=utf-8" : "application/json",
    "Cache-Control",
    "no-store",
    "X-EVE-Verdict",
    verdict,
    "X-EVE-Pillar",
    decision.pillar ?? "CoreGuard",
    "X-EVE-Decision-Cert",
    certificate.header,
  ];
  if (decision.fields !== null) headers.push(...decision.fields);
  else if (status === 429) headers.push("Retry-After", "1");
  responder.answer(status, REASONS[status], headers, bodyOf(status, verdict, decision, certificate), true);
}

function bodyOf(status: RefusalStatus, verdict: string, decision: Decision, certificate: Certified): string {
  if (status === 413) return "body too large for inspection\n";
  if (status === 508) return "loop detected: the request is for the gateway itself\n";
  const { reason, pillar, vector } = decision;
  const head = JSON.stringify({ status: verdict, reason, pillar, vector });
  return `${head.slice(0, -1)},"certificate":${certificate.json}}\n`;
}
