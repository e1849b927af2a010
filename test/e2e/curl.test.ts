import { afterAll, beforeAll, expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { testUnless, tool } from "../_skip.ts";
import { Gateway, sha256 } from "./_gateway.ts";
import { type Ran, run } from "./_run.ts";
import { type Authority, throwAwayAuthority, Upstream } from "./_upstream.ts";

const missing = tool("curl") ?? tool("openssl");
let gateway: Gateway;
let upstream: Upstream;
let secure: Upstream;
let authority: Authority;

beforeAll(async () => {
  if (missing !== null) return;
  authority = throwAwayAuthority();
  gateway = await Gateway.start({ EVE_PROXY_BLOCKED_HOSTS: "blocked.test" });
  upstream = await Upstream.start();
  secure = await Upstream.start(authority);
});

afterAll(async () => {
  if (missing !== null) return;
  await gateway.stop();
  await upstream.stop();
  await secure.stop();
  authority.remove();
});

const curl = (...args: string[]): Promise<Ran> =>
  run(["curl", "-sS", "--max-time", "50", "-x", gateway.url, "--cacert", authority.caFile, ...args]);

const file = (name: string, bytes: Uint8Array): string => {
  const path = join(gateway.folder, name);
  writeFileSync(path, bytes);
  return path;
};

testUnless(missing, "curl POST in absolute form is answered with a certificate", async () => {
  const ran = await curl("-D", "-", "-d", '{"prompt":"hello"}', `${upstream.url}/v1/x`);
  expect(ran.stdout).toContain("HTTP/1.1 200");
  expect(ran.stdout).toMatch(/^X-EVE-Decision-Cert: \{/m);
  expect(upstream.last.text).toBe('{"prompt":"hello"}');
});

testUnless(missing, "curl HTTPS goes through CONNECT, whose 200 carries a certificate", async () => {
  const ran = await curl("-D", "-", "-d", "over tls", `${secure.url}/tls`);
  expect(ran.status).toBe(0);
  expect(ran.stdout.match(/X-EVE-Decision-Cert/g)?.length).toBe(1);
  expect(secure.last.text).toBe("over tls");
});

testUnless(
  missing,
  "curl POST with Expect: 100-continue gets its 100 from the gateway and the upstream never sees it",
  async () => {
    const ran = await curl("-D", "-", "-H", "Expect: 100-continue", "-d", "expected", `${upstream.url}/expect`);
    expect(ran.stdout).toMatch(/^HTTP\/1\.1 100/);
    expect(upstream.last.text).toBe("expected");
    expect(upstream.last.headers.map((name) => name.toLowerCase())).not.toContain("expect");
  },
);

testUnless(missing, "curl in HTTP/1.0 gets no chunked body and no 1xx", async () => {
  const ran = await curl("-0", "-D", "-", "--no-buffer", `${upstream.url}/gzip`);
  expect(ran.status).toBe(0);
  expect(ran.stdout).not.toMatch(/transfer-encoding/i);
});

testUnless(missing, "curl upload in chunks arrives whole, with a Content-Length", async () => {
  const bytes = randomBytes(300_000);
  const ran = await curl(
    "-T",
    file("chunked.bin", bytes),
    "-H",
    "Transfer-Encoding: chunked",
    `${upstream.url}/chunked`,
  );
  expect(ran.status).toBe(0);
  expect(upstream.last.sha256).toBe(sha256(bytes));
  const names = upstream.last.headers.map((name) => name.toLowerCase());
  expect(names).toContain("content-length");
  expect(names).not.toContain("transfer-encoding");
});

testUnless(missing, "curl HEAD has the headers of the answer and no body, and the connection lives on", async () => {
  const ran = await curl(
    "-I",
    `${upstream.url}/bytes?n=1000`,
    "--next",
    "-sS",
    "-x",
    gateway.url,
    `${upstream.url}/after`,
  );
  expect(ran.stdout).toMatch(/^Content-Length: 1000\r$/m);
  expect(ran.stdout).toContain('"url":"/after"');
});

testUnless(missing, "curl --compressed gets the upstream's gzip untouched", async () => {
  const ran = await curl("--compressed", `${upstream.url}/gzip`);
  expect(ran.stdout).toBe("squeezed ".repeat(500));
});

testUnless(missing, "curl uploads 9 MB byte for byte", async () => {
  const bytes = randomBytes(9_000_000);
  const ran = await curl("-T", file("large.bin", bytes), `${upstream.url}/large`);
  expect(ran.stdout).toContain('"bytes":9000000');
  expect(upstream.last.sha256).toBe(sha256(bytes));
});

testUnless(missing, "curl downloads 60 MB byte for byte, plain and through a tunnel", async () => {
  for (const from of [upstream, secure]) {
    const path = join(gateway.folder, "download.bin");
    const ran = await curl("-o", path, `${from.url}/bytes?n=60000000`);
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(sha256(readFileSync(path))).toBe(sha256(Buffer.alloc(60_000_000, "0123456789abcdef")));
  }
});

testUnless(missing, "curl shows the body of a 451", async () => {
  const ran = await curl("-D", "-", "http://a.blocked.test/");
  expect(ran.stdout).toContain("HTTP/1.1 451");
  expect(JSON.parse(ran.stdout.split("\r\n\r\n")[1] ?? "").vector).toBe("blocked_host");
});

testUnless(missing, "curl to a blocked host over HTTPS ends with the refused CONNECT", async () => {
  const ran = await curl("https://a.blocked.test/");
  expect(ran.status).not.toBe(0);
  expect(ran.stderr).toContain("451");
});

testUnless(missing, "every line that curl left in the log verifies", () => {
  expect(gateway.verifyLogs()).toMatchObject({ status: 0 });
  expect(existsSync(gateway.auditPath)).toBe(true);
});
