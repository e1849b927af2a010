/** What a caller of a governed fetch is given: the upstream's answer with its certificate, or the refusal. */
import type { Decision } from "../model/decision.ts";
import type { Signed } from "./certify.ts";

const TEXT: Readonly<Record<number, string>> = {
  413: "Content Too Large",
  451: "Unavailable For Legal Reasons",
  503: "Service Unavailable",
};

/** As the gateway answers. Without a certificate (the signer failed) it is null and the header absent. */
export function refusal(decision: Decision, signed: Signed | null): Response {
  const status = decision.status ?? 503;
  const word = decision.verdict === "fail_closed" ? "FAIL_CLOSED" : decision.verdict === "hold" ? "HOLD" : "BLOCK";
  const plain = status === 413;
  const headers = new Headers({
    "Content-Type": plain ? "text/plain; charset=utf-8" : "application/json",
    "Cache-Control": "no-store",
    "X-EVE-Verdict": word,
    "X-EVE-Pillar": decision.pillar ?? "CoreGuard",
    Connection: "close",
  });
  if (signed !== null) headers.set("X-EVE-Decision-Cert", signed.header);
  const { reason, pillar, vector } = decision;
  const head = JSON.stringify({ status: word, reason, pillar, vector });
  const body = plain
    ? "body too large for inspection\n"
    : `${head.slice(0, -1)},"certificate":${signed?.json ?? "null"}}\n`;
  return new Response(body, { status, statusText: TEXT[status] ?? "", headers });
}

const BODYLESS = new Set([101, 204, 205, 304]);

export interface Answered {
  readonly url: string;
  readonly redirected: boolean;
  readonly certificate: string;
}

/** The inner answer, streamed on, with the certificate; whatever `X-EVE-*` the upstream made up is gone. */
export function answered(inner: Response, { url, redirected, certificate }: Answered): Response {
  const headers = new Headers();
  for (const [name, value] of inner.headers) if (!/^x-eve-/i.test(name)) headers.append(name, value);
  headers.set("X-EVE-Decision-Cert", certificate);
  const { status, statusText } = inner;
  const response = new Response(BODYLESS.has(status) ? null : inner.body, { status, statusText, headers });
  // A made Response has neither, and clients look at them.
  Object.defineProperty(response, "url", { value: url });
  Object.defineProperty(response, "redirected", { value: redirected });
  return response;
}
