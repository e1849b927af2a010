import { expect, test } from "bun:test";
import { pathIn, queryIn } from "../../src/wire/target.ts";

test.each([
  ["/a", "/a", null],
  ["/a?", "/a", ""],
  ["/a?b=1?c=2", "/a", "b=1?c=2"],
  ["?x", "", "x"],
  ["", "", null],
])("%p is the path %p and the query %p", (target, path, query) => {
  expect(pathIn(target)).toBe(path);
  expect(queryIn(target)).toBe(query);
});
