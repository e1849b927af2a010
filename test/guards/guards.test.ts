import { expect, test } from "bun:test";
import { checkExports } from "../../scripts/guard-exports.ts";
import { checkEntries, checkImports, importsOf } from "../../scripts/guard-imports.ts";
import { checkSizes, countLines } from "../../scripts/guard-sizes.ts";
import { unused } from "../../scripts/guard-unused.ts";

const imports = (path: string, text: string): string[] => checkImports(new Map([[path, text]]), ["zod"]);

test("checkImports refuses every way up and sideways", () => {
  const refused: [string, string][] = [
    ["src/wire/http1.ts", 'import { x } from "../observe/log.ts";'],
    ["src/model/egress.ts", 'import type { Config } from "../config/config.ts";'],
    ["src/decide/host.ts", 'import { dial } from "../enforce/dial.ts";'],
    ["src/enforce/dial.ts", 'export { x } from "../decide/host.ts";'],
    ["src/evidence/chain.ts", 'import "../decide/host.ts";'],
    ["src/decide/host.ts", 'const x = await import("../evidence/chain.ts");'],
    ["src/listen/forward.ts", 'import {\n  a,\n  b as c,\n} from "../decide/host.ts";'],
    ["src/policy/program.ts", 'import * as config from "../config/config.ts";'],
    ["src/enforce/dial.ts", 'import { x } from "../pipeline.ts";'],
    ["src/enforce/dial.ts", 'import { x } from "../engine/engine.ts";'],
    ["src/detect/inspect.ts", 'import { x } from "../content/json.ts";'],
    ["src/engine/engine.ts", 'import { x } from "../limits/claims.ts";'],
    ["src/newroom/x.ts", ""],
    ["src/within.ts", 'import { forward } from "./enforce/forward.ts";'],
    ["src/drafts.ts", 'import type { Evidence } from "./evidence/evidence.ts";'],
    ["src/counters.ts", 'import { Limiter } from "./decide/limits.ts";'],
  ];
  for (const [path, text] of refused) expect(imports(path, text), `${path} ${text}`).toHaveLength(1);
});

test("checkImports lets through what the table allows", () => {
  const allowed: [string, string][] = [
    ["src/pipeline.ts", 'import { x } from "./decide/host.ts";\nimport { y } from "./enforce/dial.ts";'],
    [
      "src/decide/host.ts",
      'import { x } from "../wire/ip.ts";\nimport { z } from "zod";\nimport { y } from "./address.ts";',
    ],
    ["src/decide/host.ts", 'import type { Runtime } from "../runtime/contract.ts";'],
    ["src/main.ts", 'import { runtime } from "#runtime";'],
    ["src/runtime/bun.ts", 'import net from "node:net";\nconst x = Bun.main;'],
  ];
  for (const [path, text] of allowed) expect(imports(path, text), `${path} ${text}`).toEqual([]);
});

test("checkImports refuses a runtime's name outside its room", () => {
  const refused = [
    'import net from "node:net";',
    'import { dlopen } from "bun:ffi";',
    "const x = Bun.file(path);",
    "const x = Deno.args;",
    "process.exit(1);",
    "const b = Buffer.from(text);",
    "const b = globalThis.Bun;",
    'import { runtime } from "#runtime";',
    'import { runtime } from "../runtime/bun.ts";',
  ];
  for (const text of refused) expect(imports("src/wire/x.ts", text), text).toHaveLength(1);
  const allowed = [
    "// Bun.file would do",
    "/* process.exit */",
    'const text = "held by one process. Deno.args";',
    "const decodeBuffer = makeBuffer(1);",
    "this.process.run();",
  ];
  for (const text of allowed) expect(imports("src/wire/x.ts", text), text).toEqual([]);
});

