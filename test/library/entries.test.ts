/** What a stranger's bundler takes in with each entry. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

interface Bundled {
  /** Files of this project and of packages whose code is in the bundle. */
  readonly inputs: string[];
  /** Modules it would still import. */
  readonly imports: string[];
  readonly code: string;
}

async function bundle(entry: string, external: "external" | "bundle"): Promise<Bundled> {
  const built = await Bun.build({
    entrypoints: [join(root, entry)],
    root,
    // Where node: does not exist: what needs it fails, or gets a stand-in that shows among the inputs.
    target: "browser",
    format: "esm",
    packages: external,
    metafile: true,
  });
  const { inputs, outputs } = built.metafile ?? { inputs: {}, outputs: {} };
  const imports = [...Object.values(inputs), ...Object.values(outputs)].flatMap((each) =>
    each.imports.filter((one: { path: string; external?: boolean }) => one.external === true).map((one) => one.path),
  );
  const code = await (built.outputs[0] as Blob).text();
  return { inputs: Object.keys(inputs).map((path) => path.replace(/^(?:\.\.\/)*/, "")), imports, code };
}

const FORBIDDEN =
  /^src\/(?:runtime|listen|enforce|cli|observe)\/|^src\/(?:main|run|gateway|pipeline|workers|control)\.ts$/;
const NODE = /node:|^(?:process|buffer|fs|net|tls|http|https|crypto|stream|os|path)$/;

const entries: Record<string, RegExp> = {
  "src/mod.ts": /^@noble\/hashes\/|^yaml$|^zod$|^pako$|^re2js$|^@bufbuild\/cel/,
  "src/lib-enforce.ts": /^@noble\/hashes\/|^pako$/,
  "src/lib-verify.ts": /^@noble\/hashes\//,
};

describe("bundling", () => {
  for (const [entry, packages] of Object.entries(entries)) {
    test(`${entry} takes in nothing that listens, dials or names a runtime`, async () => {
      const { inputs, imports } = await bundle(entry, "external");
      expect(inputs).toContain(entry);
      expect(inputs.filter((path) => FORBIDDEN.test(path))).toEqual([]);
      expect(imports.filter((path) => !packages.test(path))).toEqual([]);
      expect(imports.length).toBeGreaterThan(0);
    });

    test(`${entry} with its packages needs no node: module`, async () => {
      const { inputs, imports, code } = await bundle(entry, "bundle");
      expect(inputs.filter((path) => !path.startsWith("src/") && !path.startsWith("node_modules/"))).toEqual([]);
      expect(imports.filter((path) => NODE.test(path))).toEqual([]);
      expect(code).not.toMatch(/\bfrom\s*"node:|\brequire\(\s*"|\bBun\.|\bDeno\./);
    });
  }

  test("this check sees the gateway when it is there", async () => {
    const { inputs, imports } = await bundle("src/pipeline.ts", "external");
    expect(inputs.some((path) => FORBIDDEN.test(path))).toBe(true);
    expect(imports).toBeArray();
  });
});
