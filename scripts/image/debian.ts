/** Files of Debian packages, read out of the packages themselves: what is installed on the machine that builds says nothing. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, posix } from "node:path";
import { unpackTar } from "modern-tar";
import { digestOf, output } from "./run.ts";

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Hex of the sha256 of the package file. */
  readonly sha256: string;
  /** The paragraph that describes it, as dpkg keeps it: scanners find packages by it. */
  readonly control: string;
  /** By absolute path, without `usr` before `lib`: which of the two a package says differs with the package and the release. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/**
 * The candidates of this machine's package lists (`apt-get update` is the caller's), verified by apt, kept in `directory`
 * by name, version and architecture. Throws when one cannot be had.
 */
export async function debianPackages(names: readonly string[], directory: string): Promise<DebianPackage[]> {
  mkdirSync(directory, { recursive: true });
  // The files of the present candidates, under the names apt gives them; older ones that were kept are not them.
  const uris = output(["apt-get", "download", "--print-uris", ...names]);
  const files = [...uris.matchAll(/^'[^']*'\s+(\S+\.deb)\s/gm)].map((match) => match[1] ?? "");
  if (files.length !== names.length)
    throw new Error(`apt does not know all of ${names.join(", ")}: is apt-get update needed`);
  if (files.some((file) => !existsSync(join(directory, file)))) {
    const room = mkdtempSync(join(directory, ".fetched-"));
    // As root apt would hand the download to a user who cannot write here.
    output(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", ...names], { cwd: room });
    for (const file of files) renameSync(join(room, file), join(directory, file));
    rmSync(room, { recursive: true });
  }
  const packages = await Promise.all(files.map((file) => debianPackage(file, directory)));
  return packages.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
}

async function debianPackage(file: string, directory: string): Promise<DebianPackage> {
  const path = join(directory, file);
  const control = output(["dpkg-deb", "--field", path]);
  const field = (key: string): string => new RegExp(`^${key}: (.*)$`, "m").exec(control)?.[1] ?? "";
  const tar = Bun.spawnSync(["dpkg-deb", "--fsys-tarfile", path], { stderr: "pipe" });
  if (tar.exitCode !== 0) throw new Error(`cannot read "${path}": ${tar.stderr.toString().trim()}`);
  const files = new Map<string, Uint8Array>();
  const links = new Map<string, string>();
  for (const { header, data } of await unpackTar(tar.stdout, { strict: true })) {
    const at = placed(header.name);
    if (header.type === "file" && data !== undefined) files.set(at, data);
    else if (header.type === "symlink") links.set(at, placed(posix.resolve(posix.dirname(at), header.linkname ?? "")));
  }
  // A library under the name that programs ask for is a link to the one with its whole version.
  for (const [at, to] of links) {
    const target = files.get(to);
    if (target !== undefined) files.set(at, target);
  }
  return {
    name: field("Package"),
    version: field("Version"),
    architecture: field("Architecture"),
    sha256: digestOf(readFileSync(path)),
    control,
    files,
  };
}

function placed(path: string): string {
  return path.replace(/^\.?\/?/, "/").replace(/^\/usr\/(lib(?:64)?\/)/, "/$1");
}
