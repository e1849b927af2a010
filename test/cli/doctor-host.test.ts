/** What doctor says of the clock, of the disk that evidence goes to, and of what the runtime can do. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { clock } from "../../src/cli/_doctor-clock.ts";
import { auditDisk } from "../../src/cli/_doctor-disk.ts";
import { tls, transparent } from "../../src/cli/_doctor-runtime.ts";
import type { Config } from "../../src/config/config.ts";
import { Fault } from "../../src/errors.ts";
import { runtime as bun } from "../../src/runtime/bun.ts";
import type { Runtime } from "../../src/runtime/contract.ts";
import { testUnless } from "../_skip.ts";
import { emptyDirectory } from "./_program.ts";

let directory = "";
beforeAll(async () => {
  directory = await emptyDirectory();
});
afterAll(() => rm(directory, { recursive: true }));

const NOW = Date.parse("2026-05-01T12:00:00Z");

describe("the clock", () => {
  interface Kernel {
    readonly now?: number;
    readonly platform?: string;
    /** Status of adjtimex and its greatest error, µs; an errno negated; or nobody to ask. */
    readonly timex?: { readonly status: number; readonly error: number } | number | Fault;
    readonly timesync?: true;
    readonly tail?: string;
  }
  const at = ({ now = NOW, platform = "linux", timex = { status: 0, error: 2500 }, timesync, tail = "" }: Kernel) => {
    const asked: Partial<Runtime> = {
      platform,
      arch: "x64",
      name: "deno",
      now: () => now,
      stat: async () =>
        timesync === true ? { size: 0, mode: 0, directory: false, regular: true, inode: 1, modified: 0 } : null,
      readTail: async () => new TextEncoder().encode(tail),
      systemCall: (number, bytes) => {
        if (timex instanceof Fault) throw timex;
        if (typeof timex === "number") return timex;
        expect(number).toBe(159);
        const view = new DataView((bytes as Uint8Array).buffer);
        // No mode: nothing is set.
        expect(view.getUint32(0, true)).toBe(0);
        view.setInt32(40, timex.status, true);
        view.setBigInt64(24, BigInt(timex.error), true);
        return 0;
      },
    };
    return clock(asked as Runtime, { auditPath: "a.jsonl", workers: 1 } as Config);
  };
  const line = (ms: number): string => `torn\n{"timestamp":"${new Date(ms).toISOString()}"}\n`;

  test("a time that cannot be is a warning, and nothing more is asked", async () => {
    for (const now of [0, Date.parse("2101-01-01T00:00:00Z")])
      expect(await at({ now, timex: new Fault("unsupported", "asked") })).toMatchObject([
        { state: "warn", fix: "set it, and let NTP keep it" },
      ]);
  });

  test("a clock behind the newest audit line went back", async () => {
    const [behind, state] = await at({ tail: line(NOW + 3 * 3_600_000) });
    expect(behind).toMatchObject({
      state: "warn",
      detail: expect.stringContaining("is 3 h ahead of it (2026-05-01T15:00:00.000Z)"),
    });
    expect(state?.state).toBe("ok");
    for (const tail of [
      line(NOW + 900),
      line(NOW),
      "",
      "no json\n",
      '{"timestamp":"soon"}\n',
      '{"timestamp":7}\n',
      "null\n",
    ])
      expect(await at({ tail })).toMatchObject([{ state: "ok" }]);
    expect((await at({ tail: line(NOW - 60_000) }))[0]?.detail).toEndWith("; the newest audit line is 60 s old");
    // A line that is not whole yet is none.
    expect((await at({ tail: line(NOW + 9e6).trimEnd() }))[0]?.detail).not.toContain("audit line");
  });

  test("whether anybody keeps it, as far as the kernel tells", async () => {
    expect(await at({ timex: { status: 0x40, error: 16_000_000 } })).toMatchObject([
      { state: "note", fix: expect.stringContaining("chrony") },
    ]);
    expect(await at({ timex: { status: 0x40, error: 0 }, timesync: true })).toMatchObject([{ state: "ok" }]);
    expect(await at({ timex: -1 })).toMatchObject([
      { state: "note", detail: expect.stringContaining("does not tell") },
    ]);
    expect(await at({ timex: new Fault("unsupported", "no ffi") })).toMatchObject([
      { state: "note", detail: expect.stringContaining("no ffi"), fix: "deno run --allow-ffi" },
    ]);
    expect((await at({ platform: "darwin", timex: new Fault("unsupported", "asked") }))[0]?.state).toBe("ok");
    expect(await at({})).toMatchObject([
      { state: "ok", detail: "2026-05-01T12:00:00.000Z, synchronised to 3 ms at worst" },
    ]);
  });
});

