import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { Log } from "../../src/observe/log.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { Child, Conn, Runtime } from "../../src/runtime/contract.ts";
import { CONTROL_ENV, runParent, TOKEN_ENV, WORKER_ENV } from "../../src/workers.ts";
import { until } from "../e2e/_gateway.ts";

/** Null: the order to kill is not answered. Else what happens right behind the answer. */
type Killed = () => (() => void) | null;

/** A parent whose workers are played by the test, over the real control socket. */
class Played {
  readonly children: { readonly env: Readonly<Record<string, string>>; readonly signals: string[] }[] = [];
  /** What is thrown instead of starting the next workers. */
  readonly failures: Error[] = [];
  said = "";
  code: number | null = null;
  readonly #ends: ((how: { code: number | null; signal: string | null }) => void)[] = [];
  readonly #handlers = new Map<string, () => void>();

  static async start(env: Readonly<Record<string, string>> = {}, timing = { lookMs: 100, misses: 2 }): Promise<Played> {
    const played = new Played();
    const machine: Runtime = {
      ...runtime,
      env: {
        EVE_PROXY_WORKERS: "2",
        EVE_PROXY_PORT: "3128",
        JWT_SECRET_KEY: "e2e-only-hmac-key-of-more-than-32-bytes",
        ...env,
      },
      stderr: (text) => {
        played.said += text;
      },
      onSignal: (name, run) => void played.#handlers.set(name, run),
      onUncaught() {},
      spawnSelf: (_args, env) => played.#spawn(env),
    };
    const loaded = await loadConfig(machine);
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const log = new Log(machine, { level: "info", format: "json", decisions: false });
    void runParent(machine, loaded.config, log, timing).then((code) => {
      played.code = code;
    });
    await until(() => played.children.length === 2, "both started");
    return played;
  }

  #spawn(env: Readonly<Record<string, string>>): Child {
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    const { promise: exited, resolve } = Promise.withResolvers<{ code: number | null; signal: string | null }>();
    const signals: string[] = [];
    this.children.push({ env, signals });
    this.#ends.push(resolve);
    return {
      pid: 0,
      exited,
      signal(name) {
        signals.push(name);
        resolve({ code: name === "SIGTERM" ? 0 : null, signal: name === "SIGTERM" ? null : name });
      },
    };
  }

  end(child: number, code: number): void {
    this.#ends[child]?.({ code, signal: null });
  }

  signal(name: string): void {
    this.#handlers.get(name)?.();
  }

  /** A connection to the control socket; `answers` to every question so many questions later, or to none. */
  async connect(
    answers: boolean,
    later = 0,
    killed: Killed = () => null,
  ): Promise<{ conn: Conn; closed(): boolean; received(): string }> {
    let text = "";
    let closed = false;
    const path = this.children[0]?.env[CONTROL_ENV] ?? "";
    const conn: Conn = await runtime.dial(
      { path },
      {
        data(bytes) {
          const said = new TextDecoder().decode(bytes);
          text += said;
          for (const [, id] of said.matchAll(/"kind":"kill","id":(\d+)/g)) {
            const obeyed = killed();
            if (obeyed === null) continue;
            conn.write(`${JSON.stringify({ kind: "killed", id: Number(id), severed: 0 })}\n`);
            obeyed();
          }
          for (const [, id] of text.matchAll(/"kind":"ask","id":(\d+)/g)) {
            const health = {
              phase: "ready",
              evidenceDown: false,
              policyStale: false,
              planeDown: false,
              limitsDown: false,
            };
            if (answers) conn.write(`${JSON.stringify({ kind: "health", id: Number(id) - later, all: [health] })}\n`);
          }
        },
        end() {
          closed = true;
        },
        drain() {},
        close() {
          closed = true;
        },
      },
    ).conn;
    return { conn, closed: () => closed, received: () => text };
  }

  async worker(child: number, answers: boolean, later = 0, killed: Killed = () => null) {
    const link = await this.connect(answers, later, killed);
    const { [WORKER_ENV]: number, [TOKEN_ENV]: token } = this.children[child]?.env ?? {};
    link.conn.write(`${JSON.stringify({ kind: "hello", worker: Number(number), token })}\n`);
    await until(() => link.received().includes('"welcome"'), "welcome");
    return link;
  }

  async stop(): Promise<void> {
    this.#handlers.get("SIGTERM")?.();
    for (const end of this.#ends) end({ code: 0, signal: null });
    await until(() => this.code !== null, "ended");
  }
}

