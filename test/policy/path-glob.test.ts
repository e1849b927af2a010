import { expect, test } from "bun:test";
import { compileGlob } from "../../src/policy/path-glob.ts";

test("compileGlob matches whole paths, segment by segment", () => {
  const cases: [glob: string, path: string, matches: boolean][] = [
    ["/a", "/a", true],
    ["/a", "/a/", false],
    ["/a", "/a/b", false],
    ["/a/*", "/a/b", true],
    ["/a/*", "/a/", true],
    ["/a/*", "/a/b/c", false],
    ["/a/**", "/a", true],
    ["/a/**", "/a/b/c", true],
    ["/a/**", "/ab", false],
    ["/**/secret", "/secret", true],
    ["/**/secret", "/a/b/secret", true],
    ["/**/secret", "/a/b/secrets", false],
    ["/v*/s*t/**", "/v1/secret/data/x", true],
    ["/v*/s*t/**", "/v1/x/data", false],
    ["/a**b", "/aXXb", true],
    ["/a**b", "/a/b", false],
    ["/a.c", "/abc", false],
  ];
  for (const [glob, path, matches] of cases) expect(compileGlob(glob)(path), `${glob} ${path}`).toBe(matches);
});

test("compileGlob agrees with the regular expression of the same meaning", () => {
  const letters = ["a", "b", "*", "/", "/**/"];
  let state = 1;
  const below = (n: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 8) % n;
  };
  let matched = 0;
  for (let i = 0; i < 20_000; i++) {
    const glob = `/${Array.from({ length: below(6) }, () => letters[below(5)]).join("")}`;
    const path = `/${Array.from({ length: below(7) }, () => ["a", "b", "/"][below(3)]).join("")}`;
    const source = glob
      .split("/")
      .map((segment, at) =>
        segment === "**" ? "(?:/[^/]*)*" : `${at === 0 ? "" : "/"}${segment.replaceAll("*", "[^/]*")}`,
      )
      .join("");
    // The first segment of a path is what stands before its first slash: nothing.
    const wanted = new RegExp(`^${source}$`).test(path);
    expect(compileGlob(glob)(path), `${glob} ${path}`).toBe(wanted);
    if (wanted) matched++;
  }
  expect(matched).toBeGreaterThan(500);
});

test("compileGlob is quick on a path made for it", () => {
  const glob = compileGlob(`/${"*a".repeat(100)}b`);
  const from = performance.now();
  expect(glob(`/${"a".repeat(60_000)}`)).toBe(false);
  expect(performance.now() - from).toBeLessThan(1_000);
});
