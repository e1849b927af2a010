import type { Egress, HeldBody } from "../model/egress.ts";

/** Names by which a GET asks to be something else. */
const OVERRIDES = new Set(["x-http-method-override", "x-http-method", "x-method-override"]);

/**
 * True when a request can at most read: GET or HEAD, nothing in its body, no other protocol behind it. What a tunnel will
 * carry nobody knows, so it is none.
 */
export function isPlainRead({ phase, method, upgrade, conflict, headers }: Egress, held: HeldBody | null): boolean {
  if (phase !== "request" || (method !== "GET" && method !== "HEAD")) return false;
  if (upgrade !== null || conflict !== null) return false;
  if (held !== null && (held.bytes.length > 0 || held.trailers !== null)) return false;
  for (let i = 0; i + 1 < headers.length; i += 2) if (OVERRIDES.has((headers[i] as string).toLowerCase())) return false;
  return true;
}
