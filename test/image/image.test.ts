import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { Layout } from "../../scripts/image/layout.ts";
import { layerTar, STATE, UID } from "../../scripts/image/rootfs.ts";
import { digestOf } from "../../scripts/image/run.ts";
import { testUnless, tool } from "../_skip.ts";
import { listeningPort, until } from "../e2e/_process.ts";
import { bareMissing, endBare, insideOf, runBare, startBare } from "./_bare.ts";

const HERE = resolve(import.meta.dirname, "../..");
const BINARY = join(HERE, "dist/sallyport");
const folder = mkdtempSync(join(tmpdir(), "sallyport-image-"));
afterAll(() => rmSync(folder, { recursive: true }));

function imageMissing(): string | null {
  return existsSync(BINARY) ? aptMissing() : "no dist/sallyport: bun scripts/build.ts host";
}

/** Packages that were fetched once are kept, so a machine without a network may do. */
function aptMissing(): string | null {
  const absent = tool("apt-get") ?? tool("dpkg-deb");
  if (absent !== null) return absent;
  const lists = spawnSync("apt-get", ["download", "--print-uris", "libc6"], { encoding: "utf8" });
  return lists.status === 0 && lists.stdout.includes(".deb") ? null : "apt has no package lists: apt-get update";
}

interface Built {
  readonly layout: string;
  readonly root: string;
  readonly said: string;
}

let kept: Built | null = null;
/** With the fastest compression: what it costs in bytes is not asked here. */
function built(): Built {
  kept ??= build("first", ["--root", join(folder, "root")]);
  return kept;
}

function build(name: string, more: readonly string[], env: Record<string, string> = {}): Built {
  const layout = join(folder, name);
  const run = spawnSync(process.execPath, ["scripts/image.ts", "--level", "1", "--out", layout, ...more], {
    cwd: HERE,
    encoding: "utf8",
    env: { ...process.env, SOURCE_DATE_EPOCH: "1700000000", ...env },
  });
  if (run.status !== 0) throw new Error(run.stderr);
  return { layout, root: join(folder, "root"), said: run.stdout };
}

test("layerTar sorts, names every directory, and makes the same bytes of the same entries in any order", async () => {
  const entries = [
    { path: "/b/c/d", mode: 0o644, body: "text" },
    { path: "/a", mode: 0o777, body: { link: "b/c/d" } },
    { path: "/b/c", mode: 0o700, owner: 7, body: "directory" },
  ] as const;
  const tar = await layerTar(entries, 1_700_000_000);
  expect(digestOf(await layerTar([...entries].reverse(), 1_700_000_000))).toBe(digestOf(tar));
  const listed = spawnSync("tar", ["-tv", "--numeric-owner", "--full-time"], {
    input: tar,
    encoding: "utf8",
    env: { TZ: "UTC", PATH: process.env.PATH ?? "" },
  });
  expect(
    listed.stdout
      .trim()
      .split("\n")
      .map((line) => line.replace(/\s+/g, " ")),
  ).toEqual([
    "lrwxrwxrwx 0/0 0 2023-11-14 22:13:20 a -> b/c/d",
    "drwxr-xr-x 0/0 0 2023-11-14 22:13:20 b/",
    "drwx------ 7/7 0 2023-11-14 22:13:20 b/c/",
    "-rw-r--r-- 0/0 4 2023-11-14 22:13:20 b/c/d",
  ]);
});

test("without a build, image and package say how to make one", () => {
  const env = { ...process.env, SOURCE_DATE_EPOCH: "1700000000" };
  for (const script of ["image", "package"]) {
    const command = [`scripts/${script}.ts`, "--binary", "dist/none", "--out", join(folder, "none")];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: HERE, encoding: "utf8", env });
    expect([script, status, stdout, stderr]).toEqual([script, 1, "", "no dist/none: npm run build -- host\n"]);
  }
  expect(existsSync(join(folder, "none"))).toBe(false);
});

test("a layer in zstd says a window that decoders take without being asked, and holds what it held", () => {
  const directory = join(folder, "window");
  // Larger than the window, and alike only further apart than level 19 looks by itself.
  const far = new Uint8Array(80 * 1024 * 1024);
  const noise = crypto.getRandomValues(new Uint8Array(65_536));
  for (const at of [0, 40 * 1024 * 1024]) far.set(noise, at);
  const { digest, size } = Layout.create(directory).compressed(far, "zstd", { zstd: 1, gzip: 1 });
  const bytes = readFileSync(join(directory, "blobs", digest.replace(":", "/")));
  // RFC 8878, 3.1.1.1: without Single_Segment_flag the window's exponent stands in the byte behind the flags.
  expect((bytes[4] ?? 0) & 0x20).toBe(0);
  expect(((bytes[5] ?? 0) >> 3) + 10).toBe(26);
  expect(digestOf(zstdDecompressSync(bytes))).toBe(digestOf(far));
  expect(size).toBe(bytes.length);
});

