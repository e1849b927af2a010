/** git and npm through interception: what they do is what they do without a gateway, and what they must not send does not leave. */
import { afterAll, beforeAll, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { testUnless, tool } from "../_skip.ts";
import { ATTACK, ended, endToEnd, inside, intercepting, NodeUpstream, type Place } from "./_inside.ts";
import { type Ran, run } from "./_run.ts";

const noTools = tool("openssl") ?? tool("node");
let place: Place;
let upstream: NodeUpstream;
let work = "";

beforeAll(async () => {
  if (noTools !== null) return;
  place = await intercepting();
  work = join(place.authority.folder, "work");
  mkdirSync(join(work, "parcel"), { recursive: true });
  upstream = await NodeUpstream.start(place.authority, {
    GIT_PROJECT_ROOT: work,
    TARBALL: join(work, "parcel-1.0.0.tgz"),
  });
}, 120_000);

afterAll(async () => {
  if (noTools === null) await ended(place, upstream);
}, 120_000);

/** What reached the upstream since it was forgotten, without what npm draws by lot for each run. */
const arrived = (): object[] =>
  upstream.seen.map((one) => {
    const at = one.headers.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === "npm-session");
    const headers = at < 0 ? one.headers : one.headers.toSpliced(at, 2);
    return endToEnd({ ...one, headers });
  });

function vetoed(): void {
  const { tunnels, requests } = inside(place.gateway);
  const veto = requests.at(-1);
  expect(veto).toMatchObject({ verdict: "block", matched_pillar: "128", matched_vector: "701", phase: "request" });
  expect(tunnels.find((one) => one.certificate_id === veto?.parent)).toMatchObject({ verdict: "allow" });
}

const git = (args: readonly string[], cwd = work): Promise<Ran> =>
  run(
    ["git", "-c", "user.name=e2e", "-c", "user.email=e2e@test", ...args],
    { HOME: work, GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0", GIT_SSL_CAINFO: place.bundle },
    "",
    cwd,
  );

testUnless(
  noTools ?? tool("git"),
  "git: clone and push as without the gateway; a push option that is an attack does not arrive",
  async () => {
    const good = async (args: readonly string[], cwd?: string): Promise<string> => {
      const ran = await git(args, cwd);
      expect(ran).toMatchObject({ status: 0 });
      return ran.stdout;
    };
    const origin = join(work, "repo.git");
    await good(["init", "-q", "--bare", "-b", "main", origin]);
    await good(["config", "http.receivepack", "true"], origin);
    await good(["config", "receive.advertisePushOptions", "true"], origin);
    const url = `${upstream.url}/repo.git`;
    const through = ["-c", `http.proxy=${place.gateway.url}`];

    await good([...through, "clone", "-q", url, "one"]);
    const one = join(work, "one");
    writeFileSync(join(one, "file"), "content\n".repeat(200_000));
    await good(["add", "file"], one);
    await good(["commit", "-q", "-m", "a file"], one);
    await good([...through, "push", "-q", "origin", "HEAD:main"], one);

    upstream.forget();
    await good(["clone", "-q", url, "direct"]);
    const direct = arrived();
    upstream.forget();
    await good([...through, "clone", "-q", url, "through"]);
    expect(arrived()).toEqual(direct);
    expect(direct.length).toBeGreaterThan(2);
    for (const folder of ["direct", "through"]) {
      expect(readFileSync(join(work, folder, "file"), "utf8")).toBe("content\n".repeat(200_000));
      await good(["fsck", "--full", "--strict"], join(work, folder));
    }

    upstream.forget();
    writeFileSync(join(one, "file"), "other\n");
    await good(["commit", "-q", "-a", "-m", "another"], one);
    const refused = await git([...through, "push", "-o", ATTACK, "origin", "HEAD:other"], one);
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain("451");
    expect(upstream.seen.map(({ method }) => method)).not.toContain("POST");
    expect(await good(["branch", "--list", "other"], origin)).toBe("");
    vetoed();
  },
  120_000,
);

testUnless(
  noTools ?? tool("npm"),
  "npm: install as without the gateway; a publish with an attack in it does not arrive",
  async () => {
    const parcel = join(work, "parcel");
    const manifest = { name: "parcel", version: "1.0.0", description: "what is inside" };
    writeFileSync(join(parcel, "package.json"), JSON.stringify(manifest));
    writeFileSync(join(parcel, "index.js"), "module.exports = 'unpacked';\n");
    const packed = spawnSync("npm", ["pack", "--silent", "--pack-destination", work], { cwd: parcel });
    expect(packed.status).toBe(0);
    const npm = (where: string, proxy: string, args: readonly string[]): Promise<Ran> => {
      mkdirSync(join(work, where), { recursive: true });
      const env = {
        HOME: join(work, where),
        NPM_CONFIG_CACHE: join(work, where, ".cache"),
        NPM_CONFIG_CAFILE: place.bundle,
        NPM_CONFIG_REGISTRY: `${upstream.url}/`,
        NPM_CONFIG_UPDATE_NOTIFIER: "false",
        NPM_CONFIG_AUDIT: "false",
        NPM_CONFIG_FUND: "false",
        NPM_CONFIG_FETCH_RETRIES: "0",
        // What the environment of the tests itself may say.
        NPM_CONFIG_NOPROXY: "",
        ...(proxy === "" ? {} : { HTTPS_PROXY: proxy }),
      };
      return run(
        ["npm", ...args],
        env,
        "",
        where === "direct-npm" || where === "through-npm" ? join(work, where) : parcel,
      );
    };

    upstream.forget();
    expect(await npm("direct-npm", "", ["install", "parcel"])).toMatchObject({ status: 0 });
    const direct = arrived();
    upstream.forget();
    expect(await npm("through-npm", place.gateway.url, ["install", "parcel"])).toMatchObject({ status: 0 });
    expect(arrived()).toEqual(direct);
    expect(upstream.seen.map(({ url }) => url)).toEqual(["/parcel", "/parcel.tgz"]);
    for (const where of ["direct-npm", "through-npm"]) {
      const installed = join(work, where, "node_modules/parcel/index.js");
      expect(readFileSync(installed, "utf8")).toBe("module.exports = 'unpacked';\n");
    }

    const token = `--//localhost:${upstream.port}/:_authToken=none`;
    upstream.forget();
    writeFileSync(join(parcel, "package.json"), JSON.stringify({ ...manifest, version: "1.0.1" }));
    expect(await npm("publish", place.gateway.url, ["publish", token])).toMatchObject({ status: 0 });
    expect(upstream.seen.map(({ method }) => method)).toContain("PUT");
    // In what is said of the package, and in a file of its tarball.
    for (const [description, code] of [
      [ATTACK, ""],
      ["what is inside", `// ${ATTACK}\n`],
    ] as const) {
      writeFileSync(join(parcel, "package.json"), JSON.stringify({ ...manifest, version: "1.0.2", description }));
      writeFileSync(join(parcel, "index.js"), code);
      upstream.forget();
      const refused = await npm("publish", place.gateway.url, ["publish", token]);
      expect(refused.status).not.toBe(0);
      expect(refused.stderr).toContain("451");
      expect(upstream.seen.map(({ method }) => method)).not.toContain("PUT");
      vetoed();
    }
  },
  120_000,
);
