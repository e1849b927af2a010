/** The texts in the arguments of a tool's call, however their JSON is written. */

const MOST = 10_000;

/** First as it is written; then, when it is JSON, every key and every string of it with its escapes undone. */
export function argumentTexts(written: string): string[] {
  const texts = [written];
  let value: unknown;
  try {
    value = JSON.parse(written);
  } catch {
    return texts;
  }
  const open: unknown[] = [value];
  while (open.length > 0 && texts.length < MOST) {
    const each = open.pop();
    if (typeof each === "string") texts.push(each);
    else if (Array.isArray(each)) open.push(...each.slice(0, MOST).reverse());
    else if (typeof each === "object" && each !== null) {
      for (const [key, inner] of Object.entries(each).reverse()) open.push(inner, key);
    }
  }
  return texts;
}
