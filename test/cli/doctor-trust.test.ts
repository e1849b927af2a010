/** Which clients trust the CA, as doctor finds out: real clients, with environments that are right, wrong, and careless. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CLIENTS, type Client, withoutProxies } from "../../src/cli/_doctor-clients.ts";
import { trust } from "../../src/cli/_doctor-trust.ts";
import { createCa } from "../../src/crypto/ca.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { Runtime } from "../../src/runtime/contract.ts";
import { testUnless, tool } from "../_skip.ts";
import { emptyDirectory, sallyport } from "./_program.ts";

let cwd = "";
const ca = await createCa({ commonName: "doctor test", days: 1, key: "P-256" }, Date.now());
beforeAll(async () => {
  cwd = await emptyDirectory();
  await writeFile(join(cwd, "ca.crt"), ca.certPem);
  await writeFile(join(cwd, "ca.key"), ca.keyPem, { mode: 0o600 });
});
afterAll(() => rm(cwd, { recursive: true }));

const says = async (given: Runtime, clients?: readonly Client[]): Promise<string[]> =>
  (await trust(given, ca, clients)).map(({ state, detail }) => `${state} ${detail}`);

/** A script in the place of a client. */
async function script(name: string, text: string): Promise<Client> {
  const path = join(cwd, "bin");
  await mkdir(path, { recursive: true });
  await writeFile(join(path, name), `#!/bin/sh\n${text}\n`);
  await chmod(join(path, name), 0o755);
  return { name, program: name, args: (url) => [url], absent: 3, fix: "" };
}
const own = (): Runtime => ({
  ...runtime,
  env: { PATH: `${join(cwd, "bin")}:${process.env.PATH}`, JWT_SECRET_KEY: "secret" },
});

test("the document names every client, and what makes it trust", async () => {
  const text = await readFile(new URL("../../docs/doctor.md", import.meta.url), "utf8");
  const table = text.split("\n").filter((line) => line.startsWith("| "));
  for (const { name, fix } of CLIENTS) {
    const row = table.find((line) => new RegExp(`^\\| ([^|]*, )?${name}\\b`).test(line)) ?? "";
    const variable = /\b[A-Za-z]+(?:_[A-Za-z]+)+\b/.exec(fix)?.[0] ?? "no variable";
    expect(`${name}: ${row.includes(variable)}`).toBe(`${name}: true`);
  }
});

test("without a CA nothing is tried", async () => {
  expect(await trust(runtime, null)).toEqual([]);
});

test("a CA that cannot sign, or no place for files, is said and is no failure", async () => {
  expect((await trust(runtime, { ...ca, certPem: "" }))[0]).toMatchObject({
    state: "note",
    detail: expect.stringContaining("cannot be tried"),
  });
  const without: Runtime = { ...runtime, makeTempDirectory: () => Promise.reject(new Error("full")) };
  expect((await trust(without, ca))[0]?.detail).toBe("cannot be tried: no temporary directory can be made");
});

test("a client that never comes, is not what it seems, or is not there", async () => {
  const clients = [
    await script("quiet", "exit 0"),
    await script("other", "exit 3"),
    { ...(await script("gone", "")), program: "no-such" },
  ];
  expect(await says(own(), clients)).toEqual(["note could not be tried: quiet"]);
  expect(await says(own(), [])).toEqual(["note no client that is known here is on the PATH"]);
});

testUnless(tool("python3"), "a client that speaks without TLS has asked nothing", async () => {
  const text = [
    "import socket,sys",
    "s=socket.create_connection(('127.0.0.1',int(sys.argv[1].split(':')[2].strip('/'))))",
    "s.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n')",
    "s.recv(9)",
  ].join("\n");
  const client: Client = { name: "plain", program: "python3", args: (url) => ["-c", text, url], fix: "" };
  expect(await says(own(), [client])).toEqual(["note plain does not trust the CA with this environment"]);
});

