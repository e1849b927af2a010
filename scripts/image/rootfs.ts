/**
 * The root file system of the image: the binary, what of the C library it loads, the public roots, and the few files that a
 * C library and scanners look for. No shell, no package manager, nothing that can be run but the gateway.
 */
import { packTar } from "modern-tar";
import type { DebianPackage } from "./debian.ts";
import { digestOf } from "./run.ts";

/** `nonroot` of the distroless images; `sallyport redirect install --uid 65532` exempts it. */
export const UID = 65532;
export const STATE = "/var/lib/sallyport";
export const BINARY = "/usr/bin/sallyport";
export const ROOTS = "/etc/ssl/certs/ca-certificates.crt";
export const SBOM = "/usr/share/doc/sallyport/sbom.cdx.json";

/** Package by package the libraries that are taken. What is missing is found by a test that runs all there is with nothing else. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  libc6: ["libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0"],
  // For `sallyport redirect` as the init container: iptables over nf_tables is 0.7 MB with all it needs, nft 2.4 MB.
  libxtables12: ["libxtables.so.12"],
  libnftnl11: ["libnftnl.so.11"],
  libmnl0: ["libmnl.so.0"],
  iptables: [
    ...["standard", "tcp", "udp", "icmp6", "icmp", "owner", "mark", "conntrack", "addrtype", "multiport", "comment"],
    ...["REDIRECT", "NAT", "REJECT", "LOG"],
  ],
};
const IPTABLES = "/usr/sbin/xtables-nft-multi";
const IPTABLES_NAMES = [
  "iptables",
  "iptables-restore",
  "iptables-save",
  "ip6tables",
  "ip6tables-restore",
  "ip6tables-save",
];

/** Packages whose files are in the image: those, the roots, and the name of the distribution for scanners. */
export const PACKAGES = [...Object.keys(LIBRARIES), "ca-certificates", "base-files"];

/** The loader: where its package has it, and where the binary asks for it. */
const LOADERS: Readonly<Record<string, { readonly triplet: string; readonly loader: string; readonly at: string }>> = {
  amd64: { triplet: "x86_64-linux-gnu", loader: "ld-linux-x86-64.so.2", at: "/lib64/ld-linux-x86-64.so.2" },
  arm64: { triplet: "aarch64-linux-gnu", loader: "ld-linux-aarch64.so.1", at: "/lib/ld-linux-aarch64.so.1" },
};

export interface Entry {
  /** Absolute. */
  readonly path: string;
  readonly mode: number;
  /** Owner and group; 0 when it is not said. */
  readonly owner?: number;
  readonly body: Uint8Array | string | { readonly link: string } | "directory";
}

/** The lower layer: it changes when Debian does. */
export function systemEntries(packages: readonly DebianPackage[]): Entry[] {
  const named = (name: string): DebianPackage => {
    const found = packages.find((one) => one.name === name);
    if (found === undefined) throw new Error(`the package ${name} is missing`);
    return found;
  };
  const libc = named("libc6");
  const base = named("base-files");
  const arch = LOADERS[libc.architecture];
  if (arch === undefined) throw new Error(`no loader is known for ${libc.architecture}`);
  const entries: Entry[] = [
    { path: "/tmp", mode: 0o1777, body: "directory" },
    { path: STATE, mode: 0o700, owner: UID, body: "directory" },
    // Where a container runtime mounts: with a read-only root it could not make them.
    { path: "/dev", mode: 0o755, body: "directory" },
    { path: "/proc", mode: 0o555, body: "directory" },
    { path: "/sys", mode: 0o555, body: "directory" },
    { path: "/etc/passwd", mode: 0o644, body: `root:x:0:0:root:/:/none\nsallyport:x:${UID}:${UID}::${STATE}:/none\n` },
    { path: "/etc/group", mode: 0o644, body: `root:x:0:\nsallyport:x:${UID}:\n` },
    { path: "/etc/nsswitch.conf", mode: 0o644, body: "passwd: files\ngroup: files\nhosts: files dns\n" },
    { path: "/etc/os-release", mode: 0o644, body: fileOf(base, "/lib/os-release") },
    { path: ROOTS, mode: 0o644, body: bundle(named("ca-certificates")) },
    { path: IPTABLES, mode: 0o755, body: fileOf(named("iptables"), IPTABLES) },
  ];
  for (const name of IPTABLES_NAMES)
    entries.push({ path: `/usr/sbin/${name}`, mode: 0o777, body: { link: "xtables-nft-multi" } });
  for (const [name, libraries] of Object.entries(LIBRARIES)) {
    const from = named(name);
    for (const library of libraries) {
      for (const path of libraryPaths(arch.triplet, library, from))
        entries.push({ path: placeOf(path), mode: 0o644, body: fileOf(from, path) });
    }
  }
  const loader = `/lib/${arch.triplet}/${arch.loader}`;
  entries.push({ path: loader, mode: 0o755, body: fileOf(libc, loader) });
  if (loader !== arch.at) entries.push({ path: arch.at, mode: 0o777, body: { link: loader } });
  for (const one of packages) {
    entries.push({ path: `/var/lib/dpkg/status.d/${one.name}`, mode: 0o644, body: one.control });
    const copyright = `/usr/share/doc/${one.name}/copyright`;
    entries.push({ path: copyright, mode: 0o644, body: fileOf(one, copyright) });
  }
  return entries;
}

