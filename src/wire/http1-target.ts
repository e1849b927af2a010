/** The request target and the Host field, brought to one destination or refused (RFC 9112 sections 3.2 and 3.3). */

import type { Destination } from "../model/egress.ts";
import { type Authority, parseAuthority } from "./authority.ts";
import { malformed, type WireFault } from "./http1-head.ts";

export interface Target {
  readonly form: "origin" | "absolute" | "authority" | "asterisk";
  /** Absolute form only. */
  readonly scheme: "http" | "https" | null;
  /** "" when an HTTP/1.0 request in origin or asterisk form has no Host. */
  readonly host: string;
  /** 0 when none was given. */
  readonly port: number;
  readonly literal: boolean;
  readonly path: string;
  /** The same as one value, which equal requests share. */
  readonly destination: Destination;
}

const NOWHERE: Authority = { host: "", port: 0, literal: false };

/**
 * `target` is visible ASCII without `#`; `host` is the Host field, null when there was none. Answers a fault when the
 * two disagree or either is ambiguous.
 */
export function readTarget(method: string, target: string, host: string | null, version: 10 | 11): Target | WireFault {
  if (host === null && version === 11) return malformed("missing_host", "an HTTP/1.1 request has no Host field");
  if (method === "CONNECT") return readConnect(target, host);
  if (target.charCodeAt(0) === 0x2f) return readLocal("origin", target, host);
  if (target === "*") {
    if (method !== "OPTIONS") return malformed("bad_target", "only OPTIONS may have the target *");
    return readLocal("asterisk", target, host);
  }
  return readAbsolute(method, target, host);
}

function readLocal(form: "origin" | "asterisk", path: string, host: string | null): Target | WireFault {
  const from = host === null ? NOWHERE : parseHost(host, 0);
  if (from === null) return malformed("bad_host", "the Host field is invalid or ambiguous");
  return made(form, null, from, path);
}

function readConnect(target: string, host: string | null): Target | WireFault {
  const to = parseAuthority(target, 0);
  if (to === null || to.port === 0) return malformed("bad_target", "CONNECT takes host:port");
  if (host !== null && host !== target) {
    // Real clients leave the port out here; a name that agrees without one has a single reading.
    const said = parseHost(host, to.port);
    if (said === null) return malformed("bad_host", "the Host field is invalid or ambiguous");
    if (said.host !== to.host || said.port !== to.port) return disagreement();
  }
  return made("authority", null, to, "");
}

function readAbsolute(method: string, target: string, host: string | null): Target | WireFault {
  const scheme = readScheme(target);
  if (scheme === null) return malformed("bad_target", "the target is neither a path nor an http or https URL");
  const usual = scheme === "http" ? 80 : 443;
  const start = scheme.length + 3;
  let end = start;
  for (; end < target.length; end++) {
    const code = target.charCodeAt(end);
    if (code === 0x2f || code === 0x3f) break;
  }
  const authority = target.slice(start, end);
  const to = parseAuthority(authority, usual);
  if (to === null) return malformed("bad_target", "the authority of the target is invalid or ambiguous");
  if (host !== null && host !== authority) {
    const said = parseHost(host, usual);
    if (said === null) return malformed("bad_host", "the Host field is invalid or ambiguous");
    if (said.host !== to.host || said.port !== to.port) return disagreement();
  }
  let path = target.slice(end);
  if (path === "") path = method === "OPTIONS" ? "*" : "/";
  else if (path.charCodeAt(0) === 0x3f) path = `/${path}`;
  return made("absolute", scheme, to, path);
}

function made(
  form: Target["form"],
  scheme: Target["scheme"],
  { host, port, literal }: Authority,
  path: string,
): Target {
  const destination = { scheme: form === "authority" ? "tcp" : (scheme ?? "http"), host, port, literal } as const;
  return { form, scheme, host, port, literal, path, destination };
}

function readScheme(target: string): "http" | "https" | null {
  if (target.startsWith("http://")) return "http";
  const start = target.slice(0, 8).toLowerCase();
  return start === "https://" ? "https" : start.startsWith("http://") ? "http" : null;
}

/** A Host field travels as bytes: what is not ASCII has no agreed reading. */
function parseHost(text: string, port: number): Authority | null {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7e) return null;
  return parseAuthority(text, port);
}

function disagreement(): WireFault {
  return malformed("host_differs", "the Host field differs from the target");
}
