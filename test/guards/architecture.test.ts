/** ARCHITECTURE.md and CONTRIBUTING.md are read before the code: a file they name must be there. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";

const ROOT = join(import.meta.dirname, "../..");
const FILES = [...new Glob("{src,scripts,test}/**/*.ts").scanSync(ROOT)];

/** File names in `text`: between backquotes, or at the beginning of a line of the tree. `*` stands for some letters. */
function named(text: string): string[] {
  const quoted = [...text.matchAll(/`([\w*/.-]+\.ts)`/g)].map(([, name = ""]) => name);
  const tree = [...text.matchAll(/^ {2}([\w-]+\.ts) {2,}/gm)].map(([, name = ""]) => `src/${name}`);
  return [...new Set([...quoted, ...tree])].filter((name) => name !== "_name.ts");
}

/** True when it is the end of some path: a room, or no folder, may stand before it. */
function exists(name: string): boolean {
  const glob = new Glob(name);
  return FILES.some((file) => {
    const parts = file.split("/");
    return parts.some((_, i) => glob.match(parts.slice(i).join("/")));
  });
}

describe("ARCHITECTURE.md", () => {
  const text = readFileSync(join(ROOT, "ARCHITECTURE.md"), "utf8");

  test("a name of no file is found out", () => {
    expect(exists("enforce/no-such-file.ts")).toBe(false);
    expect(exists("rward.ts")).toBe(false);
    expect(exists("src/forward.ts")).toBe(false);
  });

  test("every file it names is there", () => {
    const names = named(text);
    expect(names).toContain("src/within.ts");
    expect(names).toContain("wire/http1-*.ts");
    expect(names.length).toBeGreaterThan(60);
    expect(names.filter((name) => !exists(name))).toEqual([]);
  });

  test("every file that CONTRIBUTING.md names is there", () => {
    const names = named(readFileSync(join(ROOT, "CONTRIBUTING.md"), "utf8"));
    expect(names.length).toBeGreaterThan(60);
    expect(names.filter((name) => !exists(name))).toEqual([]);
  });

  test("every room of src is in its tree, and no other", () => {
    const rooms = new Set(FILES.filter((file) => /^src\/[^/]+\//.test(file)).map((file) => file.split("/")[1] ?? ""));
    const tree = [...text.matchAll(/^ {2}([a-z]+)\/ {2,}/gm)].map(([, name = ""]) => name);
    expect(tree.toSorted()).toEqual([...rooms].toSorted());
  });
});
