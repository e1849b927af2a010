/** `sallyport exec --sandbox`: ways out that are not of the network: other people's sockets, the terminal, groups. */
import { afterAll, beforeAll, expect } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testUnless, tool } from "../_skip.ts";
import { ExecRig } from "./_exec.ts";

const rig = new ExecRig();
const folder = mkdtempSync(join(tmpdir(), "sallyport-outside-"));
const started: ChildProcess[] = [];
beforeAll(() => rig.start(), 120_000);
afterAll(() => {
  for (const child of started) child.kill("SIGKILL");
  rig.close();
  rmSync(folder, { recursive: true });
});

const LIMIT = 240_000;
const namespaces =
  process.platform === "linux" &&
  spawnSync("unshare", ["--user", "--map-root-user", "--net", "--mount", "true"]).status === 0
    ? null
    : "user namespaces cannot be made here";
const missing = tool("setpriv") ?? tool("ip") ?? tool("python3") ?? namespaces;

/** A server on a name that is bound as it is given; resolves when it listens. */
async function serve(cwd: string, name: string): Promise<void> {
  const script = `import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print("listens", flush=True)
# A program that was once started in a folder need not stay there.
os.chdir("/")
while True:
    c, _ = s.accept(); c.sendall(b"service"); c.close()`;
  const child = spawn("python3", ["-c", script, name], { cwd, stdio: ["ignore", "pipe", "inherit"] });
  started.push(child);
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("exit", () => reject(new Error(`nobody listens on ${name}`)));
  });
}

const ASK = `import socket, sys
for path in sys.argv[1:]:
    try:
        s = socket.socket(socket.AF_UNIX); s.connect(path); print(s.recv(10).decode())
    except OSError as error:
        print(error.strerror)`;

testUnless(
  missing,
  "sockets that are not where they were bound are out of reach, too",
  async () => {
    // Deeper than any of the usual places is searched.
    const deep = join(folder, "a/b/c/d/e");
    const other = join(folder, "f/g/h/i/j");
    for (const each of [deep, other]) mkdirSync(each, { recursive: true });
    await serve("/", join(deep, "linked.tmp"));
    linkSync(join(deep, "linked.tmp"), join(deep, "linked"));
    rmSync(join(deep, "linked.tmp"));
    await serve("/", join(deep, "renamed.tmp"));
    renameSync(join(deep, "renamed.tmp"), join(deep, "with a space\nand a line"));
    await serve("/", join(deep, "moved"));
    renameSync(join(deep, "moved"), join(other, "moved"));
    await serve("/", join(deep, "twice"));
    linkSync(join(deep, "twice"), join(other, "twice"));
    await serve(other, "relative");
    const names = ["linked", "with a space\nand a line", "twice"].map((name) => join(deep, name));
    const paths = [...names, ...["moved", "twice", "relative"].map((name) => join(other, name))];
    const lines = (text: string) => paths.map(() => `${text}\n`).join("");
    expect((await rig.exec(["python3", "-c", ASK, ...paths])).stdout).toBe(lines("service"));
    const inside = await rig.exec(["python3", "-c", ASK, ...paths], {}, ["--sandbox"]);
    expect(`${inside.stdout}${inside.status}`).toBe(`${lines("Connection refused")}0`);
  },
  LIMIT,
);

/** What a shell is to a command: it has the terminal, and reads from it when the command has ended. */
const SHELL = `import os, select, signal, subprocess, sys
for name in (signal.SIGINT, signal.SIGTSTP, signal.SIGWINCH):
    signal.signal(name, lambda *_: None)
code = subprocess.Popen(sys.argv[1:]).wait()
left = os.read(0, 100) if select.select([0], [], [], 0.3)[0] else b""
print("left", left.decode().strip(), "status", code, flush=True)`;
/** Plays the terminal: "ready" is answered with Ctrl-Z and a new size, "size" with Ctrl-C. */
const TERMINAL = `import fcntl, os, pty, select, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execvp("python3", ["python3", "-c", *sys.argv[1:]])
out, steps = b"", [
    (b"ready", lambda: (os.write(fd, b"\x1a"), fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0)))),
    (b"size 132", lambda: os.write(fd, b"\x03"))]
while select.select([fd], [], [], 40)[0]:
    try: out += os.read(fd, 4096)
    except OSError: break
    if steps and steps[0][0] in out: steps.pop(0)[1]()
print(out.decode())`;

