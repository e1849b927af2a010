/** Vendors' keys: every row of formats.ts, and JSON web tokens. */
import { ascii, beginsAt, KIND, latin1, WORD } from "./bytes.ts";
import { bech32, crc32Base62 } from "./checks.ts";
import { base64Into } from "./decodings.ts";
import { Format } from "./format.ts";
import { FORMATS } from "./formats.ts";
import { isPlaceholder } from "./placeholder.ts";
import { secretRule } from "./rule.ts";
import type { Sink } from "./sink.ts";
import type { Anchor } from "./trigrams.ts";

/** An anchor, and what to do where it stands. */
export interface Detector extends Anchor {
  readonly found: (bytes: Uint8Array, at: number, sink: Sink) => void;
}

const NEAR = 96;
/** Checksums prove a key; a wrong one does not disprove it, as vendors have changed theirs before. */
const CHECKS: Readonly<Record<string, (text: string) => boolean>> = {
  "github-personal-token": (text) => crc32Base62(text.slice(4, 34), text.slice(34)),
  "github-oauth-token": (text) => crc32Base62(text.slice(4, 34), text.slice(34)),
  "github-user-token": (text) => crc32Base62(text.slice(4, 34), text.slice(34)),
  "github-server-token": (text) => crc32Base62(text.slice(4, 34), text.slice(34)),
  "npm-access-token": (text) => crc32Base62(text.slice(4, 34), text.slice(34)),
  "age-secret-key": bech32,
};
/** Shapes that words have too: the letters have to be mixed. */
const MIXED = new Set([
  "hashicorp-vault-legacy-token",
  "artifactory-reference-token",

  "square-access-token",
  "grafana-cloud-token",
  "notion-token",
  "infracost-api-token",
  "octopus-api-key",
  "replicate-api-token",
  "slack-workspace-token",
  "google-api-key",
  "openai-api-key",
  "telegram-bot-token",
]);

export function vendorKeys(): Detector[] {
  return [...FORMATS.map(([name, issuer, spec, near]) => detectorOf(name, issuer, spec, near ?? null)), jwt()];
}

function detectorOf(name: string, issuer: string, spec: string, near: string | null): Detector {
  const rule = secretRule(name, issuer, `what looks like a credential of ${issuer} (${name})`);
  const format = new Format(rule, spec);
  const check = CHECKS[name];
  const mixed = MIXED.has(name);
  return {
    literal: format.anchor,
    fold: false,
    next: format.next,
    inside: format.lead > 0,
    found(bytes, at, sink) {
      const start = at - format.lead;
      const end = format.match(bytes, start);
      if (end === -1) return;
      const payload = format.payload(bytes, start, end);
      if (payload !== "" && isPlaceholder(payload)) return;
      if (mixed && !isMixed(payload)) return;
      if (
        near !== null &&
        !latin1(bytes, Math.max(0, start - NEAR), start)
          .toLowerCase()
          .includes(near)
      )
        return;
      const proven = check !== undefined && end - start < 256 && check(latin1(bytes, start, end));
      // A short beginning and a long tail of anything: sure only when a check says so or the beginning is long.
      sink.add(rule, start, end, proven || format.anchor.length >= 3 ? "high" : "medium");
    },
  };
}

/** Letters in an order no identifier has: both cases or digits among them, and changing often. */
function isMixed(text: string): boolean {
  let kinds = 0;
  let changes = 0;
  let last = 0;
  for (let i = 0; i < text.length; i++) {
    const kind = (KIND[text.charCodeAt(i)] ?? 0) & WORD;
    kinds |= kind;
    if (i > 0 && kind !== last) changes++;
    last = kind;
  }
  return (kinds & 1) !== 0 && changes * 5 >= text.length;
}

const JWT_RULE = secretRule("jwt", "jwt", "a JSON web token");
const MAX_HEADER = 2048;
const DOT = 0x2e;

/** Three (or five) parts of base64url, the first of which is a JSON object with `alg`. */
function jwt(): Detector {
  return {
    literal: ascii("eyJ"),
    fold: false,
    next: null,
    found(bytes, at, sink) {
      if (!beginsAt(bytes, at)) return;
      const header = wordEnd(bytes, at, at + MAX_HEADER);
      if (bytes[header] !== DOT || header - at < 16) return;
      let end = header;
      let parts = 1;
      while (bytes[end] === DOT && parts < 5) {
        const next = wordEnd(bytes, end + 1, end + 1 + 65_536);
        if (next === end + 1 && parts === 1) break;
        parts++;
        end = next;
      }
      if (
        parts < 2 ||
        end - header < 8 ||
        !endsObject(bytes, at, header) ||
        !isHeader(latin1(bytes, at, header), latin1(bytes, header + 1, Math.min(end, header + MAX_HEADER)))
      )
        return;
      sink.add(JWT_RULE, at, end, "high");
    },
  };
}

function wordEnd(bytes: Uint8Array, from: number, limit: number): number {
  let end = from;
  const last = Math.min(limit, bytes.length);
  while (end < last && ((KIND[bytes[end] as number] as number) & WORD) !== 0) end++;
  return end;
}

const tail = new Uint8Array(8);

/** True when the last group of the part says a closing brace: most of what is none is told by that. */
function endsObject(bytes: Uint8Array, start: number, end: number): boolean {
  const group = start + (((end - start - 1) >> 2) << 2);
  const length = base64Into(bytes, group, end, tail);
  return length > 0 && tail[length - 1] === 0x7d;
}

/** The first part says how it is signed; or it is an object that says nothing of that, and so is the second. */
function isHeader(first: string, second: string): boolean {
  const header = objectOf(first);
  if (header === null) return false;
  if ("alg" in header || "enc" in header || "typ" in header) return true;
  return objectOf(second.slice(0, Math.max(0, second.indexOf(".")) || second.length)) !== null;
}

function objectOf(part: string): object | null {
  try {
    const value: unknown = JSON.parse(atob(part.replaceAll("-", "+").replaceAll("_", "/")));
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}
