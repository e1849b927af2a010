/** The kill file on a file system that does not behave. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KillSwitch } from "../../src/kill.ts";
import { KillFile } from "../../src/kill-file.ts";
import type { KillOrder } from "../../src/model/kill-order.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { FileInfo } from "../../src/runtime/contract.ts";
import { until } from "./_rig.ts";

const HERE: FileInfo = { size: 0, mode: 0o600, directory: false, regular: true, inode: 1, modified: 0 };
const FOLDER: FileInfo = { ...HERE, directory: true, regular: false };

function watching(stat: (path: string) => Promise<FileInfo | null>, readFile = async () => new Uint8Array()) {
  const told: string[] = [];
  const monotonic = () => performance.now();
  const hasName = async () => false;
  const file = new KillFile({ stat, hasName, readFile, monotonic }, "/x/kill", (on, reason) =>
    told.push(`${on} ${reason}`),
  );
  return { file, told };
}

test("a look that never ends is one that failed: on, and off again when the file system answers", async () => {
  let hang = true;
  let release = (_: FileInfo | null): void => {};
  const { file, told } = watching((path) => {
    if (path === "/x/") return Promise.resolve(FOLDER);
    if (!hang) return Promise.resolve(null);
    return new Promise((resolve) => {
      release = resolve;
    });
  });
  await file.start();
  expect(told).toEqual(["true the kill file cannot be looked for"]);
  hang = false;
  release(null);
  await until(() => told.length === 2, "off again");
  expect(told[1]).toBe("false ");
  file.stop();
});

/** On the clock, nobody runs for `ms`: an answer that is there by then has not been heard when the next tick comes. */
function standStill(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

test("that this process stood still while it looked throws nothing, at the start and later", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-kill-still-"));
  const path = join(folder, "kill");
  const told: string[] = [];
  let looks = 0;
  let still = 2;
  const stat = (what: string) => {
    looks += 1;
    // The real look is under way, and its answer comes while nobody can hear it.
    const answer = runtime.stat(what);
    if (still > 0) setImmediate(() => standStill(1_600));
    still -= 1;
    return answer;
  };
  const file = new KillFile({ ...runtime, stat }, path, (on, reason) => told.push(`${on} ${reason}`));
  try {
    await file.start();
    still = 1;
    let seen = looks;
    await until(() => still <= 0 && looks > seen, "a look in which it stood still");
    seen = looks;
    await until(() => looks > seen + 2, "looks after it");
    expect(told).toEqual([]);
    writeFileSync(path, "");
    await until(() => told.length > 0, "on");
    expect(told[0]).toBe("true ");
  } finally {
    file.stop();
    rmSync(folder, { recursive: true });
  }
});

test("a look that hangs is given up, however often this process stands still", async () => {
  let hang = false;
  let ticks = 0;
  let clock = 0;
  const stat = (path: string) => (hang ? new Promise<null>(() => {}) : Promise.resolve(path === "/x/" ? FOLDER : null));
  const told: string[] = [];
  const machine = {
    stat,
    hasName: async () => false,
    readFile: async () => new Uint8Array(),
    // Each tick comes a minute after the one before.
    monotonic() {
      ticks += 1;
      clock += 60_000;
      return clock;
    },
  };
  const file = new KillFile(machine, "/x/kill", (_, reason) => told.push(reason));
  await file.start();
  expect(told).toEqual([]);
  hang = true;
  const from = ticks;
  await until(() => told.length > 0, "on");
  expect(told).toEqual(["the kill file cannot be looked for"]);
  expect(ticks - from).toBeLessThanOrEqual(5);
  file.stop();
});

test("a file nobody may look at is on, and so is one nobody may read", async () => {
  const denied = () => Promise.reject(new Error("EACCES"));
  const unseen = watching(denied);
  await unseen.file.start();
  unseen.file.stop();
  expect(unseen.told).toEqual(["true the kill file cannot be looked for"]);
  const unread = watching(async () => ({ ...HERE, size: 5 }), denied);
  await unread.file.start();
  unread.file.stop();
  expect(unread.told).toEqual(["true "]);
});

test("a first line that is written after the file was made is told as well", async () => {
  let size = 0;
  const { file, told } = watching(
    async () => ({ ...HERE, size }),
    async () => new TextEncoder().encode(`${"\u{1f6d1}".repeat(300)}\nmore`),
  );
  await file.start();
  expect(told).toEqual(["true "]);
  size = 9;
  await until(() => told.length === 2, "the reason");
  expect(told[1]).toBe(`true ${"\u{1f6d1}".repeat(200)}`);
  file.stop();
});

test("a link that leads nowhere is there: on, and off when it is taken away", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-kill-link-"));
  const path = join(folder, "kill");
  symlinkSync(join(folder, "nowhere", "else"), path);
  const told: string[] = [];
  const file = new KillFile(runtime, path, (on, reason) => told.push(`${on} ${reason}`));
  try {
    await file.start();
    expect(told).toEqual(["true "]);
    rmSync(path);
    await until(() => told.length === 2, "off again");
    expect(told[1]).toBe("false ");
    symlinkSync("kill", path);
    await until(() => told.length === 3, "on for a link to itself");
    expect(told[2]).toStartWith("true");
  } finally {
    file.stop();
    rmSync(folder, { recursive: true });
  }
});

test("the switch is on while anybody says so, whatever order they come and go in", async () => {
  const obeyed: KillOrder[] = [];
  const kill = new KillSwitch(
    async (order) => obeyed.push(order),
    () => 0,
  );
  const { order } = await kill.set("file", true, "");
  expect(order).toMatchObject({ on: true, reason: "", sources: ["file"] });
  expect((await kill.operate(true, "drill")).order).toMatchObject({ reason: "drill", sources: ["file", "admin"] });
  await kill.set("signal", true, "");
  expect((await kill.set("file", false, "")).order).toMatchObject({ on: true, sources: ["admin", "signal"] });
  expect((await kill.operate(false, "")).order).toMatchObject({ on: false, reason: "", sources: [] });
  expect(obeyed.map(({ on }) => on)).toEqual([true, true, true, true, false]);
});
