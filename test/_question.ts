import type { Question } from "../src/model/question.ts";

export type Questioning = Partial<Omit<Question, "body">> & { readonly body?: string | Uint8Array | null };

const encoder = new TextEncoder();

/** A question about nothing in particular: what a test is about it says itself. */
export function questionWith({ body = null, ...over }: Questioning = {}): Question {
  return {
    org: "default",
    caller: "sidecar.forward_proxy.egress",
    agent: null,
    parentAgent: null,
    phase: "request",
    door: "forward",
    method: "POST",
    scheme: "https",
    host: "api.example.com",
    port: 443,
    literal: false,
    path: "/",
    query: [],
    headers: [],
    trailers: [],
    upgrade: null,
    at: 0,
    ...over,
    body: typeof body === "string" ? encoder.encode(body) : body,
  };
}
