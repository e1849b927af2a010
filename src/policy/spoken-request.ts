/** Requests as people write them, in cases beside a policy and on the command line, as the questions an engine is asked. */
import { z } from "zod";
import { issuerOf } from "../dlp/credential.ts";
import type { Finding } from "../model/finding.ts";
import { SEVERITIES } from "../model/finding.ts";
import type { Credential, Field, Question } from "../model/question.ts";
import { normalizeHost } from "../wire/authority.ts";
import { fromBase64 } from "../wire/base64.ts";
import { quote } from "../words/quote.ts";
import { count, many, strict } from "./_schema-parts.ts";
import { parseInstant } from "./_when-other.ts";

const text = z.string({ error: "must be text: put it in quotes" });

/** Of what rules are asked. */
const PHASES = ["request", "tunnel", "message"] as const;

export const requestSchema = strict(
  {
    url: text,
    method: text.optional(),
    headers: z.record(z.string(), many(text, "text", 64), { error: "must be a map from headers to values" }).optional(),
    body: text.optional(),
    /** Instead of `body`; sets the content type when no header does. */
    json: z.unknown().optional(),
    agent: text.optional(),
    parent: text.optional(),
    tenant: text.optional(),
    caller: text.optional(),
    door: text.optional(),
    /** A message is one that goes up in the stream that the rest describes. What comes down is asked of no rule. */
    phase: z.enum(PHASES, { error: "must be request, tunnel or message" }).optional(),
    upgrade: z.literal("websocket", { error: "must be websocket" }).optional(),
    at: text.optional(),
  },
  "must be a map that begins with url",
);

export const findingSchema = strict(
  {
    vector: text,
    name: text.optional(),
    pillar: text.optional(),
    severity: z.enum(SEVERITIES, { error: "must be low, medium, high or critical" }).optional(),
    count: count(1000).optional(),
  },
  "must be a map that begins with vector",
);

export type SpokenRequest = z.infer<typeof requestSchema>;
export type SpokenFinding = z.infer<typeof findingSchema>;

/** Headers whose values an engine never sees. */
const CREDENTIALS: readonly string[] = [
  "authorization",
  "proxy-authorization",
  "cookie",
  "x-api-key",
  "api-key",
  "x-goog-api-key",
];
const MAX_URL = 65_536;

