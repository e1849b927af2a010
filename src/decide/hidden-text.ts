/**
 * What a question does not tell: the text of whatever is or looks like a credential. Nobody but the relay may see it, so the
 * relay reads it, whoever rules on the rest: an instruction must not pass because it stands in a Cookie.
 */
import { INSPECTORS, WHOLE_BYTES } from "../detect/inspect.ts";
import type { Inspection } from "../detect/pillar128.ts";
import { redactPath } from "../dlp/redact-path.ts";
import { readField } from "../engine/head.ts";
import { type Egress, SHORT_VALUE } from "../model/egress.ts";
import type { HeaderList } from "../model/headers.ts";
import { namesCredential, namesCredentialParameter, percentDecoded } from "./credential-fields.ts";

const MAX_QUIET = 256;
const OVERLAP = 8 * 1024;

export class HiddenText {
  /** Values in which nothing was found: an agent sends the same key with every request. */
  readonly #quiet = new Set<string>();

  /** Nothing is hidden in a head whose values are all short. */
  inspect({ headers, path }: Egress, trailers: HeaderList | null): Inspection {
    return this.#inFields(headers) ?? (trailers === null ? null : this.#inFields(trailers)) ?? this.#inPath(path);
  }

  #inFields(fields: HeaderList): Inspection {
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const value = fields[i + 1] as string;
      if (value.length <= SHORT_VALUE || !namesCredential(fields[i] as string)) continue;
      const found = this.#inValue(value);
      if (found !== null) return found;
    }
    return null;
  }

  #inPath(path: string): Inspection {
    if (path.length <= SHORT_VALUE) return null;
    const mark = path.indexOf("?");
    const plain = mark === -1 ? path : path.slice(0, mark);
    const found = redactPath(plain) === plain ? null : this.#inValue(plain);
    if (found !== null || mark === -1) return found;
    for (const pair of path.slice(mark + 1).split("&")) {
      const equals = pair.indexOf("=");
      if (equals === -1 || !namesCredentialParameter(percentDecoded(pair.slice(0, equals)))) continue;
      const hidden = this.#inValue(pair.slice(equals + 1));
      if (hidden !== null) return hidden;
    }
    return null;
  }

  #inValue(value: string): Inspection {
    if (value.length <= SHORT_VALUE || this.#quiet.has(value)) return null;
    for (let at = 0; at < value.length; at += WHOLE_BYTES - OVERLAP) {
      const found = readField(value.slice(at, at + WHOLE_BYTES), INSPECTORS);
      if (found !== null) return found;
    }
    if (this.#quiet.size >= MAX_QUIET) this.#quiet.clear();
    this.#quiet.add(value);
    return null;
  }
}
