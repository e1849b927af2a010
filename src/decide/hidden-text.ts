/**
 * What a question does not tell: the text of whatever is or looks like a credential. Nobody but the relay may see it, so the
 * relay reads it, whoever rules on the rest: an instruction must not pass because it stands in a Cookie.
 */
import { INSPECTORS, OVERLAP, WHOLE_BYTES } from "../detect/inspect.ts";
import type { Inspection } from "../detect/pillar128.ts";
import { redactPath } from "../dlp/redact-path.ts";
import { readField } from "../engine/head.ts";
import { SHORT_VALUE } from "../model/egress.ts";
import type { HeaderList } from "../model/headers.ts";
import { pathIn, queryIn } from "../wire/target.ts";
import { namesCredential, namesCredentialParameter, percentDecoded } from "./credential-fields.ts";

/** `headers` and `trailers`: names and values in turn. Null: nothing is hidden, or nothing in what is. */
export function inspectHidden(headers: readonly string[], path: string, trailers: HeaderList | null): Inspection {
  return inFields(headers) ?? (trailers === null ? null : inFields(trailers)) ?? inPath(path);
}

function inFields(fields: readonly string[]): Inspection {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const value = fields[i + 1] as string;
    if (value.length <= SHORT_VALUE || !namesCredential(fields[i] as string)) continue;
    const found = inValue(value);
    if (found !== null) return found;
  }
  return null;
}

function inPath(path: string): Inspection {
  if (path.length <= SHORT_VALUE) return null;
  const plain = pathIn(path);
  const found = redactPath(plain) === plain ? null : inValue(plain);
  const query = queryIn(path);
  if (found !== null || query === null) return found;
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    if (equals === -1 || !namesCredentialParameter(percentDecoded(pair.slice(0, equals)))) continue;
    const hidden = inValue(pair.slice(equals + 1));
    if (hidden !== null) return hidden;
  }
  return null;
}

function inValue(value: string): Inspection {
  for (let at = 0; at < value.length; at += WHOLE_BYTES - OVERLAP) {
    const part = value.slice(at, at + WHOLE_BYTES);
    const found = part.length <= SHORT_VALUE ? null : readField(part, INSPECTORS);
    if (found !== null) return found;
  }
  return null;
}
