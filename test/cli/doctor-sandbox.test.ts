/** What doctor says of `exec --sandbox`: tried on this host, and on kernels that say no in each of their ways. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { sandbox } from "../../src/cli/_doctor-host.ts";
import { canType } from "../../src/cli/_exec-terminal.ts";
import { sandboxAbility } from "../../src/cli/_sandbox-ability.ts";
import type { Captured, Runtime } from "../../src/runtime/contract.ts";
import { testUnless } from "../_skip.ts";
import { emptyDirectory, MAIN, sallyport } from "./_program.ts";

const ENV = { EVE_PROXY_DEV: "1", EVE_PROXY_HOST: "127.0.0.1", EVE_PROXY_PORT: "0" };
const NO_NAMESPACES =
  process.platform === "linux" &&
  Bun.spawnSync(["unshare", "--user", "--map-root-user", "--net", "--mount", "--", "ip", "link", "set", "lo", "up"], {
    stderr: "ignore",
  }).exitCode === 0
    ? null
    : "user namespaces cannot be made here";

let directory = "";
beforeAll(async () => {
  directory = await emptyDirectory();
});
afterAll(() => rm(directory, { recursive: true }));

const lineOf = (stdout: string): string => stdout.split("\n").find((line) => line.includes("exec sandbox")) ?? "";

interface Host {
  readonly platform?: string;
  readonly files?: Readonly<Record<string, string>>;
  /** Exit status of what is run; absent: it cannot be started. */
  readonly status?: (command: string) => number | null;
  /** What a program says; absent or null: it is killed for taking too long. */
  readonly says?: (command: string) => string | null;
}

const MOUNTS = `22 1 8:1 / / rw - ext4 /dev/sda rw
23 22 0:300 / /run rw - tmpfs tmpfs rw
24 22 0:300 /a /mnt/other\\040place rw - tmpfs tmpfs rw
`;

/** What the ability asks of a runtime, on a host as it is told. */
function host({ platform = "linux", files = {}, status = () => 0, says = () => "" }: Host): Runtime {
  const all: Readonly<Record<string, string>> = {
    "/proc/self/status": "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\n",
    "/proc/net/unix": "Num RefCount Protocol Flags Type St Inode Path\n",
    "/proc/self/mountinfo": MOUNTS,
    ...files,
  };
  const asked: Pick<Runtime, "platform" | "env" | "readFile" | "spawn" | "capture"> = {
    platform,
    env: { PATH: "/bin", HOME: "/home/me" },
    capture: async (command): Promise<Captured> => {
      const stdout = says(command.join(" "));
      return { code: stdout === null ? null : 0, stdout: stdout ?? "", stderr: "" };
    },
    readFile: async (path) => {
      const text = all[path];
      if (text === undefined) throw new Error(`no ${path}`);
      return new TextEncoder().encode(text);
    },
    spawn: async (command) => {
      const code = status(command.join(" "));
      if (code === null) return "not_found";
      return { pid: 1, exited: Promise.resolve({ code, signal: null }), signal() {} };
    },
  };
  return asked as Runtime;
}

const refusesNamespaces = (command: string): number => (command.includes("--map-root-user") ? 1 : 0);

test("elsewhere than on Linux there is no sandbox, and nothing is run to find out", async () => {
  const status = () => {
    throw new Error("run");
  };
  expect(await sandbox(host({ platform: "darwin", status }))).toEqual({
    state: "note",
    about: "exec sandbox",
    detail:
      "exec --sandbox would refuse, and run nothing: network namespaces are Linux's, and this is darwin: use a Linux host",
  });
});

test.each([
  ["user/max_user_namespaces", "0\n", "sysctl -w user.max_user_namespaces=10000"],
  ["kernel/unprivileged_userns_clone", "0\n", "sysctl -w kernel.unprivileged_userns_clone=1"],
  [
    "kernel/apparmor_restrict_unprivileged_userns",
    "1\n",
    "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give unshare an AppArmor profile with userns",
  ],
])("a kernel that forbids namespaces by %s is told which setting allows them", async (name, value, fix) => {
  const files = { [`/proc/sys/${name}`]: value };
  const ability = await sandboxAbility(host({ files, status: refusesNamespaces }), false);
  expect(ability).toEqual({ what: "user namespaces cannot be made here", fix });
});

test("where no setting forbids them, what is around us is named", async () => {
  const files = {
    "/proc/sys/user/max_user_namespaces": "96365\n",
    "/proc/sys/kernel/unprivileged_userns_clone": "1\n",
  };
  const ability = await sandboxAbility(host({ files, status: refusesNamespaces }), false);
  expect(ability).toMatchObject({ fix: expect.stringContaining("seccomp and AppArmor profiles") });
});

