/** Names nobody answers for, and what has to go on meanwhile. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { bearable, LOOKUPS_AT_ONCE, lookups } from "../../src/runtime/_lookups.ts";
import { testUnless, tool } from "../_skip.ts";
import { until } from "../scenarios/_rig.ts";

const ROOT = resolve(import.meta.dir, "../..");
const SCRIPT = join(import.meta.dir, "_silent-names.ts");
const ADDRESS = [{ address: "192.0.2.1", family: 4 }] as const;

test("only so many lookups run at once; who waits comes next, whether the one before failed or not", async () => {
  const running: { name: string; end: (failed: boolean) => void }[] = [];
  const lookUp = lookups(
    2,
    (name) =>
      new Promise((found, reject) => {
        running.push({ name, end: (failed) => (failed ? reject(new Error(name)) : found(ADDRESS)) });
      }),
  );
  const ended: string[] = [];
  for (const name of ["a", "b", "c", "d"])
    void lookUp(name).then(
      () => ended.push(name),
      () => ended.push(`${name} failed`),
    );
  expect(running.map(({ name }) => name)).toEqual(["a", "b"]);
  running[1]?.end(true);
  await until(() => running.length === 3, "the next");
  running[0]?.end(false);
  await until(() => running.length === 4, "the one after it");
  for (const { end } of running) end(false);
  await until(() => ended.length === 4, "all ended");
  expect(ended).toEqual(["b failed", "a", "c", "d"]);
  const again = lookUp("e");
  expect(running.at(-1)?.name).toBe("e");
  running.at(-1)?.end(false);
  expect(await again).toEqual(ADDRESS);
});

test("the line has an end", async () => {
  const lookUp = lookups(1, () => new Promise(() => {}));
  for (let i = 0; i < 1_025; i++) void lookUp(`n${i}`);
  await expect(lookUp("one-more")).rejects.toMatchObject({ code: "resolve_failed" });
});

test("names never have the whole of the pool, however small it is", () => {
  expect([1, 2, 3, 16, 32, 64].map(bearable)).toEqual([1, 1, 2, 15, LOOKUPS_AT_ONCE, LOOKUPS_AT_ONCE]);
});

function refused(): string | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "root on Linux is needed for a mount namespace";
  const missing = tool("unshare") ?? tool("ip");
  if (missing !== null) return missing;
  return spawnSync("unshare", ["-mn", "true"]).status === 0 ? null : "namespaces cannot be made here";
}

for (const name of ["bun", "deno", "binary"] as const) {
  testUnless(refused(), `${name}: files are read and bodies decoded while no name server answers`, () => {
    const folder = mkdtempSync(join(tmpdir(), "sallyport-silent-"));
    const env = { ...process.env, PATH: `${ROOT}/node_modules/.bin:${process.env.PATH}` };
    const binary = join(folder, "silent");
    const commands = {
      bun: ["bun", SCRIPT],
      deno: ["deno", "run", "-A", SCRIPT],
      binary: [binary],
    };
    try {
      if (name === "binary") {
        const built = spawnSync("bun", ["build", "--compile", SCRIPT, "--outfile", binary], {
          cwd: ROOT,
          env,
        });
        expect(built.status).toBe(0);
      }
      writeFileSync(join(folder, "resolv.conf"), "nameserver 127.0.0.9\n");
      const inside = 'ip link set lo up && mount --bind "$1/resolv.conf" /etc/resolv.conf && shift && exec "$@"';
      const ran = spawnSync("unshare", ["-mn", "sh", "-c", inside, "sh", folder, ...commands[name]], {
        cwd: ROOT,
        env,
        encoding: "utf8",
        timeout: 60_000,
      });
      expect(JSON.parse(ran.stdout)).toEqual({ info: true, read: true, decoded: 4, ended: 0 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
