/**
 * Builds the Debian package, dist/sallyport_<version>_<architecture>.deb: the binary, the units, the user, the documents.
 *
 *   bun scripts/build.ts host && bun scripts/package.ts [--binary FILE] [--out DIR]
 *
 * dpkg-deb, which every Debian has, is the packager: it is what debhelper calls in the end, it is reproducible by itself
 * (SOURCE_DATE_EPOCH, --root-owner-group), and the package needs three short scripts only. docs/dependencies.md has what was
 * passed over.
 */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { builtBinary, output, sourceDate } from "./image/run.ts";

const { values } = parseArgs({
  options: {
    binary: { type: "string", default: "dist/sallyport" },
    out: { type: "string", default: "dist" },
  },
});
const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
const binary = builtBinary(values.binary);
const architecture = output(["dpkg", "--print-architecture"]).trim();
const seconds = sourceDate();
const root = mkdtempSync(join(tmpdir(), "sallyport-deb-"));

/** All of them, for they name each other; and what they name beside themselves. */
const DOCUMENTS = [
  ...readdirSync("docs")
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
  "SECURITY.md",
  "CHANGELOG.md",
];
/** What an administrator edits: dpkg asks before it replaces them. */
const SETTINGS = ["sallyport.env", "redirect.env"];

try {
  write("/usr/bin/sallyport", binary, 0o755);
  for (const unit of ["sallyport.service", "sallyport.socket", "sallyport-redirect.service"])
    put(`/usr/lib/systemd/system/${unit}`, `deploy/systemd/${unit}`);
  put("/usr/lib/sysusers.d/sallyport.conf", "deploy/systemd/sallyport.sysusers");
  put("/usr/lib/tmpfiles.d/sallyport.conf", "deploy/systemd/sallyport.tmpfiles");
  for (const name of SETTINGS) put(`/etc/sallyport/${name}`, `deploy/systemd/${name}`);
  for (const name of DOCUMENTS) put(`/usr/share/doc/sallyport/${name.replace("docs/", "")}`, name);
  write("/usr/share/doc/sallyport/copyright", copyright());
  write("/usr/share/doc/sallyport/changelog.Debian.gz", gzipSync(changelog(), { level: 9 }));
  write("/DEBIAN/conffiles", SETTINGS.map((name) => `/etc/sallyport/${name}\n`).join(""));
  for (const script of ["postinst", "prerm", "postrm"])
    put(`/DEBIAN/${script}`, `deploy/systemd/debian/${script}`, 0o755);
  write("/DEBIAN/control", control());
  const time = new Date(seconds * 1000);
  for (const entry of readdirSync(root, { recursive: true })) utimesSync(join(root, String(entry)), time, time);
  mkdirSync(values.out, { recursive: true });
  const file = join(values.out, `sallyport_${version}_${architecture}.deb`);
  // xz, which every dpkg reads; its first level is within a tenth of its last, in a tenth of the time.
  output(["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", root, file], {
    env: { SOURCE_DATE_EPOCH: String(seconds) },
  });
  console.log(file);
} finally {
  rmSync(root, { recursive: true });
}

function put(at: string, from: string, mode = 0o644): void {
  const path = join(root, at);
  directory(dirname(at));
  copyFileSync(from, path);
  chmodSync(path, mode);
}

function write(at: string, content: string | Uint8Array, mode = 0o644): void {
  directory(dirname(at));
  writeFileSync(join(root, at), content);
  chmodSync(join(root, at), mode);
}

/** As packages have them, whatever the umask is. */
function directory(at: string): void {
  mkdirSync(join(root, at), { recursive: true });
  for (let path = at; path !== "/"; path = dirname(path)) chmodSync(join(root, path), 0o755);
  chmodSync(root, 0o755);
}

function control(): string {
  const size = Math.ceil(
    Number(output(["du", "-s", "-k", "--apparent-size", "--exclude=DEBIAN", root]).split("\t")[0]),
  );
  return `Package: sallyport
Version: ${version}
Architecture: ${architecture}
Maintainer: The sallyport authors <sallyport@invalid.invalid>
Installed-Size: ${size}
Depends: libc6 (>= 2.31), systemd | systemd-standalone-sysusers
Recommends: ca-certificates, nftables | iptables
Section: net
Priority: optional
Description: egress governance gateway
 The guarded exit that every outbound AI request must pass: it decides each
 request, writes a signed certificate, and forwards byte for byte what was
 decided, or answers 451.
`;
}

function copyright(): string {
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: sallyport

Files: *
Copyright: The sallyport authors
License: Apache-2.0
 On Debian systems the text of the Apache License 2.0 is in
 /usr/share/common-licenses/Apache-2.0.
`;
}

function changelog(): string {
  const date = new Date(seconds * 1000).toUTCString().replace("GMT", "+0000");
  return `sallyport (${version}) unstable; urgency=medium

  * See CHANGELOG.md.

 -- The sallyport authors <sallyport@invalid.invalid>  ${date}
`;
}