test.each(["unshare", "setpriv", "setsid", "ip", "mount", "find", "ss"])(
  "without %s it is not told to work",
  async (tool) => {
    const status = (command: string) => (command.includes(` sh ${tool} `) ? 127 : 0);
    const ability = await sandboxAbility(host({ status }), false);
    expect(ability).toEqual({ what: expect.stringContaining(`there is no ${tool} (`), fix: "install it" });
  },
);

test("an unshare that cannot make one namespace inside another is told its version", async () => {
  const status = (command: string) => (command.includes("--map-user=1000") ? 1 : 0);
  const ability = await sandboxAbility(host({ status }), false);
  expect(ability).toMatchObject({ fix: "install util-linux 2.38 or newer" });
});

const named = (path: string) => `ffff: 00000002 00000000 00010000 0001 01 100${path === "" ? "" : ` ${path}`}\n`;
/** A line of ss(8), which shows MAJOR and MINOR of another encoding: 8:1 as 0/2049, 0:300 as 1/44. */
const bound = (name: string, inode: number, device: string) =>
  `u_str LISTEN 0 128 ${name} 100 * 0 <-> ino:${inode} dev:${device} peers:\n`;
/** A record of find(1), with the number stat(2) has: 8:1 is 2049, 0:300 is 1048620. */
const file = (path: string, inode: number, { device = 2049, links = 1 } = {}) =>
  `${device} ${inode} ${links} ${path}\0`;

test("the folder of each name is searched, and where else the same file system is mounted is told", async () => {
  const files = { "/proc/net/unix": ["/run/a b.sock", "/run/a b.sock", "@abstract", "", "/c"].map(named).join("") };
  const asked: string[] = [];
  const says = (command: string) => {
    asked.push(command);
    if (command.startsWith("ss "))
      return bound("/run/a b.sock", 7, "1/44") + bound("/c", 8, "0/2049") + bound("@x", 1, "");
    if (!command.includes("-maxdepth 1 ")) return "";
    return file("/run/a/moved\nb", 7, { device: 1048620 }) + file("/c", 8);
  };
  const { sockets } = (await sandboxAbility(host({ files, says }), false)) as { readonly sockets: readonly string[] };
  expect([...new Set(sockets)].toSorted()).toEqual(["/c", "/mnt/other place/moved\nb", "/run/a/moved\nb"]);
  expect(asked).toHaveLength(3);
  expect(asked[1]).toStartWith("find -H /run / -maxdepth 1 ");
  expect(asked[2]).toContain(" /home/me ");
});

test.each([
  ["is not found near", ""],
  ["has a second link", file("/tmp/one", 8, { links: 2 })],
  ["shares its number with one of another file system", file("/run/other", 8, { device: 1048620 })],
])("a socket that %s is looked for where its file system is mounted, and nowhere else", async (_, near) => {
  const says = (whole: string | null) => (command: string) => {
    if (command.startsWith("ss ")) return bound("rel.sock", 8, "0/2049");
    if (!command.includes("-xdev")) return near;
    expect(command).toStartWith("find -H / -xdev ");
    return whole;
  };
  const found = await sandboxAbility(host({ says: says(file("/srv/deep", 8)) }), false);
  expect(found).toMatchObject({ sockets: expect.arrayContaining(["/srv/deep"]) });
  // A bound on time, and what may be beyond it is not run beside.
  expect(await sandboxAbility(host({ says: says(null) }), false)).toMatchObject({
    what: expect.stringContaining("1 Unix sockets are not in the usual places"),
  });
});

test("a socket on a file system that is not mounted here, or closed meanwhile, is not searched for", async () => {
  let closed = false;
  const says = (command: string) => {
    if (command.includes("-xdev")) throw new Error("searched");
    if (!command.startsWith("ss ")) return "";
    const line = closed ? "" : bound("rel.sock", 9, "0/2049");
    closed = true;
    return bound("/far", 8, "0/77") + line;
  };
  expect(await sandboxAbility(host({ says }), false)).toMatchObject({ sockets: [] });
});

