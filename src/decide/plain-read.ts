import type { Egress, HeldBody } from "../model/egress.ts";
import type { HeaderList } from "../model/headers.ts";
import { percentDecoded } from "./credential-fields.ts";

/** Names by which a GET asks to be something else. */
const OVERRIDES = new Set(["x-http-method-override", "x-http-method", "x-method-override"]);

/**
 * True when a request can at most read: GET or HEAD, nothing in its body, no other protocol behind it. What a tunnel will
 * carry nobody knows, so it is none.
 */
export function isPlainRead(egress: Egress, held: HeldBody | null): boolean {
  const { phase, method, upgrade, conflict } = egress;
  if (phase !== "request" || (method !== "GET" && method !== "HEAD")) return false;
  if (upgrade !== null || conflict !== null) return false;
  if (held !== null && (held.bytes.length > 0 || held.trailers !== null)) return false;
  // Asked for last: the list of fields is made when it is first looked at, and of most requests nothing needs it.
  return !overridesMethod(egress.headers, egress.path);
}

/** A field, or the parameter `_method`, by which some servers take the method for another one. */
export function overridesMethod(headers: HeaderList, path: string): boolean {
  for (let i = 0; i + 1 < headers.length; i += 2) if (OVERRIDES.has((headers[i] as string).toLowerCase())) return true;
  const mark = path.indexOf("?");
  return mark !== -1 && /[?&;]_method=/i.test(percentDecoded(path.slice(mark)));
}
