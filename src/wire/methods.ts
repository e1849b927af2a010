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

const OVERRIDE = /^x[-_](?:http[-_]method(?:[-_]override)?|method[-_]override)$/i;

/** A field by which some servers take the method for another one; gateways to scripts know it with underscores. */
export function isOverrideField(name: string): boolean {
  return OVERRIDE.test(name);
}

/** Values, decoded, of every parameter in a query or form that some server takes for `_method`. */
export function overridesIn(parameters: string): string[] {
  const values: string[] = [];
  for (const piece of parameters.split(/[&;]/)) {
    const equals = piece.indexOf("=");
    const name = unescaped(equals === -1 ? piece : piece.slice(0, equals));
    if (/^[\s?]*[_.]method\s*(?:[[\0]|$)/i.test(name))
      values.push(equals === -1 ? "" : unescaped(piece.slice(equals + 1)));
  }
  return values;
}

function unescaped(text: string): string {
  return text
    .replaceAll("+", " ")
    .replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}
