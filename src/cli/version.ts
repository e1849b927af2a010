import type { Runtime } from "../runtime/contract.ts";
import { type CommandSpec, EXIT, readArgs } from "./_args.ts";

// Put in by `bun build --define`; running from source they do not exist.
declare const SALLYPORT_VERSION: string;
declare const SALLYPORT_COMMIT: string;

export const VERSION: string = typeof SALLYPORT_VERSION === "string" ? SALLYPORT_VERSION : "0.1.0";
export const COMMIT: string = typeof SALLYPORT_COMMIT === "string" ? SALLYPORT_COMMIT : "source";

const SPEC: CommandSpec = {
  name: "version",
  summary: "version, runtime and build",
  usage: "[--json]",
  options: [{ name: "json", doc: "print a JSON object" }],
  operands: [0, 0],
};

export async function runVersion(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, SPEC, args);
  if (typeof parsed === "number") return parsed;
  const { name, version, platform, arch } = runtime;
  const facts = { version: VERSION, runtime: name, runtime_version: version, platform, arch, build: COMMIT };
  runtime.stdout(parsed.has("json") ? `${JSON.stringify(facts)}\n` : `${versionLine(runtime)}\n`);
  return EXIT.ok;
}

export function versionLine({ name, version, platform, arch }: Runtime): string {
  return `sallyport ${VERSION} (${name} ${version}, ${platform} ${arch}, build ${COMMIT})`;
}
