/** What comes from a peer, in turns, with a clock and turns of the test's own. */
import { expect, test } from "bun:test";
import { Inflow, type Source, Turns } from "../../src/runtime/_inflow.ts";

const READ = 512 * 1024;

class Loop {
  now = 0;
  readonly due: (() => void)[] = [];
  readonly turns = new Turns(
    () => this.now,
    (run) => void this.due.push(run),
  );

  /** One turn of the event loop. */
  turn(): void {
    for (const run of this.due.splice(0)) run();
  }
}

class Peer implements Source {
  readonly got: number[] = [];
  readonly told: string[] = [];
  readonly inflow: Inflow;
  on: (bytes: Uint8Array) => void = () => {};
  readonly handler: Source["handler"];

  constructor(loop: Loop, costMs: number, atOnce?: number) {
    this.inflow = new Inflow(this, loop.turns);
    this.handler = {
      ...(atOnce === undefined ? {} : { atOnce }),
      data: (bytes) => {
        loop.now += costMs;
        this.got.push(bytes.length);
        this.on(bytes);
      },
      end() {},
      drain() {},
      close() {},
    };
  }
  stopReading(): void {
    this.told.push("stop");
  }
  readAgain(): void {
    this.told.push("again");
  }
  emptied(): void {}
  broke(thrown: unknown): void {
    this.told.push(String(thrown));
  }
}

test("Inflow gives whoever is dear to read one read a turn, and stops reading meanwhile", () => {
  const loop = new Loop();
  const peer = new Peer(loop, 100);
  for (let i = 0; i < 11; i++) peer.inflow.received(new Uint8Array(READ));
  expect(peer.got).toEqual([READ]);
  expect(peer.told).toEqual(["stop"]);
  for (let turn = 1; turn < 11; turn++) {
    loop.turn();
    expect(peer.got.length).toBe(turn + 1);
  }
  expect(peer.told).toEqual(["stop", "again"]);
  expect(peer.inflow.waiting).toBe(false);
});

test("Inflow gives others their turn between, in order", () => {
  const loop = new Loop();
  const order: string[] = [];
  const peers = ["a", "b", "c"].map((name) => {
    const peer = new Peer(loop, 100);
    peer.on = () => order.push(name);
    for (let i = 0; i < 3; i++) peer.inflow.received(new Uint8Array(READ));
    return peer;
  });
  while (peers.some((peer) => peer.inflow.waiting)) loop.turn();
  expect(order.join("")).toBe("aabcabcbc");
});

test("Inflow never gives more of one connection in a turn than 1 MiB, however cheap it seems", () => {
  const loop = new Loop();
  const peer = new Peer(loop, 0);
  for (let i = 0; i < 5; i++) peer.inflow.received(new Uint8Array(READ));
  expect(peer.got.length).toBe(2);
  loop.turn();
  expect(peer.got.length).toBe(4);
  loop.turn();
  expect(peer.got.length).toBe(5);
  expect(peer.told).toEqual(["stop", "again"]);
});

test("Inflow cuts what comes into pieces of the size its handler wants, each measured", () => {
  const loop = new Loop();
  const peer = new Peer(loop, 3, 32 * 1024);
  const bytes = new Uint8Array(READ).map((_, at) => at >> 11);
  const heard: number[] = [];
  peer.on = (piece) => heard.push(...piece);
  peer.inflow.received(bytes);
  expect(peer.got).toEqual([32 * 1024, 32 * 1024]);
  while (peer.inflow.waiting) loop.turn();
  expect(peer.got.length).toBe(16);
  expect(Buffer.compare(Buffer.from(heard), Buffer.from(bytes))).toBe(0);
});

test("Inflow keeps what waits while its handler pauses, and goes on in a later turn, never from inside", () => {
  const loop = new Loop();
  const peer = new Peer(loop, 0, 1024);
  peer.on = () => peer.inflow.pause();
  peer.inflow.received(new Uint8Array(16 * 1024));
  loop.turn();
  expect(peer.got).toEqual([1024]);
  peer.on = () => {};
  peer.inflow.resume();
  expect(peer.got).toEqual([1024]);
  // A small one that comes meanwhile does not overtake.
  peer.inflow.received(new Uint8Array(7));
  expect(peer.got).toEqual([1024]);
  loop.turn();
  expect(peer.got.length).toBe(17);
  expect(peer.got.at(-1)).toBe(7);
  expect(peer.told.at(-1)).toBe("again");
});

test("Inflow hands small reads on at once, and arms no turn for them", () => {
  const loop = new Loop();
  const peer = new Peer(loop, 100);
  for (let i = 0; i < 3; i++) peer.inflow.received(new Uint8Array(100));
  expect(peer.got.length).toBe(3);
  expect(loop.due.length).toBe(0);
});

test("Turns go on with the others when one handler throws", () => {
  const loop = new Loop();
  const bad = new Peer(loop, 100);
  const good = new Peer(loop, 100);
  for (const peer of [bad, good]) for (let i = 0; i < 3; i++) peer.inflow.received(new Uint8Array(READ));
  bad.on = () => {
    throw new Error("a defect");
  };
  for (let turn = 0; turn < 8; turn++) loop.turn();
  expect(bad.told).toContain("Error: a defect");
  expect(good.inflow.waiting).toBe(false);
});
