/**
 * What is in the image, as CycloneDX 1.5: the npm packages of the lock, the Debian packages, the runtime that the binary
 * carries, and the binary. It has no serial number and no time but the commit's, so that equal builds are equal.
 */
import { readFileSync } from "node:fs";
import type { DebianPackage } from "./debian.ts";
import { digestOf } from "./run.ts";

export interface Component {
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly "bom-ref": string;
  readonly [more: string]: unknown;
}

interface Locked {
  readonly version?: string;
  readonly dev?: boolean;
  readonly license?: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

export function sbomText(
  binary: Uint8Array,
  packages: readonly DebianPackage[],
  { seconds, version }: { readonly seconds: number; readonly version: string },
): string {
  const { devDependencies } = JSON.parse(readFileSync("package.json", "utf8")) as {
    readonly devDependencies: Readonly<Record<string, string>>;
  };
  const bun = devDependencies.bun ?? "unknown";
  const self = `pkg:generic/sallyport@${version}`;
  const runtime: Component = purled("application", "bun", bun, `pkg:npm/bun@${bun}`);
  const components = [...lockedComponents(), runtime, ...packages.map(debian)].sort((a, b) =>
    a.purl < b.purl ? -1 : 1,
  );
  return `${JSON.stringify(
    {
      bomFormat: "CycloneDX",
      specVersion: "1.5",
      version: 1,
      metadata: {
        timestamp: new Date(seconds * 1000).toISOString(),
        component: {
          ...purled("application", "sallyport", version, self),
          licenses: [{ license: { id: "Apache-2.0" } }],
          hashes: [{ alg: "SHA-256", content: digestOf(binary) }],
        },
      },
      components,
      dependencies: [{ ref: self, dependsOn: components.map((one) => one["bom-ref"]) }],
    },
    null,
    1,
  )}\n`;
}

function purled(type: string, name: string, version: string, purl: string): Component {
  return { type, name, version, purl, "bom-ref": purl };
}

/** What the lock has that is not for building and testing alone: `npm sbom --omit dev` of npm 11 leaves out one that is both. */
function lockedComponents(): Component[] {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
    readonly packages: Readonly<Record<string, Locked>>;
  };
  return Object.entries(packages).flatMap(([path, { version, dev, license, integrity }]) => {
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    if (path === "" || dev === true || version === undefined) return [];
    const component = purled("library", name, version, `pkg:npm/${name.replace("@", "%40")}@${version}`);
    const [algorithm, sum] = integrity?.split("-") ?? [];
    return {
      ...component,
      ...(license === undefined ? {} : { licenses: [{ expression: license }] }),
      ...(algorithm !== "sha512" || sum === undefined
        ? {}
        : { hashes: [{ alg: "SHA-512", content: Buffer.from(sum, "base64").toString("hex") }] }),
    };
  });
}

function debian({ name, version, architecture, sha256 }: DebianPackage): Component {
  const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`;
  return { ...purled("library", name, version, purl), hashes: [{ alg: "SHA-256", content: sha256 }] };
}
