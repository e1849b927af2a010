/** One outbound fetch, read whole before anything is decided: what is decided on is what is sent. */
import { endToEnd } from "../wire/http1-write.ts";
import { differsInCase } from "../wire/methods.ts";

/** The standard members of RequestInit that go on to the wrapped fetch as they are. */
const PASSED = ["cache", "credentials", "integrity", "keepalive", "mode", "priority", "referrer", "referrerPolicy"];
/** Of a Request, those that carry a choice; the others have no default that every fetch takes back. */
const KEPT = ["cache", "credentials", "integrity", "keepalive"];
const OWN = ["method", "headers", "body", "signal", "redirect", "duplex", "window"];
const KNOWN = new Set([...PASSED, ...OWN]);

/** Methods that make a proxy or a server do something else than answer. */
const FORBIDDEN = new Set(["CONNECT", "TRACE", "TRACK"]);

/** Those that every fetch writes in capitals. */
const NORMALIZED = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]);

const SENSITIVE = new Set([
  "authorization",
  "cookie",
  "proxy-authorization",
  "api-key",
  "x-api-key",
  "x-auth-token",
  "x-goog-api-key",
  "x-amz-security-token",
]);
const OF_BODY = new Set(["content-encoding", "content-language", "content-location", "content-type", "content-digest"]);

export interface Outgoing {
  readonly url: URL;
  readonly method: string;
  /** End-to-end fields only, as a flat list. */
  readonly headers: readonly string[];
  /** A private copy; null without a body. */
  readonly body: Uint8Array | null;
  /** The body was longer than allowed and is not here. */
  readonly tooLarge: boolean;
  readonly redirect: RequestRedirect;
  readonly signal: AbortSignal | undefined;
  readonly passed: Readonly<Record<string, unknown>>;
}

export type FetchInput = string | URL | Request;

/**
 * Reads the arguments of a fetch as fetch does. Rejects with TypeError for what fetch refuses, for a URL with
 * credentials, for a method that differs from a known one in case only (fetch leaves `patch` as it is), and for
 * members of `init` that fetch does not know: some runtimes take a proxy, a Unix socket or a dispatcher there, and the
 * bytes would go elsewhere than decided.
 */
export async function readOutgoing(input: FetchInput, given: RequestInit, maxBody: number): Promise<Outgoing> {
  // Read once: a getter may say something else the second time.
  const init = { ...given };
  for (const [name, value] of Object.entries(init)) {
    if (KNOWN.has(name) || value === undefined || value === null) continue;
    throw new TypeError(`"${name}" is not decided on here: set it in the wrapped fetch`);
  }
  const own = typeof input === "object" && "headers" in input ? input : null;
  const signal = (init.signal ?? own?.signal) || undefined;
  signal?.throwIfAborted();
  // Some runtimes want `duplex` with a stream, and none minds it otherwise.
  const request = new Request(input, { ...init, duplex: "half" } as RequestInit);
  const url = new URL(request.url);
  if (url.username !== "" || url.password !== "") throw new TypeError("a URL with credentials is not fetched");
  const { method } = request;
  // As it was asked for: one runtime makes PATCH of `patch` and GET of `Propfind`, the others leave them as they are.
  const asked = String(init.method ?? method);
  const folded = differsInCase(asked) && !NORMALIZED.has(asked.toUpperCase());
  if (folded || differsInCase(method) || FORBIDDEN.has(method.toUpperCase())) {
    throw new TypeError(`method "${asked}" is not fetched`);
  }
  const headers = fieldsOf(request.headers);
  // One runtime leaves this to its own fetch, which will only see bytes.
  if (typeof init.body === "string" && !request.headers.has("content-type")) {
    headers.push("content-type", "text/plain;charset=UTF-8");
  }
  const passed: Record<string, unknown> = {};
  for (const name of PASSED) {
    const kept = own !== null && KEPT.includes(name) ? (own as unknown as Record<string, unknown>)[name] : undefined;
    const value = (init as Record<string, unknown>)[name] ?? kept;
    if (value !== undefined && value !== "") passed[name] = value;
  }
  const body = request.body === null ? null : await readBody(request.body, maxBody, signal);
  signal?.throwIfAborted();
  return {
    url,
    method,
    headers,
    body: body === "too large" ? null : body,
    tooLarge: body === "too large",
    redirect: request.redirect,
    signal,
    passed,
  };
}

/** The next request of a redirect, as the Fetch standard makes it; null when the answer is no redirect to follow. */
export function redirected(from: Outgoing, status: number, location: string | null): Outgoing | null {
  if (location === null || ![301, 302, 303, 307, 308].includes(status)) return null;
  const url = new URL(location, from.url);
  if (url.username !== "" || url.password !== "") throw new TypeError("a redirect to a URL with credentials");
  const post = from.method === "POST" && (status === 301 || status === 302);
  const toGet = post || (status === 303 && from.method !== "GET" && from.method !== "HEAD");
  const leaves = url.origin !== from.url.origin;
  const headers: string[] = [];
  for (let i = 0; i + 1 < from.headers.length; i += 2) {
    const name = from.headers[i] as string;
    if ((toGet && OF_BODY.has(name)) || (leaves && SENSITIVE.has(name))) continue;
    headers.push(name, from.headers[i + 1] as string);
  }
  return { ...from, url, method: toGet ? "GET" : from.method, headers, body: toGet ? null : from.body };
}

/** Names in lower case, hop-by-hop fields, Host, framing and `X-EVE-*` gone. */
function fieldsOf(headers: Headers): string[] {
  const list: string[] = [];
  for (const [name, value] of headers) list.push(name, value);
  const connection = (headers.get("connection") ?? "").toLowerCase().split(",");
  return endToEnd(
    list,
    connection.map((option) => option.trim()),
    "request",
  );
}

/** Copies as it reads: whoever wrote the stream may still hold its chunks. */
async function readBody(
  stream: ReadableStream<Uint8Array>,
  maxBody: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | "too large"> {
  const reader = stream.getReader();
  const cancel = () => void reader.cancel(signal?.reason).catch(() => {});
  signal?.addEventListener("abort", cancel);
  try {
    let held = new Uint8Array(4096);
    let length = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return held.subarray(0, length);
      if (!(value instanceof Uint8Array)) throw new TypeError("a body stream must give bytes");
      if (length + value.length > maxBody) {
        cancel();
        return "too large";
      }
      if (length + value.length > held.length) {
        const larger = new Uint8Array(Math.max(2 * held.length, length + value.length));
        larger.set(held.subarray(0, length));
        held = larger;
      }
      held.set(value, length);
      length += value.length;
    }
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}
