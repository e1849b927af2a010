/**
 * Where this host's Unix sockets are. A name in /proc/net/unix is what was given to bind(2), however the file was renamed or
 * linked since, and may be relative; so the kernel is asked for the inodes, too (sock_diag(7), through ss(8)), and one that
 * is in none of the usual places is looked for in the whole file system it is on.
 */
import type { Runtime } from "../runtime/contract.ts";
import type { Lack } from "./_sandbox-ability.ts";

/** More Unix sockets than so many are not covered one by one. */
const MAX_SOCKETS = 4096;
const MAX_BYTES = 4 << 20;
/** Of a search in the usual places, ms: what it misses is missed by name only, and then the file systems are searched. */
const USUAL_MS = 5_000;
/** Of the search of file systems, ms. */
const WHOLE_MS = 30_000;
const DEPTH = 4;

interface File {
  readonly path: string;
  /** MAJOR:MINOR. */
  readonly device: string;
  readonly inode: string;
  readonly links: number;
}

interface Bound {
  /** Either may be the one meant. */
  readonly devices: readonly [string, string];
  readonly inode: string;
}

/**
 * Absolute paths, each once, of every socket with a name that the kernel lists in this network namespace, and of those of
 * others in the usual places.
 */
export async function socketPaths(runtime: Runtime): Promise<readonly string[] | Lack> {
  const names = listed(text(await runtime.readFile("/proc/net/unix")));
  const bound = await boundInodes(runtime, names);
  if ("what" in bound) return bound;
  const { HOME, PWD, TMPDIR, XDG_RUNTIME_DIR } = runtime.env;
  const folders = [...new Set(names.map((name) => name.slice(0, name.lastIndexOf("/")) || "/"))];
  const usual = ["/run", "/tmp", "/var/run", "/var/tmp", "/dev/shm", XDG_RUNTIME_DIR, TMPDIR, HOME, PWD];
  const places = [...new Set(usual.flatMap((place) => (place?.startsWith("/") && place !== "/" ? [place] : [])))];
  const near = await find(runtime, folders, ["-maxdepth", "1"], USUAL_MS);
  const around = await find(runtime, places, ["-maxdepth", `${DEPTH}`], USUAL_MS);
  if (near === null || around === null) return { what: "find cannot be run", fix: "install it" };
  const found = [...near.files, ...around.files];
  const mounts = mountsOf(text(await runtime.readFile("/proc/self/mountinfo")));
  let astray = bound.inodes.filter((socket) => !isFound(socket, found, mounts));
  if (astray.length > 0) {
    // What was closed meanwhile is nowhere.
    const now = await boundInodes(runtime, names);
    if ("what" in now) return now;
    astray = astray.filter(({ inode }) => now.inodes.some((each) => each.inode === inode));
  }
  // On a file system that is not mounted here nobody can reach it.
  const points = [
    ...new Set(
      astray.flatMap(({ devices }) => devices.flatMap((each) => (mounts.get(each) ?? []).map(({ point }) => point))),
    ),
  ];
  const whole = await find(runtime, points, ["-xdev"], WHOLE_MS);
  if (whole === null || !whole.complete) {
    const what = `${astray.length} Unix sockets are not in the usual places, and searching ${points.slice(0, 4).join(", ")} takes longer than ${WHOLE_MS / 1000} s`;
    return { what, fix: "run it where less is mounted, as in a container" };
  }
  const paths = [...new Set([...found, ...whole.files].flatMap((file) => [file.path, ...aliases(file, mounts)]))];
  const unreadable = paths.find((path) => path.includes("\uFFFD"));
  if (unreadable !== undefined)
    return { what: `the name of the socket ${unreadable} is not UTF-8`, fix: "end the program that listens there" };
  if (paths.length <= MAX_SOCKETS) return paths;
  return tooMany();
}