function onTerminal(script: string): string {
  const { command, env } = rig.begin(["--sandbox", "--quiet"], {});
  const line = [...command, "--", "python3", "-c", script];
  const ran = spawnSync("python3", ["-c", TERMINAL, SHELL, ...line], {
    cwd: rig.root,
    env,
    encoding: "utf8",
    timeout: 60_000,
  });
  return `${ran.stdout}${ran.stderr}`;
}

function tiocsti(): string | null {
  try {
    return readFileSync("/proc/sys/dev/tty/legacy_tiocsti", "utf8").trim() === "0"
      ? "this kernel lets nobody type"
      : null;
  } catch {
    return process.platform === "linux" ? null : "Linux's";
  }
}

testUnless(
  missing ?? tiocsti(),
  "nothing can be typed into the terminal for the shell to read",
  () => {
    const type = `import fcntl, os, termios
def types(fd):
    for c in "echo typed\\n": fcntl.ioctl(fd, termios.TIOCSTI, c.encode())
for how in (lambda: types(0), lambda: types(os.open("/dev/tty", os.O_RDWR)), lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), lambda: types(0)):
    try: how(); print("could")
    except OSError as error: print("could not")`;
    const out = onTerminal(type);
    expect(out.match(/could not/g)).toHaveLength(4);
    expect(out).toContain("left  status 0");
  },
  LIMIT,
);

testUnless(
  missing ?? tiocsti(),
  "without a terminal of its own the command hears of Ctrl-C and of a new size, and Ctrl-Z stops nobody",
  () => {
    const listen = `import os, signal, subprocess, sys
child = subprocess.Popen(["sleep", "100"])
def interrupted(*_):
    os.write(1, b"child ended by %d." % -child.wait()); os._exit(7)
signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b"size %d" % os.get_terminal_size(0).columns))
signal.signal(signal.SIGINT, interrupted)
print("ready", flush=True)
while True: signal.pause()`;
    const out = onTerminal(listen);
    expect(out).toContain("size 132");
    expect(out).toContain("child ended by 2.");
    expect(out).toContain("left  status 7");
  },
  LIMIT,
);

const root = process.getuid?.() === 0 ? null : "not root, so nobody else can be played";
testUnless(
  missing ?? root,
  "supplementary groups are dropped by root, and told of by others",
  () => {
    chmodSync(folder, 0o755);
    const file = join(folder, "of-group-6");
    writeFileSync(file, "a secret of group 6");
    chownSync(file, 12_345, 6);
    chmodSync(file, 0o640);
    const run = (user: string) => {
      const home = join(folder, `home-${user}`);
      mkdirSync(home);
      chownSync(home, Number(user), Number(user));
      const { command, env } = rig.begin(["--sandbox"], { HOME: home, TMPDIR: home });
      const ours = command.map((arg) => (arg.includes("/run-") ? join(home, "evidence") : arg));
      const { EVE_PROXY_UPSTREAM_CA: _, ...settings } = env;
      const as = ["--reuid", user, "--regid", user, "--groups", "6", "--", ...ours, "--"];
      return spawnSync("setpriv", [...as, "cat", file], {
        cwd: home,
        env: settings,
        encoding: "utf8",
        timeout: 60_000,
      });
    };
    const dropped = run("0");
    expect(`${dropped.stdout}${dropped.status}`).toBe("1");
    expect(dropped.stderr).toContain("Permission denied");
    expect(dropped.stderr).not.toContain("keeps what your groups");
    const kept = run("65534");
    expect(kept.stdout).toBe("a secret of group 6");
    expect(kept.stderr).toMatch(/the command keeps what your groups "\w+" may do/);
  },
  LIMIT,
);