describe("the disk of the audit log", () => {
  interface Disk {
    readonly magic?: number;
    readonly free?: number;
    readonly files?: readonly [number, number];
    readonly sync?: () => Promise<void>;
    readonly took?: number;
    readonly df?: string;
  }
  const GIB = 2 ** 30;
  async function on(disk: Disk, auditSync: Config["auditSync"] = "none") {
    const { magic = 0xef53, free = 100 * GIB, files = [1000, 900], sync = async () => {}, took = 1, df } = disk;
    let clock = 0;
    const removed: string[] = [];
    const asked: Partial<Runtime> = {
      platform: "linux",
      arch: "arm64",
      env: {},
      stat: async () => ({ size: 0, mode: 0, directory: true, regular: false, inode: 1, modified: 0 }),
      randomHex: () => "00000000",
      monotonic: () => {
        clock += took;
        return clock;
      },
      openAppend: () => ({ size: 0, regular: true, append() {}, sync, close() {} }),
      remove: async (path) => void removed.push(path),
      capture: async () => ({ code: 0, stdout: `Filesystem 1024-blocks Used Available\n${df ?? ""}\n`, stderr: "" }),
      systemCall: (number, path, answer) => {
        if (df !== undefined) throw new Fault("unsupported", "no ffi");
        expect([number, new TextDecoder().decode(path as Uint8Array)]).toEqual([43, "/logs\0"]);
        const view = new DataView((answer as Uint8Array).buffer);
        for (const [index, value] of [magic, 4096, 0, 0, Math.floor(free / 4096), ...files].entries())
          view.setBigUint64(index * 8, BigInt(value), true);
        return 0;
      },
    };
    const config = { auditPath: "/logs/a.jsonl", auditSync, auditRotateBytes: GIB / 4 };
    const findings = await auditDisk(asked as Runtime, config);
    expect(removed).toEqual(["/logs/.sallyport-doctor-00000000"]);
    return findings.map(({ state, detail, fix }) => `${state} ${detail}; ${fix}`).join("\n");
  }

  test("a sync that fails, or is slow where answers wait for it", async () => {
    const fails = () => Promise.reject(new Error("EIO"));
    expect(await on({ sync: fails })).toStartWith("warn fdatasync there fails: EIO; put EVE_PROXY_AUDIT_PATH");
    expect(await on({ took: 80 }, "each")).toStartWith("warn fdatasync takes 80 ms, and answers wait for it; ");
    expect(await on({ took: 80 }, "none")).toStartWith(
      "ok ext4, 100 GiB left, fdatasync 80 ms (EVE_PROXY_AUDIT_SYNC=none",
    );
  });

  test("what goes away with a machine, a container or a server", async () => {
    expect(await on({ magic: 0x01021994 })).toStartWith("warn tmpfs, in memory: ");
    expect(await on({ magic: 0x794c7630 })).toStartWith("note overlay, a container's own layer: ");
    expect(await on({ magic: 0x6969 })).toStartWith("note nfs, locks and syncs are as good as its server");
    expect(await on({ magic: 0x65735546 })).toStartWith("note fuse, ");
    expect(await on({ magic: 0x1234 }, "batch")).toBe("ok 0x1234, 100 GiB left, fdatasync 1.0 ms; undefined");
  });

  test("room that is less than two logs, and no inodes", async () => {
    expect(await on({ free: GIB / 2 - 4096 })).toStartWith("warn 512 MiB left, less than two logs");
    expect(await on({ free: GIB / 2 })).toStartWith("ok ");
    expect(await on({ files: [1000, 0] })).toStartWith("warn no file can be made there any more");
    // btrfs counts none.
    expect(await on({ files: [0, 0], magic: 0x9123683e })).toStartWith("ok btrfs");
  });

  test("where the kernel cannot be asked df is, and where that says nothing the room is not told", async () => {
    expect(await on({ df: "/dev/vda 100 99 1 99% /" })).toStartWith("warn 1.0 KiB left");
    expect(await on({ df: "" })).toStartWith("ok of a kind that is not known, fdatasync 1.0 ms");
  });

  testUnless(
    process.platform === "linux" ? null : "/dev/shm is Linux's",
    "memory is known for real, and nothing is left behind",
    async () => {
      const config = { auditSync: "none", auditRotateBytes: 1 } as const;
      const path = `/dev/shm/sallyport-doctor-${process.pid}/deep/a.jsonl`;
      expect(await auditDisk(bun, { ...config, auditPath: path })).toMatchObject([
        { state: "warn", detail: expect.stringContaining("tmpfs") },
      ]);
      await auditDisk(bun, { ...config, auditPath: join(directory, "a.jsonl") });
      expect(await Array.fromAsync(new Bun.Glob("**/*").scan({ cwd: directory, dot: true }))).toEqual([]);
      await writeFile(join(directory, "file"), "");
      const under = await auditDisk(bun, { ...config, auditPath: join(directory, "file", "a.jsonl") });
      expect(under).toMatchObject([{ state: "note", detail: expect.stringContaining("cannot be tried") }]);
      expect(await auditDisk(bun, { ...config, auditPath: "-" })).toEqual([]);
    },
  );
});

describe("the runtime", () => {
  const refusing = (platform: string, name: Runtime["name"]): Runtime =>
    ({ ...bun, platform, name, listen: () => Promise.reject(new Fault("unsupported", "no ffi")) }) as Runtime;

  test("redirected connections that cannot be told from others", async () => {
    expect(await transparent(refusing("linux", "deno"), null)).toMatchObject({
      state: "warn",
      fix: "deno run --allow-ffi",
    });
    expect(await transparent(refusing("darwin", "bun"), null)).toMatchObject({ state: "note" });
    expect(await transparent(refusing("linux", "bun"), { transparent: false })).toMatchObject({ state: "note" });
    if (process.platform === "linux") expect((await transparent(bun, { transparent: true })).state).toBe("ok");
  });

  test("TLS towards clients is tried: it fails, has no HTTP/2, or works", async () => {
    const failing: Runtime = {
      ...bun,
      secureServer: (below, _options, handler) => {
        below.destroy();
        return { conn: Promise.reject(new Fault("tls_failed", "no")), feed: handler, cancel() {} };
      },
    };
    expect((await tls(failing)).state).toBe("warn");
    const old: Runtime = {
      ...bun,
      secureServer: (below, options, handler) => bun.secureServer(below, { ...options, alpn: "http/1.1" }, handler),
    };
    expect(await tls(old)).toMatchObject({ state: "note", detail: expect.stringContaining("without HTTP/2") });
    expect(await tls(bun)).toMatchObject({ state: "ok", detail: expect.stringContaining("with HTTP/2") });
  });
});
