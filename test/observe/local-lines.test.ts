import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalLines } from "../../src/observe/local-lines.ts";
import { runtime } from "../../src/runtime/bun.ts";

let folder: string;
let path: string;
let failures: string[];
let lost: number;
let skew: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-lines-"));
  path = join(folder, "sub", "findings.jsonl");
  failures = [];
  lost = 0;
  skew = 0;
});
afterEach(() => rmSync(folder, { recursive: true }));

function open(maxBytes?: number): LocalLines {
  const clock = { ...runtime, monotonic: () => performance.now() + skew };
  return new LocalLines(clock, {
    path,
    failed: (problem) => failures.push(problem),
    lost: (count) => {
      lost += count;
    },
    ...(maxBytes === undefined ? {} : { maxBytes }),
  });
}

test("a place that cannot be written is told once, costs lines and nothing else, and is tried again", async () => {
  writeFileSync(join(folder, "sub"), "a file where the directory should be");
  const lines = open();
  lines.add("1");
  await lines.flush();
  lines.add("2");
  await lines.flush();
  skew = 2_000;
  await lines.flush();
  expect(failures).toHaveLength(1);
  rmSync(join(folder, "sub"));
  skew = 4_000;
  await lines.flush();
  // Nothing of them had been handed to a file, so nothing is lost.
  expect(readFileSync(path, "utf8")).toBe("1\n2\n");
  expect(lost).toBe(0);
  await lines.close();
});

test("a disk that is full loses what was handed to it, and is counted", async () => {
  const full = {
    ...runtime,
    openAppend: () => ({
      size: 0,
      regular: true,
      append() {
        throw new Error("ENOSPC");
      },
      sync: async () => {},
      close() {},
    }),
  };
  const lines = new LocalLines(full, {
    path,
    failed: (problem) => failures.push(problem),
    lost: (count) => {
      lost += count;
    },
  });
  lines.add("1");
  lines.add("2");
  await lines.flush();
  expect(lost).toBe(2);
  expect(failures).toEqual(["ENOSPC"]);
  await lines.close();
});

test("what waits is bounded", async () => {
  const lines = open();
  const line = "x".repeat(1000);
  for (let i = 0; i < 3000; i++) lines.add(line);
  expect(lost).toBeGreaterThan(1500);
  await lines.close();
  expect(readFileSync(path, "utf8").length).toBeLessThanOrEqual(1024 * 1024 + 2000);
});

test("is 0600, goes on in the file that is there, and behind a line that was cut off", async () => {
  mkdirSync(join(folder, "sub"));
  writeFileSync(path, '{"torn', { mode: 0o600 });
  const lines = open();
  lines.add("{}");
  await lines.close();
  expect(readFileSync(path, "utf8")).toBe('{"torn\n{}\n');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  lines.add("after the end");
  expect(lost).toBe(1);
});

test("one older generation is kept, and both are bounded", async () => {
  const lines = open(1000);
  for (let i = 0; i < 100; i++) lines.add(`{"line":${i},"é":"${"é".repeat(20)}"}`);
  await lines.flush();
  lines.add('{"line":100}');
  await lines.close();
  const now = readFileSync(path, "utf8");
  const before = readFileSync(join(folder, "sub", "findings.1.jsonl"), "utf8");
  expect(Buffer.byteLength(now)).toBeLessThanOrEqual(1000);
  expect(Buffer.byteLength(before)).toBeLessThanOrEqual(1000);
  const numbers = [...`${before}${now}`.matchAll(/"line":(\d+)/g)].map((match) => Number(match[1]));
  expect(numbers.at(-1)).toBe(100);
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => 101 - numbers.length + i));
  expect(lost).toBe(0);
});

test("a file that somebody moved away is begun anew", async () => {
  const lines = open();
  lines.add("1");
  await lines.flush();
  renameSync(path, `${path}.old`);
  lines.add("2");
  await lines.flush();
  appendFileSync(path, "3\n");
  await lines.close();
  expect(existsSync(path) && readFileSync(path, "utf8")).toBe("2\n3\n");
});
