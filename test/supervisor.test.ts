import { afterAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../src/errors.ts";
import { Log } from "../src/observe/log.ts";
import { runtime } from "../src/runtime/bun.ts";
import { Supervisor } from "../src/supervisor.ts";
import { freePort } from "./_free-port.ts";
import { testUnless, tool } from "./_skip.ts";
import { KEY, program, until } from "./e2e/_gateway.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-notify-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Prints every datagram that arrives at a socket, as systemd would read it; Python, because neither runtime can. */
const READER = `import socket, sys
name = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\\0" + name[1:] if name.startswith("@") else name)
print("bound", flush=True)
while True:
    print(s.recv(4096).decode().replace("\\n", "|"), flush=True)
`;

async function reader(name: string) {
  const child = spawn("python3", ["-c", READER, name], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (bytes: Uint8Array) => {
    text += new TextDecoder().decode(bytes);
  });
  await until(() => text.startsWith("bound\n"), "the socket is bound");
  return {
    heard: () => text.split("\n").slice(1, -1),
    [Symbol.dispose]: () => void child.kill("SIGKILL"),
  };
}

function log(lines: string[]): Log {
  const told = { ...runtime, stderr: (line: string) => void lines.push(line) };
  return new Log(told, { level: "info", format: "json", decisions: false });
}

const python = tool("python3");

test("a socket that is not there is complained about once, and stops nothing", () => {
  const lines: string[] = [];
  const env = { NOTIFY_SOCKET: join(folder, "nobody") };
  const supervisor = new Supervisor({ env, pid: 1, sendDatagram: runtime.sendDatagram }, log(lines));
  supervisor.ready("x");
  supervisor.stopping();
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain("nobody takes it");
});

test("without NOTIFY_SOCKET nothing is sent, and no watchdog of another process is answered", () => {
  let sent: string[] = [];
  const sendDatagram = (_path: string, text: string) => void sent.push(text);
  const lines: string[] = [];
  new Supervisor({ env: { WATCHDOG_USEC: "2000" }, pid: 1, sendDatagram }, log(lines)).ready("x");
  expect(sent).toEqual([]);
  const env = { NOTIFY_SOCKET: "@x", WATCHDOG_USEC: "2000", WATCHDOG_PID: "2" };
  const other = new Supervisor({ env, pid: 1, sendDatagram }, log(lines));
  other.ready("x");
  other.close();
  expect(sent).toEqual(["READY=1\nSTATUS=x"]);
  sent = [];
});

test("a reload that fails ends the reloading all the same", async () => {
  const sent: string[] = [];
  const sendDatagram = (_path: string, text: string) => void sent.push(text);
  const supervisor = new Supervisor({ env: { NOTIFY_SOCKET: "@x" }, pid: 1, sendDatagram }, log([]));
  const failing = supervisor.reloading(() => Promise.reject(new Error("no")));
  expect(sent).toEqual(["RELOADING=1"]);
  await expect(failing).rejects.toThrow("no");
  expect(sent).toEqual(["RELOADING=1", "READY=1"]);
});

for (const name of ["", "@", "x".repeat(108), "a\0b"]) {
  test(`sendDatagram refuses the name ${JSON.stringify(name.slice(0, 8))}`, () => {
    // "@" alone is a name the kernel would choose.
    expect(() => runtime.sendDatagram(name, "x")).toThrow(Fault);
  });
}

for (const workers of ["1", "2"]) {
  for (const place of ["path", "abstract"] as const) {
    testUnless(
      python,
      `${workers} process(es) tell a supervisor at ${place}: ready, alive, reloading, stopping`,
      async () => {
        const name = place === "path" ? join(folder, `s-${workers}`) : `@sallyport-test-${process.pid}-${workers}`;
        using supervisor = await reader(name);
        const [command = "", ...args] = program();
        const { heard } = supervisor;
        const gateway = spawn(command, [...args, "run"], {
          cwd: folder,
          stdio: ["ignore", "ignore", "inherit"],
          env: {
            PATH: process.env.PATH ?? "",
            HOME: folder,
            DENO_DIR: process.env.DENO_DIR,
            EVE_PROXY_HOST: "127.0.0.1",
            // Workers share a port, so they need one that is known.
            EVE_PROXY_PORT: workers === "1" ? "0" : String(await freePort()),
            EVE_PROXY_LOG_LEVEL: "error",
            EVE_PROXY_WORKERS: workers,
            EVE_PROXY_AUDIT_PATH: join(folder, place, workers, "events.jsonl"),
            JWT_SECRET_KEY: KEY,
            NOTIFY_SOCKET: name,
            WATCHDOG_USEC: "200000",
          },
        });
        const ended = new Promise<number | null>((resolve) => gateway.once("exit", resolve));
        try {
          await until(() => heard().some((line) => line.startsWith("READY=1|STATUS=")), "ready");
          // Never before it is ready.
          expect(heard()[0]).toStartWith("READY=1|STATUS=");
          await until(() => heard().filter((line) => line === "WATCHDOG=1").length >= 2, "watchdog");
          gateway.kill("SIGHUP");
          await until(() => heard().includes("RELOADING=1"), "reloading");
          await until(() => heard().includes("READY=1"), "reloaded");
          gateway.kill("SIGTERM");
          expect(await ended).toBe(0);
          await until(() => heard().includes("STOPPING=1"), "stopping");
          expect(heard().filter((line) => line.startsWith("READY=1|"))).toHaveLength(1);
          expect(heard().filter((line) => line === "STOPPING=1")).toHaveLength(1);
        } finally {
          gateway.kill("SIGKILL");
        }
      },
      120_000,
    );
  }
}
