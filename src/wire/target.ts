/** The two parts of a path as it was sent: what stands before its first `?`, and what behind it. */

export function pathIn(target: string): string {
  const mark = target.indexOf("?");
  return mark === -1 ? target : target.slice(0, mark);
}

/** Without its question mark; null when there is none. */
export function queryIn(target: string): string | null {
  const mark = target.indexOf("?");
  return mark === -1 ? null : target.slice(mark + 1);
}