function tooMany(): Lack {
  return {
    what: `there are more than ${MAX_SOCKETS} Unix sockets to cover`,
    fix: "run it where fewer are, as in a container",
  };
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The absolute names in /proc/net/unix. */
function listed(table: string): string[] {
  const paths = new Set<string>();
  for (const line of table.split("\n")) {
    // Num RefCount Protocol Flags Type St Inode Path
    const [, path] = /^(?:\S+ +){6}\d+ (\/.*)$/.exec(line) ?? [];
    if (path !== undefined) paths.add(path);
  }
  return [...paths];
}

async function boundInodes(
  runtime: Runtime,
  names: readonly string[],
): Promise<{ readonly inodes: readonly Bound[] } | Lack> {
  if (names.length > MAX_SOCKETS) return tooMany();
  // Listening ones, and datagram ones that take from anybody.
  const asked = await capture(runtime, ["ss", "-xlneH"], USUAL_MS);
  if (asked === null || asked.code !== 0) return { what: "ss cannot list Unix sockets", fix: "install ss (iproute2)" };
  const inodes: Bound[] = [];
  for (const line of asked.stdout.split("\n")) {
    const [, inode, high, low] = / ino:(\d+) dev:(\d+)\/(\d+)(?: peers:.*)?\s*$/.exec(line) ?? [];
    if (inode !== undefined) inodes.push({ inode, devices: devicesOf(Number(high), Number(low)) });
    // What ss reads from /proc/net/unix instead, where the kernel cannot be asked, has names and no inodes.
    else if (/^u_\S+ +\S+ +\d+ +\d+ +[^@* ]/.test(line))
      return { what: "the kernel does not tell where Unix sockets are", fix: "modprobe unix_diag" };
  }
  return { inodes };
}

/**
 * ss takes the kernel's number (20 bits of minor) for one of the C library's (MAJOR 8 to 19, the rest MINOR). Should it learn
 * better, what it says is meant.
 */
function devicesOf(high: number, low: number): [string, string] {
  const kernel = (low & 0xfff00) * 0x1000 + high * 0x100 + (low & 0xff);
  return [`${Math.floor(kernel / 0x100000)}:${kernel % 0x100000}`, `${high}:${low}`];
}

/** A second link of it may be anywhere. */
function isFound(socket: Bound, found: readonly File[], mounts: ReadonlyMap<string, unknown>): boolean {
  return found.some(
    ({ inode, device, links }) =>
      inode === socket.inode &&
      links === 1 &&
      // Files of btrfs and of overlays have a device of their own, which nothing else tells of.
      (socket.devices.includes(device) || !mounts.has(device)),
  );
}

interface Mount {
  /** What of the file system is mounted, and where. */
  readonly root: string;
  readonly point: string;
}

/** By device; proc_pid_mountinfo(5). */
function mountsOf(table: string): Map<string, Mount[]> {
  const mounts = new Map<string, Mount[]>();
  const plain = (escaped: string): string =>
    escaped.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  for (const line of table.split("\n")) {
    const [, , device, root, point] = line.split(" ");
    if (device === undefined || root === undefined || point === undefined) continue;
    const mount = { root: plain(root), point: plain(point) };
    const known = mounts.get(device);
    if (known === undefined) mounts.set(device, [mount]);
    else known.push(mount);
  }
  return mounts;
}

/** Where else the file is, by bind mounts: what is mounted over it in one place is not over it in another. */
function aliases({ path, device }: File, mounts: ReadonlyMap<string, readonly Mount[]>): string[] {
  const of = mounts.get(device) ?? [];
  if (of.length < 2) return [];
  return of.flatMap(({ root, point }) => {
    const below = belowOf(path, point);
    if (below === null) return [];
    const inside = `${root === "/" ? "" : root}${below}`;
    return of.flatMap((other) => {
      const rest = belowOf(inside, other.root);
      return rest === null ? [] : [`${other.point === "/" ? "" : other.point}${rest}`];
    });
  });
}

/** The rest of `path` with its slash, or nothing when it is `folder`; null when it is not below. */
function belowOf(path: string, folder: string): string | null {
  if (folder === "/") return path;
  return path === folder || path.startsWith(`${folder}/`) ? path.slice(folder.length) : null;
}

/** Null when it cannot be run. Not `complete`: it took too long or found too much. */
async function find(
  runtime: Runtime,
  places: readonly string[],
  how: readonly string[],
  withinMs: number,
): Promise<{ readonly files: readonly File[]; readonly complete: boolean } | null> {
  if (places.length === 0) return { files: [], complete: true };
  const command = ["find", "-H", ...places, ...how, "-type", "s", "-printf", "%D %i %n %p\\0"] as const;
  const ran = await capture(runtime, command, withinMs);
  if (ran === null) return null;
  const records = ran.stdout.split("\0");
  // The last is empty, or cut off.
  records.pop();
  const files = records.flatMap((record): File[] => {
    const [, number = "", inode = "", links, path = ""] = /^(\d+) (\d+) (\d+) (.*)$/s.exec(record) ?? [];
    const device = Number(number);
    // The C library's encoding of a device number.
    const major = Math.floor(device / 0x100) & 0xfff;
    const minor = (device & 0xff) + (Math.floor(device / 0x1000) & 0xfff00);
    return [{ path, inode, links: Number(links), device: `${major}:${minor}` }];
  });
  // It exits 1 when there is a folder it may not read, in which the command may not look either.
  return { files, complete: ran.code !== null && ran.stdout.length < MAX_BYTES / 4 };
}

async function capture(runtime: Runtime, command: readonly [string, ...string[]], timeoutMs: number) {
  const env = { PATH: runtime.env.PATH ?? "", LC_ALL: "C" };
  const ran = await runtime.capture(command, { env, input: "", maxBytes: MAX_BYTES, timeoutMs });
  return typeof ran === "string" ? null : ran;
}
