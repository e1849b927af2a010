/** Readers that stand still, on an upstream connection that others share. The upstream is Node's: Bun's server stalls by itself. */
import { afterEach, beforeAll, describe, expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import { testUnless, tool } from "../_skip.ts";
import { Intercepted, NAMED, type Roots, roots } from "./_intercepted.ts";
import { until } from "./_rig.ts";

const missing = tool("openssl") ?? tool("node");
const MEGABYTE = 1024 * 1024;
/** More than a stream may bring unread, and of all of them more than one connection's window once was. */
const BODY = 3 * MEGABYTE;
const STANDING = 20;
/** Enough that it is not taken at once, and less than a stream's window. */
const SHORT = MEGABYTE / 2;

describe("readers that stand still over HTTP/2", () => {
  let known: Roots;
  let made: Intercepted;
  let upstream: ChildProcess;

  beforeAll(() => {
    if (missing === null) known = roots();
  });
  afterEach(async () => {
    await made.stop();
    upstream.kill();
  });

  async function start(config: Partial<Config> = {}): Promise<void> {
    const { key, cert } = known.theirs.issue("upstream", NAMED);
    const env = { ...process.env, KEY: key, CERT: cert };
    const child = spawn("node", [join(import.meta.dir, "_reading.mjs")], { env, stdio: ["ignore", "pipe", "inherit"] });
    upstream = child;
    const port = await new Promise<number>((resolve) => child.stdout.once("data", (text) => resolve(Number(text))));
    made = await Intercepted.start(known, port, config);
    await read(await made.session(), 4);
  }

  /** Asks for so many bytes, and never reads them. */
  async function still(bytes: number): Promise<{ stream: ClientHttp2Stream; over: boolean }> {
    const stream = (await made.session()).request({ ":path": `/${bytes}` });
    const one = { stream, over: false };
    stream.on("error", () => {});
    stream.on("close", () => {
      one.over = true;
    });
    const answered = new Promise((resolve) => stream.once("response", resolve));
    stream.pause();
    await answered;
    return one;
  }

  function read(session: ClientHttp2Session, bytes: number): Promise<{ got: number; sessions: string }> {
    return new Promise((resolve, reject) => {
      const stream = session.request({ ":path": `/${bytes}` });
      let got = 0;
      let sessions = "";
      stream.on("response", (headers) => {
        sessions = String(headers["x-sessions"]);
      });
      stream.on("data", (piece: Buffer) => {
        got += piece.length;
      });
      stream.on("error", reject);
      stream.on("end", () => resolve({ got, sessions }));
    });
  }

  testUnless(missing, "the one that reads has the whole answer", async () => {
    await start();
    for (let i = 0; i < STANDING; i++) await still(BODY);
    await until(() => made.rig.pool.unread.bytes > 9 * MEGABYTE, "more than all had a window for together");
    // One connection: else this would say nothing.
    expect(await read(await made.session(), BODY)).toEqual({ got: BODY, sessions: "1" });
    expect(made.rig.pool.unread.bytes).toBeLessThanOrEqual(STANDING * MEGABYTE);
    expect(made.rig.evidence.outcomes.map(({ protocol }) => protocol)).toEqual(["h2", "h2"]);
  });

  testUnless(
    missing,
    "more than there is room for: who stood still longest is cut, and the outcome says so",
    async () => {
      const maxHeld = 4 * MEGABYTE;
      await start({ maxHeld });
      const all: { over: boolean }[] = [];
      for (let i = 0; i < STANDING; i++) all.push(await still(BODY));
      await until(() => all.filter(({ over }) => over).length > STANDING / 2, "the first ones cut");
      expect((await read(await made.session(), BODY)).got).toBe(BODY);
      expect(made.rig.pool.unread.bytes).toBeLessThanOrEqual(maxHeld);
      expect([all[0]?.over, all.at(-1)?.over]).toEqual([true, false]);
      const cut = made.rig.evidence.outcomes.filter(({ error }) => error === "client_stalled");
      expect(cut.length).toBeGreaterThan(STANDING / 2);
      expect(cut.every(({ severed, status }) => severed && status === 200)).toBe(true);
    },
  );

  testUnless(missing, "whole answers are counted until they are taken, and then told to their end", async () => {
    await start();
    const all: ClientHttp2Stream[] = [];
    for (let i = 0; i < 4; i++) all.push((await still(SHORT)).stream);
    await until(() => made.rig.pool.unread.bytes > SHORT, "answers that stand");
    expect(made.rig.evidence.outcomes.length).toBe(1);
    const ends = all.map((stream) => {
      let got = 0;
      stream.on("data", (bytes: Buffer) => {
        got += bytes.length;
      });
      const ended = new Promise((resolve) => stream.on("end", () => resolve(got)));
      stream.resume();
      return ended;
    });
    expect(await Promise.all(ends)).toEqual(new Array(4).fill(SHORT));
    await until(() => made.rig.evidence.outcomes.length === 5, "outcomes");
    expect(made.rig.pool.unread.bytes).toBe(0);
    expect(made.rig.evidence.outcomes.every(({ error }) => error === null)).toBe(true);
  });
});
