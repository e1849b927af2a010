import { afterAll, describe, expect, test } from "bun:test";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import packageJson from "../../package.json";
import { COMMANDS } from "../../src/cli/commands.ts";
import { emptyDirectory, sallyport, start } from "./_program.ts";

const directory = await emptyDirectory();
afterAll(() => rm(directory, { recursive: true }));

const SECRET = "0123456789abcdef0123456789abcdef";

describe("the command line is refused with 64", () => {
  test.each([
    ["an unknown command", ["bogus"], /unknown command "bogus", see sallyport help/],
    ["a mistyped command", ["verfy"], /did you mean verify\?/],
    [
      "an unknown option",
      ["version", "--jsn"],
      /unknown option "--jsn", did you mean --json\?\nusage: sallyport version/,
    ],
    ["an option given twice", ["keys", "generate", "--type", "hmac", "--type=p256", "k"], /--type is given twice/],
    ["an option without its value", ["keys", "generate", "k", "--type"], /--type needs a value: TYPE/],
    ["a value for an option that has none", ["doctor", "--json=1"], /--json takes no value/],
    ["an argument too many", ["run", "now"], /unexpected argument "now"/],
    ["an argument too few", ["keys", "jwks"], /too few arguments/],
    ["an option of no command", ["--nope"], /sallyport run: unknown option "--nope"/],
    ["a terminal's control codes", ["\u001b[2J"], /unknown command "\\u001b\[2J"/],
  ])("%s", async (_, args, expected) => {
    const { code, stdout, stderr } = await sallyport(directory, args);
    expect(code).toBe(64);
    expect(stdout).toBe("");
    expect(stderr).toMatch(expected);
  });
});

describe("the configuration is refused with 78", () => {
  test("five problems at once, by the bare program", async () => {
    const { code, stdout, stderr } = await sallyport(directory, [], {
      EVE_PROXY_PORT: "http",
      EVE_PROXY_BLOKED_HOSTS: "evil.test",
      EVE_PROXY_EXT_AUTHZ_LISTEN: "127.0.0.1:9",
      EVE_PROXY_ENFORCE_TIMEOUT: "",
      JWT_SECRET_KEY: "hunter2",
    });
    expect(code).toBe(78);
    expect(stdout).toBe("");
    expect(stderr).toContain("the configuration has 5 problems");
    expect(stderr).toContain("EVE_PROXY_BLOKED_HOSTS is not a setting\n    did you mean EVE_PROXY_BLOCKED_HOSTS?");
    expect(stderr).toContain("EVE_PROXY_EXT_AUTHZ_LISTEN is not supported by this version");
    expect(stderr).not.toContain("hunter2");
  });

  test("a secret's file that is a directory", async () => {
    const { code, stderr } = await sallyport(directory, ["run"], { JWT_SECRET_KEY_FILE: directory });
    expect(code).toBe(78);
    expect(stderr).toContain(`JWT_SECRET_KEY_FILE "${directory}" is a directory\n    give the path`);
  });

  test("bad paths of every kind and every mistake in the policy, together", async () => {
    const path = join(directory, "mistaken.yaml");
    await writeFile(path, "version: 1\ndefalt: deny\nhosts:\n  allow: [*.example.com]\n");
    const { code, stdout, stderr } = await sallyport(directory, ["run"], {
      EVE_PROXY_POLICY: path,
      EVE_PROXY_SIGNING_KEY: "/nope",
      EVE_PROXY_UPSTREAM_CA: directory,
      EVE_PROXY_PORT: "http",
    });
    expect(code).toBe(78);
    expect(stdout).toBe("");
    expect(stderr).toContain("the configuration has 6 problems");
    expect(stderr).toContain('EVE_PROXY_SIGNING_KEY "/nope" does not exist\n    give the path of a file');
    expect(stderr).toContain(`EVE_PROXY_UPSTREAM_CA "${directory}" is a directory`);
    expect(stderr).toContain(`EVE_PROXY_POLICY ${path}:2:1: unknown key "defalt", did you mean default?`);
    expect(stderr).toContain(`EVE_PROXY_POLICY ${path}:4:11: *.example.com: a pattern that begins with * must be in`);
  });

  test("a policy alone, a directory without one, a path without anything", async () => {
    const empty = join(directory, "no-policies");
    await mkdir(empty);
    const run = (policy: string) => sallyport(directory, [], { JWT_SECRET_KEY: SECRET, EVE_PROXY_POLICY: policy });
    expect(await run(empty)).toMatchObject({
      code: 78,
      stderr: expect.stringContaining(`EVE_PROXY_POLICY "${empty}" has no .yaml file in it\n    `),
    });
    expect(await run("/nope")).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('has 1 problem\n  EVE_PROXY_POLICY "/nope" does not exist\n    '),
    });
  });

  test("a healthcheck without a usable port", async () => {
    expect((await sallyport(directory, ["healthcheck"], { EVE_PROXY_PORT: "x" })).code).toBe(78);
  });
});

