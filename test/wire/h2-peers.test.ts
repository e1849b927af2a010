/** The engine against those who did not write it: curl (nghttp2), Go and Node, on real sockets. */
import { afterAll, beforeAll, expect } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtime } from "#runtime";
import type { Listener } from "../../src/runtime/contract.ts";
import { H2_LIMITS, H2Client } from "../../src/wire/h2.ts";
import { testUnless, tool } from "../_skip.ts";
import { answering, Driver } from "./_h2-conn.ts";

const peers = join(import.meta.dirname, "peers");
const folder = mkdtempSync(join(tmpdir(), "sallyport-h2-"));
const program = join(folder, "h2");
let listener: Listener;
let url = "";
let built: Promise<number> | null = null;

beforeAll(async () => {
  listener = await runtime.listen({ host: "127.0.0.1", port: 0 }, answering);
  url = `http://127.0.0.1:${listener.port}`;
});

afterAll(async () => {
  await listener.close();
  rmSync(folder, { recursive: true });
});

/** net/http speaks HTTP/2 without TLS since 1.24. */
function go(): string | null {
  const missing = tool("go");
  if (missing !== null) return missing;
  const version = /go1\.(\d+)/.exec(spawnSync("go", ["version"]).stdout.toString())?.[1];
  return Number(version) >= 25 ? null : `go 1.${version} is too old`;
}

function curl(): string | null {
  const missing = tool("curl");
  if (missing !== null) return missing;
  return spawnSync("curl", ["-V"]).stdout.includes("nghttp2") ? null : "curl without nghttp2";
}

async function run(
  command: string,
  args: readonly string[],
  input?: Uint8Array,
): Promise<{ status: number; out: Buffer; err: string }> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  const out: Buffer[] = [];
  let err = "";
  child.stdout.on("data", (part: Buffer) => out.push(part));
  child.stderr.on("data", (part: Buffer) => {
    err += part;
  });
  child.stdin.end(input);
  const [status] = (await once(child, "close")) as [number];
  return { status, out: Buffer.concat(out), err };
}

async function goProgram(): Promise<string> {
  built ??= run("go", ["build", "-o", program, join(peers, "h2.go")]).then(({ status, err }) => {
    expect(err).toBe("");
    return status;
  });
  expect(await built).toBe(0);
  return program;
}

// One request a connection: curl 7.88 with prior knowledge fails on a second one, whoever serves (Node's server too).
testUnless(
  curl(),
  "curl: get, head, post",
  async () => {
    const flags = ["-sS", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code}\n"];
    const got = await run("curl", [...flags, "-o", "/dev/null", `${url}/3000000`]);
    expect([got.status, got.err, got.out.toString()]).toEqual([0, "", "2 200\n"]);
    const head = await run("curl", ["-sS", "--http2-prior-knowledge", "-I", `${url}/1`]);
    expect([head.status, head.err]).toEqual([0, ""]);
    expect(head.out.toString()).toContain("x-method: HEAD");
    const body = new Uint8Array(2_000_000).map((_, i) => i * 7);
    const posted = await run("curl", [...flags, "--data-binary", "@-", `${url}/echo`], body);
    expect(posted.status).toBe(0);
    expect(posted.out.subarray(0, body.length).equals(body)).toBe(true);
    expect(posted.out.subarray(body.length).toString()).toBe("2 200\n");
  },
  120_000,
);

testUnless(
  tool("node"),
  "node: 150 bodies both ways at once, with trailers",
  async () => {
    const ran = await run("node", [join(peers, "h2.mjs"), url]);
    expect([ran.status, ran.out.toString(), ran.err]).toEqual([0, "ok\n", ""]);
  },
  120_000,
);

testUnless(
  go(),
  "go: a client with 200 bodies both ways at once, with trailers",
  async () => {
    const ran = await run(await goProgram(), ["client", url]);
    expect([ran.status, ran.out.toString(), ran.err]).toEqual([0, "ok\n", ""]);
  },
  180_000,
);

testUnless(
  go(),
  "go: a server answers 300 requests of ours, as many at once as it takes",
  async () => {
    const server = spawn(await goProgram(), ["server"], { stdio: ["pipe", "pipe", "inherit"] });
    try {
      const [line] = (await once(server.stdout, "data")) as [Buffer];
      const port = Number(line.toString().trim().split(":").at(-1));
      const results = await ask(port, 300);
      expect(results.size).toBe(300);
      for (const [id, { i, size, seen, trailer }] of results) expect([id, seen, trailer]).toEqual([id, size, `${i}`]);
    } finally {
      server.stdin.end();
    }
  },
  180_000,
);

interface Asked {
  i: number;
  size: number;
  seen: number;
  trailer: string | undefined;
}

async function ask(port: number, count: number): Promise<Map<number, Asked>> {
  const asked = new Map<number, Asked>();
  const driver = new Driver();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let over = 0;
  let sent = 0;
  const h2: H2Client = new H2Client(H2_LIMITS, {
    informational: () => {},
    response: (_, head) => {
      if (head.status !== 200 || !head.headers.includes("HTTP/2.0")) reject(new Error(`answered ${head.status}`));
    },
    data: (id, bytes) => {
      const one = asked.get(id);
      if (one !== undefined && bytes.every((byte) => byte === one.i % 256)) one.seen += bytes.length;
      h2.consumed(id, bytes.length);
    },
    end: (id, trailers) => {
      const one = asked.get(id);
      if (one !== undefined && trailers?.[0] === "x-done") one.trailer = trailers[1];
    },
    closed: () => {
      over++;
      if (over === count) resolve();
      else more();
    },
    writable: () => {},
    reset: (id, code) => reject(new Error(`stream ${id} was reset with ${code}`)),
    unprocessed: (id) => reject(new Error(`stream ${id} was refused`)),
    goaway: (_, code) => reject(new Error(`goaway ${code}`)),
    failed: (fault) => reject(new Error(fault.reason)),
    ready: () => driver.ready(),
  });
  const more = (): void => {
    while (sent < count) {
      const fields = ["X-Id", `${sent}`, "TE", "trailers", "Authorization", "Bearer none"];
      const id = h2.open({ method: "POST", scheme: "http", authority: "a.test", path: "/echo" }, fields, false);
      if (id === 0) return;
      const size = 1 + sent * 700;
      asked.set(id, { i: sent, size, seen: 0, trailer: undefined });
      h2.data(id, new Uint8Array(size).fill(sent), true);
      sent++;
    }
  };
  driver.h2 = h2;
  driver.conn = await runtime.dial({ address: "127.0.0.1", port }, driver).conn;
  more();
  driver.flush();
  await promise;
  driver.conn.destroy();
  return asked;
}
