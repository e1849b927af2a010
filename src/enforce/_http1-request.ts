/** A request as HTTP/1.1 writes it: line, Host and framing made here, fields as they are. */
import type { Destination } from "../model/egress.ts";
import { formatAuthority } from "../wire/authority.ts";
import { requestLines } from "../wire/http1.ts";
import type { Sent } from "./upstream.ts";

/** Methods whose requests say that they have no body. */
const BODY_METHODS = new Set(["POST", "PUT", "PATCH"]);

/** A server that ignores the body of a request with another method would read it as the next request. */
export function mayHaveBody(method: string): boolean {
  return BODY_METHODS.has(method);
}

/** Ready lines behind the fields. */
export function framingOf({ egress, body, empty, proxied }: Sent): string {
  let framing = "";
  if (body !== null) framing = `Content-Length: ${body.length}\r\n`;
  else if (empty || mayHaveBody(egress.method)) framing = "Content-Length: 0\r\n";
  if (egress.upgrade !== null) framing += `Connection: Upgrade\r\nUpgrade: ${egress.upgrade}\r\n`;
  return proxied === null ? framing : framing + proxied;
}

interface Lines {
  readonly method: string;
  readonly path: string;
  readonly proxied: boolean;
  readonly text: string;
}

/** The last request lines per destination: equal requests of one door share that object. */
const known = new WeakMap<Destination, Lines>();

/** Request line and Host with their CRLFs. */
export function linesOf({ egress, proxied }: Sent): string {
  const { method, path, destination } = egress;
  const absolute = proxied !== null;
  const last = known.get(destination);
  if (last !== undefined && last.path === path && last.method === method && last.proxied === absolute) return last.text;
  const { scheme, host, port } = destination;
  const authority = formatAuthority(host, port === (scheme === "https" ? 443 : 80) ? null : port);
  const target = absolute ? `http://${authority}${path === "*" ? "" : path}` : path;
  const text = requestLines(method, target, authority);
  known.set(destination, { method, path, proxied: absolute, text });
  return text;
}
