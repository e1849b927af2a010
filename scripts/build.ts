/**
 * Builds the binary: dist/sallyport for this machine, and for others with their names.
 *
 *   npm run build                        this machine, linux-arm64 and linux-x64-musl
 *   bun scripts/build.ts host            this machine only: needs no network
 *   bun scripts/build.ts linux-arm64 …   those
 *
 * The base binary of another target comes from the npm package @oven/bun-<target>, fetched by `bun build` through the
 * configured npm registry, once per Bun version; after that it is in Bun's cache. Where there is no network, put that
 * package's binary at `<cache>/bun-<target>-v<version>` (BUN_INSTALL_CACHE_DIR, else ~/.bun/install/cache).
 *
 * --minify-syntax and --minify-whitespace leave names alone, so a stack still says where. --bytecode: ready after 65 ms
 * instead of 167, for 4 MB more.
 */
import { mkdirSync, readFileSync, statSync } from "node:fs";

const TARGETS = ["host", "linux-arm64", "linux-x64-musl"];
const LIBRARY = ["src/mod.ts", "src/lib-enforce.ts", "src/lib-verify.ts"];

function commit(): string {
  const given = process.env.SALLYPORT_COMMIT;
  // Where an image is built there is neither git nor a repository.
  if (given !== undefined && given !== "") return given.slice(0, 12);
  const git = Bun.spawnSync(["git", "rev-parse", "--short=12", "HEAD"], { stderr: "ignore" });
  if (git.exitCode !== 0) return "unknown";
  const dirty = Bun.spawnSync(["git", "status", "--porcelain", "--untracked-files=no"]).stdout.length > 0;
  return `${git.stdout.toString().trim()}${dirty ? "-dirty" : ""}`;
}

const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
const constants = { SALLYPORT_VERSION: version, SALLYPORT_COMMIT: commit() };
const asked = process.argv.slice(2);
let failures = 0;
mkdirSync("dist", { recursive: true });
for (const target of asked.length > 0 ? asked : TARGETS) {
  const file = target === "host" ? "dist/sallyport" : `dist/sallyport-${target}`;
  const command = [
    "build",
    "--compile",
    "--bytecode",
    "--format=esm",
    "--minify-syntax",
    "--minify-whitespace",
    "src/main.ts",
    "--outfile",
    file,
  ];
  if (target !== "host") command.push(`--target=bun-${target}`);
  for (const [name, value] of Object.entries(constants)) command.push("--define", `${name}=${JSON.stringify(value)}`);
  // Without these, a bunfig.toml or .env beside the binary would change what it does.
  command.push("--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig");
  const run = Bun.spawnSync([process.execPath, ...command], { stdout: "ignore", stderr: "pipe" });
  if (run.exitCode === 0) console.log(`${file} ${(statSync(file).size / 1e6).toFixed(0)} MB`);
  else {
    failures++;
    console.error(`${file} was not built: ${run.stderr.toString().trim()}`);
  }
}
const library = await Bun.build({
  entrypoints: LIBRARY,
  outdir: "dist/lib",
  target: "node",
  packages: "external",
  splitting: true,
  throw: false,
});
if (library.success) console.log(`dist/lib ${library.outputs.length} files`);
else {
  failures++;
  console.error(`dist/lib was not built: ${library.logs.map(String).join("; ")}`);
}
process.exit(failures === 0 ? 0 : 1);