const strangers: [string, string][] = [
  ["what is not JSON", "nonsense\n"],
  ["nothing", "null\n"],
  ["a list", "[]\n"],
  ["a hello without a token", '{"kind":"hello","worker":0}\n'],
  ["a hello with another token", `{"kind":"hello","worker":0,"token":"${"0".repeat(64)}"}\n`],
  ["a hello with a token that is no text", '{"kind":"hello","worker":0,"token":{}}\n'],
  ["a hello for nobody", '{"kind":"hello","worker":"length","token":"x"}\n'],
  ["a line without end", "x".repeat(4096)],
];
test("strangers at the control socket are hung up on, and the parent lives", async () => {
  const played = await Played.start();
  try {
    for (const [name, text] of strangers) {
      const link = await played.connect(false);
      link.conn.write(text);
      await until(link.closed, `hung up on: ${name}`);
      expect(link.received()).toBe("");
    }
    await played.worker(0, true);
  } finally {
    await played.stop();
  }
});

test("a worker whose loop stands still is ended and started again; one that answers is left alone", async () => {
  const played = await Played.start();
  try {
    await played.worker(0, true);
    await played.worker(1, false);
    await until(() => played.children.length === 3, "started again");
    expect(played.children[1]?.signals).toEqual(["SIGKILL"]);
    expect(played.children[0]?.signals).toEqual([]);
    expect(played.children[2]?.env[WORKER_ENV]).toBe("1");
  } finally {
    await played.stop();
  }
});

test("a worker whose answers come late does not stand still", async () => {
  const played = await Played.start({}, { lookMs: 300, misses: 3 });
  try {
    // Longer than an answer is waited for.
    const slow = await played.worker(0, true, 9);
    const asked = () => slow.received().split('"kind":"ask"').length;
    await until(() => asked() > 24 || played.children.length > 2, "asked often enough");
    expect(played.children[0]?.signals).toEqual([]);
  } finally {
    await played.stop();
  }
});

describe("the order to kill", () => {
  let folder: string;
  let file: string;
  let played: Played;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "sallyport-parent-kill-"));
    file = join(folder, "kill");
    played = await Played.start({ EVE_PROXY_KILL_FILE: file }, { lookMs: 60_000, misses: 2 });
  });
  afterEach(async () => {
    await played.stop();
    rmSync(folder, { recursive: true });
  });
  const orders = () => played.said.split("kill switch on").length - 1;

  test("ends a worker that does not obey it", async () => {
    await played.worker(0, true);
    played.signal("SIGUSR2");
    await until(() => orders() === 1, "given");
    expect(played.children[0]?.signals).toEqual(["SIGKILL"]);
  });

  test("ends none that obeyed while this process stood still", async () => {
    await played.worker(0, true, 0, () => () => {
      for (const until = performance.now() + 2_600; performance.now() < until; );
    });
    played.signal("SIGUSR2");
    await until(() => orders() === 1, "given");
    expect(played.children[0]?.signals).toEqual([]);
  });

  test("ends none that obeys already and does not hear another reason for it", async () => {
    let heard = 0;
    await played.worker(0, true, 0, () => (heard++ === 0 ? () => {} : null));
    writeFileSync(file, "");
    await until(() => orders() === 1, "obeyed");
    writeFileSync(file, "incident 7");
    await until(() => orders() === 2, "another reason given");
    expect(heard).toBe(2);
    expect(played.children[0]?.signals).toEqual([]);
  });

  test("ends none when it was taken back in time, and counts anew when it comes again", async () => {
    let heard = 0;
    await played.worker(0, true, 0, () => {
      heard += 1;
      return null;
    });
    writeFileSync(file, "");
    await until(() => heard === 1, "given");
    rmSync(file);
    await until(() => heard === 2, "taken back");
    await until(() => orders() === 1, "the time of the first is over");
    expect(played.children[0]?.signals).toEqual([]);
    writeFileSync(file, "");
    await until(() => orders() === 2, "the time of the third is over");
    expect(played.children[0]?.signals).toEqual(["SIGKILL"]);
  });
});

test("a worker that cannot be started again now is started again later, and the end still comes", async () => {
  const played = await Played.start();
  try {
    for (const worker of [await played.worker(0, true), await played.worker(1, true)])
      worker.conn.write('{"kind":"ready"}\n');
    await until(() => played.said.includes("listening"), "both listen");
    played.failures.push(new Error("EAGAIN"));
    played.end(1, 1);
    await until(() => played.children.length === 3, "started again");
    expect(played.said).toContain("EAGAIN");
  } finally {
    await played.stop();
  }
  expect(played.code).toBe(0);
});
