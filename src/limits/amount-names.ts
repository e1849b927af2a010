/** Names that some reader takes for the place of an amount: each library has its own marks, blanks and cases. */
import type { Path } from "./amount-path.ts";

/** What one reader or another drops: blanks, controls, marks that nobody sees, the question mark of a query. */
const UNSEEN = /[\s\p{C}?]/gu;
/** Between the parts of a name. */
const MARKS = /[[\].]/;

/** As readers fold that take no care of case: the long s and the sign of Kelvin are letters too. */
export function folded(name: string): string {
  return name.toUpperCase().toLowerCase();
}

/** What a name is told apart from; made once for many names. */
export interface Wanted {
  readonly parts: readonly string[];
  readonly joined: string;
}

export function wantedOf(path: Path): Wanted {
  const list = path.indexOf("*");
  const fixed = list > 0 ? path.slice(0, list) : path.filter((part) => part !== "*");
  const parts = fixed.map(plain);
  return { parts, joined: joinedOf(parts) };
}

/** Whether a decoded name may be read as the wanted place, as what holds it or as something in it. */
export function mayMean(name: string, { parts, joined }: Wanted): boolean {
  if (parts.length === 0) return false;
  // Where strings end at a NUL, what is behind it is not of the name.
  const nul = name.indexOf("\0");
  if (nul !== -1 && mayMean(name.slice(0, nul), { parts, joined })) return true;
  const given = name
    .split(MARKS)
    .map(plain)
    .filter((part) => part !== "");
  if (given.length === 0) return false;
  const shared = Math.min(given.length, parts.length);
  return parts.slice(0, shared).every((part, i) => part === given[i]) || joinedOf(given) === joined;
}

function plain(name: string): string {
  return folded(name.normalize("NFKC").replace(UNSEEN, ""));
}

/** PHP writes dots, blanks and open brackets as `_`. */
function joinedOf(parts: readonly string[]): string {
  return parts.join("").replaceAll("_", "");
}
