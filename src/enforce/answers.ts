import type { Certified } from "../model/certificate.ts";
import type { Decision, RefusalStatus } from "../model/decision.ts";
import type { Exchange } from "../model/exchange.ts";
import type { HeaderList } from "../model/headers.ts";
import { GrpcStatus, grpcMessage } from "../wire/grpc.ts";

const REASONS: Readonly<Record<RefusalStatus, string>> = {
  407: "Proxy Authentication Required",
  413: "Content Too Large",
  429: "Too Many Requests",
  451: "Unavailable For Legal Reasons",
  503: "Service Unavailable",
  508: "Loop Detected",
};

/** A call that the gateway ends has been taken up by HTTP (gRPC's "Responses"): what became of it stands behind that. */
export const GRPC_HEAD: HeaderList = ["content-type", "application/grpc"];

const GRPC: Readonly<Record<RefusalStatus, number>> = {
  407: GrpcStatus.UNAUTHENTICATED,
  413: GrpcStatus.RESOURCE_EXHAUSTED,
  429: GrpcStatus.RESOURCE_EXHAUSTED,
  451: GrpcStatus.PERMISSION_DENIED,
  503: GrpcStatus.UNAVAILABLE,
  508: GrpcStatus.PERMISSION_DENIED,
};

/** How a call of gRPC ends: its trailers. */
export function grpcEnd(status: number, message: string): string[] {
  return ["grpc-status", String(status), "grpc-message", grpcMessage(message)];
}

/** The same of a refusal, with its certificate. */
export function grpcRefusal(decision: Decision, certificate: Certified): string[] {
  return [
    ...grpcEnd(GRPC[decision.status ?? 503], decision.reason),
    ...eve(decision, certificate),
    ...(decision.fields ?? []),
  ];
}

function eve(decision: Decision, certificate: Certified): string[] {
  const pillar = decision.pillar ?? "CoreGuard";
  return ["X-EVE-Verdict", word(decision), "X-EVE-Pillar", pillar, "X-EVE-Decision-Cert", certificate.header];
}

/** `X-EVE-Verdict` and the body's `status` for a refusal. */
function word(decision: Decision): "BLOCK" | "HOLD" | "FAIL_CLOSED" {
  if (decision.verdict === "fail_closed") return "FAIL_CLOSED";
  return decision.verdict === "hold" ? "HOLD" : "BLOCK";
}

/** What an answer is given to. */
export type Answered = Pick<Exchange, "responder" | "stream">;

/** 502 for an egress that was allowed and could not be carried out, or gRPC's word for it. `certificate` is the allow's. */
export function badGateway(
  { responder, stream }: Answered,
  certificate: Certified,
  detail: string,
  sever: boolean,
): void {
  if (stream !== null) {
    const fields = [...GRPC_HEAD, ...grpcEnd(GrpcStatus.UNAVAILABLE, `upstream error: ${detail}`)];
    stream.headOnly(200, fields, certificate, sever);
    return;
  }
  const headers = ["Content-Type", "text/plain; charset=utf-8", "X-EVE-Decision-Cert", certificate.header];
  responder.answer(502, "Bad Gateway", headers, `upstream error: ${detail}\n`, sever);
}

/** Answers a refusal with its certificate and severs the connection behind it. */
export function refuse({ responder, stream }: Answered, decision: Decision, certificate: Certified): void {
  if (stream !== null) {
    stream.headOnly(200, [...GRPC_HEAD, ...grpcRefusal(decision, certificate)], null, true);
    return;
  }
  const status = decision.status ?? 503;
  const verdict = word(decision);
  const headers = [
    "Content-Type",
    status === 413 || status === 508 ? "text/plain; charset=utf-8" : "application/json",
    "Cache-Control",
    "no-store",
    ...eve(decision, certificate),
  ];
  if (decision.fields !== null) headers.push(...decision.fields);
  else if (status === 429) headers.push("Retry-After", "1");
  responder.answer(status, REASONS[status], headers, bodyOf(status, verdict, decision, certificate), true);
}

function bodyOf(status: RefusalStatus, verdict: string, decision: Decision, certificate: Certified): string {
  if (status === 413) return "body too large for inspection\n";
  if (status === 508) return `loop detected: ${decision.reason}\n`;
  const { reason, pillar, vector } = decision;
  const head = JSON.stringify({ status: verdict, reason, pillar, vector });
  return `${head.slice(0, -1)},"certificate":${certificate.json}}\n`;
}
