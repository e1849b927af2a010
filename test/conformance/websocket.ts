/** The relay of WebSocket messages over the connections of each runtime: what it asks of pause, drain, FIN and reset. */
import type net from "node:net";
import type { Ended } from "../../src/enforce/ended.ts";
import { LiveSet } from "../../src/enforce/live.ts";
import { relayMessages } from "../../src/enforce/websocket.ts";
import { Deadlines } from "../../src/model/deadlines.ts";
import { block } from "../../src/model/decision.ts";
import type { Egress } from "../../src/model/egress.ts";
import type { Message, MessageAnswer, MessageVeto } from "../../src/model/message.ts";
import type { Runtime } from "../../src/runtime/contract.ts";
import { writeFrame } from "../../src/wire/websocket.ts";
import { type Check, expect, same, turns, until, withPeer } from "./kit.ts";

const MAX = 8 << 20;

class Peer {
  readonly socket: net.Socket;
  bytes = 0;
  chunks: Uint8Array[] = [];
  ended = false;
  closed = false;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Uint8Array) => {
      this.bytes += chunk.length;
      this.chunks.push(chunk);
    });
    socket.on("end", () => {
      this.ended = true;
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
    });
  }

  get received(): string {
    return this.chunks.map((chunk) => Array.from(chunk, (byte) => String.fromCharCode(byte)).join("")).join("");
  }
}

async function between(runtime: Runtime, judge: (message: Message) => MessageAnswer | Promise<MessageAnswer>) {
  const near = await withPeer(runtime);
  const far = await withPeer(runtime);
  const ends: Omit<Ended, "status" | "answered" | "protocol">[] = [];
  const thrown: unknown[] = [];
  const deadlines = new Deadlines(() => runtime.monotonic());
  const env = {
    deadlines,
    idleMs: 60_000,
    live: new LiveSet(),
    crashed: (error: unknown) => void thrown.push(error),
    afterTurn: runtime.afterTurn,
    maxMessage: MAX,
    room: () => ({ full: false, holds() {}, wait() {}, close() {} }),
  };
  let done = 0;
  const gate = {
    judge,
    tooLarge: () => vetoOf("message_too_large"),
    refuse: () => vetoOf("refused"),
    looksAt: () => true,
    transcript: () => null,
  };
  const client = { conn: near.conn, leftover: null, ended: false, done: () => void done++ };
  const upstream = { conn: far.conn, leftover: null, address: "127.0.0.1" };
  relayMessages(
    env,
    { egress: {} as Egress, gate, agreed: { kind: "plain" }, client, upstream },
    (end) => void ends.push(end),
  );
  const over = async (error: string | null) => {
    await until(() => ends.length > 0, "an end");
    same(thrown.join(), "", "what was thrown");
    same(ends.map((end) => end.error).join(), error ?? "", "error");
    same(done, 1, "done");
    same(env.live.size + deadlines.size, 0, "what stays behind");
  };
  return { near: new Peer(near.peer), far: new Peer(far.peer), over, sweep: () => deadlines.sweep() };
}

const PASS = { kind: "pass" } as const;

export const websocketMessagesPassByteForByte: Check = async (runtime) => {
  let judged = 0;
  const { near, far, over } = await between(runtime, (message) => {
    judged += message.bytes.length;
    return judged % 2 === 0 ? PASS : Promise.resolve(PASS);
  });
  const frames = [0, 1, 125, 5000, 70_000, 6 << 20].map((length) => {
    const payload = Uint8Array.from({ length }, (_, i) => (i * 13) & 255);
    return { up: writeFrame(2, payload, true), down: writeFrame(2, payload, false) };
  });
  let total = 0;
  for (const { up, down } of frames) {
    total += down.length;
    near.socket.write(up.slice());
    far.socket.write(down.slice());
  }
  const masks = frames.length * 4;
  await until(() => near.bytes === total && far.bytes === total + masks, "everything, both ways");
  const wanted = (pick: "up" | "down") => frames.flatMap((frame) => [frame[pick]]);
  for (const [peer, pick] of [
    [near, "down"],
    [far, "up"],
  ] as const) {
    const all = new Uint8Array(await new Blob(peer.chunks as BlobPart[]).arrayBuffer());
    let at = 0;
    for (const frame of wanted(pick)) {
      for (let i = 0; i < frame.length; i++)
        if (all[at + i] !== frame[i]) throw new Error(`byte ${at + i} differs, ${pick}`);
      at += frame.length;
    }
  }
  near.socket.end();
  await until(() => far.ended, "FIN");
  far.socket.end();
  await over(null);
};

export const websocketSlowReaderStopsTheWriter: Check = async (runtime) => {
  let judged = 0;
  const { near, far, over } = await between(runtime, () => {
    judged++;
    return PASS;
  });
  far.chunks.push = () => 0;
  far.socket.pause();
  const frame = writeFrame(2, new Uint8Array(256 * 1024), true);
  const count = 400;
  for (let i = 0; i < count; i++) near.socket.write(frame.slice());
  for (let before = -1; before !== judged || judged === 0; ) {
    before = judged;
    await turns(100);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(judged < count / 2, `${judged} of ${count} were taken for a reader that takes none`);
  far.socket.resume();
  await until(() => far.bytes === frame.length * count, "everything");
  near.socket.end();
  await until(() => far.ended, "FIN");
  far.socket.end();
  await over(null);
};

export const websocketVetoIsToldToBothAndEnds: Check = async (runtime) => {
  for (const waits of [false, true]) {
    const veto = vetoOf("706");
    const { near, far, over } = await between(runtime, () => (waits ? Promise.resolve(veto) : veto));
    near.socket.write(writeFrame(1, new Uint8Array(100).fill(97), true));
    await until(() => near.ended && far.ended, "FIN on both sides");
    same(near.received, "\x88\x0c\x03\xf0706 cert_0", "what the client was told");
    same(far.received.slice(0, 2), "\x88\x82", "what the upstream was told");
    same(far.bytes, 8, "what else the upstream was told");
    near.socket.end();
    far.socket.end();
    await over("706");
  }
};

export const websocketWhoeverStaysIsReset: Check = async (runtime) => {
  const { near, far, over, sweep } = await between(runtime, () => PASS);
  near.socket.write(new Uint8Array([0xf1, 0x80, 0, 0, 0, 0]));
  await until(() => near.ended && far.ended, "FIN on both sides");
  // Deno tells a peer that has nothing to read of the reset when it writes.
  await until(() => {
    sweep();
    for (const { socket } of [near, far]) if (!socket.destroyed) socket.write("?");
    return near.closed && far.closed;
  }, "both cut");
  await over("client_websocket_reserved_bits");
};

function vetoOf(vector: string): MessageVeto {
  const certificate = { id: "cert_0", json: "{}", header: "{}", size: 0, copyTo() {} };
  return { kind: "veto", decision: block("an attack", vector), certificate };
}
