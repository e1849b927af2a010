/** The difference of two values as JSON Patch (RFC 6902). */
import type { Operation } from "./review.ts";

/** Members are told one by one; a list of another length is replaced whole. */
export function difference(before: unknown, after: unknown, path = ""): readonly Operation[] {
  if (before === after) return [];
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    return after.flatMap((item, index) => difference(before[index], item, `${path}/${index}`));
  }
  if (!isMap(before) || !isMap(after)) return isEqual(before, after) ? [] : [{ op: "replace", path, value: after }];
  const operations: Operation[] = [];
  for (const key of Object.keys(before)) {
    if (!Object.hasOwn(after, key)) operations.push({ op: "remove", path: `${path}/${pointer(key)}` });
  }
  for (const [key, value] of Object.entries(after)) {
    const at = `${path}/${pointer(key)}`;
    if (Object.hasOwn(before, key)) operations.push(...difference(before[key], value, at));
    else if (value !== undefined) operations.push({ op: "add", path: at, value });
  }
  return operations;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** RFC 6901. */
function pointer(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}
