/** Whether evidence that was written stays: what the audit log lies on, what a sync costs there, and how much room is left. */
import type { Config } from "../config/config.ts";
import { Fault, messageOf } from "../errors.ts";
import { splitPath } from "../evidence/journal.ts";
import { callsOf } from "../model/linux.ts";
import type { Runtime } from "../runtime/contract.ts";
import { type Finding, nearestDirectory } from "./_doctor-needs.ts";

const ABOUT = "audit disk";
/** A disk that takes longer for one line has gone away. */
const SYNC_MS = 2_000;
/** Each request waits for it with AUDIT_SYNC=each. */
const SLOW_MS = 50;

interface Kind {
  readonly name: string;
  readonly state: "ok" | "note" | "warn";
  readonly why?: string;
  readonly fix?: string;
}

const VOLUME = "put EVE_PROXY_AUDIT_PATH on a disk of this host or on a volume";
const MEMORY = {
  state: "warn",
  why: "in memory: a restart of the machine or pod takes the evidence with it",
  fix: VOLUME,
} as const;
const REMOTE = { state: "note", why: "locks and syncs are as good as its server" } as const;

/** By the magic number of statfs(2). */
const KINDS: Readonly<Record<number, Kind>> = {
  16914836: { name: "tmpfs", ...MEMORY },
  2240043254: { name: "ramfs", ...MEMORY },
  2035054128: {
    name: "overlay",
    state: "note",
    why: "a container's own layer: what is written goes when the container does",
    fix: VOLUME,
  },
  26985: { name: "nfs", ...REMOTE },
  4283649346: { name: "cifs", ...REMOTE },
  4266872130: { name: "smb", ...REMOTE },
  16914839: { name: "9p", ...REMOTE },
  12805120: { name: "ceph", ...REMOTE },
  1702057286: { name: "fuse", state: "note", why: "locks and syncs are as good as the program behind it" },
  61267: { name: "ext4", state: "ok" },
  1481003842: { name: "xfs", state: "ok" },
  2435016766: { name: "btrfs", state: "ok" },
  801189825: { name: "zfs", state: "ok" },
  4076150800: { name: "f2fs", state: "ok" },
  3393526350: { name: "bcachefs", state: "ok" },
};

interface Room {
  readonly kind: Kind | null;
  /** Bytes this user may still write; null: not told. */
  readonly free: number | null;
  readonly noNames: boolean;
}

export async function auditDisk(
  runtime: Runtime,
  { auditPath, auditSync, auditRotateBytes }: Pick<Config, "auditPath" | "auditSync" | "auditRotateBytes">,
): Promise<Finding[]> {
  if (auditPath === "-") return [];
  const findings: Finding[] = [];
  const say = (state: Finding["state"], detail: string, fix?: string): void =>
    void findings.push({ state, about: ABOUT, detail, ...(fix === undefined ? {} : { fix }) });
  try {
    const directory = await nearestDirectory(runtime, splitPath(auditPath).directory);
    const { kind, free, noNames } = await roomOf(runtime, directory);
    const cost = await syncCost(runtime, directory);
    const name = kind?.name ?? "of a kind that is not known";
    if (kind?.why !== undefined) say(kind.state, `${name}, ${kind.why}`, kind.fix);
    if (noNames) say("warn", "no file can be made there any more: it has no inodes left", "remove small files there");
    if (free !== null && free < 2 * auditRotateBytes) {
      const detail = `${sizeOf(free)} left, less than two logs of EVE_PROXY_AUDIT_ROTATE (${sizeOf(auditRotateBytes)}); when it is full nothing leaves`;
      say("warn", detail, "move rotated logs away: none is ever deleted");
    }
    if (typeof cost === "string") {
      say("warn", `fdatasync there ${cost}`, auditSync === "none" ? VOLUME : `${VOLUME}; every answer waits for it`);
    } else if (cost > SLOW_MS && auditSync !== "none") {
      say(
        "warn",
        `fdatasync takes ${millis(cost)}, and answers wait for it`,
        `${VOLUME}, or EVE_PROXY_AUDIT_SYNC=batch`,
      );
    }
    const took = typeof cost === "number" ? `, fdatasync ${millis(cost)}` : "";
    const left = free === null ? "" : `, ${sizeOf(free)} left`;
    const kept = auditSync === "none" ? " (EVE_PROXY_AUDIT_SYNC=none: lines outlive kill -9, not a loss of power)" : "";
    if (findings.length === 0) say("ok", `${name}${left}${took}${kept}`);
    return findings;
  } catch (thrown) {
    // That it cannot be written is told of the log itself.
    return [{ state: "note", about: ABOUT, detail: `cannot be tried: ${messageOf(thrown)}` }];
  }
}

/** Asked of the kernel; else of df(1), which every system has and which tells the room alone. */
async function roomOf(runtime: Runtime, directory: string): Promise<Room> {
  const call = runtime.platform === "linux" ? callsOf(runtime.arch)?.statfs : undefined;
  if (call !== undefined) {
    try {
      const answer = new Uint8Array(128);
      const path = new TextEncoder().encode(`${directory}\0`);
      if (runtime.systemCall(call, path, answer) === 0) return roomIn(new DataView(answer.buffer));
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
    }
  }
  const env = { PATH: runtime.env.PATH ?? "/usr/bin:/bin", LC_ALL: "C" };
  const said = await runtime
    .capture(["df", "-Pk", "--", directory], { env, input: "", maxBytes: 4096, timeoutMs: SYNC_MS })
    .catch(() => null);
  const blocks = said === null || typeof said === "string" ? [] : (said.stdout.split("\n")[1] ?? "").split(/\s+/);
  const free = blocks[3];
  return { kind: null, free: free !== undefined && /^\d+$/.test(free) ? Number(free) * 1024 : null, noNames: false };
}

/** struct statfs where a long has 8 bytes: type, block size, blocks, free, available, files, files free. */
function roomIn(view: DataView): Room {
  const at = (index: number): number => Number(view.getBigUint64(index * 8, true));
  const type = view.getUint32(0, true);
  const kind = KINDS[type] ?? { name: `0x${type.toString(16)}`, state: "ok" as const };
  return { kind, free: at(4) * at(1), noNames: at(5) > 0 && at(6) === 0 };
}

/** Milliseconds of one line and its fdatasync, in a file that is gone afterwards; or why not, as a text. */
async function syncCost(runtime: Runtime, directory: string): Promise<number | string> {
  const trial = `${directory}/.sallyport-doctor-${runtime.randomHex(4)}`;
  const file = runtime.openAppend(trial);
  const began = runtime.monotonic();
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    file.append(`${"-".repeat(900)}\n`);
    // Never closed under a sync that hangs: its descriptor would be somebody else's.
    const synced = file
      .sync()
      .finally(() => file.close())
      .then(
        () => runtime.monotonic() - began,
        (thrown: unknown) => `fails: ${messageOf(thrown)}`,
      );
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`does not end within ${SYNC_MS / 1000} s`), SYNC_MS);
    });
    return await Promise.race([synced, late]);
  } finally {
    clearTimeout(timer);
    await runtime.remove(trial).catch(() => {});
  }
}

function millis(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

function sizeOf(bytes: number): string {
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1024;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