test("checkImports refuses who mints, dials or makes a permit past the one place for it", () => {
  const refused: [string, string][] = [
    ["src/decide/host.ts", 'import { mintPermit } from "./permit.ts";'],
    ["src/enforce/forward.ts", 'import { dialProxy as far } from "./dial.ts";'],
    ["src/enforce/forward.ts", 'import { dialPermit } from "./dial.ts";'],
    ["src/enforce/route.ts", "const permit = { destination, addresses } as Permit;"],
    ["src/enforce/route.ts", "const permit = asked as unknown as Permit;"],
    ["src/enforce/route.ts", "env.runtime.dial(target, parked);"],
  ];
  for (const [path, text] of refused) expect(imports(path, text), `${path} ${text}`).toHaveLength(1);
  const allowed: [string, string][] = [
    ["src/pipeline.ts", 'import { mintPermit } from "./decide/permit.ts";'],
    ["src/enforce/route.ts", 'import { dialPermit, dialProxy } from "./dial.ts";'],
    ["src/enforce/dial.ts", "const dialing = this.#env.runtime.dial(target, parked);"],
    ["src/enforce/forward.ts", "// as dialProxy does\nroute.dial(permit, cancel);"],
  ];
  for (const [path, text] of allowed) expect(imports(path, text), `${path} ${text}`).toEqual([]);
});

test("checkImports refuses a package that is not a dependency and an import without extension", () => {
  expect(imports("src/wire/x.ts", 'import x from "left-pad";')).toHaveLength(1);
  expect(imports("src/wire/x.ts", 'import x from "./y";')).toHaveLength(1);
});

test("importsOf reads no import from prose", () => {
  expect(importsOf('const a = `comes from "there"`;\n/** import x from y */')).toEqual([]);
});

test("checkEntries follows an entry to the listener behind it", () => {
  const sources = new Map([
    ["src/mod.ts", 'export { x } from "./decide/x.ts";'],
    ["src/decide/x.ts", 'import { y } from "../listen/y.ts";'],
    ["src/listen/y.ts", ""],
  ]);
  expect(checkEntries(sources, ["src/mod.ts"])).toEqual(["src/mod.ts: pulls in src/listen/y.ts"]);
  sources.set("src/decide/x.ts", "");
  expect(checkEntries(sources, ["src/mod.ts"])).toEqual([]);
});

test("checkSizes names a long file and refuses a longer one", () => {
  const { over, long } = checkSizes(
    new Map([
      ["a", 300],
      ["b", 301],
      ["c", 400],
      ["d", 401],
    ]),
  );
  expect(long).toEqual(["b: 301 lines", "c: 400 lines"]);
  expect(over).toEqual(["d: 401 lines, 400 is the limit"]);
  expect(countLines("one\ntwo\n")).toBe(2);
});

test("checkExports sees an entry missing, differing or without a file, and another version", () => {
  const one = { version: "1.0.0", exports: { ".": "./src/mod.ts" } };
  expect(checkExports(one, one, () => true)).toEqual([]);
  expect(checkExports(one, one, () => false)).toHaveLength(1);
  expect(checkExports(one, { ...one, exports: {} }, () => true)).toHaveLength(1);
  expect(checkExports(one, { ...one, exports: { ".": "./src/other.ts" } }, () => true)).toHaveLength(1);
  expect(checkExports(one, { ...one, version: "1.0.1" }, () => true)).toHaveLength(1);
  const built = { types: "./dist/lib/mod.d.ts", bun: "./src/mod.ts", default: "./dist/lib/mod.js" };
  const withEntry = (entry: Record<string, string>) => ({ ...one, exports: { ".": entry } });
  expect(checkExports(withEntry(built), one, () => true)).toEqual([]);
  expect(checkExports(withEntry({ ...built, types: "./src/mod.ts" }), one, () => true)).toHaveLength(1);
  expect(checkExports(withEntry({ ...built, default: "./dist/lib/x.js" }), one, () => true)).toHaveLength(1);
  expect(checkExports(withEntry({ ...built, deno: "./src/mod.ts" }), one, () => true)).toHaveLength(1);
});

test("unused names what one file exports and no other has the word of", () => {
  const files = new Map([
    [
      "src/a.ts",
      "export const used = 1;\nexport const alone = used;\nexport async function far(): Promise<void> {}\nexport class Left {}",
    ],
    ["src/b.ts", 'import { used } from "./a.ts";\nconst alones = used;'],
    ["src/entry.ts", "export function forStrangers(): void {}"],
    ["test/a.test.ts", 'import { far } from "../src/a.ts";\nexport const kit = 1;'],
  ]);
  expect(unused(files, new Set(["src/entry.ts"]))).toEqual(["unused: src/a.ts: alone", "unused: src/a.ts: Left"]);
});
