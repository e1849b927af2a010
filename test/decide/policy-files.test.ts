import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPolicy } from "../../src/decide/policy-files.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { destination } from "./_egress.ts";

/** A policy file whose readings end when they are told to. */
function slowFile(text: string) {
  const file = { text, waiting: [] as (() => void)[], readings: 0, slow: false };
  const info = { size: 100, mode: 0o600, directory: false, regular: true, inode: 1, modified: 0 };
  const files = {
    stat: async () => info,
    list: async () => [],
    async readFile() {
      file.readings++;
      const bytes = new TextEncoder().encode(file.text);
      if (file.slow) await new Promise<void>((resolve) => file.waiting.push(resolve));
      return bytes;
    },
  };
  return { file, files };
}

const allowing = (host: string) => `version: 1\ndefault: deny\nhosts:\n  allow: [${host}]\n`;
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const until = async (holds: () => boolean) => {
  for (let i = 0; i < 1000 && !holds(); i++) await turn();
  expect(holds()).toBe(true);
};

test("a slow reading of the files as they were never replaces what they are", async () => {
  const { file, files } = slowFile(allowing("old.test"));
  const policy = await openPolicy(files, "policy.yaml");
  file.slow = true;
  const first = policy.reload();
  await until(() => file.waiting.length === 1);
  file.text = allowing("new.test");
  const later = [policy.reload(), policy.reload(), policy.reload()];
  // Let the later ones end first, if they can.
  for (let i = 0; i < 20; i++) await turn();
  for (const end of file.waiting.splice(1)) end();
  for (let i = 0; i < 20; i++) await turn();
  file.slow = false;
  for (const end of file.waiting.splice(0)) end();
  for (const result of await Promise.all([first, ...later])) expect(result.ok).toBe(true);
  expect(typeof policy.judge(destination("new.test"))).toBe("string");
  expect(policy.judge(destination("old.test"))).toMatchObject({ verdict: "block" });
  // One at the start, the first, and one for all who asked meanwhile.
  expect(file.readings).toBe(3);
});

test("whoever asks after a failed reading is answered for the files as they are", async () => {
  const { file, files } = slowFile(allowing("a.test"));
  const policy = await openPolicy(files, "policy.yaml");
  file.text = "nonsense: [";
  const [one, two] = await Promise.all([policy.reload(), policy.reload()]);
  expect([one?.ok, two?.ok, policy.problem !== null]).toEqual([false, false, true]);
  file.text = allowing("b.test");
  expect(await policy.reload()).toMatchObject({ ok: true });
  expect(policy.problem).toBeNull();
});

test("expressions of a policy are compiled when it is read, also when they come with a reload; a bad one changes nothing", async () => {
  const { file, files } = slowFile(allowing("old.test"));
  const policy = await openPolicy(files, "policy.yaml");
  const first = policy.version;
  const rule = (cel: string) => `${allowing("old.test")}rules:\n  - { id: r, verdict: deny, when: { cel: ${cel} } }\n`;
  file.text = rule("agnt == 'x'");
  expect(await policy.reload()).toMatchObject({ ok: false, message: expect.stringContaining("did you mean agent?") });
  expect([policy.version, policy.problem === null]).toEqual([first, false]);
  file.text = rule("agent == 'x'");
  expect((await policy.reload()).ok).toBe(true);
  expect(policy.version).not.toBe(first);
});

/** Two versions of a policy behind a link, as deployments turn it, and a runtime that does so behind the n-th reading. */
function linked(turnAfter: (reads: number) => boolean) {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-policy-link-"));
  const point = (to: string): void => {
    symlinkSync(to, join(folder, "next"));
    renameSync(join(folder, "next"), join(folder, "current"));
  };
  for (const [version, first, last] of [
    ["v1", "default: allow\n", "hosts: { deny: [secret.test] }\n"],
    ["v2", "default: allow\nhosts: { deny: [secret.test] }\n", ""],
  ] as const) {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, "a.yaml"), `version: 1\n${first}`);
    writeFileSync(join(folder, version, "b.yaml"), `version: 1\n${last}`);
  }
  point("v2");
  let reads = 0;
  let turned = false;
  const files = {
    ...runtime,
    async readFile(path: string) {
      const bytes = await runtime.readFile(path);
      reads++;
      if (turnAfter(reads)) {
        point(turned ? "v2" : "v1");
        turned = !turned;
      }
      return bytes;
    },
  };
  return { path: join(folder, "current"), files, point, remove: () => rmSync(folder, { recursive: true }) };
}

