import { afterAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../src/errors.ts";
import { handedOver } from "../src/handed-over.ts";
import { leashed } from "./_at-the-end.ts";
import { freePort } from "./_free-port.ts";
import { testUnless, tool } from "./_skip.ts";
import { KEY, ROOT, statusOf, until } from "./e2e/_gateway.ts";
import { listeningPort } from "./e2e/_process.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-handed-"));
const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

const given = (env: Record<string, string>) => handedOver({ env, pid: 42 });

for (const count of ["", "-1", "1.5", " 1", "01", "one", "1025", "99999999999"]) {
  test(`LISTEN_FDS of ${JSON.stringify(count)} is refused`, () => {
    expect(() => given({ LISTEN_PID: "42", LISTEN_FDS: count })).toThrow(Fault);
  });
}

test("several sockets are refused, by their names", () => {
  const two = { LISTEN_PID: "42", LISTEN_FDS: "2", LISTEN_FDNAMES: "proxy:\u001b[2Jadmin" };
  expect(() => given(two)).toThrow(/2 sockets were handed over \("proxy:\\u001b\[2Jadmin"\)/);
});

test("what was handed to another process, or to nobody, is not ours", () => {
  expect(given({})).toBeNull();
  expect(given({ LISTEN_FDS: "1" })).toBeNull();
  expect(given({ LISTEN_PID: "42" })).toBeNull();
  expect(given({ LISTEN_PID: "43", LISTEN_FDS: "1" })).toBeNull();
  expect(given({ LISTEN_PID: "042", LISTEN_FDS: "1" })).toBeNull();
  expect(given({ LISTEN_PID: "42", LISTEN_FDS: "0" })).toBeNull();
});

test("one socket is the third descriptor, whatever its name", () => {
  expect(given({ LISTEN_PID: "42", LISTEN_FDS: "1" })).toEqual({ fd: 3, name: "" });
  expect(given({ LISTEN_PID: "42", LISTEN_FDS: "1", LISTEN_FDNAMES: "proxy" })).toEqual({ fd: 3, name: '"proxy"' });
});

/** Makes a socket, says its port, and for every line it reads starts the command with that as its third descriptor. */
const PARENT = `import os, socket, subprocess, sys
what, command = sys.argv[1], sys.argv[2:]
if what == "udp":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0))
elif what == "unbound":
    s = socket.socket()
else:
    six = ":" in what
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
    if six: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind((what, 0)); s.listen(64)
    print(s.getsockname()[1], flush=True)
if s.fileno() != 3: os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
def mine():
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="proxy")
    os.execvp(command[0], command)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0: mine()
    print("started", pid, flush=True)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
`;

class Parent implements Disposable {
  readonly #child: ChildProcess;
  stdout = "";
  stderr = "";

