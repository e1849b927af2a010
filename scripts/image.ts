/**
 * Builds the image without a daemon and without a registry: dist/image, an OCI layout with the same image twice (its layers in
 * zstd, and in gzip for what is older), and the software bill of materials beside it as an artifact. The C library comes from
 * the distribution's packages.
 *
 *   bun scripts/build.ts host && bun scripts/image.ts
 *     --binary FILE   dist/sallyport when it is not said
 *     --out DIR       dist/image
 *     --root DIR      the root file system, too, as a folder (as root: owners are kept)
 *     --only-root DIR that, and no image
 *     --level N       of zstd: 19, which takes minutes; 1 for a try. Sizes are held to their bounds at 19 only
 *
 * The same binary, packages and SOURCE_DATE_EPOCH (else the commit's time) make the same digests, on any machine: files are
 * sorted and owned by numbers, and the compressors are those of the pinned Bun.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { debianPackages } from "./image/debian.ts";
import { type Compression, type Descriptor, type Layer, Layout } from "./image/layout.ts";
import { BINARY, layerTar, PACKAGES, programEntries, ROOTS, STATE, systemEntries, UID } from "./image/rootfs.ts";
import { builtBinary, output, sourceDate } from "./image/run.ts";
import { sbomText } from "./image/sbom.ts";

/** What was promised, bytes. */
const BOUNDS = { uncompressed: 130e6, zstd: 48e6 };
const RELEASE_LEVEL = 19;
const SECOND = 1e9;

const { values } = parseArgs({
  options: {
    binary: { type: "string", default: "dist/sallyport" },
    out: { type: "string", default: "dist/image" },
    root: { type: "string" },
    "only-root": { type: "string" },
    level: { type: "string", default: String(RELEASE_LEVEL) },
    debs: { type: "string", default: "dist/debs" },
  },
});
const level = Number(values.level);
if (!Number.isInteger(level) || level < 1 || level > 22) throw new Error(`--level is 1 to 22, not "${values.level}"`);

const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
const seconds = sourceDate();
const created = new Date(seconds * 1000).toISOString();
const binary = builtBinary(values.binary);
const packages = await debianPackages(PACKAGES, values.debs);
const architecture = packages.find(({ name }) => name === "libc6")?.architecture ?? "amd64";
const sbom = sbomText(binary, packages, { seconds, version });
const layers: Layer[] = [
  {
    tar: await layerTar(systemEntries(packages), seconds),
    why: packages.map((one) => `${one.name} ${one.version}`).join(", "),
  },
  { tar: await layerTar(programEntries(binary, readFileSync("LICENSE"), sbom), seconds), why: `sallyport ${version}` },
];

const root = values["only-root"] ?? values.root;
if (root !== undefined) unpack(root);
if (values["only-root"] !== undefined) process.exit(0);

const labels = {
  "org.opencontainers.image.title": "sallyport",
  "org.opencontainers.image.description": "Egress governance gateway",
  "org.opencontainers.image.version": version,
  "org.opencontainers.image.revision": revision(),
  "org.opencontainers.image.created": created,
  "org.opencontainers.image.licenses": "Apache-2.0",
};
const layout = Layout.create(values.out);
const config = layout.config(
  {
    architecture,
    config: {
      User: `${UID}:${UID}`,
      Entrypoint: [BINARY],
      Cmd: ["run"],
      WorkingDir: STATE,
      Env: [`PATH=/usr/sbin:/usr/bin`, `HOME=${STATE}`, `SSL_CERT_FILE=${ROOTS}`],
      ExposedPorts: { "3128/tcp": {} },
      Volumes: { [STATE]: {} },
      StopSignal: "SIGTERM",
      Labels: labels,
      Healthcheck: {
        Test: ["CMD", BINARY, "healthcheck"],
        Interval: 10 * SECOND,
        Timeout: 5 * SECOND,
        StartPeriod: 10 * SECOND,
        Retries: 3,
      },
    },
  },
  layers,
  created,
);
const uncompressed = layers.reduce((sum, { tar }) => sum + tar.length, 0);
console.log(
  `${values.out} sallyport ${version} ${architecture}, ${packages.map((one) => `${one.name} ${one.version}`).join(", ")}`,
);
console.log(`uncompressed ${megabytes(uncompressed)}, ${left(uncompressed, BOUNDS.uncompressed)}`);
const sizes: Record<Compression, number> = { zstd: 0, gzip: 0 };
for (const compression of ["zstd", "gzip"] as const) {
  const descriptors = layers.map(({ tar }) =>
    layout.compressed(tar, compression, { zstd: level, gzip: level < 10 ? level : 9 }),
  );
  const name = compression === "zstd" ? version : `${version}-gzip`;
  const image = layout.manifest(
    { config, layers: descriptors, annotations: labels },
    { annotations: { "org.opencontainers.image.ref.name": name }, platform: { architecture, os: "linux" } },
  );
  attach(image);
  sizes[compression] = descriptors.reduce((sum, { size }) => sum + size, 0);
  const bound = compression === "zstd" && level >= RELEASE_LEVEL ? `, ${left(sizes.zstd, BOUNDS.zstd)}` : "";
  console.log(`${compression} ${megabytes(sizes[compression])}${bound} ${image.digest} ${name}`);
}
layout.close();

const over = [
  ...(uncompressed > BOUNDS.uncompressed ? [`uncompressed: ${megabytes(uncompressed)}`] : []),
  ...(level >= RELEASE_LEVEL && sizes.zstd > BOUNDS.zstd ? [`zstd: ${megabytes(sizes.zstd)}`] : []),
];
for (const one of over) console.error(`the image is larger than was promised, ${one}`);
process.exit(over.length === 0 ? 0 : 1);

function attach(image: Descriptor): void {
  const type = "application/vnd.cyclonedx+json";
  layout.artifact(image, type, layout.blob(type, sbom), { "org.opencontainers.image.created": created });
}

function revision(): string {
  return process.env.SALLYPORT_COMMIT ?? output(["git", "rev-parse", "HEAD"]).trim();
}

function left(bytes: number, bound: number): string {
  return bytes > bound ? `${megabytes(bytes - bound)} above its bound` : `${megabytes(bound - bytes)} below its bound`;
}

/** To the kilobyte: a bound may be nearer than a tenth of a megabyte. */
function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(3)} MB`;
}

/** As root owners are kept; whoever else unpacks owns all of it. */
function unpack(directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const { tar } of layers) {
    const command = ["tar", "-x", "-p", "--numeric-owner", "-C", directory];
    const run = Bun.spawnSync(command, { stdin: tar, stderr: "pipe" });
    if (run.exitCode !== 0) throw new Error(`cannot unpack into "${directory}": ${run.stderr.toString().trim()}`);
  }
  console.log(directory);
}
