import type { Destination } from "../model/egress.ts";
import { formatAuthority, normalizeHost } from "../wire/authority.ts";

export interface Target {
  readonly destination: Destination;
  /** What is fetched: the URL with the host that was decided on, without a fragment. */
  readonly href: string;
  /** Path and query. */
  readonly path: string;
}

/** A string says why a URL cannot be decided on. */
export function targetOf(url: URL): Target | string {
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== "http" && scheme !== "https") return "only http and https can be fetched";
  const host = normalizeHost(url.hostname);
  if (host === null) return "the host cannot be read in one way only";
  const decided = new URL(url.href);
  decided.hash = "";
  decided.hostname = formatAuthority(host.host, null);
  // A setter that refuses leaves the old host behind.
  if (normalizeHost(decided.hostname)?.host !== host.host) return "the host cannot be read in one way only";
  const port = decided.port === "" ? (scheme === "http" ? 80 : 443) : Number(decided.port);
  return {
    destination: { scheme, host: host.host, port, literal: host.literal },
    href: decided.href,
    path: `${decided.pathname}${decided.search}`,
  };
}