  constructor(command: readonly string[], what: string, env: Record<string, string> = {}) {
    const own = {
      PATH: process.env.PATH ?? "",
      HOME: folder,
      DENO_DIR: process.env.DENO_DIR ?? folder,
      DENO_NO_UPDATE_CHECK: "1",
      EVE_PROXY_AUDIT_PATH: join(mkdtempSync(join(folder, "audit-")), "events.jsonl"),
      EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8",
      EVE_PROXY_LOG_FORMAT: "json",
      JWT_SECRET_KEY: KEY,
      ...env,
    };
    const args = ["-c", PARENT, what, ...command, "run"];
    this.#child = spawn("python3", args, { cwd: folder, env: own, stdio: ["pipe", "pipe", "pipe"] });
    children.add(this.#child);
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
  }

  start(): void {
    this.#child.stdin?.write("\n");
  }

  /** The process id of the one that was started last. */
  async pid(): Promise<number> {
    await until(() => /started \d+/.test(this.stdout), "started");
    return Number(
      this.stdout
        .match(/started (\d+)/g)
        ?.at(-1)
        ?.split(" ")[1],
    );
  }

  /** Its exit status. */
  async ended(): Promise<string> {
    await until(() => this.stdout.includes("ended"), "ended");
    return this.stdout.split("ended ")[1]?.trim() ?? "";
  }

  /** What was said before the end comes by another pipe than the end. */
  said(text: string): Promise<void> {
    return until(() => this.stderr.includes(text), `told of "${text}"`);
  }

  [Symbol.dispose](): void {
    const pid = Number(
      this.stdout
        .match(/started (\d+)/g)
        ?.at(-1)
        ?.split(" ")[1] ?? 0,
    );
    this.#child.kill("SIGKILL");
    try {
      if (pid > 0) process.kill(pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

const bin = (name: string) => join(ROOT, "node_modules/.bin", name);
const MAIN = join(ROOT, "src/main.ts");
const built = join(ROOT, "dist/sallyport");
const PROGRAMS: readonly (readonly [string, readonly string[], string | null])[] = [
  ["bun", [bin("bun"), MAIN], null],
  ["deno", [bin("deno"), "run", "-A", "--config", join(ROOT, "deno.json"), MAIN], null],
  ["binary", [built], existsSync(built) ? null : "no dist/sallyport (npm run build -- host)"],
];
const python = tool("python3");

function ask(port: number, host: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = net.connect(port, host, () => socket.write(text));
    socket.setEncoding("latin1").on("data", (bytes) => {
      answer += bytes;
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
  });
}

for (const [name, command, missing] of PROGRAMS) {
  testUnless(
    python ?? missing,
    `${name}: who came before the gateway is served, and so is who comes between its end and its start`,
    async () => {
      using parent = new Parent(command, "::");
      await until(() => parent.stdout.includes("\n"), "bound");
      const port = Number(parent.stdout.split("\n")[0]);
      const health = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
      const early = [ask(port, "127.0.0.1", health), ask(port, "::1", health)];
      parent.start();
      for (const answer of early) expect(await answer).toStartWith("HTTP/1.1 200");
      await until(() => listeningPort(parent.stderr) !== null, "listening");
      expect(listeningPort(parent.stderr)).toBe(port);
      await parent.said('"host":"::"');
      await until(async () => (await statusOf(port, "/readyz")) === 200, "ready");
      const pid = await parent.pid();
      // The loop guard knows the port that nobody configured.
      const loop = `GET http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`;
      expect(await ask(port, "127.0.0.1", loop)).toStartWith("HTTP/1.1 508");
      // Redirect and healthcheck would go to the one that is configured.
      await parent.said("another port than EVE_PROXY_PORT");

      process.kill(pid, "SIGTERM");
      expect(await parent.ended()).toBe("0");
      const between = ask(port, "127.0.0.1", health);
      parent.start();
      expect(await between).toStartWith("HTTP/1.1 200");
    },
    120_000,
  );

  for (const [what, why] of [
    ["udp", "no TCP"],
    ["unbound", "does not listen"],
  ] as const) {
    testUnless(
      python ?? missing,
      `${name}: a descriptor that is ${what} keeps it from starting`,
      async () => {
        using parent = new Parent(command, what);
        parent.start();
        expect(await parent.ended()).toBe("1");
        await parent.said(why);
        await parent.said("LISTEN_FDS");
      },
      120_000,
    );
  }
}

testUnless(
  python,
  "with workers a socket that was handed over is refused",
  async () => {
    using parent = new Parent(PROGRAMS[0]?.[1] ?? [], "127.0.0.1", { EVE_PROXY_WORKERS: "2" });
    parent.start();
    expect(await parent.ended()).toBe("78");
    await parent.said("EVE_PROXY_WORKERS is 2");
  },
  120_000,
);

testUnless(
  tool("systemd-socket-activate"),
  "systemd-socket-activate hands over a socket that is served",
  async () => {
    const port = await freePort();
    const env = {
      JWT_SECRET_KEY: KEY,
      EVE_PROXY_PORT: String(port),
      EVE_PROXY_AUDIT_PATH: join(folder, "activated/e.jsonl"),
    };
    const pass = Object.entries(env).flatMap(([name, value]) => ["-E", `${name}=${value}`]);
    const child = leashed(
      spawn(
        "systemd-socket-activate",
        ["-l", `127.0.0.1:${port}`, "--fdname=proxy", ...pass, ...(PROGRAMS[0]?.[1] ?? []), "run"],
        { cwd: folder, stdio: ["ignore", "ignore", "pipe"] },
      ),
    );
    children.add(child);
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    await until(() => stderr.includes("Listening on"), "the socket is there");
    // It starts when somebody comes, and serves them.
    expect(existsSync(join(folder, "activated"))).toBe(false);
    expect(await statusOf(port, "/healthz")).toBe(200);
    await until(() => stderr.includes('"handed_over":"\\"proxy\\""'), "told what it was given");
    expect(stderr).not.toContain("another port");
    const gone = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    expect(await gone).toBe(0);
  },
  120_000,
);
