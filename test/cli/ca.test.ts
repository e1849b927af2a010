import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleOf, systemRoots } from "../../src/cli/_roots.ts";
import { createCa, DAY_MS } from "../../src/crypto/ca.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { testUnless, tool } from "../_skip.ts";
import { emptyDirectory, sallyport } from "./_program.ts";

/** Several processes a test, on machines that do other things. */
setDefaultTimeout(120_000);

const directory = await emptyDirectory();
afterAll(() => rm(directory, { recursive: true }));
const at = (...names: string[]) => join(directory, ...names);
const run = (args: string[], env: Record<string, string> = {}) => sallyport(directory, ["ca", ...args], env);

const now = Date.now();
const made = await createCa({ commonName: "made", days: 90, key: "P-256" }, now);
const old = await createCa({ commonName: "old", days: 10, key: "P-256" }, now - 11 * DAY_MS);
const soon = await createCa({ commonName: "soon", days: 12.5, key: "P-256" }, now);
const roots = await Promise.all(
  ["one", "two", "three"].map(
    async (commonName) => (await createCa({ commonName, days: 9, key: "P-256" }, now)).certPem,
  ),
);
const [one = "", two = "", three = ""] = roots;

async function place(name: string, { certPem, keyPem }: typeof made, mode = 0o600): Promise<string> {
  await mkdir(at(name), { recursive: true });
  await writeFile(at(name, "ca.crt"), certPem);
  await writeFile(at(name, "ca.key"), keyPem);
  await chmod(at(name, "ca.key"), mode);
  return name;
}

describe("ca init", () => {
  test.each([
    [[], "--dir is needed"],
    [["--dir", ""], "--dir is needed"],
    [["--dir", "d", "--days", "0"], "--days takes a whole number, 1 to 7300"],
    [["--dir", "d", "--days", "7301"], "--days takes"],
    [["--dir", "d", "--days", "1.5"], "--days takes"],
    [["--dir", "d", "--name", "a\nb"], "--name takes 1 to 51"],
    [["--dir", "d", "--name", "x".repeat(52)], "--name takes"],
    [["--dir", "d", "--force"], "unknown option"],
  ])("%j is wrong usage", async (args, why) => {
    const { code, stdout, stderr } = await run(["init", ...args]);
    expect([code, stdout]).toEqual([64, ""]);
    expect(stderr).toContain(why);
    expect(await readdir(directory)).not.toContain("d");
  });

  test("overwrites nothing: certificate, key, or a link that leads nowhere", async () => {
    for (const taken of ["ca.crt", "ca.key", "link"]) {
      const folder = at(`taken-${taken}`);
      await mkdir(folder);
      if (taken === "link") await symlink("/nowhere/at/all", join(folder, "ca.key"));
      else await writeFile(join(folder, taken), "mine");
      const { code, stdout, stderr } = await run(["init", "--dir", folder]);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toContain("exists, and a CA is never overwritten");
      expect(await readdir(folder)).toEqual([taken === "link" ? "ca.key" : taken]);
    }
  });

  test("says why where it cannot write, and leaves nothing", async () => {
    await writeFile(at("file"), "");
    for (const folder of [at("file"), at("file", "below"), "/proc/nowhere"]) {
      const { code, stdout, stderr } = await run(["init", "--dir", folder]);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/^sallyport ca init: /);
    }
  });

  test("a CA whose certificate cannot be written leaves no key behind", async () => {
    const { runCa } = await import("../../src/cli/ca.ts");
    const said: string[] = [];
    const full = {
      ...runtime,
      stderr: (text: string) => void said.push(text),
      writeNew: (path: string, text: string, mode: number) =>
        path.endsWith(".crt") ? Promise.reject(new Error("ENOSPC: no space")) : runtime.writeNew(path, text, mode),
    };
    expect(await runCa(full, ["init", "--dir", at("full")])).toBe(1);
    expect(said.join("")).toContain("cannot write the CA: ENOSPC");
    expect(await readdir(at("full"))).toEqual([]);
  });

  test("somebody else's file that came to be meanwhile stays", async () => {
    const { runCa } = await import("../../src/cli/ca.ts");
    const racing = {
      ...runtime,
      stderr: () => {},
      writeNew: async (path: string, text: string, mode: number) => {
        await writeFile(path, "theirs");
        await runtime.writeNew(path, text, mode);
      },
    };
    expect(await runCa(racing, ["init", "--dir", at("race")])).toBe(1);
    expect(await readFile(at("race", "ca.key"), "utf8")).toBe("theirs");
  });

  test("makes a directory, a key 0600 and a certificate for everybody, which run accepts without a warning", async () => {
    const { code, stdout } = await run(["init", "--dir", "deep/er", "--name", "prod-eu", "--days", "400"]);
    expect(code).toBe(0);
    expect(stdout).toContain("CN=sallyport CA prod-eu");
    expect((await stat(at("deep/er/ca.key"))).mode & 0o777).toBe(0o600);
    expect((await stat(at("deep/er/ca.crt"))).mode & 0o777).toBe(0o644);
    const doctor = await sallyport(directory, ["doctor", "--json", "--quick"], {
      JWT_SECRET_KEY: "0123456789abcdef0123456789abcdef",
      EVE_PROXY_PORT: "0",
      EVE_PROXY_CA_CERT: at("deep/er/ca.crt"),
      EVE_PROXY_CA_KEY: at("deep/er/ca.key"),
    });
    const findings: { about: string; state: string; detail: string }[] = JSON.parse(doctor.stdout).findings;
    const about = (name: string) => findings.filter((finding) => finding.about === name);
    expect(about("configuration").map(({ state }) => state)).toEqual(["ok"]);
    expect(about("CA")).toEqual([
      { state: "ok", about: "CA", detail: "CN=sallyport CA prod-eu, P-256, 399 days left, key mode 0600" },
    ]);
  });

  test("two CAs without a name have different ones, and --rsa makes an RSA key", async () => {
    const names = new Set<string>();
    for (const args of [[], ["--rsa"]]) {
      const folder = `own${args.length}`;
      expect((await run(["init", "--dir", folder, ...args])).code).toBe(0);
      const shown = JSON.parse((await run(["show", "--dir", folder, "--json"])).stdout);
      names.add(shown.subject);
      expect(shown.key).toBe(args.length === 0 ? "P-256" : "RSA 3072");
    }
    expect(names.size).toBe(2);
  });
});