test.each(COMMANDS.map(({ name, summary }) => [name, summary]))(
  "%s has --help on stdout: %s",
  async (name, summary) => {
    const { code, stdout, stderr } = await sallyport(directory, [name, "--help"]);
    expect(code).toBe(0);
    expect(stderr).toBe("");
    expect(stdout).toStartWith(`sallyport ${name}: ${summary}\n`);
    expect(stdout).toContain(`usage: sallyport ${name}`);
    expect((await sallyport(directory, ["help", name])).stdout).toBe(stdout);
  },
);

test("help lists every command that exists", async () => {
  const { code, stdout } = await sallyport(directory, ["help"]);
  expect(code).toBe(0);
  for (const { name } of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
});

test("version is the package's", async () => {
  const { stdout } = await sallyport(directory, ["version", "--json"]);
  expect(JSON.parse(stdout)).toMatchObject({ version: packageJson.version, runtime: "bun" });
  const line = await sallyport(directory, ["--version"]);
  expect(line.stdout).toMatch(/^sallyport \d+\.\d+\.\d+ \(bun \S+, \S+ \S+, build \S+\)\n$/);
});

const RULES =
  "rules:\n  - {id: no-posts, when: {methods: POST}, verdict: deny}\n  - {id: place, when: {hosts: b.test}, verdict: deny}\n";

describe("a port that something else holds is refused with 1, with its address and the settings that name it", () => {
  test.each([
    [
      "run",
      "EVE_PROXY_HOST and EVE_PROXY_PORT",
      (at: string) => ({ EVE_PROXY_HOST: at.split(":")[0], EVE_PROXY_PORT: at.split(":")[1] }),
    ],
    [
      "run",
      "EVE_PROXY_ADMIN_LISTEN",
      (at: string) => ({ EVE_PROXY_PORT: "0", EVE_PROXY_ADMIN_LISTEN: at, EVE_PROXY_ADMIN_TOKEN: SECRET }),
    ],
    [
      "governance",
      "EVE_PROXY_GOVERNANCE_LISTEN",
      (at: string) => ({ EVE_PROXY_GOVERNANCE_LISTEN: at, EVE_PROXY_GOVERNANCE_TOKEN: SECRET }),
    ],
  ] as const)("%s: %s", async (command, settings, env) => {
    const other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const at = `127.0.0.1:${other.port}`;
    const own = await emptyDirectory();
    const { code, stderr } = await sallyport(own, [command], { JWT_SECRET_KEY: SECRET, ...env(at) } as Record<
      string,
      string
    >);
    other.stop(true);
    expect(stderr).toContain(`cannot listen on ${at}: EADDRINUSE (set by ${settings}; another process has it)`);
    expect(code).toBe(1);
  });
});

describe("doctor", () => {
  test("exits 1 and says what run would trip over", async () => {
    const { code, stdout } = await sallyport(directory, ["doctor", "--json"], { EVE_PROXY_PORT: "http" });
    expect(code).toBe(1);
    const failed = JSON.parse(stdout).findings.filter((finding: { state: string }) => finding.state === "fail");
    expect(failed.map((finding: { detail: string }) => finding.detail.split(" ")[0])).toEqual([
      "EVE_PROXY_PORT",
      "JWT_SECRET_KEY",
    ]);
  });

  test("exits 1 for a policy that does not parse", async () => {
    const path = join(directory, "policy.yaml");
    await writeFile(path, "allow: [\n");
    const env = { EVE_PROXY_POLICY: path, JWT_SECRET_KEY: SECRET, EVE_PROXY_PORT: "0" };
    const { code, stdout } = await sallyport(directory, ["doctor"], env);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^ {2}fail {2}policy /m);
    expect(stdout).toContain("run would not start");
  });

  test("names what of a policy a plane leaves undone, and nothing where the policy is of destinations", async () => {
    const own = await emptyDirectory();
    const path = join(own, "policy.yaml");
    const env = { EVE_PROXY_POLICY: path, JWT_SECRET_KEY: SECRET, EVE_PROXY_PORT: "0" };
    const planed = { ...env, EVE_PROXY_GOVERNANCE_URL: "http://127.0.0.1:1" };
    await writeFile(path, "version: 1\ndefault: deny\nhosts: {allow: [a.test]}\n");
    expect((await sallyport(own, ["doctor"], planed)).stdout).not.toContain("NOT run");
    await writeFile(path, `version: 1\ndefault: allow\ndlp: {personal: sanitize}\n${RULES}`);
    expect((await sallyport(own, ["doctor"], env)).stdout).not.toContain("NOT run");
    const { stdout } = await sallyport(own, ["doctor"], planed);
    expect(stdout).toMatch(/^ {2}warn {2}policy .*NOT run: rules\.no-posts, dlp; write them into the plane's policy$/m);
  }, 120_000);

  test("exits 1 for a port that something else holds", async () => {
    const other = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data() {}, open: (socket) => void socket.end() },
    });
    const env = { EVE_PROXY_HOST: "127.0.0.1", EVE_PROXY_PORT: String(other.port), JWT_SECRET_KEY: SECRET };
    const { code, stdout } = await sallyport(directory, ["doctor"], env);
    other.stop(true);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^ {2}fail {2}listener /m);
    if (process.platform === "linux") expect(stdout).toContain(`is taken by process ${process.pid} (`);
    expect(stdout).toContain("run would not start: 1 failed");
  });

  test("exits 1 beside a running gateway: its port, its log, and who holds them", async () => {
    const own = await emptyDirectory();
    const audit = join(own, "audit", "events.jsonl");
    const env = { EVE_PROXY_HOST: "127.0.0.1", JWT_SECRET_KEY: SECRET, EVE_PROXY_AUDIT_PATH: audit };
    const gateway = start(own, [], { ...env, EVE_PROXY_PORT: "0" });
    let said = "";
    for await (const chunk of gateway.stderr) {
      said += new TextDecoder().decode(chunk);
      if (said.includes('"listening"')) break;
    }
    const port = /"port":(\d+)/.exec(said)?.[1] ?? "";
    const { code, stdout } = await sallyport(own, ["doctor"], { ...env, EVE_PROXY_PORT: port });
    const workers = await sallyport(own, ["doctor"], { ...env, EVE_PROXY_PORT: port, EVE_PROXY_WORKERS: "2" });
    gateway.kill("SIGTERM");
    await gateway.exited;
    const by = process.platform === "linux" ? ` by process ${gateway.pid} \\(.+\\)` : "";
    expect(stdout).toMatch(
      new RegExp(
        `^ {2}fail {2}listener +127\\.0\\.0\\.1:${port} is taken${by}; a gateway answers there; fix: end that process, or set another EVE_PROXY_PORT$`,
        "m",
      ),
    );
    expect(stdout).toMatch(new RegExp(`^ {2}fail {2}audit log +"${audit}\\.lock" is locked${by}`, "m"));
    expect(stdout).toContain("run would not start: 2 failed");
    expect(code).toBe(1);
    // Workers write files of their own, which nobody holds.
    expect(workers.stdout).toMatch(/^ {2}ok {4}audit log .*events\.w0\.jsonl/m);
    const after = await sallyport(own, ["doctor"], { ...env, EVE_PROXY_PORT: port });
    expect(after.stdout).toMatch(/run would start\n$/);
    expect(after.code).toBe(0);
    await rm(own, { recursive: true });
  }, 120_000);

  test("finds an admin port that is taken, and an outcome log that cannot be written", async () => {
    const own = await emptyDirectory();
    await mkdir(join(own, "outcomes.jsonl"));
    const other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { code, stdout } = await sallyport(own, ["doctor"], {
      EVE_PROXY_HOST: "127.0.0.1",
      EVE_PROXY_PORT: "0",
      EVE_PROXY_ADMIN_LISTEN: `127.0.0.1:${other.port}`,
      EVE_PROXY_ADMIN_TOKEN: SECRET,
      JWT_SECRET_KEY: SECRET,
      EVE_PROXY_AUDIT_PATH: join(own, "audit.jsonl"),
    });
    other.stop(true);
    expect(code).toBe(1);
    expect(stdout).toMatch(new RegExp(`^ {2}fail {2}admin +127\\.0\\.0\\.1:${other.port} is taken`, "m"));
    expect(stdout).toMatch(/^ {2}fail {2}audit log +".*outcomes\.jsonl" cannot be written: /m);
    await rm(own, { recursive: true });
  });

  test("lists what is wrong in the policy even when the settings are", async () => {
    const path = join(directory, "two.yaml");
    await writeFile(path, "version: 2\ndefalt: allow\n");
    const { stdout } = await sallyport(directory, ["doctor"], { EVE_PROXY_POLICY: path, EVE_PROXY_PORT: "http" });
    expect(stdout.match(/^ {2}fail {2}policy +\S+two\.yaml:\d+:\d+: /gm)).toHaveLength(3);
  });

  test("exits 0 where run would start, and leaves nothing behind", async () => {
    const own = await emptyDirectory();
    const env = { EVE_PROXY_DEV: "1", EVE_PROXY_HOST: "127.0.0.1", EVE_PROXY_PORT: "0", HTTPS_PROXY: "http://p:1" };
    const { code, stdout } = await sallyport(own, ["doctor"], env);
    expect(stdout).toContain("run would start");
    expect(code).toBe(0);
    expect(stdout).toMatch(/note {2}environment +HTTPS_PROXY/);
    expect(await Array.fromAsync(new Bun.Glob("**/*").scan({ cwd: own, dot: true }))).toEqual([]);
    await rm(own, { recursive: true });
  });
});
