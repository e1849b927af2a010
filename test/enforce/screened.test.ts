/** Answers on their way past whoever decides them, over real sockets, with a guard that says what the test wants. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { allow, block, type Decision } from "../../src/model/decision.ts";
import type { AnswerGuard, ScreenStep } from "../../src/model/screen.ts";
import { get, Rig, settled, Upstream, until } from "../scenarios/_rig.ts";

const VETO = block("a secret comes back", "response_secret");
const GO: ScreenStep = { release: 0, veto: null, more: false };

/** Lets go of everything at once, unless told otherwise. */
class Guard implements AnswerGuard {
  holdWhole = false;
  atHead: Decision | null = null;
  allowed: Decision = allow("clean");
  given = "";
  closed = 0;
  held = 0;
  onPush: (bytes: Uint8Array) => ScreenStep | Promise<ScreenStep> = (bytes) => ({ ...GO, release: bytes.length });
  onMore: () => ScreenStep = () => GO;
  onEnd: () => ScreenStep | Promise<ScreenStep> = () => GO;

  push(bytes: Uint8Array): ScreenStep | Promise<ScreenStep> {
    this.given += Buffer.from(bytes).toString("latin1");
    return this.onPush(bytes);
  }
  more(): ScreenStep {
    return this.onMore();
  }
  end(): ScreenStep | Promise<ScreenStep> {
    return this.onEnd();
  }
  ending(veto: Decision, id: string): Uint8Array | null {
    return new TextEncoder().encode(`event: error\ndata: ${veto.vector} ${id}\n\n`);
  }
  close(): void {
    this.closed++;
  }
}

let rig: Rig;
let upstream: Upstream;
let guard: Guard;
let at: string;

beforeEach(async () => {
  rig = await Rig.start();
  upstream = await Upstream.start();
  at = `127.0.0.1:${upstream.port}`;
  guard = new Guard();
  rig.screen = () => guard;
});
afterEach(async () => {
  await rig.clean();
  await rig.stop();
  await upstream.stop();
});

const STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const ok = (text: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;

async function outcome(): Promise<Rig["evidence"]["outcomes"][number] | undefined> {
  await until(() => rig.evidence.outcomes.length > 0, "an outcome");
  return rig.evidence.outcomes.at(-1);
}

describe("a clean answer", () => {
  test("passes as it came, is in the outcome, and its connection serves the next", async () => {
    upstream.answers(() => ok("hello"));
    const client = await rig.client();
    for (let i = 0; i < 3; i++) {
      client.received = "";
      client.send(get(at));
      expect((await client.answer()).body).toBe("hello");
    }
    expect(guard.given).toBe("hellohellohello");
    expect(guard.closed).toBe(3);
    expect(rig.dialled.length).toBe(1);
    expect(await outcome()).toMatchObject({ answer: "allow", error: null, bytes_down: 5 });
    expect(rig.evidence.proofs.map(({ phase }) => phase)).toEqual(["request", "request", "request"]);
    client.close();
  });

  test("leaves as far as it is let go, piece by piece", async () => {
    guard.onPush = (bytes) => ({ ...GO, release: bytes.length - 1 });
    guard.onEnd = () => ({ ...GO, release: 2 });
    const client = await rig.client();
    client.send(get(at));
    const far = await upstream.connection(0);
    far.send(`${STREAM}${chunk("abc")}`);
    await client.wait((text) => text.includes("ab"), "the first two");
    await settled();
    expect(client.received).not.toContain("abc");
    far.send(`${chunk("def")}0\r\n\r\n`);
    expect((await client.answer()).body).toBe("abcdef");
    client.close();
  });

  test("is looked at in turns and behind promises, while the upstream is not read and its end has come", async () => {
    let turns = 3;
    guard.onPush = async (bytes) => {
      await settled(2);
      return { release: bytes.length, veto: null, more: true };
    };
    guard.onMore = () => ({ ...GO, more: --turns > 0 });
    guard.onEnd = async () => GO;
    upstream.answers(() => ok("whole"));
    const client = await rig.client();
    client.send(get(at));
    expect((await client.answer()).body).toBe("whole");
    turns = 1;
    client.received = "";
    client.send(get(at));
    expect((await client.answer()).body).toBe("whole");
    expect(rig.dialled.length).toBe(1);
    client.close();
  });

  test("is certified when it passed only because nobody enforces what was found", async () => {
    guard.allowed = allow("a secret comes back", { would: "block", vector: "response_secret", mode: "shadow" });
    upstream.answers(() => ok("x"));
    const client = await rig.client();
    client.send(get(at));
    await client.answer();
    await until(() => rig.evidence.proofs.length === 2, "the certificate");
    expect(rig.evidence.proofs[1]).toMatchObject({
      phase: "response",
      parent: "cert_0",
      verdict: "allow",
      would: "block",
    });
    client.close();
  });
});

describe("a veto", () => {
  for (const [when, set] of [
    [
      "on its head",
      () => {
        guard.atHead = VETO;
      },
    ],
    [
      "at the end of an answer that is held whole",
      () => {
        guard.holdWhole = true;
        guard.onPush = () => GO;
        guard.onEnd = () => ({ ...GO, veto: VETO });
      },
    ],
  ] as const) {
    test(`${when} is a 451 of its own, under the request's certificate`, async () => {
      set();
      upstream.answers(() => ok("secret"));
      const client = await rig.client();
      client.send(get(at));
      const answer = await client.answer();
      expect(answer.status).toBe(451);
      expect(JSON.parse(answer.body)).toMatchObject({ status: "BLOCK", vector: "response_secret" });
      expect(client.received).not.toContain("secret\r\n");
      expect(answer.body).not.toContain('"secret"');
      expect(rig.evidence.proofs[1]).toMatchObject({ phase: "response", parent: "cert_0", verdict: "block" });
      expect(await outcome()).toMatchObject({
        answer: "block",
        error: "response_secret",
        severed: true,
        bytes_down: 0,
      });
      expect(await client.ended()).toBe("fin");
      client.close();
    });
  }

  test("in the middle of a stream ends it in its own words, and severs it", async () => {
    guard.onPush = (bytes) =>
      Buffer.from(bytes).includes("bad") ? { ...GO, veto: VETO } : { ...GO, release: bytes.length };
    const client = await rig.client();
    client.send(get(at));
    const far = await upstream.connection(0);
    far.send(`${STREAM}${chunk("data: good\n\n")}`);
    await client.wait((text) => text.includes("good"), "the first event");
    far.send(chunk("data: bad\n\n") + chunk("data: later\n\n"));
    expect(await client.ended()).toBe("fin");
    expect(client.received).toEndWith(`${chunk("event: error\ndata: response_secret cert_1\n\n")}0\r\n\r\n`);
    expect(client.received).not.toContain("bad");
    expect(client.received).not.toContain("later");
    expect(await outcome()).toMatchObject({ answer: "block", error: "response_secret", severed: true, status: 200 });
    await far.gone();
    client.close();
  });

  test("in the middle of an answer that told its length cuts it", async () => {
    guard.onPush = (bytes) => ({ ...GO, release: 1, veto: bytes.length > 1 ? VETO : null });
    upstream.answers(() => ok("abcdef"));
    const client = await rig.client();
    client.send(get(at));
    expect(await client.ended()).toBe("reset");
    expect(client.received).not.toContain("ab");
    expect(await outcome()).toMatchObject({ answer: "block", severed: true });
  });

  test("that cannot be certified stands all the same", async () => {
    guard.atHead = VETO;
    upstream.answers(() => ok("x"));
    rig.evidence.onCommit = ({ phase }) => {
      rig.evidence.fail = phase === "response";
    };
    const client = await rig.client();
    client.send(get(at));
    expect((await client.answer()).status).toBe(451);
    expect(rig.evidence.proofs[1]).toMatchObject({ phase: "response", written: false });
    rig.evidence.fail = false;
    client.close();
  });
});

describe("whoever leaves", () => {
  test("while the answer is looked at leaves nothing behind", async () => {
    const { promise, resolve } = Promise.withResolvers<ScreenStep>();
    guard.onPush = () => promise;
    const client = await rig.client();
    client.send(get(at));
    const far = await upstream.connection(0);
    far.send(`${STREAM}${chunk("abc")}`);
    await until(() => guard.given === "abc", "given");
    client.socket.resetAndDestroy();
    await far.gone();
    expect(await outcome()).toMatchObject({ error: "client_gone" });
    expect(guard.closed).toBeGreaterThan(0);
    resolve({ ...GO, release: 3 });
    await settled();
  });

  test("while the veto is certified is told nothing", async () => {
    guard.atHead = VETO;
    upstream.answers(() => ok("x"));
    const { promise, resolve } = Promise.withResolvers<void>();
    rig.evidence.onCommit = ({ phase }) => {
      if (phase === "response") rig.evidence.gate = promise;
    };
    const client = await rig.client();
    client.send(get(at));
    await until(() => rig.evidence.proofs.length === 2, "the veto");
    client.socket.resetAndDestroy();
    expect(await outcome()).toMatchObject({ error: "client_gone" });
    resolve();
    await settled();
    expect(rig.evidence.outcomes.length).toBe(1);
  });

  test("as the upstream does in the middle: the answer is cut", async () => {
    const client = await rig.client();
    client.send(get(at));
    const far = await upstream.connection(0);
    far.send(`${STREAM}${chunk("abc")}`);
    await client.wait((text) => text.includes("abc"), "the first");
    far.socket.destroy();
    expect(await client.ended()).toBe("reset");
    expect(await outcome()).toMatchObject({ error: "upstream_closed", severed: true });
    expect(guard.closed).toBeGreaterThan(0);
  });
});

test("a guard that breaks cuts the answer", async () => {
  guard.onPush = () => ({ ...GO, release: 100 });
  upstream.answers(() => ok("abc"));
  const client = await rig.client();
  client.send(get(at));
  expect(await client.ended()).toBe("reset");
  expect(await outcome()).toMatchObject({ severed: true });
  expect(rig.faults.length).toBe(1);
  rig.faults.length = 0;
});