describe("ca show", () => {
  test.each([
    [["--dir", "d", "f"], "not both"],
    [[], "say which"],
  ])("%j is wrong usage", async (args, why) => {
    const { code, stderr } = await run(["show", ...args]);
    expect(code).toBe(64);
    expect(stderr).toContain(why);
  });

  test("what is no certificate, or not there", async () => {
    await writeFile(at("no.crt"), "hunter2");
    for (const [file, why] of [
      ["no.crt", "no PEM block"],
      ["absent.crt", "does not exist"],
      [directory, "is not a file"],
    ] as const) {
      const { code, stdout, stderr } = await run(["show", file]);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toContain(why);
      expect(stderr).not.toContain("hunter2");
    }
  });

  test("a CA that run would refuse is shown all the same, with the reason, and 1", async () => {
    const cases: [string, string, object][] = [
      [await place("readable", made, 0o644), "has mode 0644; chmod 600 it", { mode: "0644", matches: true }],
      [await place("old", old), '"CN=old" expired on', { matches: true }],
      [await place("mixed", { ...made, keyPem: old.keyPem }), "not that of the certificate", { matches: false }],
    ];
    for (const [name, why, key] of cases) {
      const { code, stdout, stderr } = await run(["show", "--dir", name, "--json"]);
      expect(code).toBe(1);
      expect(stderr).toContain(why);
      const shown = JSON.parse(stdout);
      expect(shown.problem).toContain(why);
      expect(shown.key_file).toMatchObject(key);
      expect(stdout).not.toContain("PRIVATE KEY");
    }
  });

  test("one that ends soon: 0, and a word about it", async () => {
    const { code, stderr } = await run(["show", "--dir", await place("soon", soon)]);
    expect([code, stderr]).toEqual([0, "sallyport ca show: it ends in 12 days\n"]);
  });

  test("the same by DIR, by FILE with its key beside it, and by the settings", async () => {
    await place("good", made);
    const env = { EVE_PROXY_CA_CERT: at("good/ca.crt"), EVE_PROXY_CA_KEY: at("good/ca.key") };
    const outputs = [
      await run(["show", "--dir", at("good")]),
      await run(["show", at("good/ca.crt")]),
      await run(["show"], env),
    ];
    for (const { code, stdout, stderr } of outputs) {
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toBe(outputs[0]?.stdout ?? "");
      expect(stdout).toContain("mode 0600, matches");
    }
  });

  test("a certificate alone, as clients have it", async () => {
    await writeFile(at("alone.crt"), made.certPem);
    const { code, stdout } = await run(["show", "alone.crt", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ subject: "CN=made", key_file: null, problem: null, path_length: 0 });
  });

  testUnless(tool("openssl"), "prints the fingerprint that openssl prints", async () => {
    await place("print", made);
    const openssl = Bun.spawnSync(["openssl", "x509", "-in", at("print/ca.crt"), "-noout", "-fingerprint", "-sha256"]);
    const { stdout } = await run(["show", "--dir", "print"]);
    expect(stdout).toContain(openssl.stdout.toString().trim().split("=")[1] ?? "?");
  });
});