test("Layout.open refuses a manifest whose bytes are not those of its digest", () => {
  const directory = join(folder, "forged");
  const layout = Layout.create(directory);
  const config = layout.blob("application/vnd.oci.empty.v1+json", "{}");
  const { digest } = layout.manifest({ config, layers: [] }, {});
  layout.close();
  expect(Layout.open(directory).manifests).toHaveLength(1);
  Bun.spawnSync(["sh", "-c", 'printf " " >> "$1"', "sh", join(directory, "blobs", digest.replace(":", "/"))]);
  expect(() => Layout.open(directory)).toThrow("other bytes");
});

testUnless(
  imageMissing(),
  "the same inputs make the same digests, another time others",
  () => {
    const index = (one: Built): string => readFileSync(join(one.layout, "index.json"), "utf8");
    const first = index(built());
    expect(index(build("second", []))).toBe(first);
    expect(index(build("later", [], { SOURCE_DATE_EPOCH: "1700000001" }))).not.toBe(first);
  },
  300_000,
);

testUnless(
  imageMissing() ?? bareMissing(),
  "the root holds one program besides iptables, no shell, and nothing set-uid",
  () => {
    const { root } = built();
    const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    const executable = files
      .map((one) => join(one.parentPath, one.name))
      .filter((path) => (statSync(path).mode & 0o111) !== 0)
      .map((path) => path.slice(root.length))
      .sort();
    expect(executable.filter((path) => !path.includes("/ld-linux"))).toEqual([
      "/usr/bin/sallyport",
      "/usr/sbin/xtables-nft-multi",
    ]);
    for (const one of files) {
      const { mode, uid } = statSync(join(one.parentPath, one.name));
      // Nothing that the user it runs as could change, or become somebody else by.
      expect({ name: one.name, bits: mode & 0o6022, uid }).toEqual({ name: one.name, bits: 0, uid: 0 });
    }
    const bill = JSON.parse(readFileSync(join(root, "usr/share/doc/sallyport/sbom.cdx.json"), "utf8")) as {
      components: { purl: string }[];
      metadata: { component: { hashes: { content: string }[] } };
    };
    const purls = bill.components.map(({ purl }) => purl);
    for (const start of ["pkg:deb/debian/libc6@", "pkg:deb/debian/iptables@", "pkg:npm/zod@", "pkg:npm/bun@"])
      expect(
        purls.some((purl) => purl.startsWith(start)),
        start,
      ).toBe(true);
    expect(purls.some((purl) => purl.includes("biome"))).toBe(false);
    expect(bill.metadata.component.hashes[0]?.content).toBe(digestOf(readFileSync(join(root, "usr/bin/sallyport"))));
  },
  300_000,
);

testUnless(
  imageMissing() ?? bareMissing(),
  "the binary serves in that root with nothing else in it, read-only, as its numeric user",
  async () => {
    const { root } = built();
    const volume = join(folder, "volume");
    mkdirSync(volume);
    chownSync(volume, UID, UID);
    const env = { EVE_PROXY_PORT: "0", EVE_PROXY_HOST: "127.0.0.1", EVE_PROXY_DEV: "1" };
    const bare = { root, volume, user: `${UID}:${UID}`, env };
    const gateway = startBare({ ...bare, env: { ...env, EVE_PROXY_AUDIT_PATH: `${STATE}/events.jsonl` } }, [
      "/usr/bin/sallyport",
      "run",
    ]);
    try {
      let said = "";
      gateway.stderr?.on("data", (bytes: Uint8Array) => {
        said += new TextDecoder().decode(bytes);
      });
      await until(() => listeningPort(said) !== null || gateway.exitCode !== null, "it listens");
      const port = listeningPort(said);
      if (port === null) throw new Error(`does not listen: ${said}`);
      expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
      const check = (at: number) =>
        runBare({ ...bare, env: { ...env, EVE_PROXY_PORT: String(at) } }, ["/usr/bin/sallyport", "healthcheck"]);
      expect(await check(port)).toEqual({ code: 0, stdout: "", stderr: "" });
      expect((await check(1)).code).toBe(1);

      const inside = insideOf(gateway);
      const status = readFileSync(`/proc/${inside}/status`, "utf8");
      expect(status).toMatch(new RegExp(`^Uid:\\t${UID}\\t${UID}\\t${UID}\\t${UID}$`, "m"));
      expect(status).toMatch(/^CapEff:\t0+$/m);
      expect(readFileSync(`/proc/${inside}/mounts`, "utf8")).toMatch(/ \/ \S+ ro,/);
      expect(readdirSync(volume)).toContain("events.jsonl");
      expect(statSync(join(volume, "events.jsonl")).uid).toBe(UID);
    } finally {
      if (gateway.exitCode === null) await endBare(gateway);
    }
  },
  300_000,
);

