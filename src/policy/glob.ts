/** Patterns over words (`gpt-4*`) and over paths, where two stars are any number of segments. Linear, whatever the pattern. */

export interface Glob {
  readonly text: string;
  /** What every match begins with, as far as the pattern says it. */
  readonly prefix: string;
  /** The pattern has no `*`: only its prefix matches. */
  readonly exact: boolean;
  test(text: string): boolean;
}

/** `*` is any run of characters, none too. There are no other wildcards, and no way to mean a star itself. */
export function compileGlob(text: string): Glob {
  const [prefix = "", ...rest] = text.split("*");
  if (rest.length === 0) return { text, prefix, exact: true, test: (given) => given === text };
  const suffix = rest.pop() ?? "";
  const middle = rest.filter((piece) => piece !== "");
  const least = prefix.length + suffix.length;
  return {
    text,
    prefix,
    exact: false,
    test(given) {
      if (given.length < least || !given.startsWith(prefix) || !given.endsWith(suffix)) return false;
      let at = prefix.length;
      for (const piece of middle) {
        const found = given.indexOf(piece, at);
        if (found === -1) return false;
        at = found + piece.length;
      }
      return at <= given.length - suffix.length;
    },
  };
}

export interface PathGlob {
  readonly text: string;
  /** Literal text before the first wildcard segment, lower case, with its slash: `/v1/files`. */
  readonly prefix: string;
  readonly exact: boolean;
  test(segments: readonly string[]): boolean;
  /** The same in any case: some servers see no difference. */
  like(lowered: readonly string[]): boolean;
}

type Segment = Glob | "**";

/** A string says what is wrong. */
export function compilePathGlob(text: string): PathGlob | string {
  if (!text.startsWith("/")) return "a path begins with /";
  if (/[?#]/.test(text)) return "a path has no query: use query";
  const parts = text.split("/").filter((part) => part !== "");
  if (parts.some((part) => part === "." || part === "..")) return "a path with dot segments matches nothing";
  if (parts.some((part) => part !== "**" && part.includes("**"))) return "** must be a whole segment";
  const readable = parts.map(decodeSegment);
  const segments = readable.map((part): Segment => (part === "**" ? "**" : compileGlob(part)));
  const lowered = readable.map((part): Segment => (part === "**" ? "**" : compileGlob(part.toLowerCase())));
  const literal: string[] = [];
  for (const each of lowered) {
    if (each === "**" || !each.exact) break;
    literal.push(each.text);
  }
  return {
    text,
    prefix: `/${literal.join("/")}`,
    exact: literal.length === segments.length,
    test: (given) => matchSegments(segments, given),
    like: (given) => matchSegments(lowered, given),
  };
}

function decodeSegment(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** As the two-pointer match of `*` over characters: only the last `**` is ever gone back to. */
function matchSegments(pattern: readonly Segment[], given: readonly string[]): boolean {
  let p = 0;
  let g = 0;
  let star = -1;
  let resume = 0;
  while (g < given.length) {
    const segment = pattern[p];
    if (segment === "**") {
      star = p++;
      resume = g;
    } else if (segment?.test(given[g] as string) === true) {
      p += 1;
      g += 1;
    } else if (star !== -1) {
      p = star + 1;
      g = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === "**") p += 1;
  return p === pattern.length;
}
