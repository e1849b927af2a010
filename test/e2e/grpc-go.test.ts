/** gRPC of grpc-go, client and server, inside an intercepted tunnel of the program as users run it. */
import { afterAll, beforeAll, expect, setDefaultTimeout } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testUnless, tool } from "../_skip.ts";
import { Gateway, program } from "./_gateway.ts";
import { leafOf } from "./_grpc.ts";

setDefaultTimeout(120_000);
const folder = mkdtempSync(join(tmpdir(), "sallyport-grpc-go-"));
const at = (name: string) => join(folder, name);
let gateway: Gateway | null = null;
let server: ChildProcess | null = null;

/** The modules come through Go's proxy the first time, so a machine without it cannot say anything. */
function built(): string | null {
  const missing = tool("go");
  if (missing !== null) return missing;
  const cwd = join(import.meta.dirname, "grpc-go");
  const { status, stderr } = spawnSync("go", ["build", "-o", at("peer"), "."], {
    cwd,
    encoding: "utf8",
    timeout: 300_000,
  });
  return status === 0 ? null : `go build: ${stderr.trim().split("\n").at(-1) ?? ""}`;
}

const missing = built();

beforeAll(async () => {
  if (missing !== null) return;
  for (const name of ["ours", "theirs"]) {
    const [path = "", ...rest] = program();
    const done = spawnSync(path, [...rest, "ca", "init", "--dir", at(name), "--name", name], { encoding: "utf8" });
    if (done.status !== 0) throw new Error(done.stderr);
  }
  const { cert, key } = await leafOf(at("theirs"));
  writeFileSync(at("cert.pem"), cert);
  writeFileSync(at("key.pem"), key);
  gateway = await Gateway.start({
    EVE_PROXY_CA_CERT: at("ours/ca.crt"),
    EVE_PROXY_CA_KEY: at("ours/ca.key"),
    EVE_PROXY_UPSTREAM_CA: at("theirs/ca.crt"),
    EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8,::1/128",
  });
});

afterAll(async () => {
  server?.kill();
  await gateway?.stop();
  rmSync(folder, { recursive: true });
});

testUnless(
  missing,
  "grpc-go: unary, compressed, streamed and many calls, and vetoes within 8 KiB of metadata",
  async () => {
    server = spawn(at("peer"), ["server", at("cert.pem"), at("key.pem")], { stdio: ["pipe", "pipe", "inherit"] });
    const [said] = (await once(server.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
    const args = ["client", `localhost:${said.toString().trim()}`, at("ours/ca.crt"), `127.0.0.1:${gateway?.port}`];
    const client = spawn(at("peer"), args, { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    client.stdout.on("data", (text) => {
      out += text;
    });
    const [status] = (await once(client, "close")) as [number];
    expect(status).toBe(0);
    const calls = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(calls.map(({ Name, Code, Messages, Verdict }) => [Name, Code, Messages, Verdict])).toEqual([
      ["unary", 0, 1, null],
      ["gzip", 0, 1, null],
      ["attack", 7, 0, ["BLOCK"]],
      ["gzip attack", 7, 0, ["BLOCK"]],
      ["talk", 0, 4, null],
      ["third", 7, 2, ["BLOCK"]],
      ["many", 0, 200, null],
    ]);
    expect(calls[4]?.Trailing).toEqual(["done"]);
    for (const { Name, Decision } of calls.slice(0, -1)) {
      const [text = ""] = (Decision ?? []) as string[];
      expect([Name, gateway?.verify({ text }).status]).toEqual([Name, 0]);
    }
  },
  120_000,
);