/** A text says what is wrong. `now` is for requests that say no time. */
export function questionOf(request: SpokenRequest, now: number): Question | string {
  if (request.url.length > MAX_URL) return "the URL is too long";
  // The path as written: a URL parser would resolve what a policy must see.
  const parts = /^(https?):\/\/([^/?#\s]+)([^?#\s]*)(?:\?([^#\s]*))?(?:#\S*)?$/i.exec(request.url);
  const authority = parts === null ? /^()([^/?#\s]+)()()$/.exec(request.url) : parts;
  const tunnel = request.phase === "tunnel" || request.method === "CONNECT";
  if (authority === null || (parts === null && !tunnel)) return `${JSON.stringify(request.url)} is not an http(s) URL`;
  const [, given = "", place = "", path = "", query = ""] = authority;
  // A message has the head of its stream: of a WebSocket, that of the handshake.
  const handshake = request.phase === "message" && request.upgrade === "websocket";
  const scheme = tunnel ? "tcp" : given.toLowerCase() === "http" ? "http" : "https";
  const split = /^(.*?)(?::([0-9]{1,5}))?$/.exec(place.startsWith("[") ? place.replace(/:(?=[^\]]*\])/g, "\0") : place);
  const named = normalizeHost((split?.[1] ?? "").replaceAll("\0", ":"));
  if (named === null) return `${JSON.stringify(place)} is not a host, or one that can be read in two ways`;
  const at = request.at === undefined ? now : parseInstant(request.at);
  if (Number.isNaN(at)) return `${JSON.stringify(request.at)} is not an instant such as 2026-01-31T12:00:00Z`;
  const body = request.json === undefined ? request.body : JSON.stringify(request.json);
  const headers: Field[] = Object.entries(request.headers ?? {}).flatMap(([name, values]) =>
    (typeof values === "string" ? [values] : values).map((value): Field => [name, seen(name, value)]),
  );
  if (request.json !== undefined && !headers.some(([name]) => name.toLowerCase() === "content-type")) {
    headers.push(["content-type", "application/json"]);
  }
  return {
    org: request.tenant ?? "default",
    caller: request.caller ?? "sidecar.forward_proxy.egress",
    agent: request.agent ?? null,
    parentAgent: request.parent ?? null,
    phase: tunnel ? "tunnel" : (request.phase ?? "request"),
    door: request.door ?? (tunnel ? "connect" : "forward"),
    method: tunnel ? "CONNECT" : (request.method ?? (body === undefined || handshake ? "GET" : "POST")),
    scheme,
    host: named.host,
    port: split?.[2] === undefined ? (scheme === "http" ? 80 : 443) : Number(split[2]),
    literal: named.literal,
    path: tunnel ? "" : path === "" ? "/" : path,
    query: query === "" ? [] : query.split("&").map(parameter),
    headers,
    trailers: [],
    upgrade: request.upgrade ?? null,
    body: tunnel ? null : new TextEncoder().encode(body ?? ""),
    at,
  };
}

export function findingsOf(given: readonly SpokenFinding[]): Finding[] {
  return given.flatMap(({ vector, name = vector, pillar, severity = "high", count: times = 1 }) => {
    const finding: Finding = {
      pillar: pillar ?? (/^[0-9]+$/.test(vector) ? "128" : "CoreGuard"),
      vector,
      name,
      severity,
      view: "plain",
      where: "body",
      start: 0,
      end: 0,
      reason: "stated",
    };
    return new Array<Finding>(times).fill(finding);
  });
}

function parameter(given: string): Field {
  const equals = given.indexOf("=");
  return equals === -1 ? [given, ""] : [given.slice(0, equals), given.slice(equals + 1)];
}

function seen(name: string, value: string): string | Credential {
  const key = name.toLowerCase();
  if (!CREDENTIALS.includes(key)) return value;
  const space = value.indexOf(" ");
  const scheme = key.endsWith("authorization") && space > 0 ? value.slice(0, space).toLowerCase() : null;
  const kind = key === "cookie" ? "cookie" : (scheme ?? "api_key");
  return { kind, issuer: issuerOf(value.slice(space + 1)), fingerprint: `hmac-${"0".repeat(32)}` };
}

const field = z.tuple([
  z.string(),
  z.union([z.string(), z.strictObject({ kind: z.string(), issuer: z.string().nullable(), fingerprint: z.string() })]),
]);
const fields = z.array(field).default([]);

/** A question as JSON: its fields by their own names, the body as text or `{ base64 }`. */
const questionSchema = z.strictObject({
  org: z.string().default("default"),
  caller: z.string().default("sidecar.forward_proxy.egress"),
  agent: z.string().nullable().default(null),
  parentAgent: z.string().nullable().default(null),
  phase: z.enum(PHASES).default("request"),
  door: z.string().default("forward"),
  method: z.string(),
  scheme: z.enum(["http", "https", "tcp"]).default("https"),
  host: z.string(),
  port: z.number().int().min(1).max(65_535),
  literal: z.boolean().optional(),
  path: z.string().default("/"),
  query: fields,
  headers: fields,
  trailers: fields,
  upgrade: z.literal("websocket").nullable().default(null),
  body: z
    .union([z.string(), z.strictObject({ base64: z.string() })])
    .nullable()
    .default(null),
  at: z.number().optional(),
});

/** A text says what is wrong. */
export function questionOfJson(value: unknown, now: number): Question | string {
  const checked = questionSchema.safeParse(value);
  if (!checked.success) {
    return checked.error.issues.map(saidOf).join("; ");
  }
  const { body, at = now, host, ...rest } = checked.data;
  const named = normalizeHost(host);
  if (named === null) return `host: ${JSON.stringify(host)} is not a host, or one that can be read in two ways`;
  const bytes =
    body === null ? null : typeof body === "string" ? new TextEncoder().encode(body) : fromBase64(body.base64);
  if (body !== null && bytes === null) return "body.base64: is not base64";
  return { ...rest, host: named.host, literal: named.literal, body: bytes, at };
}

function saidOf(issue: z.core.$ZodIssue): string {
  const where = issue.path.join(".") || "question";
  if (issue.code !== "unrecognized_keys") return `${where}: ${issue.message}`;
  const known = issue.path.length === 0 ? `, known are ${Object.keys(questionSchema.shape).join(", ")}` : "";
  return `${where}: unknown key ${issue.keys.map((key) => quote(key)).join(", ")}${known}`;
}