test("a kernel that does not tell inodes, names that are not text, and more sockets than can be covered are lacks", async () => {
  const blind = await sandboxAbility(host({ says: () => "u_str LISTEN 0 128 /run/x 100 * 0\n" }), false);
  expect(blind).toMatchObject({ fix: "modprobe unix_diag" });
  const says = (text: string) => (command: string) => (command.startsWith("ss ") ? "" : text);
  const odd = await sandboxAbility(host({ says: says(file("/tmp/\uFFFD", 8)) }), false);
  expect(odd).toMatchObject({ what: expect.stringContaining("not UTF-8") });
  const crowd = says(Array.from({ length: 4097 }, (_, i) => file(`/tmp/${i}`, i)).join(""));
  const many = { "/proc/net/unix": Array.from({ length: 4097 }, (_, i) => named(`/s/${i}`)).join("") };
  for (const each of [host({ says: crowd }), host({ files: many })])
    expect(await sandboxAbility(each, false)).toMatchObject({ what: expect.stringContaining("more than 4096") });
});

test("supplementary groups are dropped where that is allowed, else told by name; one's own is none", async () => {
  const files = {
    "/proc/self/status": "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t6 999 1000 \n",
    "/etc/group": "root:x:0:\ndisk:x:6:me\nme:x:1000:\n",
  };
  const status = (command: string) => (command.includes("--clear-groups") ? 1 : 0);
  expect(await sandboxAbility(host({ files, status }), false)).toMatchObject({
    groups: ["disk", "999"],
    ungrouped: [],
  });
  const ungrouped = ["setpriv", "--clear-groups", "--"];
  expect(await sandboxAbility(host({ files }), false)).toMatchObject({ groups: [], ungrouped });
  expect(await sandboxAbility(host({}), false)).toMatchObject({ groups: [], ungrouped: [] });
});

test.each([
  ["no terminal", "0 -1", "1\n", false],
  ["a terminal, and everybody may type", "34816 9", "1\n", true],
  ["a terminal, and nobody may type", "34816 9", "0\n", false],
  ["a terminal, and a kernel without the setting", "34816 9", null, true],
  ["a console, which can be pasted into", "1025 9", "0\n", true],
])("with %s the command is in a session of its own, or not", async (_, terminal, setting, apart) => {
  const files = {
    "/proc/self/stat": `9 (a) b) S 8 9 8 ${terminal} 4194304 0`,
    ...(setting === null ? {} : { "/proc/sys/dev/tty/legacy_tiocsti": setting }),
  };
  expect(await canType(host({ files }))).toBe(apart);
});

test("what cannot be tried is said to be so, and is no failure", async () => {
  const status = () => {
    throw new Error("no programs here");
  };
  expect(await sandbox(host({ status }))).toEqual({
    state: "note",
    about: "exec sandbox",
    detail: "whether exec --sandbox can work cannot be tried: no programs here",
  });
});

testUnless(NO_NAMESPACES, "doctor tries it: ok on this host, and nothing of it on the standard error", async () => {
  const { stdout, stderr, code } = await sallyport(directory, ["doctor"], ENV);
  expect(lineOf(stdout)).toBe("  ok    exec sandbox   exec --sandbox can confine a command here");
  expect(stderr).toBe("");
  expect(code).toBe(0);
});

testUnless(
  NO_NAMESPACES,
  "doctor on a kernel that allows no more namespaces names the setting, and exits 0",
  async () => {
    // The setting counts for one user namespace, so in one of its own it can be turned off for real.
    const script = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"';
    const command = ["unshare", "--user", "--map-root-user", "--", "sh", "-c", script, "sh", process.execPath, MAIN];
    const child = Bun.spawn([...command, "doctor"], {
      cwd: directory,
      env: { PATH: process.env.PATH ?? "", ...ENV },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(lineOf(stdout)).toBe(
      "  note  exec sandbox   exec --sandbox would refuse, and run nothing: user namespaces cannot be made here: sysctl -w user.max_user_namespaces=10000",
    );
    expect(stderr).toBe("");
    expect(await child.exited).toBe(0);
  },
);

testUnless(
  process.platform === "linux" ? null : "namespaces are Linux's",
  "doctor where a tool is missing names it, and exits 0",
  async () => {
    const path = join(directory, "without-ip");
    await mkdir(path);
    for (const one of ["sh", "true", "unshare", "setpriv", "setsid", "mount", "find", "ss"]) {
      const found = Bun.which(one);
      if (found !== null) await symlink(found, join(path, one));
    }
    const { stdout, code } = await sallyport(directory, ["doctor"], { ...ENV, PATH: path });
    expect(lineOf(stdout)).toMatch(/^ {2}note {2}exec sandbox +.*there is no \w+ \(.*: install it$/);
    expect(code).toBe(0);
  },
);
