/**
 * Globs over a path: `*` any characters of a segment, `**` (as a whole segment) any number of segments. Without regular
 * expressions: a pattern with many stars must not cost more on a path that was made for it.
 */
export function compileGlob(pattern: string): (path: string) => boolean {
  const wanted = pattern.split("/");
  return (path) => {
    const segments = path.split("/");
    return matchAll(wanted.length, segments.length, {
      star: (at) => wanted[at] === "**",
      same: (at, to) => matchSegment(wanted[at] as string, segments[to] as string),
    });
  };
}

function matchSegment(pattern: string, text: string): boolean {
  if (!pattern.includes("*")) return pattern === text;
  return matchAll(pattern.length, text.length, {
    star: (at) => pattern[at] === "*",
    same: (at, to) => pattern[at] === text[to],
  });
}

interface Symbols {
  readonly star: (at: number) => boolean;
  readonly same: (at: number, to: number) => boolean;
}

/** Going back to the last star is enough: at most the product of both lengths. */
function matchAll(wanted: number, given: number, { star, same }: Symbols): boolean {
  let at = 0;
  let to = 0;
  let starAt = -1;
  let starTo = 0;
  while (to < given) {
    if (at < wanted && star(at)) {
      starAt = at++;
      starTo = to;
    } else if (at < wanted && same(at, to)) {
      at++;
      to++;
    } else if (starAt >= 0) {
      at = starAt + 1;
      to = ++starTo;
    } else return false;
  }
  while (at < wanted && star(at)) at++;
  return at === wanted;
}
