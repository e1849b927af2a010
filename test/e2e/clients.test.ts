import { afterAll, beforeAll, expect } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { pythonWith, testUnless, tool } from "../_skip.ts";
import { Gateway, sha256 } from "./_gateway.ts";
import { run } from "./_run.ts";
import { type Authority, throwAwayAuthority, Upstream } from "./_upstream.ts";

const openssl = tool("openssl");
let gateway: Gateway;
let upstream: Upstream;
let secure: Upstream;
let authority: Authority | null = null;

beforeAll(async () => {
  gateway = await Gateway.start();
  upstream = await Upstream.start();
  if (openssl !== null) return;
  authority = throwAwayAuthority();
  secure = await Upstream.start(authority);
});

afterAll(async () => {
  await gateway.stop();
  await upstream.stop();
  if (authority === null) return;
  await secure.stop();
  authority.remove();
});

async function node(kind: string, base: string): Promise<unknown> {
  const script = join(import.meta.dirname, "clients/node.mjs");
  const ran = await run(
    ["node", script, kind, gateway.url, base],
    authority === null ? {} : { NODE_EXTRA_CA_CERTS: authority.caFile },
  );
  expect(ran).toMatchObject({ status: 0 });
  return JSON.parse(ran.stdout);
}

const WORDS = ["The ", "gate ", "is ", "guarded."];
const SAID = { whole: WORDS.join(""), parts: WORDS };

for (const scheme of ["http", "https"] as const) {
  const at = () => (scheme === "http" ? upstream : secure);
  const noTls = scheme === "http" ? null : openssl;
  const missing = noTls ?? tool("node");

  testUnless(missing, `Node fetch with undici's ProxyAgent, ${scheme}`, async () => {
    const said = await node("fetch", at().url);
    expect(said).toMatchObject({
      status: 200,
      body: { method: "POST", url: "/fetched", sha256: sha256("from undici") },
    });
  });

  testUnless(missing, `OpenAI SDK, whole and streaming, ${scheme}`, async () => {
    expect(await node("openai", at().url)).toEqual(SAID);
  });

  testUnless(missing, `Anthropic SDK, whole and streaming, ${scheme}`, async () => {
    expect(await node("anthropic", at().url)).toEqual(SAID);
  });

  for (const module of ["requests", "httpx"]) {
    const { python, missing: noPython } = pythonWith(module);
    testUnless(openssl ?? noPython, `Python ${module}, ${scheme}`, async () => {
      const script = join(import.meta.dirname, "clients/client.py");
      const ran = await run([python ?? "", script, module, gateway.url, at().url, authority?.caFile ?? ""]);
      expect(ran).toMatchObject({ status: 0 });
      expect(JSON.parse(ran.stdout)).toMatchObject({
        status: 200,
        // Inside a TLS tunnel the answer is the upstream's own.
        cert: scheme === "http",
        echo: { method: "POST", url: "/py", sha256: sha256("from python") },
        bytes: 100_000,
        streamed: 4500,
      });
    });
  }
}

testUnless(
  tool("node"),
  "plain http through undici's tunnel is decided per request, with the body's hash",
  async () => {
    await node("fetch", upstream.url);
    const inner = gateway.auditLines().filter((line) => line.content_hash === `sha256-${sha256("from undici")}`);
    expect(inner.length).toBeGreaterThan(0);
  },
);

testUnless(
  openssl ?? tool("node"),
  "WebSocket through the gateway: messages both ways, then an orderly close",
  async () => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("no upgrade", { status: 400 })),
      websocket: { message: (socket, message) => void socket.send(message) },
    });
    try {
      expect(await node("websocket", `http://127.0.0.1:${server.port}`)).toEqual({ first: "one", second: 100_000 });
    } finally {
      await server.stop(true);
    }
  },
);

testUnless(openssl ?? tool("git"), "git clone and push over HTTPS from git http-backend", async () => {
  const folder = join(gateway.folder, "git");
  const origin = join(folder, "origin.git");
  mkdirSync(folder);
  const home = { HOME: folder, GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0" };
  const git = async (args: string[], cwd = folder) => {
    const ran = await run(["git", "-c", "user.name=e2e", "-c", "user.email=e2e@test", ...args], home, "", cwd);
    expect(ran).toMatchObject({ status: 0 });
    return ran.stdout;
  };
  await git(["init", "-q", "--bare", "-b", "main", origin]);
  await git(["config", "http.receivepack", "true"], origin);
  const server = gitServer(folder, authority ?? throwAwayAuthority());
  try {
    const url = `https://localhost:${server.port}/origin.git`;
    const net = ["-c", `http.proxy=${gateway.url}`, "-c", `http.sslCAInfo=${authority?.caFile}`];
    await git([...net, "clone", "-q", url, "one"]);
    await Bun.write(join(folder, "one", "file"), "content\n".repeat(50_000));
    await git(["add", "file"], join(folder, "one"));
    await git(["commit", "-q", "-m", "a file"], join(folder, "one"));
    await git([...net, "push", "-q", "origin", "HEAD:main"], join(folder, "one"));
    await git([...net, "clone", "-q", url, "two"]);
    expect(await Bun.file(join(folder, "two", "file")).text()).toBe("content\n".repeat(50_000));
  } finally {
    await server.stop(true);
  }
});

/** CGI for `git http-backend` over TLS: as much of RFC 3875 as git needs. */
function gitServer(root: string, tls: Authority) {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: tls.cert, key: tls.key },
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const body = new Uint8Array(await request.arrayBuffer());
      const ran = await run(
        ["git", "http-backend"],
        {
          GIT_PROJECT_ROOT: root,
          GIT_HTTP_EXPORT_ALL: "1",
          REQUEST_METHOD: request.method,
          PATH_INFO: pathname,
          QUERY_STRING: search.slice(1),
          CONTENT_TYPE: request.headers.get("content-type") ?? "",
          CONTENT_LENGTH: String(body.length),
          HTTP_CONTENT_ENCODING: request.headers.get("content-encoding") ?? "",
          REMOTE_ADDR: "127.0.0.1",
          REMOTE_USER: "e2e",
        },
        body,
      );
      const end = ran.stdout.indexOf("\r\n\r\n");
      const headers = new Headers();
      let status = 200;
      for (const line of ran.stdout.slice(0, end).split("\r\n")) {
        const colon = line.indexOf(":");
        const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
        if (name.toLowerCase() === "status") status = Number.parseInt(value, 10);
        else headers.set(name, value);
      }
      return new Response(Buffer.from(ran.stdout.slice(end + 4), "latin1"), { status, headers });
    },
  });
}
