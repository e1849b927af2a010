/**
 * Field names the codec knows, and which of them end at this hop. A head is read as bytes and written as text: both roads
 * ask here, because a field that one of them passes on and the other takes out is a hole in either.
 */
import { sameName } from "./http1-chars.ts";

/** What a field name means to the codec. Names nobody here looks at have none. */
export type FieldRole =
  | "host"
  | "expect"
  | "upgrade"
  | "connection"
  | "content-length"
  | "transfer-encoding"
  /** Ends at this hop, and says nothing about framing. */
  | "hop"
  /** Announces trailers, so it goes where they go: with answers. Those of a request are decided and dropped. */
  | "trailer"
  /** Travels on; what it says is asked for often. */
  | "content-type"
  | "content-encoding"
  | "message-coding"
  | "agent"
  | "parent-agent";

interface Known {
  readonly name: string;
  readonly role: FieldRole;
  /** It frames the message or addresses it: then any other spelling of it is a second reading. */
  readonly frames: boolean;
  /** Where its `-` stands; -1 without one. */
  readonly dash: number;
}

const KNOWN: readonly (readonly Known[] | undefined)[] = byLength([
  ["host", "host"],
  ["expect", "expect"],
  ["upgrade", "upgrade"],
  ["connection", "connection"],
  ["proxy-connection", "connection"],
  ["content-length", "content-length"],
  ["transfer-encoding", "transfer-encoding"],
  ["te", "hop"],
  ["trailer", "trailer"],
  ["keep-alive", "hop"],
  ["http2-settings", "hop"],
  ["proxy-authenticate", "hop"],
  ["proxy-authorization", "hop"],
  ["proxy-authentication-info", "hop"],
  ["content-type", "content-type"],
  ["content-encoding", "content-encoding"],
  ["grpc-encoding", "message-coding"],
  ["connect-content-encoding", "message-coding"],
  ["x-agent-id", "agent"],
  ["x-parent-agent-id", "parent-agent"],
]);

function byLength(names: readonly (readonly [string, FieldRole])[]): (Known[] | undefined)[] {
  const table: (Known[] | undefined)[] = [];
  for (const [name, role] of names) {
    const list = table[name.length] ?? [];
    table[name.length] = list;
    const frames = role !== "hop" && role !== "trailer" && !travels(role);
    list.push({ name, role, frames, dash: name.indexOf("-") });
  }
  return Array.from(table);
}

/**
 * The known name in `bytes` from `start` to `end`, or null. Of those that say how the message or its body is read also the
 * spellings with another mark for the hyphen: CGI reads `_` as the same name, and some of its heirs every mark.
 */
export function knownField(bytes: Uint8Array, start: number, end: number): Known | null {
  const list = KNOWN[end - start];
  if (list === undefined) return null;
  for (const known of list) {
    if (spells(bytes, start, known.name, known.role !== "hop")) return known;
  }
  return null;
}

/** The role of a name as text, in any case, but spelt as it is spelt; null when nobody here looks at it. */
export function roleOf(name: string): FieldRole | null {
  const list = KNOWN[name.length];
  if (list === undefined) return null;
  const first = name.charCodeAt(0) | 0x20;
  for (const known of list) if (known.name.charCodeAt(0) === first && sameName(name, known.name)) return known.role;
  return null;
}

/** Whether a field stays here. Content-Length does too: framing is generated anew both ways. */
export function endsHere(role: FieldRole, request: boolean): boolean {
  return role === "host" || role === "trailer" ? request : !travels(role);
}

function travels(role: FieldRole): boolean {
  switch (role) {
    case "content-type":
    case "content-encoding":
    case "message-coding":
    case "agent":
    case "parent-agent":
      return true;
    default:
      return false;
  }
}

/** Of the options in Connection, in lower case, what can name a field: the usual two never do. */
export function namesField(option: string): boolean {
  return option !== "keep-alive" && option !== "close";
}

/** Names hold token characters only, so folding bit 5 makes a letter of nothing else. */
function spells(bytes: Uint8Array, start: number, lower: string, loosely: boolean): boolean {
  for (let i = 0; i < lower.length; i++) {
    const code = bytes[start + i] as number;
    const want = lower.charCodeAt(i);
    if (code !== want && (code | 0x20) !== want && !(loosely && want === 0x2d && isMark(code))) return false;
  }
  return true;
}

/** Whether a name in lower case is one that frames a message but for another mark where its hyphen stands. */
export function misspelt(name: string): boolean {
  return spelt(name)?.frames === true;
}

/** The name that one in lower case stands for, but for another mark where its hyphen stands, and that says how a body is read; else itself. */
export function meant(name: string): string {
  const known = spelt(name);
  return known?.role === "content-type" || known?.role === "content-encoding" ? known.name : name;
}

/** The known name that this one would be with a hyphen for its first mark; null for names that have theirs. */
function spelt(name: string): Known | null {
  const list = KNOWN[name.length];
  if (list === undefined) return null;
  for (const known of list) {
    const { dash } = known;
    if (dash < 0 || name.charCodeAt(dash) === 0x2d || !isMark(name.charCodeAt(dash))) continue;
    if (name.startsWith(known.name.slice(0, dash)) && name.endsWith(known.name.slice(dash + 1))) return known;
  }
  return null;
}

function isMark(code: number): boolean {
  const letter = code | 0x20;
  return !((letter >= 0x61 && letter <= 0x7a) || (code >= 0x30 && code <= 0x39));
}

/** `X-EVE-…`, also as `x_eve_…` and the like: nobody but the gateway speaks with these names. */
export function isOwnField(bytes: Uint8Array, start: number, end: number): boolean {
  return ((bytes[start] as number) | 0x20) === 0x78 && end - start >= 6 && spells(bytes, start, "x-eve-", true);
}

/** The same for a name as text. */
export function isOwnName(name: string): boolean {
  return (name.charCodeAt(0) | 0x20) === 0x78 && /^x[^a-z0-9]eve[^a-z0-9]/i.test(name);
}