test("a directory whose link is turned while it is read is read again as a whole: half of each would deny nothing", async () => {
  const { path, files, remove } = linked((reads) => reads === 1);
  try {
    for (const order of [1, 2]) {
      const policy = await openPolicy(files, path);
      expect(policy.judge(destination("secret.test")), `reading ${order}`).toMatchObject({ verdict: "block" });
      expect(policy.sources.map(({ text }) => text.includes("secret.test"))).toEqual([false, true]);
    }
  } finally {
    remove();
  }
});

test("one that is turned and turned back while it is read is no better", async () => {
  let turning = true;
  const { path, files, remove } = linked((reads) => {
    turning &&= reads <= 2;
    return turning;
  });
  try {
    const policy = await openPolicy(files, path);
    expect(policy.sources.map(({ text }) => text.includes("secret.test"))).toEqual([true, false]);
  } finally {
    remove();
  }
});

test("one that does not come to rest is refused, and what is in force stays", async () => {
  let restless = false;
  const { path, files, remove } = linked(() => restless);
  try {
    const policy = await openPolicy(files, path);
    const { version } = policy;
    restless = true;
    expect(await policy.reload()).toMatchObject({ ok: false, message: expect.stringContaining("again and again") });
    expect(policy.version).toBe(version);
    restless = false;
    expect((await policy.reload()).ok).toBe(true);
    restless = true;
    await expect(openPolicy(files, path)).rejects.toMatchObject({ code: "policy_invalid" });
  } finally {
    remove();
  }
});

test("a file that is written on while it is read is read again", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-policy-write-"));
  const path = join(folder, "policy.yaml");
  const whole = "version: 1\ndefault: allow\nhosts: { deny: [secret.test] }\n";
  writeFileSync(path, whole.slice(0, 26));
  let reads = 0;
  const files = {
    ...runtime,
    async readFile(name: string) {
      const bytes = await runtime.readFile(name);
      if (reads++ === 0) writeFileSync(path, whole);
      return bytes;
    },
  };
  try {
    const policy = await openPolicy(files, path);
    expect([reads, policy.judge(destination("secret.test"))]).toEqual([
      2,
      expect.objectContaining({ verdict: "block" }),
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("cases that stand beside a policy are no part of it", async () => {
  const read: string[] = [];
  const files = {
    stat: async (path: string) => ({
      size: 100,
      mode: 0o600,
      directory: path === "dir",
      regular: path !== "dir",
      inode: 1,
      modified: 0,
    }),
    list: async () => ["dir/a.yaml", "dir/a.test.yaml", "dir/.b.yaml", "dir/c.txt"],
    async readFile(path: string) {
      read.push(path);
      return new TextEncoder().encode(allowing("a.test"));
    },
  };
  await openPolicy(files, "dir");
  expect(read).toEqual(["dir/a.yaml"]);
});

test("a place that no rule lets through is named with its port, as the engine names it", async () => {
  const { files } = slowFile("version: 1\ndefault: deny\nhosts:\n  allow: ['a.test:443']\n  deny: [b.test]\n");
  const policy = await openPolicy(files, "policy.yaml");
  const place = { ...destination("a.test"), port: 8443 };
  expect(policy.judge(place)).toMatchObject({ reason: 'no rule lets this through to "a.test:8443"', rule: "default" });
  expect(policy.judge(destination("b.test"))).toMatchObject({ reason: 'policy denies host "b.test"' });
});
