/** `sallyport exec --sandbox`: there is no way out but the gateway. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { testUnless, tool } from "../_skip.ts";
import { ExecRig } from "./_exec.ts";
import { until } from "./_process.ts";

const rig = new ExecRig();
const folder = mkdtempSync(join(tmpdir(), "sallyport-sandbox-"));
const socket = join(folder, "engine.sock");
let service: Server;
let reached = 0;
beforeAll(async () => {
  await rig.start();
  service = createServer((conn) => {
    reached++;
    conn.end("engine\n");
  });
  await new Promise<void>((resolve) => service.listen(socket, () => resolve()));
}, 120_000);
afterAll(() => {
  rig.close();
  service?.close();
  rmSync(folder, { recursive: true });
});

const LIMIT = 240_000;
const namespaces =
  process.platform !== "linux"
    ? "network namespaces are Linux's"
    : spawnSync("unshare", ["--user", "--map-root-user", "--net", "--mount", "true"]).status === 0
      ? null
      : "user namespaces cannot be made here";
const missing = tool("curl") ?? tool("setpriv") ?? tool("ip") ?? tool("python3") ?? namespaces;
const sandboxed = (command: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  rig.told(command, env, ["--sandbox"]);
const python = (script: string): readonly string[] => ["python3", "-c", script];

describe("inside", () => {
  testUnless(
    missing,
    "the gateway is reached, and reads what it is sent",
    async () => {
      const command = ["curl", "-sS", "--noproxy", "", "-d", "hi", `${rig.url}/echo/inside`];
      const { status, stdout, stderr, told } = await sandboxed(command);
      expect(`${status} ${stderr}`).toStartWith("0 ");
      expect(stdout).toBe("heard POST /echo/inside hi");
      expect(told).toMatchObject({ sandboxed: true, hosts: [{ host: "localhost", reached: true, requests: 1 }] });
    },
    LIMIT,
  );

  testUnless(
    missing ?? tool("node"),
    "Node reaches a server of its own on loopback, and not the host's",
    async () => {
      const script = `const http = require("http");
const get = async (url) => {
  const said = [await fetch(url).then((r) => r.text(), (e) => e.cause.code)];
  said.push(await new Promise((resolve) => {
    http.get(url, (a) => a.setEncoding("utf8").on("data", resolve)).on("error", (e) => resolve(e.code));
  }));
  console.log(said.join(" "));
};
const own = async (address, host) => {
  const server = http.createServer((_, a) => a.end("own")).listen(0, address);
  await new Promise((resolve) => server.on("listening", resolve));
  await get("http://" + host + ":" + server.address().port + "/");
  server.close();
  server.closeAllConnections();
};
own("127.0.0.1", "127.0.0.1").then(() => own("127.0.0.1", "localhost")).then(() => own("::1", "[::1]"))
  .then(() => get(process.argv.at(-1)));`;
      const host = `http://127.0.0.1:${new URL(rig.plainUrl).port}/echo/host`;
      const { stdout, stderr, told } = await sandboxed(["node", "-e", script, host]);
      expect(`${stdout} ${stderr}`).toStartWith(`${"own own\n".repeat(3)}ECONNREFUSED ECONNREFUSED\n`);
      expect(told.certificates).toBe(0);
      expect(rig.heard.filter((line) => line.includes("/echo/host"))).toEqual([]);
      // What docs/exec.md has for a model on this machine.
      const model = `${host}/model`;
      const both = `fetch(process.argv.at(-1)).then((r) => r.text()).then((text) => {
  console.log(text);
  require("http").get(process.argv.at(-1), (a) => a.pipe(process.stdout));
});`;
      for (const command of [
        ["node", "-e", both, model],
        ["curl", "-sS", model],
      ]) {
        const meant = await rig.told(command, {}, ["--sandbox", "--no-proxy", ""]);
        expect(meant.stdout).toStartWith("heard GET /echo/host/model");
        const requests = command[0] === "node" ? 2 : 1;
        expect(meant.told.hosts).toMatchObject([{ host: "127.0.0.1", reached: true, requests }]);
      }
    },
    LIMIT,
  );

  testUnless(
    missing,
    "large bodies arrive whole both ways, with readers that are slow",
    async () => {
      const bytes = Buffer.alloc(24_000_000);
      for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(i, i);
      const wanted = createHash("sha256").update(bytes).digest("hex");
      writeFileSync(join(rig.root, "files/large"), bytes);
      const slow = `import hashlib, sys, time
sum = hashlib.sha256()
while block := sys.stdin.buffer.read(1 << 20):
    sum.update(block); time.sleep(0.01)
print(sum.hexdigest())`;
      const script = `curl -sS --noproxy '' "$1/large" | python3 -c "$2"`;
      const down = await sandboxed(["sh", "-c", script, "sh", rig.url, slow]);
      expect(down.stdout).toBe(`${wanted}\n`);
      const sent = "some words of a text, and a line\n".repeat(100_000);
      writeFileSync(join(rig.root, "up"), sent);
      const up = ["curl", "-sS", "--noproxy", "", "--data-binary", `@${join(rig.root, "up")}`, `${rig.url}/echo/up`];
      // However busy this machine is: what is asked here is what the way carries.
      const { stdout } = await sandboxed(up, { EVE_PROXY_ENFORCE_TIMEOUT: "30" });
      expect(stdout.slice(0, 400)).toStartWith("heard POST /echo/up some words");
      expect(stdout).toBe(`heard POST /echo/up ${sent}`);
    },
    LIMIT,
  );

  testUnless(
    missing,
    "no other address is: not the host's, not by IPv6, not by UDP",
    async () => {
      const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
      const addresses = own
        .filter(({ internal, family }) => !internal && family === "IPv4")
        .map(({ address }) => address);
      const urls = [
        `https://127.0.0.1:${rig.port}`,
        ...[...addresses, "192.0.2.1", "[2001:db8::1]"].map((host) => `http://${host}/`),
      ];
      for (const url of urls) {
        const command = ["curl", "-ksS", "--noproxy", "*", "--max-time", "5", url];
        const { status, stderr } = await sandboxed(command);
        // 7: could not connect. 28 would be the time, and mean that something was sent.
        expect(`${url} ${status} ${stderr}`).toStartWith(`${url} 7 `);
      }
      const send = `import socket
for family, to in ((socket.AF_INET, "192.0.2.53"), (socket.AF_INET6, "2001:db8::53")):
    try:
        socket.socket(family, socket.SOCK_DGRAM).sendto(b"x", (to, 53))
        print("sent")
    except OSError as error:
        print(error.strerror)`;
      expect((await sandboxed(python(send))).stdout).toBe("Network is unreachable\nNetwork is unreachable\n");
    },
    LIMIT,
  );

  testUnless(
    missing,
    "loopback serves what the command starts itself, without the gateway",
    async () => {
      const serve = `import http.server, threading, urllib.request
class Own(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"own")
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Own)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/").read().decode())`;
      const { stdout, told } = await sandboxed(python(serve));
      expect(stdout).toBe("own\n");
      expect(told.certificates).toBe(0);
    },
    LIMIT,
  );

  testUnless(
    missing,
    "the forwarder leads to the gateway, which answers for itself and refuses itself as a destination",
    async () => {
      const script = `port="\${HTTPS_PROXY##*:}"
curl -sS -o /dev/null -w '%{http_code} ' "http://127.0.0.1:$port/healthz"
curl -sS -o /dev/null -w '%{http_code}' -x "http://127.0.0.1:$port" --noproxy '' "http://127.0.0.1:$port/healthz"`;
      expect((await sandboxed(["sh", "-c", script])).stdout).toBe("200 508");
    },
    LIMIT,
  );

  testUnless(
    missing,
    "services behind Unix sockets of the host are out of reach, however the command turns",
    async () => {
      const ask = `import socket, sys
try:
    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(10).decode())
except OSError as error:
    print(error.strerror)`;
      // The same outside finds it, so the test would fail if nothing was covered.
      const outside = await rig.exec([...python(ask), socket]);
      expect(outside.stdout).toBe("engine\n\n");
      const before = reached;
      expect((await sandboxed([...python(ask), socket])).stdout).toBe("Connection refused\n");
      const again = join(folder, "again");
      mkdirSync(again, { recursive: true });
      const turns = `umount "$1" 2>/dev/null
unshare --user --map-root-user --mount sh -c 'umount "$1"; mount --bind "$2" "$3"; python3 -c "$4" "$1"; python3 -c "$4" "$3/engine.sock"' sh "$1" "$2" "$3" "$4" 2>/dev/null
nsenter -t "$5" -n true 2>/dev/null && echo entered
ip link add one type dummy 2>/dev/null && echo made
exit 0`;
      const turned = await sandboxed(["sh", "-c", turns, "sh", socket, folder, again, ask, String(process.pid)]);
      expect(turned.status).toBe(0);
      expect(turned.stdout).not.toContain("engine");
      expect(turned.stdout).not.toContain("entered");
      expect(turned.stdout).not.toContain("made");
      expect(reached).toBe(before);
    },
    LIMIT,
  );

  testUnless(
    missing,
    "the command has its own user, no capability, and no way to gain one",
    async () => {
      const { stdout } = await sandboxed(["sh", "-c", "id -u; id -g; cat /proc/self/status"]);
      expect(stdout).toStartWith(`${process.getuid?.()}\n${process.getgid?.()}\n`);
      expect(stdout).toMatch(/^CapEff:\t0+$/m);
      expect(stdout).toMatch(/^CapPrm:\t0+$/m);
      expect(stdout).toMatch(/^NoNewPrivs:\t1$/m);
    },
    LIMIT,
  );

  testUnless(
    missing,
    "the exit code is the command's, and signals reach it",
    async () => {
      expect((await sandboxed(["sh", "-c", "exit 9"])).told.exit_code).toBe(9);
      expect((await sandboxed(["sh", "-c", "kill -TERM $$"])).status).toBe(143);
      expect((await sandboxed(["sallyport-no-such-program"])).status).toBe(127);
      const { command, env } = rig.begin(["--sandbox", "--quiet"], {});
      const [path = "", ...args] = [
        ...command,
        "--",
        "sh",
        "-c",
        "trap 'exit 33' TERM; echo ready; while :; do sleep 0.05; done",
      ];
      const child = spawn(path, args, { cwd: rig.root, env, stdio: ["ignore", "pipe", "inherit"] });
      child.stdout.once("data", () => child.kill("SIGTERM"));
      expect(await new Promise((resolve) => child.on("exit", resolve))).toBe(33);
    },
    LIMIT,
  );

  testUnless(
    missing,
    "a command whose gateway was killed is ended",
    async () => {
      const { command, env } = rig.begin(["--sandbox", "--quiet"], {});
      const [path = "", ...args] = [
        ...command,
        "--",
        "sh",
        "-c",
        "trap '' TERM; echo $$; while :; do sleep 0.05; done",
      ];
      const child = spawn(path, args, { cwd: rig.root, env, stdio: ["ignore", "pipe", "ignore"] });
      let out = "";
      child.stdout.setEncoding("utf8").on("data", (text) => {
        out += text;
      });
      await until(() => out.endsWith("\n"), "begun");
      const pid = Number(out);
      const lives = () => {
        try {
          process.kill(pid, 0);
          return true;
        } catch {
          return false;
        }
      };
      expect(lives()).toBe(true);
      child.kill("SIGKILL");
      await until(() => !lives(), "ended");
    },
    LIMIT,
  );

  const root = process.getuid?.() === 0 ? null : "not root, so nobody else can be played";
  testUnless(
    missing ?? root ?? tool("setpriv"),
    "it needs no root",
    async () => {
      const home = join(folder, "nobody");
      mkdirSync(home);
      chmodSync(folder, 0o755);
      chownSync(home, 65_534, 65_534);
      const { command, env } = rig.begin(["--sandbox", "--quiet"], { HOME: home, TMPDIR: home });
      // The folder of the rig is one that nobody may write.
      const ours = command.map((arg) => (arg.includes("/run-") ? join(home, "evidence") : arg));
      const { EVE_PROXY_UPSTREAM_CA: _, ...settings } = env;
      const as = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];
      const check =
        "id -u; curl -sS --noproxy '*' --max-time 5 http://192.0.2.1/ 2>&1 | head -c 8; curl -sS -o /dev/null -w '%{http_code}' http://192.0.2.1/";
      const ran = spawnSync("setpriv", [...as, ...ours, "--", "sh", "-c", check], {
        cwd: home,
        env: settings,
        encoding: "utf8",
        timeout: 50_000,
      });
      // The gateway was asked: a documentation address is vetoed.
      expect(`${ran.stdout}${ran.stderr}`).toBe("65534\ncurl: (7451");
    },
    LIMIT,
  );
});

testUnless(
  missing,
  "a program that cannot be started is told as without the sandbox",
  async () => {
    const text = join(folder, "text");
    writeFileSync(text, "text", { mode: 0o644 });
    for (const [program, code, words] of [
      ["sallyport-no-such-program", 127, "is not to be found"],
      [join(folder, "no such"), 127, "is not to be found"],
      [text, 126, "cannot be executed"],
      [folder, 126, "cannot be executed"],
    ] as const) {
      const [apart, plain] = [await rig.told([program], {}, ["--sandbox"]), await rig.told([program])];
      const said = `sallyport exec: ${JSON.stringify(program)} ${words}\n`;
      for (const { status, stderr, told } of [apart, plain]) {
        expect(`${status} ${told.exit_code} ${stderr}`).toStartWith(`${code} ${code} ${said}`);
        expect(stderr).not.toContain("setpriv");
      }
    }
    // Wherever on the PATH: what is found before and cannot be executed is passed over.
    mkdirSync(join(folder, "first"));
    writeFileSync(join(folder, "first", "echo"), "text", { mode: 0o644 });
    const { status, stdout } = await rig.exec(["echo", "ran"], { PATH: `${folder}/first:${process.env.PATH}` }, [
      "--sandbox",
    ]);
    expect(`${status} ${stdout}`).toBe("0 ran\n");
  },
  LIMIT,
);

describe("what cannot be confined is not run", () => {
  test(
    "each missing part is named",
    async () => {
      // A PATH of its own, in which one program after the other is missing.
      const tools = ["sh", "true", "echo", "unshare", "setpriv", "ip", "mount", "cat", "find", "ss", "setsid"];
      for (const [left, name] of [
        ["unshare", "there is no unshare"],
        ["setpriv", "there is no setpriv"],
        ["ip", "there is no ip"],
      ] as const) {
        const path = join(folder, `without-${left}`);
        mkdirSync(path);
        for (const one of tools.filter((each) => each !== left)) {
          const found = Bun.which(one);
          if (found !== null) symlinkSync(found, join(path, one));
        }
        if (missing !== null && !readdirSync(path).includes("unshare") && left !== "unshare") continue;
        const { status, stdout, stderr } = await rig.exec(["echo", "ran"], { PATH: path }, ["--sandbox"]);
        expect(status).toBe(1);
        expect(stdout).toBe("");
        expect(stderr).toContain("cannot confine the command");
        expect(stderr).toContain(process.platform === "linux" ? name : "Linux's");
        expect(stderr).toContain("nothing was run");
      }
    },
    LIMIT,
  );
});
