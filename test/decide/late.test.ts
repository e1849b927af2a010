import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { lateDecider } from "../../src/decide/late.ts";
import type { OpenedDecider } from "../../src/decide/open.ts";
import { allow, block } from "../../src/model/decision.ts";
import { body, egress } from "./_egress.ts";

const CONFIG = { enforceTimeoutMs: 5_000, failClosed: true, mode: "enforce" } as const;

function opened(log: string[]): OpenedDecider {
  return {
    candidate: null,
    problem: null,
    planeDown: false,
    planeTrouble: null,
    policyVersion: null,
    decide: ({ path }) => {
      log.push(path);
      return path === "/bad" ? block("bad", "policy_deny") : allow("good");
    },
    reload: async () => ({ ok: true, message: "reloaded" }),
    opaque: () => true,
    recheck: () => null,
    limits: () => null,
    deniedAddress: () => null,
    forget: () => void log.push("forgotten"),
    watch() {},
    prepare() {},
    close: async () => void log.push("closed"),
  };
}

describe("lateDecider", () => {
  test("fails closed when what decides cannot be loaded, every time", async () => {
    const late = lateDecider(() => Promise.reject(new Error("no such room")), CONFIG);
    late.prepare();
    for (let i = 0; i < 2; i++) {
      const decision = await late.decide(egress(), body("{}"));
      expect(decision).toMatchObject({ verdict: "fail_closed", policyVersion: null });
    }
    await expect(late.reload()).rejects.toThrow("no such room");
  });

  test("fails closed when it is not loaded in the time a decision has", async () => {
    const late = lateDecider(() => new Promise(() => {}), { ...CONFIG, enforceTimeoutMs: 5 });
    expect(await late.decide(egress(), null)).toMatchObject({ verdict: "fail_closed", vector: "decision_timeout" });
  });

  test("a body that nobody has read by then does not leave, failing open neither", async () => {
    const late = lateDecider(() => new Promise(() => {}), { ...CONFIG, enforceTimeoutMs: 5, failClosed: false });
    expect(await late.decide(egress(), body("{}"))).toMatchObject({ status: 503, vector: "inspection_exhausted" });
    expect(await late.decide(egress(), null)).toMatchObject({ would: "fail_closed", vector: "decision_timeout" });
  });

  test("whoever asks early waits, in order, and is answered by what was loaded", async () => {
    const log: string[] = [];
    let opens = 0;
    const late = lateDecider(async () => {
      opens++;
      return opened(log);
    }, CONFIG);
    expect(late.opaque("a.test", 1)).toBe(false);
    expect(late.recheck(egress())).toBeNull();
    const answers = [late.decide(egress({ path: "/1" }), null), late.decide(egress({ path: "/bad" }), null)];
    late.prepare();
    expect(answers.every((answer) => answer instanceof Promise)).toBe(true);
    expect(await Promise.all(answers)).toMatchObject([{ verdict: "allow" }, { verdict: "block" }]);
    expect(log).toEqual(["/1", "/bad"]);
    expect(opens).toBe(1);
  });

  test("once it is loaded nothing is waited for any more", async () => {
    const log: string[] = [];
    const late = lateDecider(async () => opened(log), CONFIG);
    await late.decide(egress(), null);
    expect(late.decide(egress({ path: "/bad" }), null)).toMatchObject({ verdict: "block" });
    expect(late.opaque("a.test", 1)).toBe(true);
    late.forget();
    expect(log.at(-1)).toBe("forgotten");
    expect(await late.reload()).toEqual({ ok: true, message: "reloaded" });
  });

  test("prepared, it has what was loaded prepare itself", async () => {
    const log: string[] = [];
    const late = lateDecider(async () => ({ ...opened(log), prepare: () => void log.push("prepared") }), CONFIG);
    late.prepare();
    await late.reload();
    expect(log).toEqual(["prepared"]);
  });

  test("closed before it was loaded, it closes what comes", async () => {
    const log: string[] = [];
    const late = lateDecider(async () => opened(log), CONFIG);
    const loading = late.reload();
    await late.close();
    await loading;
    expect(log).toEqual(["closed"]);
  });
});

const ROOT = join(import.meta.dirname, "../..");
const DETECTION = /^src\/(?:content|detect|dlp|engine)\//;
const LEARNED = /^src\/detect\/weights\.ts$/;
const transpiler = new Bun.Transpiler({ loader: "ts" });

/** Adds to `loaded` every file that importing `entry` loads; answers which of them are new. */
function load(entry: string, loaded: Set<string>): string[] {
  const fresh: string[] = [];
  const queue = [entry];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (loaded.has(path)) continue;
    loaded.add(path);
    fresh.push(path);
    for (const { path: target, kind } of transpiler.scanImports(readFileSync(join(ROOT, path), "utf8")))
      if (kind === "import-statement" && target.startsWith(".")) queue.push(normalize(join(dirname(path), target)));
  }
  return fresh;
}

test("what detectors are made of is loaded room by room, before whatever decides is", () => {
  const source = readFileSync(join(ROOT, "src/decide/late.ts"), "utf8");
  const rooms = [...source.matchAll(/import\("\.\.\/([\w/-]+\.ts)"\)/g)].map(([, file]) => `src/${file}`);
  expect(rooms.length).toBeGreaterThan(5);
  const loaded = new Set<string>();
  load("src/gateway.ts", loaded);
  const bytes = (files: string[]): number =>
    files.reduce((sum, file) => sum + readFileSync(join(ROOT, file)).length, 0);
  // What is learned is one file, and cannot be parted.
  for (const room of rooms)
    expect(bytes(load(room, loaded).filter((file) => !LEARNED.test(file))), room).toBeLessThan(192 * 1024);
  const left = load("src/decide/opened.ts", loaded).filter((file) => DETECTION.test(file));
  // A detector that nobody put into ROOMS is larger than this by itself.
  expect(bytes(left), left.join(" ")).toBeLessThan(24 * 1024);
});
