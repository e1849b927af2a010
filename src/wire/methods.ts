/** Names of methods, and what servers may take for them. */

const KNOWN: ReadonlySet<string> = new Set([
  ...["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "QUERY", "PURGE", "LINK"],
  ...["UNLINK", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "ACL", "BIND"],
  ...["UNBIND", "REBIND", "CHECKIN", "CHECKOUT", "UNCHECKOUT", "LABEL", "MERGE", "UPDATE", "VERSION-CONTROL", "PRI"],
  ...["MKACTIVITY", "MKCALENDAR", "MKREDIRECTREF", "MKWORKSPACE", "BASELINE-CONTROL", "ORDERPATCH", "SUBSCRIBE"],
  ...["UPDATEREDIRECTREF", "UNSUBSCRIBE", "NOTIFY", "M-SEARCH", "SOURCE", "VIEW", "MKADDRBOOK"],
]);

export function isKnownMethod(method: string): boolean {
  return KNOWN.has(method);
}

/** Methods are case-sensitive, yet servers exist that fold them: these would be one method here and another there. */
export function differsInCase(method: string): boolean {
  const upper = method.toUpperCase();
  return upper !== method && KNOWN.has(upper);
}
