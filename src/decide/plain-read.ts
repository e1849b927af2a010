import type { Egress, HeldBody } from "../model/egress.ts";
import type { HeaderList } from "../model/headers.ts";
import { isOverrideField, namesMethod, overridesIn } from "../wire/methods.ts";
import { queryIn } from "../wire/target.ts";
import { percentDecoded } from "./credential-fields.ts";
import { contentCodings } from "./decode.ts";

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
  for (let i = 0; i + 1 < headers.length; i += 2) if (isOverrideField(headers[i] as string)) return true;
  const query = queryIn(path);
  if (query === null) return false;
  return overridesIn(query).length > 0 || /(?:^|[?&;])_method=/i.test(percentDecoded(query));
}

/** What of a body is looked through in one go: some milliseconds at most. */
const MAX_OVERRIDING = 256 * 1024;

/**
 * As `overridesMethod`, of the whole request: forms, multipart and JSON name a method too. Also true of a body that cannot
 * be looked through here, because it is compressed or longer than 256 KiB.
 */
export function mayOverrideMethod(egress: Egress, held: HeldBody | null): boolean {
  const { headers, path, coded } = egress;
  if (overridesMethod(headers, path)) return true;
  if (held === null || held.bytes.length === 0) return false;
  if (held.bytes.length > MAX_OVERRIDING) return true;
  if (coded) {
    const codings = contentCodings(headers);
    if (!Array.isArray(codings) || codings.length > 0) return true;
  }
  return namesMethod(held.bytes);
}
