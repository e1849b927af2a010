/** What docs/interception.md says of clients and variables: each refuses a leaf of ours without the bundle, and takes it with it. */
import { afterAll, beforeAll, expect } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCa } from "../../src/crypto/ca.ts";
import { leafMinter } from "../../src/crypto/leaf.ts";
import { pythonWith, testUnless, tool } from "../_skip.ts";
import { program, ROOT } from "./_process.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-trust-"));
const at = (name: string) => join(folder, name);
const bundle = at("bundle.pem");
let server: https.Server;
let url = "";
let seen = 0;

function sallyport(...args: string[]): void {
  const [path = "", ...rest] = program();
  const { status, stderr } = spawnSync(path, [...rest, ...args], { cwd: folder, encoding: "utf8", timeout: 60_000 });
  if (status !== 0) throw new Error(stderr);
}

beforeAll(async () => {
  sallyport("ca", "init", "--dir", folder, "--name", "trust");
  sallyport("ca", "bundle", "--dir", folder, "--out", bundle);
  const files = { certPem: readFileSync(at("ca.crt"), "utf8"), keyPem: readFileSync(at("ca.key"), "utf8") };
  const mint = await leafMinter(await loadCa(files, Date.now()), { now: Date.now });
  const { cert, key } = await mint("localhost");
  server = https.createServer({ cert, key }, (_, response) => {
    seen++;
    response.end("reached");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  url = `https://localhost:${(server.address() as AddressInfo).port}/`;
}, 120_000);
afterAll(() => {
  server?.close();
  rmSync(folder, { recursive: true });
});

/** Whether a request of the client came through TLS. */
async function reaches([command = "", ...args]: readonly string[], env: Record<string, string>): Promise<boolean> {
  const { PATH = "", HOME = "", RUSTUP_HOME = join(HOME, ".rustup") } = process.env;
  const base = { PATH, HOME: folder, RUSTUP_HOME, DENO_DIR: at("deno"), DENO_NO_UPDATE_CHECK: "1" };
  const child = spawn(command, args, { cwd: folder, env: { ...base, ...env }, stdio: "ignore" });
  const before = seen;
  await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  return seen > before;
}

const FETCH =
  "fetch(process.argv.at(-1)).then((r) => r.text()).then(console.log, (e) => console.log(String(e.cause ?? e)))";
const DENO_FETCH = "fetch(Deno.args[0]).then((r) => r.text()).then(console.log, (e) => console.log(String(e)))";
const requests = pythonWith("requests");
const bin = (name: string) => join(ROOT, "node_modules/.bin", name);

interface Client {
  readonly missing: string | null;
  readonly command: () => readonly string[];
  readonly variables: readonly string[];
}

const CLIENTS: Readonly<Record<string, Client>> = {
  curl: {
    missing: tool("curl"),
    command: () => ["curl", "-sS", url],
    variables: ["SSL_CERT_FILE", "CURL_CA_BUNDLE"],
  },
  git: {
    missing: tool("git"),
    command: () => ["git", "ls-remote", `${url}x`],
    variables: ["GIT_SSL_CAINFO"],
  },
  "Python's urllib": {
    missing: tool("python3"),
    command: () => ["python3", "-c", "import sys,urllib.request as u;print(u.urlopen(sys.argv[1]).read())", url],
    variables: ["SSL_CERT_FILE"],
  },
  "Python's requests": {
    missing: requests.missing,
    command: () => [requests.python ?? "", "-c", "import sys,requests;print(requests.get(sys.argv[1]).text)", url],
    variables: ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"],
  },
  Node: {
    missing: tool("node"),
    command: () => ["node", "-e", FETCH, url],
    variables: ["NODE_EXTRA_CA_CERTS"],
  },
  Deno: {
    missing: null,
    command: () => [bin("deno"), "eval", DENO_FETCH, url],
    variables: ["DENO_CERT", "NODE_EXTRA_CA_CERTS"],
  },
  Bun: {
    missing: null,
    command: () => [bin("bun"), "-e", FETCH, url],
    variables: ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"],
  },
  cargo: {
    missing: tool("cargo"),
    command: () => ["cargo", "search", "--registry", "x", "--config", `registries.x.index="sparse+${url}"`, "y"],
    variables: ["CARGO_HTTP_CAINFO", "SSL_CERT_FILE"],
  },
};

for (const [name, { missing, command, variables }] of Object.entries(CLIENTS)) {
  testUnless(missing, `${name} refuses the leaf until it is told of the bundle`, async () => {
    expect(await reaches(command(), {})).toBe(false);
  });
  for (const variable of variables) {
    testUnless(missing, `${name} takes the leaf by ${variable}`, async () => {
      expect(await reaches(command(), { [variable]: bundle })).toBe(true);
    });
  }
}

const java = tool("java") ?? tool("keytool");
testUnless(
  java,
  "Java takes the leaf by a copy of its trust store with our CA added",
  async () => {
    const home = /java\.home = (.*)/.exec(
      spawnSync("java", ["-XshowSettings:properties", "-version"], { encoding: "utf8" }).stderr,
    );
    copyFileSync(join(home?.[1] ?? "", "lib/security/cacerts"), at("trust.jks"));
    spawnSync("chmod", ["u+w", at("trust.jks")]);
    const store = ["-keystore", at("trust.jks"), "-storepass", "changeit"];
    const added = spawnSync("keytool", [
      "-importcert",
      "-noprompt",
      "-alias",
      "sallyport",
      "-file",
      at("ca.crt"),
      ...store,
    ]);
    expect(added.status).toBe(0);
    writeFileSync(
      at("T.java"),
      `import java.net.*; import java.net.http.*; public class T { public static void main(String[] a) throws Exception {
        System.out.print(HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(a[0])).build(),
          HttpResponse.BodyHandlers.ofString()).body()); } }`,
    );
    const command = ["java", at("T.java"), url];
    expect(await reaches(command, {})).toBe(false);
    const told = { JAVA_TOOL_OPTIONS: `-Djavax.net.ssl.trustStore=${at("trust.jks")}` };
    expect(await reaches(command, told)).toBe(true);
  },
  120_000,
);