describe("ca bundle", () => {
  test("without a CA is wrong usage, and what is no CA is refused", async () => {
    expect((await run(["bundle"])).code).toBe(64);
    expect((await run(["bundle", "--dir", "nowhere"])).stderr).toContain("does not exist");
  });

  test("of a CA that has ended is printed, with a warning: run and every client refuse it", async () => {
    await place("ended", old);
    const { code, stdout, stderr } = await run(["bundle", "--dir", "ended"]);
    expect([code, stdout]).toEqual([0, expect.stringContaining(old.certPem.trim())]);
    expect(stderr).toMatch(/"ended\/ca\.crt" ended on \d{4}-\d\d-\d\d: run refuses it, and so do clients/);
  });

  test("fails where SSL_CERT_FILE or SSL_CERT_DIR names nothing to trust", async () => {
    await place("for-bundle", made);
    await mkdir(at("hollow"), { recursive: true });
    for (const env of [
      { SSL_CERT_FILE: "/nope.pem" },
      { SSL_CERT_FILE: "/etc/hostname" },
      { SSL_CERT_DIR: at("hollow") },
    ]) {
      const { code, stdout, stderr } = await run(["bundle", "--dir", "for-bundle"], env);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toContain(`that ${Object.keys(env)[0]} names`);
    }
  });

  test("has every root once, in its order, without text between, and ours last with a line", async () => {
    await place("for-bundle", made);
    const store = `text\n${one}# comment\n${two.replaceAll("\n", "\r\n")}${one}${made.certPem}-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----\n`;
    await writeFile(at("store.pem"), store);
    await mkdir(at("dir/nested"), { recursive: true });
    await writeFile(at("dir/b.0"), three);
    await writeFile(at("dir/a.pem"), two);
    await writeFile(at("dir/broken.pem"), "-----BEGIN CERTIFICATE-----\n");
    const env = { SSL_CERT_FILE: at("store.pem"), SSL_CERT_DIR: `/nope:${at("dir")}` };
    const { code, stdout, stderr } = await run(["bundle", "--dir", "for-bundle"], env);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/# The CA of sallyport: CN=made, SHA-256 [0-9A-F:]{95}\n/);
    expect(stdout.replace(/#.*\n/, "")).toBe(one + two + three + made.certPem);
    expect(stdout).toMatch(/^[ -~\n]+$/);
  });

  test("--out replaces a file in one step and leaves nothing beside it", async () => {
    await place("for-bundle", made);
    await writeFile(at("one.pem"), one);
    await mkdir(at("out"), { recursive: true });
    await writeFile(at("out/b.pem"), "before");
    const env = { SSL_CERT_FILE: at("one.pem") };
    expect(await run(["bundle", "--dir", "for-bundle", "--out", "out/b.pem"], env)).toMatchObject({
      code: 0,
      stdout: "",
    });
    expect(await readFile(at("out/b.pem"), "utf8")).toContain(one);
    expect(await readdir(at("out"))).toEqual(["b.pem"]);
    await mkdir(at("out/taken"));
    const refused = await run(["bundle", "--dir", "for-bundle", "--out", "out/taken"], env);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("cannot write");
    expect((await readdir(at("out"))).sort()).toEqual(["b.pem", "taken"]);
  });

  test("takes the first store of the system that has something in it, else what the runtime carries, and says so", async () => {
    const bare = { ...runtime, env: {} };
    await writeFile(at("empty.pem"), "");
    await writeFile(at("two.pem"), two);
    const found = await systemRoots(bare, { files: ["/nope", at("empty.pem"), at("two.pem")], directories: [] });
    expect(found).toEqual({ pems: [two], from: at("two.pem"), system: true });
    await mkdir(at("last"), { recursive: true });
    await writeFile(at("last/x.pem"), three);
    expect((await systemRoots(bare, { files: [], directories: ["/nope", at("last")] })).pems).toEqual([three]);
    const carried = await systemRoots(
      { ...bare, publicRoots: () => [one.trim(), one] },
      { files: [], directories: [] },
    );
    expect(carried).toMatchObject({ pems: [one], system: false });
    expect((await bundleOf(carried, made.certPem)).startsWith(one)).toBe(true);
    expect((await systemRoots(bare, { files: [], directories: [] })).pems.length).toBeGreaterThan(100);
  });

  testUnless(tool("openssl"), "is a file that openssl follows to a public root and to ours", async () => {
    await place("for-bundle", made);
    expect((await run(["bundle", "--dir", "for-bundle", "--out", "all.pem"])).code).toBe(0);
    const verdict = Bun.spawnSync([
      "openssl",
      "verify",
      "-CAfile",
      at("all.pem"),
      "-no-CApath",
      at("for-bundle/ca.crt"),
    ]);
    expect(verdict.exitCode).toBe(0);
  });
});

describe("ca stage", () => {
  const args = ["stage", "--from", "secret", "--dir", "own", "--trust", "shared"];
  const modeOf = async (...names: string[]) => (await stat(at(...names))).mode & 0o777;

  test("without its three places is wrong usage; what is no CA with its key is not staged, nor half of it", async () => {
    expect((await run(args.slice(0, 5))).code).toBe(64);
    await mkdir(at("own"));
    await mkdir(at("shared"));
    await place("elsewhere", soon);
    await place("secret", { ...made, keyPem: soon.keyPem });
    expect((await run(args)).code).toBe(1);
    await rm(at("secret/ca.key"));
    expect(await run(args)).toMatchObject({ code: 1, stderr: expect.stringContaining("does not exist") });
    expect([await readdir(at("own")), await readdir(at("shared"))]).toEqual([[], []]);
  });

  test("makes a key that run takes of one that everybody reads, and what clients trust, twice as well as once", async () => {
    await place("secret", made, 0o444);
    await writeFile(at("one.pem"), one);
    const env = { SSL_CERT_FILE: at("one.pem") };
    for (const _ of ["when the pod begins", "when its containers are begun again"]) {
      expect(await run(args, env)).toMatchObject({ code: 0, stdout: "" });
      expect((await readdir(at("own"))).sort()).toEqual(["ca.crt", "ca.key"]);
      expect((await readdir(at("shared"))).sort()).toEqual(["bundle.pem", "ca.crt", "trust.p12"]);
    }
    expect(await modeOf("own/ca.key")).toBe(0o600);
    for (const name of ["bundle.pem", "ca.crt", "trust.p12"]) expect(await modeOf("shared", name)).toBe(0o644);
    const settings = { EVE_PROXY_DEV: "1", EVE_PROXY_CA_CERT: "own/ca.crt", EVE_PROXY_CA_KEY: "own/ca.key" };
    const shown = await run(["show"], settings);
    expect(shown.code).toBe(0);
    const bundle = await readFile(at("shared/bundle.pem"), "utf8");
    expect(bundle).toContain(one);
    expect(bundle).toContain(made.certPem.trim());
    expect(await readFile(at("shared/ca.crt"), "utf8")).not.toContain("PRIVATE");
  });

  testUnless(tool("openssl"), "its trust store is one that openssl reads", () => {
    const read = Bun.spawnSync(["openssl", "pkcs12", "-in", at("shared/trust.p12"), "-nokeys", "-passin", "pass:"]);
    expect(read.stdout.toString().match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  });
});
