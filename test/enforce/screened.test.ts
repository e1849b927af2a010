/** Answers on their way past whoever decides them, over real sockets, with a guard that says what the test wants. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Screened, screened } from "../../src/enforce/screened.ts";
import { allow, block, type Decision, failClosed } from "../../src/model/decision.ts";
import type { AnswerGuard, ScreenStep } from "../../src/model/screen.ts";
import { get, Rig, settled, Upstream, until } from "../scenarios/_rig.ts";

const VETO = block("a secret comes back", "response_secret");
const GO: ScreenStep = { release: 0, veto: null, more: false };

/** Lets go of everything at once, unless told otherwise. */
class Guard implements AnswerGuard {
  holdWhole = false;
  watchesOnly = false;
  atHead: Decision | null = null;
  allowed: Decision = allow("clean");
  given = "";
  closed = 0;
  kept = 0;
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

describe("an answer that is only watched", () => {
  beforeEach(() => {
    guard.watchesOnly = true;
  });

  test("leaves before it is looked at", async () => {
    let look: (step: ScreenStep) => void = () => {};
    guard.onPush = () => new Promise((resolve) => (look = resolve));
    const client = await rig.client();
    client.send(get(at));
    const far = await upstream.connection(0);
    far.send(`${STREAM}${chunk("abc")}`);
    await client.wait((text) => text.includes("abc"), "what nobody has let go of");
    await until(() => guard.given === "abc", "the look behind it");
    look({ ...GO, release: 3 });
    guard.onPush = (bytes) => ({ ...GO, release: bytes.length });
    far.send(`${chunk("def")}${chunk("ghi")}`);
    await client.wait((text) => text.includes("ghi"), "the next");
    await until(() => guard.given === "abcdefghi", "the look behind that");
    far.send(`${chunk("jkl")}0\r\n\r\n`);
    expect((await client.answer()).body).toBe("abcdefghijkl");
    expect(guard.given).toBe("abcdefghijkl");
    expect(await outcome()).toMatchObject({ answer: "allow", error: null, bytes_down: 12 });
    client.close();
  });

  test("is told to the end before it is said to be whole", async () => {
    let turns = 2;
    guard.onPush = (bytes) => ({ release: bytes.length, veto: null, more: true });
    guard.onMore = () => ({ ...GO, more: --turns > 0 });
    guard.allowed = allow("a secret comes back", { would: "block", vector: "response_secret", mode: "shadow" });
    upstream.answers(() => `${STREAM}${chunk("abc")}0\r\n\r\n`);
    const client = await rig.client();
    client.send(get(at));
    expect((await client.answer()).body).toBe("abc");
    expect(turns).toBe(0);
    await until(() => rig.evidence.proofs.length === 2, "the certificate");
    client.close();
  });

  test("is severed behind what nobody can look at", async () => {
    const veto = failClosed("the screening of the answer crashed", "decision_crashed");
    guard.onPush = () => ({ release: 0, veto, more: false });
    const client = await rig.client();
    client.send(get(at));
    const far = await upstream.connection(0);
    far.send(`${STREAM}${chunk("abc")}`);
    await client.wait((text) => text.includes("event: error"), "the end");
    expect(client.received).toContain("abc");
    expect(await outcome()).toMatchObject({ answer: "fail_closed" });
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

describe("what is held of an answer", () => {
  const ROOM = 200_000;
  const HALF = "x".repeat(120_000);
  const held = (): number => rig.door.budget.used;
  const head = (length: number): string => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`;

  beforeEach(async () => {
    await rig.stop();
    rig = await Rig.start({ config: { maxHeld: ROOM, maxBody: 1024 } });
    rig.screen = () => guard;
    guard.onPush = () => GO;
    guard.holdWhole = true;
  });

  /** An answer of which the half is held. */
  async function half(index: number, before = head(2 * HALF.length)) {
    const client = await rig.client();
    client.send(get(at));
    const far = await upstream.connection(index);
    far.send(before + HALF);
    return { client, far };
  }

  test("is counted, with what the guard keeps itself, until it leaves", async () => {
    guard.kept = 1000;
    const { client, far } = await half(0, head(HALF.length + 3));
    await until(() => held() === HALF.length + 1000, "counted");
    guard.kept = 0;
    guard.onEnd = () => ({ ...GO, release: HALF.length + 3 });
    far.send("end");
    expect((await client.answer()).body.length).toBe(HALF.length + 3);
    expect(held()).toBe(0);
    client.close();
  });

  test("is counted where it only watches: what it has not looked at, and what it keeps", async () => {
    guard.watchesOnly = true;
    guard.holdWhole = false;
    guard.onPush = (bytes) => {
      guard.kept += bytes.length;
      return { ...GO, release: bytes.length };
    };
    const { client } = await half(0);
    await until(() => held() === HALF.length, "counted");
    client.socket.resetAndDestroy();
    await until(() => held() === 0, "given back");
  });

  test("without room is read no more, and after 2 s it is a veto: an answer of its own while nothing has left", async () => {
    const one = await half(0);
    const other = await half(1);
    await until(() => held() > ROOM, "full");
    other.far.send(HALF.slice(0, -1));
    await settled();
    expect(held()).toBe(2 * HALF.length);
    rig.advance(2_001);
    const answer = await Promise.race([one.client.answer(), other.client.answer()]);
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body)).toMatchObject({ status: "FAIL_CLOSED", vector: "held_exhausted" });
    expect(rig.evidence.proofs.find(({ phase }) => phase === "response")).toMatchObject({
      verdict: "fail_closed",
      matched_vector: "held_exhausted",
    });
    expect(await outcome()).toMatchObject({ answer: "fail_closed", error: "held_exhausted", bytes_down: 0 });
    one.client.socket.resetAndDestroy();
    other.client.socket.resetAndDestroy();
  });

  test("of a stream without room ends in its own words", async () => {
    guard.onPush = (bytes) => ({ ...GO, release: bytes[0] === 0x78 ? 0 : bytes.length });
    const one = await half(0);
    guard.holdWhole = false;
    const client = await rig.client();
    client.send(get(at));
    const far = await upstream.connection(1);
    far.send(STREAM + chunk("data: good\n\n"));
    await client.wait((text) => text.includes("good"), "the first event");
    far.send(chunk(HALF));
    await until(() => held() > ROOM, "full");
    rig.advance(2_001);
    await client.wait((text) => text.includes("event: error\ndata: held_exhausted"), "the end");
    expect(client.received).not.toContain("xx");
    one.client.socket.resetAndDestroy();
    client.close();
  });

  test("goes on when somebody else has left", async () => {
    guard.onEnd = () => ({ ...GO, release: HALF.length + 3 });
    const one = await half(0);
    const other = await half(1, head(HALF.length + 3));
    await until(() => held() > ROOM, "full");
    one.client.socket.resetAndDestroy();
    await one.far.gone();
    other.far.send("end");
    expect((await other.client.answer()).status).toBe(200);
    expect(rig.evidence.proofs.every(({ phase }) => phase === "request")).toBe(true);
    other.client.close();
  });

  test("that is whole goes on without room", async () => {
    const full = await half(0);
    const more = await half(1);
    await until(() => held() > ROOM, "full");
    guard.onEnd = () => ({ ...GO, release: 5 });
    const client = await rig.client();
    client.send(get(at));
    (await upstream.connection(2)).send(ok("whole"));
    expect((await client.answer()).body).toBe("whole");
    for (const { client: other } of [full, more]) other.socket.resetAndDestroy();
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

  for (const who of ["the client", "the upstream"] as const) {
    test(`${who}, before the end of what is only watched: what was found in what has left is certified`, async () => {
      guard.watchesOnly = true;
      guard.onPush = (bytes) => {
        guard.allowed = allow("a secret comes back", { would: "block", vector: "response_secret", mode: "shadow" });
        return { ...GO, release: bytes.length };
      };
      const client = await rig.client();
      client.send(get(at));
      const far = await upstream.connection(0);
      far.send(`${STREAM}${chunk("abc")}`);
      await client.wait((text) => text.includes("abc"), "what leaves");
      await until(() => guard.given === "abc", "the look behind it");
      if (who === "the client") client.socket.resetAndDestroy();
      else far.socket.destroy();
      await until(() => rig.evidence.proofs.length === 2, "the certificate");
      expect(rig.evidence.proofs[1]).toMatchObject({ phase: "response", parent: "cert_0", would: "block" });
      expect((await outcome())?.error).toBe(who === "the client" ? "client_gone" : "upstream_closed");
      expect(rig.evidence.proofs.length).toBe(2);
    });
  }

  test("in the middle of a look: the rest of what has left is looked at, to its end", async () => {
    guard.watchesOnly = true;
    let turns = 3;
    guard.onPush = () => ({ ...GO, more: true });
    guard.onMore = () => ({ ...GO, more: turns > 0 });
    guard.onEnd = () => {
      guard.allowed = allow("a secret comes back", { would: "block", vector: "response_secret", mode: "shadow" });
      return GO;
    };
    const client = await rig.client();
    client.send(get(at));
    const far = await upstream.connection(0);
    far.send(`${STREAM}${chunk("abc")}`);
    await client.wait((text) => text.includes("abc"), "what leaves");
    turns = 0;
    client.socket.resetAndDestroy();
    await until(() => rig.evidence.proofs.length === 2, "the certificate");
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

test("an answer in tiny pieces is looked at once a turn, and is whole at its end", () => {
  const sizes: number[] = [];
  const out: Uint8Array[] = [];
  let passed = 0;
  guard.onPush = (bytes) => {
    sizes.push(bytes.length);
    return { ...GO, release: bytes.length };
  };
  const nothing = (): void => {};
  const responder = { started: true, head: nothing, body: (bytes: Uint8Array) => void out.push(bytes), end: nothing };
  const owner = { delivered: nothing, passed: () => passed++, holdAnswer: nothing, turn: nothing };
  const answer = screened({ owner, guard, responder, head: {}, fields: [] } as unknown as Screened);
  for (let turn = 1; turn <= 3; turn++) {
    for (let i = 0; i < 1000; i++) answer.body(Uint8Array.of(i));
    if (turn < 3) answer.came();
    else answer.end(null);
  }
  // The first piece of a turn is kept as it came, the others are put together.
  expect(sizes.length).toBeLessThanOrEqual(6 * 3);
  expect(Buffer.concat(out)).toEqual(Buffer.from(Array.from({ length: 3000 }, (_, i) => i % 1000)));
  expect(passed).toBe(1);
});
