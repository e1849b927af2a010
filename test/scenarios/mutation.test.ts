import { afterEach, beforeEach, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { allow, block } from "../../src/model/decision.ts";
import { clientHello } from "../enforce/_hello.ts";
import { ok, Rig, Upstream, until } from "./_rig.ts";

/**
 * Mutated conversations from both sides, cut and ended anywhere. Whatever is said: nothing throws, every request that
 * reaches the upstream was decided first and is exactly the one decided, and every counter returns to zero.
 */

const SEED = Number(process.env.SALLYPORT_FUZZ_SEED ?? 1);
const ROUNDS = Number(process.env.SALLYPORT_FUZZ_ROUNDS ?? 300);

let rig: Rig;
let upstream: Upstream;

beforeEach(async () => {
  rig = await Rig.start({ names: { "a.test": ["127.0.0.1"] } });
  upstream = await Upstream.start();
});
afterEach(async () => {
  await rig.stop();
  upstream.stop();
});

function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 13), 0x85ebca6b);
    mixed ^= mixed >>> 16;
    return (mixed >>> 0) % below;
  };
}

const hello = Buffer.from(clientHello({ sni: "a.test" })).toString("latin1");

function requests(at: string): string[] {
  const to = `a.test:${upstream.port}`;
  return [
    `GET http://${at}/g HTTP/1.1\r\nHost: ${at}\r\nX-A: 1\r\n\r\n`,
    `POST http://${at}/p HTTP/1.1\r\nHost: ${at}\r\nContent-Length: 5\r\n\r\nhello`,
    `POST http://${at}/c HTTP/1.1\r\nHost: ${at}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: 1\r\n\r\n`,
    `PUT http://${at}/e HTTP/1.1\r\nHost: ${at}\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
    `GET http://${at}/ws HTTP/1.1\r\nHost: ${at}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes`,
    `CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n${hello}`,
    `CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\nGET /in HTTP/1.1\r\nHost: a.test\r\n\r\n`,
    "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    `HEAD http://${at}/h HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`,
  ];
}

const ANSWERS = [
  ok("fine"),
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
  "HTTP/1.0 200 OK\r\n\r\nuntil close",
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes",
  "HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\n",
];

const SPICE = [
  "\r\n",
  "\n",
  "\0",
  " ",
  "\t",
  ":",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "\xff",
  "0\r\n\r\n",
  "Host: b\r\n",
  "GET http://evil.test/ HTTP/1.1\r\n",
];

function mutate(text: string, random: (below: number) => number): string {
  let out = text;
  for (let n = random(4); n > 0; n--) {
    const at = random(out.length + 1);
    switch (random(5)) {
      case 0:
        out = out.slice(0, at) + out.slice(at + 1 + random(4));
        break;
      case 1:
        out = out.slice(0, at) + SPICE[random(SPICE.length)] + out.slice(at);
        break;
      case 2:
        out = out.slice(0, at) + String.fromCharCode(random(256)) + out.slice(at + 1);
        break;
      case 3:
        out = out.slice(0, at);
        break;
      default:
        out += out.slice(at);
    }
  }
  return out;
}

function speak(socket: Socket, text: string, random: (below: number) => number): void {
  const bytes = Buffer.from(text, "latin1");
  const cut = random(bytes.length + 1);
  socket.write(bytes.subarray(0, cut));
  const ending = random(6);
  setImmediate(() => {
    if (socket.destroyed) return;
    socket.write(bytes.subarray(cut));
    if (ending === 0) socket.resetAndDestroy();
    else if (ending === 1) socket.destroy();
    else if (ending === 2) socket.end();
  });
}

test(`${ROUNDS} conversations, seed ${SEED}`, async () => {
  const random = generator(SEED);
  const uncaught: unknown[] = [];
  const note = (thrown: unknown) => uncaught.push(thrown);
  process.on("uncaughtException", note);
  process.on("unhandledRejection", note);
  // A mutated address may be somebody's: only our own is ever allowed, and then only our own may be dialled.
  const ours = new Set(["127.0.0.1", "a.test"]);
  rig.decide = ({ destination }) => (ours.has(destination.host) ? allow("test") : block("not ours", "test"));
  upstream.onConnection = (far) => {
    far.socket.on("data", () => speak(far.socket, mutate(ANSWERS[random(ANSWERS.length)] as string, random), random));
  };
  const kinds = requests(upstream.at);
  for (let round = 0; round < ROUNDS; round += 10) {
    const sockets = await Promise.all(
      Array.from(
        { length: 10 },
        () =>
          new Promise<Socket>((resolve) => {
            const socket = connect({ port: rig.port, host: "127.0.0.1", allowHalfOpen: true }, () => resolve(socket));
            socket.on("error", () => {});
            socket.on("data", () => {});
          }),
      ),
    );
    for (const socket of sockets) {
      let text = "";
      for (let n = 1 + random(3); n > 0; n--) text += mutate(kinds[random(kinds.length)] as string, random);
      speak(socket, text, random);
    }
    await new Promise((resolve) => setTimeout(resolve, 3));
    for (const socket of sockets) socket.resetAndDestroy();
    for (const far of upstream.all) far.socket.resetAndDestroy();
  }
  // Paused sockets tell their end when they are read again; what waits for bytes is ended by its deadline.
  await until(
    () => {
      rig.advance(700_000);
      rig.pool.clear();
      for (const far of upstream.all) far.socket.destroy();
      return Object.values(rig.counts()).every((count) => count === 0);
    },
    `clean ${JSON.stringify(rig.counts())}`,
  ).catch((error) => {
    throw new Error(`${error.message} ${JSON.stringify(rig.counts())}`);
  });
  process.off("uncaughtException", note);
  process.off("unhandledRejection", note);
  expect(uncaught).toEqual([]);
  expect(rig.faults).toEqual([]);
  expect(rig.dialled.filter((place) => !place.startsWith("127.0.0.1:"))).toEqual([]);
  // Every request line at the upstream is one that was decided (tunnelled TLS apart).
  const decided = new Set(rig.asked.map(({ egress }) => `${egress.method} ${egress.path} HTTP/1.1`));
  for (const far of upstream.all) {
    const first = far.received.split("\r\n")[0] ?? "";
    if (first !== "" && !first.startsWith("\x16")) expect([...decided]).toContain(first);
  }
  // Each allow with a permit has exactly one outcome.
  const allowed = rig.evidence.proofs.filter(({ verdict }) => verdict === "allow").length;
  expect(rig.evidence.outcomes.length).toBe(allowed);
}, 120_000);
