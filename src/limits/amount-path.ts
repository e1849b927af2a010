/** `"*"` is every element of a list. */
export type Path = readonly string[];

const MAX_PARTS = 16;

/** Reads `$.amount`, `$.order.items[*].price`, `$[*].sum`; null for anything else. */
export function parseAmountPath(text: string): Path | null {
  if (text.length > 200 || !/^\$(?:\.[A-Za-z_][A-Za-z0-9_-]*|\[\*\])+$/.test(text)) return null;
  const parts = [...text.matchAll(/\.([A-Za-z_][A-Za-z0-9_-]*)|\[\*\]/g)].map((match) => match[1] ?? "*");
  return parts.length > MAX_PARTS ? null : parts;
}

/** The same place as forms name it: `order[amount]`. Null where a form has no fixed name for it. */
export function formName(path: Path): string | null {
  const [first, ...rest] = path;
  if (first === undefined || path.includes("*")) return null;
  return `${first}${rest.map((part) => `[${part}]`).join("")}`;
}