/** The upper layer. */
export function programEntries(binary: Uint8Array, license: Uint8Array, sbom: string): Entry[] {
  return [
    { path: BINARY, mode: 0o755, body: binary },
    { path: "/usr/share/doc/sallyport/LICENSE", mode: 0o644, body: license },
    { path: SBOM, mode: 0o644, body: sbom },
  ];
}

/** Sorted by path, every directory named before what is in it, one time for all: equal entries make equal bytes. */
export function layerTar(entries: readonly Entry[], seconds: number): Promise<Uint8Array> {
  const all = new Map(entries.map((entry) => [entry.path, entry]));
  for (const { path } of entries) {
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      const parent = path.slice(0, at);
      if (!all.has(parent)) all.set(parent, { path: parent, mode: 0o755, body: "directory" });
    }
  }
  const mtime = new Date(seconds * 1000);
  const sorted = [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return packTar(
    sorted.map(({ path, mode, owner = 0, body }) => {
      const common = { mode, uid: owner, gid: owner, uname: "", gname: "", mtime };
      const name = path.slice(1);
      if (body === "directory") return { header: { ...common, name: `${name}/`, type: "directory", size: 0 } };
      if (typeof body === "object" && "link" in body)
        return { header: { ...common, name, type: "symlink", size: 0, linkname: body.link } };
      const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
      return { header: { ...common, name, type: "file", size: bytes.length }, body: bytes };
    }),
  );
}

/** As update-ca-certificates makes it of the package alone: a root that somebody added to this machine is not in it. */
function bundle(certificates: DebianPackage): string {
  const paths = [...certificates.files.keys()].filter((path) => path.endsWith(".crt")).sort();
  if (paths.length < 50) throw new Error(`ca-certificates has ${paths.length} roots`);
  return paths.map((path) => `${new TextDecoder().decode(fileOf(certificates, path)).trimEnd()}\n`).join("");
}

/** An extension of iptables has a name of its own for each family, or one for both. */
function libraryPaths(triplet: string, library: string, from: DebianPackage): string[] {
  if (library.includes(".so")) return [`/lib/${triplet}/${library}`];
  const found = ["xt", "ipt", "ip6t"]
    .map((family) => `/lib/${triplet}/xtables/lib${family}_${library}.so`)
    .filter((path) => from.files.has(path));
  if (found.length === 0) throw new Error(`${from.name} ${from.version} has no extension "${library}"`);
  return found;
}

/** iptables looks for its extensions where it was told when it was built. */
function placeOf(path: string): string {
  return path.includes("/xtables/") ? `/usr${path}` : path;
}

function fileOf(from: DebianPackage, path: string): Uint8Array {
  const found = from.files.get(path);
  if (found === undefined) throw new Error(`${from.name} ${from.version} has no ${path}`);
  return found;
}

/** What is told of one entry in a list: for tests and for a look at what is in the image. */
export function listed({ path, mode, owner = 0, body }: Entry): string {
  const what = body === "directory" ? "/" : typeof body === "object" && "link" in body ? ` -> ${body.link}` : "";
  const sum = what === "" ? ` ${digestOf(body as Uint8Array | string).slice(0, 12)}` : what;
  return `${mode.toString(8).padStart(4, "0")} ${owner} ${path}${sum}`;
}
