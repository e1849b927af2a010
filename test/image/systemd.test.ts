import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { testUnless, tool } from "../_skip.ts";

const HERE = resolve(import.meta.dirname, "../..");
const UNITS = join(HERE, "deploy/systemd");
const folder = mkdtempSync(join(tmpdir(), "sallyport-systemd-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** As it is but for the program, which need not be installed here. */
function unit(name: string, change: (text: string) => string = (text) => text): string {
  mkdirSync(join(folder, "units"), { recursive: true });
  const path = join(folder, "units", name);
  writeFileSync(path, change(readFileSync(join(UNITS, name), "utf8").replaceAll("/usr/bin/sallyport", "/bin/true")));
  return path;
}

const analyze = tool("systemd-analyze");
const verify = (paths: readonly string[]) =>
  spawnSync("systemd-analyze", ["verify", "--man=no", ...paths], { encoding: "utf8" });

testUnless(analyze, "systemd-analyze verify says nothing of the units, and something of one that is wrong", () => {
  const { status, stderr } = verify(
    ["sallyport.service", "sallyport.socket", "sallyport-redirect.service"].map((name) => unit(name)),
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const wrong = verify([unit("sallyport.service", (text) => text.replace("WatchdogSec=30", "WatchdogSec=soon"))]);
  expect(wrong.stderr).toContain("Failed to parse sec value");
});

// Tenths of what systemd-analyze calls exposure; docs/systemd.md says the numbers.
for (const [name, most] of [
  ["sallyport.service", 13],
  ["sallyport-redirect.service", 28],
] as const) {
  testUnless(analyze, `${name} is exposed no more than documented`, () => {
    const ask = ["security", "--offline=true", "--no-pager", unit(name)];
    const of = (threshold: number) =>
      spawnSync("systemd-analyze", [...ask, `--threshold=${threshold}`], { encoding: "utf8" }).status;
    expect({ at: of(most), below: of(most - 1) === 0 }).toEqual({ at: 0, below: false });
    expect(readFileSync(join(HERE, "docs/systemd.md"), "utf8")).toContain(
      `| \`${name}\` | ${(most / 10).toFixed(1)} |`,
    );
  });
}

test("the units name one user, the one that sysusers makes and that the redirect lets out", () => {
  const text = (name: string): string => readFileSync(join(UNITS, name), "utf8");
  expect(text("sallyport.service")).toMatch(/^User=sallyport$/m);
  expect(text("sallyport.service")).not.toMatch(/^DynamicUser=/m);
  const [, key] = /^LoadCredential=signing\.key:(.*)$/m.exec(text("sallyport.service")) ?? [];
  expect(text("sallyport.service")).toContain(`\nAssertPathExists=${key}\n`);
  expect(text("sallyport-redirect.service")).toMatch(/redirect install --uid sallyport /);
  expect(text("sallyport.sysusers")).toMatch(/^u sallyport - /m);
});

const packager = tool("dpkg-deb") ?? tool("systemd-sysusers") ?? tool("systemd-tmpfiles");
const rootOnly = process.getuid?.() === 0 ? null : "owners are set by root";
testUnless(
  packager ?? rootOnly,
  "the package unpacks to units, user and directories, twice the same",
  () => {
    const build = (out: string): string => {
      const run = spawnSync(
        process.execPath,
        ["scripts/package.ts", "--binary", "LICENSE", "--out", join(folder, out)],
        {
          cwd: HERE,
          encoding: "utf8",
          env: { ...process.env, SOURCE_DATE_EPOCH: "1700000000" },
        },
      );
      expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: "" });
      return run.stdout.trim();
    };
    const deb = build("one");
    expect(readFileSync(build("two")).equals(readFileSync(deb))).toBe(true);

    const root = join(folder, "installed");
    const run = (program: string, ...args: string[]): string => {
      const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
      expect({ program, status, stderr: status === 0 ? "" : stderr }).toEqual({ program, status: 0, stderr: "" });
      return stdout;
    };
    run("dpkg-deb", "-R", deb, root);
    run("dpkg-deb", "--info", deb);
    const documents = readdirSync(join(root, "usr/share/doc/sallyport"));
    expect(documents).toEqual(
      expect.arrayContaining(readdirSync(join(HERE, "docs")).filter((name) => name.endsWith(".md"))),
    );
    expect(readdirSync(join(root, "DEBIAN")).sort()).toEqual(["conffiles", "control", "postinst", "postrm", "prerm"]);
    for (const script of ["postinst", "prerm", "postrm"]) run("sh", "-n", join(root, "DEBIAN", script));
    for (const path of readFileSync(join(root, "DEBIAN/conffiles"), "utf8").trim().split("\n"))
      expect(statSync(join(root, path)).isFile()).toBe(true);

    writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
    writeFileSync(join(root, "etc/group"), "root:x:0:\n");
    run("systemd-sysusers", `--root=${root}`, "sallyport.conf");
    const user = /^sallyport:x:(\d+):(\d+):.*:\/var\/lib\/sallyport:\/usr\/sbin\/nologin$/m.exec(
      readFileSync(join(root, "etc/passwd"), "utf8"),
    );
    expect(Number(user?.[1])).toBeGreaterThan(0);
    writeFileSync(join(root, "etc/sallyport/signing.key"), "secret", { mode: 0o644 });
    run("systemd-tmpfiles", `--root=${root}`, "--create", "sallyport.conf");
    const runtime = statSync(join(root, "run/sallyport"));
    expect({ mode: runtime.mode & 0o7777, uid: runtime.uid }).toEqual({ mode: 0o755, uid: 0 });
    const state = statSync(join(root, "var/lib/sallyport"));
    expect({ mode: state.mode & 0o7777, uid: state.uid }).toEqual({ mode: 0o700, uid: Number(user?.[1]) });
    expect(statSync(join(root, "etc/sallyport/signing.key")).mode & 0o7777).toBe(0o600);
  },
  120_000,
);
