import { afterAll, describe, expect, test } from "bun:test";
import { chmod, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { generateKey } from "../../src/crypto/keys.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { Runtime } from "../../src/runtime/contract.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const directory = await mkdtemp(join(tmpdir(), "sallyport-config-"));
afterAll(() => rm(directory, { recursive: true }));

function withEnv(env: Record<string, string>): Runtime {
  return { ...runtime, env };
}

async function file(name: string, content: string): Promise<string> {
  const path = join(directory, name);
  await Bun.write(path, content);
  return path;
}

const hello = await file("hello.txt", "hello");
const roots = await file("roots.pem", "-----BEGIN CERTIFICATE-----");
const binary = join(directory, "binary.pem");
await Bun.write(binary, new Uint8Array([0xff, 0xfe]));

async function problems(env: Record<string, string>): Promise<string[]> {
  const loaded = await loadConfig(withEnv({ JWT_SECRET_KEY: SECRET, ...env }));
  return loaded.ok ? [] : loaded.problems.map((p) => `${p.variable} ${p.problem} — ${p.hint}`);
}

async function valid(env: Record<string, string>) {
  const loaded = await loadConfig(withEnv({ JWT_SECRET_KEY: SECRET, ...env }));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded;
}

describe("loadConfig refuses", () => {
  const refused: [string, Record<string, string>, RegExp][] = [
    ["an empty number", { EVE_PROXY_PORT: "" }, /^EVE_PROXY_PORT is empty/],
    ["a number with a unit", { EVE_PROXY_MAX_BODY: "10M" }, /^EVE_PROXY_MAX_BODY "10M" is not a whole number/],
    ["a negative number", { EVE_PROXY_MAX_BODY: "-1" }, /not a whole number/],
    ["a hexadecimal number", { EVE_PROXY_PORT: "0xC38" }, /not a whole number/],
    ["a number in blanks", { EVE_PROXY_PORT: " 3128" }, /not a whole number/],
    ["a port just outside", { EVE_PROXY_PORT: "65536" }, /outside 0 to 65535/],
    ["an infinite timeout", { EVE_PROXY_ENFORCE_TIMEOUT: "Infinity" }, /not a number of seconds/],
    ["a zero timeout", { EVE_PROXY_ENFORCE_TIMEOUT: "0" }, /outside 0.001 to 86400/],
    ["a timeout a timer cannot hold", { EVE_PROXY_IDLE_TIMEOUT: "86401" }, /outside/],
    ["an exponent", { EVE_PROXY_ENFORCE_TIMEOUT: "1e3" }, /not a number of seconds/],
    ["a flag that is neither", { EVE_PROXY_FAIL_CLOSED: "maybe" }, /neither on nor off/],
    ["an empty flag", { EVE_PROXY_FAIL_CLOSED: "" }, /^EVE_PROXY_FAIL_CLOSED is empty/],
    ["an unknown choice", { EVE_PROXY_MODE: "Shadow" }, /give one of enforce, shadow/],
    ["an empty address", { EVE_PROXY_HOST: "" }, /^EVE_PROXY_HOST is empty/],
    ["an octal address", { EVE_PROXY_HOST: "0177.0.0.1" }, /not an address/],
    ["an empty path", { EVE_PROXY_AUDIT_PATH: "" }, /^EVE_PROXY_AUDIT_PATH is empty/],
    ["an audit path that is a directory", { EVE_PROXY_AUDIT_PATH: directory }, /is a directory/],
    ["an audit path that keeps nothing", { EVE_PROXY_AUDIT_PATH: "/dev/null" }, /device, which keeps no evidence/],
    [
      "each of the entries that are wrong",
      { EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.1/40, ::1/128,foo" },
      /"127\.0\.0\.1\/40" is not a CIDR, "foo" is not a CIDR — give a list such as/,
    ],
    [
      "a few of many entries that are wrong",
      { EVE_PROXY_CLIENTS: Array.from({ length: 20 }, (_, i) => `x${i}`).join() },
      /"x7" is not a CIDR and 12 more — give a list such as [^ ;]*$/,
    ],
    ["a CIDR with a prefix too long", { EVE_PROXY_CLIENTS: "10.0.0.0/33" }, /"10.0.0.0\/33" is not a CIDR/],
    ["one bad CIDR among good ones", { EVE_PROXY_ALLOW_ADDRESSES: "10.0.0.0/8,localhost" }, /"localhost" is not/],
    ["a blocked URL", { EVE_PROXY_BLOCKED_HOSTS: "https://evil.com/" }, /is not a host/],
    ["a blocked wildcard", { EVE_PROXY_BLOCKED_HOSTS: "*.evil.com" }, /without scheme, port, path or wildcard/],
    ["a blocked host with a port", { EVE_PROXY_BLOCKED_HOSTS: "evil.com:443" }, /is not a host/],
    ["a short secret", { JWT_SECRET_KEY: "fifteen bytes!!" }, /^JWT_SECRET_KEY has 15 bytes/],
    ["an empty secret", { JWT_SECRET_KEY: "" }, /^JWT_SECRET_KEY is empty/],
    ["a proxy URL with a path", { EVE_PROXY_UPSTREAM_PROXY: "http://proxy:8080/x" }, /has a path/],
    ["a proxy URL of another scheme", { EVE_PROXY_UPSTREAM_PROXY: "socks5://proxy:1080" }, /not an http or https/],
    ["a Redis that is none", { EVE_PROXY_REDIS_URL: "https://r" }, /is not a redis or rediss URL/],
    ["a Redis without a host", { EVE_PROXY_REDIS_URL: "redis://:pw@" }, /EVE_PROXY_REDIS_URL/],
    ["a Redis with a name for a database", { EVE_PROXY_REDIS_URL: "redis://r/main" }, /no database number/],
    ["a Redis with options", { EVE_PROXY_REDIS_URL: "redis://r?tls=1" }, /has a query/],
    [
      "roots of a Redis that shows no certificate",
      { EVE_PROXY_REDIS_URL: "redis://r", EVE_PROXY_REDIS_CA: roots },
      /REDIS_CA/,
    ],
    ["a plane's URL with credentials", { EVE_PROXY_GOVERNANCE_URL: "https://u:p@plane" }, /carries credentials/],
    [
      "an admin listener without a token",
      { EVE_PROXY_ADMIN_LISTEN: "127.0.0.1:9901" },
      /without EVE_PROXY_ADMIN_TOKEN/,
    ],
    ["an admin listener without a port", { EVE_PROXY_ADMIN_LISTEN: "127.0.0.1" }, /no listener/],
    ["a short admin token", { EVE_PROXY_ADMIN_TOKEN: "fifteen-bytes!!" }, /has 15 bytes/],
    ["workers sharing the standard output", { EVE_PROXY_AUDIT_PATH: "-", EVE_PROXY_WORKERS: "2" }, /cannot share/],
    ["workers on a free port", { EVE_PROXY_PORT: "0", EVE_PROXY_WORKERS: "2" }, /port of its own/],
    ["less held than one body", { EVE_PROXY_MAX_HELD: "1024" }, /less than EVE_PROXY_MAX_BODY/],
    ["a plane's token without a plane", { EVE_PROXY_GOVERNANCE_TOKEN: "t" }, /embedded engine would decide/],
    [
      "a policy that is not there",
      { EVE_PROXY_POLICY: "/nowhere/policy.yaml" },
      /^EVE_PROXY_POLICY "\/nowhere\/policy.yaml" does not exist — /,
    ],
    [
      "roots without a certificate",
      { EVE_PROXY_UPSTREAM_CA: hello },
      /hello\.txt" has no "-----BEGIN CERTIFICATE" in it — give a PEM/,
    ],
    ["a signing key that is none", { EVE_PROXY_SIGNING_KEY: hello }, /hello\.txt" holds no usable key/],
    [
      "a typo",
      { EVE_PROXY_BLOKED_HOSTS: "evil.com" },
      /^EVE_PROXY_BLOKED_HOSTS .* did you mean EVE_PROXY_BLOCKED_HOSTS\?/,
    ],
    ["a name in lower case", { eve_proxy_port: "1" }, /^eve_proxy_port .* did you mean EVE_PROXY_PORT\?/],
    ["a name unlike any other", { EVE_PROXY_QUUX_ZZ: "1" }, /see docs\/configuration.md/],
    ["the file form of what is no secret", { EVE_PROXY_PORT_FILE: "/x" }, /^EVE_PROXY_PORT_FILE is not a setting/],
    ["a name kept for later", { EVE_PROXY_EXT_AUTHZ_LISTEN: "[::]:1" }, /not supported by this version/],
    [
      "a secret given twice",
      { JWT_SECRET_KEY_FILE: "/x" },
      /^JWT_SECRET_KEY_FILE is given together with JWT_SECRET_KEY/,
    ],
    [
      "a secret's file that is not there",
      { EVE_PROXY_ADMIN_TOKEN_FILE: "/nowhere" },
      /^EVE_PROXY_ADMIN_TOKEN_FILE "\/nowhere" does not exist — give the path of a file this user can read/,
    ],
    ["a signing key that is not there", { EVE_PROXY_SIGNING_KEY: "/nope" }, /^EVE_PROXY_SIGNING_KEY "\/nope" does not/],
    [
      "a signing key by its other name",
      { EVE_PROXY_SIGNING_KEY_FILE: "/nope" },
      /^EVE_PROXY_SIGNING_KEY_FILE "\/nope" does not exist/,
    ],
    ["a signing key that is a directory", { EVE_PROXY_SIGNING_KEY: directory }, /^EVE_PROXY_SIGNING_KEY ".*" is a dir/],
    [
      "keys of the plane that are not there",
      { EVE_PROXY_GOVERNANCE_URL: "http://127.0.0.1:1", EVE_PROXY_GOVERNANCE_JWKS: "/nowhere/jwks.json" },
      /^EVE_PROXY_GOVERNANCE_JWKS "\/nowhere\/jwks\.json" does not exist — give the plane's URL …\/\.well-known\/jwks\.json, or a file made by sallyport keys jwks/,
    ],
    [
      "keys of the plane that are none",
      { EVE_PROXY_GOVERNANCE_URL: "http://127.0.0.1:1", EVE_PROXY_GOVERNANCE_JWKS: hello },
      /^EVE_PROXY_GOVERNANCE_JWKS ".*hello\.txt" holds no usable key: /,
    ],
    ["a policy below a file", { EVE_PROXY_POLICY: `${hello}/policy.yaml` }, /hello\.txt\/policy\.yaml" does not exist/],
    ["roots that are not text", { EVE_PROXY_UPSTREAM_CA: binary }, /binary\.pem" is not UTF-8 text/],
    ["a Service named like the prefix", { EVE_PROXY_PORT: "tcp://10.0.0.1:3128" }, /enableServiceLinks/],
  ];
  test.each(refused)("%s", async (_, env, expected) => {
    const found = await problems(env);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  const killing = (path: string) => ({ EVE_PROXY_KILL_FILE: path });
  const plumbing: [string, Record<string, string>, RegExp][] = [
    ["a kill file in no directory", killing(join(directory, "none", "kill")), /is in no directory/],
    ["a kill file below a file", killing(join(hello, "kill")), /^EVE_PROXY_KILL_FILE .*(?:is in no directory|read)/],
    ["an empty kill file", killing(""), /^EVE_PROXY_KILL_FILE is empty/],
    ["a cache of less than nothing", { EVE_PROXY_DECISION_CACHE: "-1" }, /not a whole number/],
    ["a degraded mode without a plane", { EVE_PROXY_DEGRADED: "reads" }, /no plane that could be down/],
    ["another degraded mode", { EVE_PROXY_DEGRADED: "1" }, /give one of off, reads, all/],
    ["an audit log with the name of the findings", { EVE_PROXY_AUDIT_PATH: "a/findings.jsonl" }, /another file/],
    [
      "findings in the audit log",
      { EVE_PROXY_AUDIT_PATH: "a/x.jsonl", EVE_PROXY_FINDINGS: "a/x.jsonl" },
      /^EVE_PROXY_AUDIT_PATH is the path of another file/,
    ],
  ];
  for (const [name, env, message] of plumbing) {
    test(name, async () => {
      const found = await problems(env);
      expect(found).toHaveLength(1);
      expect(found[0]).toMatch(message);
    });
  }

  test("a missing key", async () => {
    const loaded = await loadConfig(withEnv({}));
    expect(loaded.ok ? [] : loaded.problems.map((p) => p.variable)).toEqual(["JWT_SECRET_KEY"]);
  });

  test("five problems at once, each once", async () => {
    const loaded = await loadConfig(
      withEnv({
        EVE_PROXY_PORT: "http",
        EVE_PROXY_MODE: "off",
        EVE_PROXY_REDIS_URL: "http://r",
        EVE_PROXY_ADMIN_LISTEN: "127.0.0.1:9901",
        JWT_SECRET_KEY: "short",
      }),
    );
    const variables = loaded.ok ? [] : loaded.problems.map((p) => p.variable).sort();
    expect(variables).toEqual([
      "EVE_PROXY_ADMIN_LISTEN",
      "EVE_PROXY_MODE",
      "EVE_PROXY_PORT",
      "EVE_PROXY_REDIS_URL",
      "JWT_SECRET_KEY",
    ]);
  });

  test("a secret without repeating it", async () => {
    const pasted = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----";
    const found = await problems({
      JWT_SECRET_KEY: "hunter2",
      EVE_PROXY_SIGNING_KEY: pasted,
      EVE_PROXY_ADMIN_TOKEN: "hunter2 with blanks inside",
      EVE_PROXY_UPSTREAM_PROXY: "ftp://user:hunter2@proxy",
    });
    expect(found).toHaveLength(4);
    expect(found.join("\n")).not.toMatch(/hunter2|MC4CAQ/);
  });

  test("a file that this user may not read, by its variable and path", async () => {
    const denied = (path: string) =>
      Object.assign(new Error(`EACCES: permission denied, open '${path}'`), { code: "EACCES" });
    const env = { EVE_PROXY_SIGNING_KEY: hello, EVE_PROXY_GOVERNANCE_URL: "https://p", EVE_PROXY_GOVERNANCE_CA: hello };
    const loaded = await loadConfig({ ...withEnv(env), readFile: (path) => Promise.reject(denied(path)) });
    expect(loaded.ok ? [] : loaded.problems.map((p) => `${p.variable} ${p.problem}`)).toEqual([
      `EVE_PROXY_SIGNING_KEY "${hello}" cannot be read by this user`,
      `EVE_PROXY_GOVERNANCE_CA "${hello}" cannot be read by this user`,
    ]);
  });

  test.each([
    "Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFy",
    "/9vYmFyZm9vYm/yZm9vYmFyZm9vYmFy+A==",
    "correct horse battery staple",
  ])("a secret where the path of its file belongs, without repeating it: %s", async (secret) => {
    const loaded = await loadConfig(withEnv({ JWT_SECRET_KEY_FILE: secret }));
    const said = loaded.ok ? "" : JSON.stringify(loaded.problems);
    expect(said).toContain("names a file that does not exist");
    expect(said).not.toContain(secret);
  });

  test("a development key beside a log whose directory is closed, by its path", async () => {
    const stat = (path: string) =>
      Promise.reject(Object.assign(new Error(`EACCES: stat '${path}'`), { code: "EACCES" }));
    const env = { EVE_PROXY_DEV: "1", EVE_PROXY_AUDIT_PATH: "/closed/log.jsonl" };
    const loaded = await loadConfig({ ...withEnv(env), stat });
    expect(loaded.ok ? [] : loaded.problems).toEqual([
      {
        variable: "EVE_PROXY_DEV",
        problem: 'needs the development key "/closed/development.key", which cannot be read by this user',
        hint: expect.stringContaining("make its directory writable"),
      },
    ]);
  });

  test("a development key file that holds something else", async () => {
    const audit = join(directory, "odd", "audit.jsonl");
    await Bun.write(join(directory, "odd", "development.key"), "not a key");
    const loaded = await loadConfig(withEnv({ EVE_PROXY_DEV: "1", EVE_PROXY_AUDIT_PATH: audit }));
    expect(loaded.ok ? "" : loaded.problems[0]?.problem).toMatch(/is not a development key/);
  });
});

describe("loadConfig", () => {
  test("without any setting has the defaults that docs/configuration.md prints", async () => {
    const { config, warnings } = await valid({});
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      host: "0.0.0.0",
      port: 3128,
      upstreamTimeoutMs: 30_000,
      firstByteTimeoutMs: 600_000,
      idleTimeoutMs: 300_000,
      enforceTimeoutMs: 2_000,
      maxBody: 10_485_760,
      maxHeld: 268_435_456,
      bodyMinRate: 8192,
      blockedHosts: [],
      orgId: "default",
      failClosed: true,
      connectPassthrough: true,
      hmacKey: SECRET,
      auditPath: "data/governance/fail_closed/fail_closed_events.jsonl",
      auditRotateBytes: 268_435_456,
      mode: "enforce",
      clients: null,
      allowAddresses: [],
      workers: 1,
    });
  });

  test("brings hosts and addresses to their one form", async () => {
    const { config } = await valid({
      EVE_PROXY_BLOCKED_HOSTS: " Evil.COM., .tracker.test,bücher.example,, [::1]",
      EVE_PROXY_HOST: "::",
      EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8,::1/128",
      EVE_PROXY_CLIENTS: "",
    });
    expect(config.blockedHosts).toEqual(["evil.com", "tracker.test", "xn--bcher-kva.example", "::1"]);
    expect(config.host).toBe("::");
    expect(config.allowAddresses.map((cidr) => cidr.text)).toEqual(["127.0.0.0/8", "::1/128"]);
    expect(config.clients).toEqual([]);
  });

  test("keeps findings beside the audit log, where it is told, or nowhere", async () => {
    const at = async (env: Record<string, string>) => (await valid(env)).config.findingsPath;
    expect(await at({})).toBe("data/governance/fail_closed/findings.jsonl");
    expect(await at({ EVE_PROXY_AUDIT_PATH: "events.jsonl" })).toBe("findings.jsonl");
    expect(await at({ EVE_PROXY_FINDINGS: "/x/y.jsonl" })).toBe("/x/y.jsonl");
    expect(await at({ EVE_PROXY_FINDINGS: "-" })).toBeNull();
    expect(await at({ EVE_PROXY_AUDIT_PATH: "-" })).toBeNull();
  });

  test("takes the plane's keys from a file, and asks nobody for those of a URL", async () => {
    const { publicJwk } = await generateKey("Ed25519");
    const path = await file("jwks.json", JSON.stringify({ keys: [publicJwk] }));
    const plane = { EVE_PROXY_GOVERNANCE_URL: "http://127.0.0.1:1" };
    expect((await valid({ ...plane, EVE_PROXY_GOVERNANCE_JWKS: path })).config.governance?.jwks).toBe(path);
    const url = "http://127.0.0.1:1/.well-known/jwks.json";
    expect((await valid({ ...plane, EVE_PROXY_GOVERNANCE_JWKS: url })).config.governance?.jwks).toBe(url);
  });

  test("takes decimals of a second", async () => {
    expect((await valid({ EVE_PROXY_ENFORCE_TIMEOUT: "0.25" })).config.enforceTimeoutMs).toBe(250);
  });

  test("turns a proxy's userinfo into its header", async () => {
    const { config } = await valid({ EVE_PROXY_UPSTREAM_PROXY: "https://us%20er:p%40ss@Proxy.test:8443" });
    const authorization = `Basic ${btoa("us er:p@ss")}`;
    expect(config.upstreamProxy).toEqual({ tls: true, host: "proxy.test", port: 8443, authorization });
  });

  test("drops one trailing newline of a secret's file and no more", async () => {
    const path = await file("secret", `${SECRET}\n\n`);
    const loaded = await loadConfig(withEnv({ JWT_SECRET_KEY_FILE: path }));
    expect(loaded.ok && loaded.config.hmacKey).toBe(`${SECRET}\n`);
  });

  test("passes over what Kubernetes sets for a Service named eve-proxy", async () => {
    await valid({
      EVE_PROXY_SERVICE_HOST: "10.0.0.1",
      EVE_PROXY_SERVICE_PORT: "3128",
      EVE_PROXY_SERVICE_PORT_HTTP: "3128",
      EVE_PROXY_PORT_3128_TCP: "tcp://10.0.0.1:3128",
      EVE_PROXY_PORT_3128_TCP_ADDR: "10.0.0.1",
      EVE_PROXY_ADMIN_PORT: "tcp://10.0.0.2:9901",
    });
  });

  const remarked: [string, Record<string, string>, RegExp][] = [
    ["fail-open", { EVE_PROXY_FAIL_CLOSED: "0" }, /^FAIL-OPEN/],
    ["shadow mode", { EVE_PROXY_MODE: "shadow" }, /recorded, not enforced/],
    ["a secret under 32 bytes", { JWT_SECRET_KEY: "sixteen bytes!!!" }, /fewer than 32 bytes/],
    ["an address guard that lets all through", { EVE_PROXY_ALLOW_ADDRESSES: "0.0.0.0/0" }, /guard is off/],
    ["a list of clients nobody is on", { EVE_PROXY_CLIENTS: "" }, /nobody may use the proxy/],
    ["a misspelt prefix", { EVE_PROXI_PORT: "3" }, /^EVE_PROXI_PORT is not a setting .* mean EVE_PROXY_PORT\?$/],
    ["one without its line", { eveproxy_kill_file: "x" }, /did you mean EVE_PROXY_KILL_FILE\?/],
    ["one of two slips", { EVE_POXI_HOST: "::" }, /did you mean EVE_PROXY_HOST\?/],
  ];
  test("names of others that look alike are nobody's mistake", async () => {
    const others = [
      "EVE_PROD_PORT",
      "EVENT_PROXY_PORT",
      "DEV_PROXY_HOST",
      "MY_PROXY_PORT",
      "EVE_HOST",
      "EVE_PROM_MODE",
    ];
    const env = Object.fromEntries(others.map((name) => [name, "x"]));
    expect((await valid({ ...env, EVE_PROXI_PORTS: "3", EVE_PROX_PORT: "tcp://10.0.0.1:80" })).warnings).toEqual([]);
  });

  test.each(remarked)("warns of %s", async (_, env, expected) => {
    const { warnings } = await valid(env);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(expected);
  });

  test("warns of a signing key, and of a secret's file, that others can use", async () => {
    const { privatePem } = await generateKey("Ed25519");
    const EVE_PROXY_SIGNING_KEY = await file("open.pem", privatePem);
    const JWT_SECRET_KEY_FILE = await file("open.secret", "a-secret-of-more-than-thirty-two-bytes");
    const said = async (env: Readonly<Record<string, string>>, mode: number) => {
      await Promise.all(Object.values(env).map((path) => chmod(path, mode)));
      const loaded = await loadConfig({ ...runtime, env });
      if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
      return loaded.warnings;
    };
    expect(await said({ EVE_PROXY_SIGNING_KEY }, 0o644)).toEqual([
      `others than its owner can use the signing key "${EVE_PROXY_SIGNING_KEY}": mode 0644, chmod 600 it`,
    ]);
    expect(await said({ JWT_SECRET_KEY_FILE }, 0o640)).toEqual([
      `others than its owner can use the signing key "${JWT_SECRET_KEY_FILE}": mode 0640, chmod 600 it`,
    ]);
    expect(await said({ EVE_PROXY_SIGNING_KEY }, 0o600)).toEqual([]);
    expect(await said({ JWT_SECRET_KEY_FILE }, 0o400)).toEqual([]);
  });

  test("says that a signing key wins over the secret", async () => {
    const { privatePem } = await generateKey("Ed25519");
    const { config, warnings } = await valid({ EVE_PROXY_SIGNING_KEY: await file("ed.pem", privatePem) });
    expect(config.signingKey).toBe(privatePem);
    expect(warnings.join()).toMatch(/the signing key signs/);
  });
});

describe("the development key", () => {
  test("is made once, 0600, and kept", async () => {
    const audit = join(directory, "dev", "audit.jsonl");
    const env = { EVE_PROXY_DEV: "1", EVE_PROXY_AUDIT_PATH: audit };
    const both = await Promise.all([loadConfig(withEnv(env)), loadConfig(withEnv(env))]);
    const path = join(directory, "dev", "development.key");
    const kept = await Bun.file(path).text();
    expect(kept).toMatch(/^[0-9a-f]{64}$/);
    for (const loaded of both) expect(loaded.ok && loaded.config.hmacKey).toBe(kept);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await chmod(path, 0o644);
    const again = await loadConfig(withEnv(env));
    expect(again.ok && again.config.hmacKey).toBe(kept);
    expect(again.ok && again.warnings.join()).toMatch(/others can read .* do not rely on them/);
  });

  test("is not made by whoever only looks", async () => {
    const audit = join(directory, "looked", "audit.jsonl");
    const env = { EVE_PROXY_DEV: "1", EVE_PROXY_AUDIT_PATH: audit };
    expect((await loadConfig(withEnv(env), { makeKey: false })).ok).toBe(true);
    expect(await Bun.file(join(directory, "looked", "development.key")).exists()).toBe(false);
  });
});
