/** The kill file on a file system that does not behave. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
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