testUnless(
  imageMissing() ?? bareMissing(),
  "without its volume nothing can be written, and it does not start",
  async () => {
    const env = {
      EVE_PROXY_PORT: "0",
      EVE_PROXY_HOST: "127.0.0.1",
      EVE_PROXY_DEV: "1",
      EVE_PROXY_AUDIT_PATH: "/audit/events.jsonl",
    };
    const { code, stderr } = await runBare({ root: built().root, user: `${UID}:${UID}`, env }, [
      "/usr/bin/sallyport",
      "run",
    ]);
    expect(code).not.toBe(0);
    expect(stderr).toContain("/audit");
  },
  300_000,
);

testUnless(
  imageMissing() ?? bareMissing(),
  "its iptables writes the rules of a redirect, in both families",
  async () => {
    const rules = (refuse: string): string =>
      `*nat\n-A OUTPUT -p tcp -m owner ! --uid-owner ${UID} -m addrtype ! --dst-type LOCAL -m multiport --dports 80,443 -j REDIRECT --to-ports 3128\nCOMMIT\n*filter\n-A OUTPUT -p udp -m mark ! --mark 1 -m conntrack --ctstate NEW -m comment --comment "no quic" -j REJECT --reject-with ${refuse}\nCOMMIT\n`;
    for (const [family, refuse] of [
      ["iptables", "icmp-port-unreachable"],
      ["ip6tables", "icmp6-port-unreachable"],
    ] as const) {
      const { code, stderr } = await runBare(
        { root: built().root, user: "0:0", alone: true },
        [`/usr/sbin/${family}-restore`],
        rules(refuse),
      );
      expect({ family, code, stderr }).toEqual({ family, code: 0, stderr: "" });
    }
  },
  300_000,
);

const skopeo = tool("skopeo");
testUnless(
  imageMissing() ?? skopeo,
  "skopeo reads the layout, both images, and copies them to the same content",
  () => {
    const { layout } = built();
    const { version } = JSON.parse(readFileSync(join(HERE, "package.json"), "utf8")) as { version: string };
    const run = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync("skopeo", args, { encoding: "utf8", maxBuffer: 16e6 });
      expect({ args, status, stderr: status === 0 ? "" : stderr }).toEqual({ args, status: 0, stderr: "" });
      return stdout;
    };
    const configs = [version, `${version}-gzip`].map((name) =>
      run("inspect", "--config", "--raw", `oci:${layout}:${name}`),
    );
    expect(configs[1]).toBe(configs[0] as string);
    const { config } = JSON.parse(configs[0] as string) as { config: Record<string, unknown> };
    expect(config).toMatchObject({
      User: "65532:65532",
      Entrypoint: ["/usr/bin/sallyport"],
      Cmd: ["run"],
      ExposedPorts: { "3128/tcp": {} },
      Volumes: { [STATE]: {} },
      Healthcheck: { Test: ["CMD", "/usr/bin/sallyport", "healthcheck"] },
    });
    for (const name of [version, `${version}-gzip`]) {
      // To a directory without compression: every layer is read, undone and compared with what the config says of it.
      run(
        "copy",
        "--insecure-policy",
        "-q",
        "--dest-decompress",
        `oci:${layout}:${name}`,
        `dir:${join(folder, `copied-${name}`)}`,
      );
    }
  },
  300_000,
);

test("Dockerfile.distroless says of the image what scripts/image.ts says", () => {
  const docker = readFileSync(join(HERE, "Dockerfile.distroless"), "utf8");
  const script = readFileSync(join(HERE, "scripts/image.ts"), "utf8");
  for (const line of [
    `USER ${UID}:${UID}`,
    `WORKDIR ${STATE}`,
    `VOLUME ${STATE}`,
    "EXPOSE 3128",
    "STOPSIGNAL SIGTERM",
    'ENTRYPOINT ["/usr/bin/sallyport"]',
    'CMD ["run"]',
    "HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3",
    "ENV PATH=/usr/sbin:/usr/bin HOME=/var/lib/sallyport SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
  ])
    expect(docker).toContain(line);
  expect(script).toContain("`PATH=/usr/sbin:/usr/bin`");
  // A digest that stands in the file is one that somebody made up or that has grown old.
  expect(docker).not.toMatch(/sha256:[0-9a-f]{8}/);
});