test("a client that is killed in the middle has not refused, and what it leaves behind is not waited for", async () => {
  const client = await script("hung", "sleep 25 & wait");
  const began = performance.now();
  // As if the time of all were over soon.
  let asked = 0;
  const short: Runtime = { ...own(), monotonic: () => (asked++ < 2 ? 0 : 29_700) };
  expect(await says(short, [client])).toEqual(["note could not be tried: hung"]);
  expect(performance.now() - began).toBeLessThan(15_000);
}, 120_000);

test("clients get neither proxies nor secrets of the gateway, and what they have else", () => {
  const given = {
    HTTPS_PROXY: "a",
    all_proxy: "b",
    npm_config_https_proxy: "c",
    JWT_SECRET_KEY: "d",
    EVE_PROXY_ADMIN_TOKEN: "e",
    NO_PROXY: "f",
    SSL_CERT_FILE: "g",
    X: undefined,
  };
  expect(withoutProxies(given)).toEqual({ NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1", SSL_CERT_FILE: "g" });
});

testUnless(
  tool("curl"),
  "curl with the wrong roots, with ours, and with none asked for; the program, and nobody else is asked",
  async () => {
    const path = join(cwd, "only-curl");
    await mkdir(path);
    await symlink(Bun.which("curl") ?? "", join(path, "curl"));
    const env = {
      PATH: path,
      EVE_PROXY_DEV: "1",
      EVE_PROXY_PORT: "0",
      EVE_PROXY_CA_CERT: "ca.crt",
      EVE_PROXY_CA_KEY: "ca.key",
      HOME: cwd,
    };
    // Whoever asks it is led away from loopback.
    let led = 0;
    const proxy = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {}, open: () => void led++ } });
    const proxies = { https_proxy: `http://127.0.0.1:${proxy.port}`, ALL_PROXY: `http://127.0.0.1:${proxy.port}` };
    const lines = async (more: Readonly<Record<string, string>>) => {
      const { code, stdout } = await sallyport(cwd, ["doctor"], { ...env, ...proxies, ...more });
      expect(code).toBe(0);
      return stdout.split("\n").filter((line) => line.includes("  trust  "));
    };
    expect(await lines({})).toEqual([
      "  note  trust          curl does not trust the CA with this environment; fix: CURL_CA_BUNDLE=BUNDLE (sallyport ca bundle --out BUNDLE)",
    ]);
    expect(await lines({ CURL_CA_BUNDLE: join(cwd, "ca.crt") })).toEqual([
      "  ok    trust          the CA is trusted, with this environment, by curl",
    ]);
    await writeFile(join(cwd, ".curlrc"), `insecure\nproxy = http://127.0.0.1:${proxy.port}\n`);
    expect(await lines({})).toEqual([
      "  warn  trust          curl takes any certificate with this environment, a forged one too; fix: unset what turns verification off",
    ]);
    const quick = await sallyport(cwd, ["doctor", "--quick"], env);
    expect(quick.stdout).not.toContain("  trust  ");
    proxy.stop(true);
    expect(led).toBe(0);
  },
  120_000,
);

for (const [name, program, variable] of [
  ["python ssl", "python3", "SSL_CERT_FILE"],
  ["node", "node", "NODE_EXTRA_CA_CERTS"],
  ["git", "git", "GIT_SSL_CAINFO"],
  ["go", "go", "SSL_CERT_FILE"],
] as const) {
  testUnless(
    tool(program),
    `${name} trusts it by ${variable}, which is what the fix says`,
    async () => {
      const clients = CLIENTS.filter((client) => client.name === name);
      expect(clients[0]?.fix).toStartWith(`${variable}=`);
      const env = { PATH: process.env.PATH, HOME: process.env.HOME };
      expect(await says({ ...runtime, env }, clients)).toEqual([
        `note ${name} does not trust the CA with this environment`,
      ]);
      const set = { ...env, [variable]: join(cwd, "ca.crt") };
      expect(await says({ ...runtime, env: set }, clients)).toEqual([
        `ok the CA is trusted, with this environment, by ${name}`,
      ]);
    },
    120_000,
  );
}
