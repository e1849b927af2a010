/** The `ws` package at both ends, which compresses, fragments and answers as programs do; every conversation is drawn at random. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { createRequire } from "node:module";
import type { AddressInfo, Server } from "node:net";
import type { PerMessageDeflateOptions, WebSocket, WebSocketServer } from "ws";
import { Random } from "../fuzz/random.ts";
import { PASS, through, until, VETO, WebSocketRig } from "./_websocket-rig.ts";

// By its path: Bun has an imitation of its own under the name.
const real = createRequire(import.meta.url)("../../node_modules/ws/index.js") as {
  WebSocket: typeof WebSocket;
  WebSocketServer: typeof WebSocketServer;
};

interface Said {
  readonly binary: boolean;
  readonly text: string;
}

/** Both ends of one WebSocket through the gateway. */
interface Pair {
  readonly client: WebSocket;
  readonly server: WebSocket;
  readonly heard: { up: Said[]; down: Said[] };
}

let rig: WebSocketRig;
let sockets: WebSocketServer | null = null;
let shim: Server | null = null;

beforeEach(async () => {
  rig = await WebSocketRig.start(4 << 20);
});
afterEach(async () => {
  await rig.stop();
  sockets?.close();
  shim?.close();
});

async function pair(near: PerMessageDeflateOptions | false, far: PerMessageDeflateOptions | false): Promise<Pair> {
  const server = new real.WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: far });
  sockets = server;
  await new Promise((resolve) => server.once("listening", resolve));
  shim = await through(rig, `127.0.0.1:${(server.address() as AddressInfo).port}`);
  const accepted = new Promise<WebSocket>((resolve) => server.once("connection", resolve));
  const client = new real.WebSocket(`ws://127.0.0.1:${(shim.address() as AddressInfo).port}/chat`, {
    perMessageDeflate: near,
  });
  const heard: Pair["heard"] = { up: [], down: [] };
  client.on(
    "message",
    (data: Buffer, binary: boolean) => void heard.down.push({ binary, text: data.toString("latin1") }),
  );
  const far0 = await accepted;
  far0.on("message", (data: Buffer, binary: boolean) => void heard.up.push({ binary, text: data.toString("latin1") }));
  await new Promise((resolve, reject) => client.once("open", resolve).once("error", reject));
  expect(client.extensions).toBe(near && far ? "permessage-deflate" : "");
  return { client, server: far0, heard };
}

async function bye({ client, server }: Pair): Promise<void> {
  const codes: number[] = [];
  const gone = [client, server].map(
    (end) =>
      new Promise<void>((resolve) =>
        end.once("close", (code: number) => {
          codes.push(code);
          resolve();
        }),
      ),
  );
  client.close(1000, "done");
  await Promise.all(gone);
  expect(codes).toEqual([1000, 1000]);
  await until(() => rig.ends.length > 0, "an end");
  expect(rig.ends.map(({ error, severed }) => [error, severed])).toEqual([[null, false]]);
  await rig.clean();
}

function message(random: Random): Buffer | string {
  const length = random.pick([0, 1, 5, 100, 125, 126, 1000, 5000, 65535, 65536, 200_000]);
  switch (random.below(3)) {
    case 0:
      return "a phrase that comes again — mit Umlauten äöü ".repeat(1 + length / 50).slice(0, length);
    case 1:
      return Buffer.alloc(length, random.below(256));
    default:
      return Buffer.from(Uint8Array.from({ length }, () => random.below(256)));
  }
}

const latin1 = (said: Buffer | string) => Buffer.from(said as string).toString("latin1");

function say(end: WebSocket, said: Buffer | string, random: Random): void {
  const binary = typeof said !== "string";
  const compress = !random.once(4);
  const parts = random.once(3) ? 1 + random.below(6) : 1;
  for (let i = 0; i < parts; i++) {
    const from = Math.floor((said.length * i) / parts);
    const to = Math.floor((said.length * (i + 1)) / parts);
    if (i > 0 && random.once(3)) end.ping(random.once(2) ? "" : "between");
    end.send(typeof said === "string" ? said.slice(from, to) : said.subarray(from, to), {
      binary,
      compress,
      fin: i === parts - 1,
    });
  }
}

const terms: [string, PerMessageDeflateOptions | false, PerMessageDeflateOptions | false][] = [
  ["nothing compressed", false, false],
  ["offered and not taken", {}, false],
  ["one window each", { threshold: 0 }, { threshold: 0 }],
  [
    "small windows",
    { threshold: 0, clientMaxWindowBits: 10 },
    { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 10 },
  ],
  ["fresh windows", { threshold: 0 }, { threshold: 0, clientNoContextTakeover: true, serverNoContextTakeover: true }],
  ["the server begins anew", { threshold: 0, serverNoContextTakeover: true }, { threshold: 100 }],
];

for (const [what, near, far] of terms) {
  for (const waits of [false, true]) {
    test(`${what}, judged ${waits ? "later" : "at once"}: both ends hear what the other said, and so does the gate`, async () => {
      const random = new Random(what.length * 2 + Number(waits));
      rig.judge = () => (waits && random.once(2) ? Promise.resolve(PASS) : PASS);
      const made = await pair(near, far);
      const told = { up: [] as Said[], down: [] as Said[] };
      for (let i = 0; i < 60; i++) {
        const up = random.once(2);
        const said = message(random);
        told[up ? "up" : "down"].push({ binary: typeof said !== "string", text: latin1(said) });
        say(up ? made.client : made.server, said, random);
        if (random.once(5)) await new Promise((resolve) => setImmediate(resolve));
      }
      await until(
        () => made.heard.up.length === told.up.length && made.heard.down.length === told.down.length,
        "all heard",
      );
      expect(made.heard.up).toEqual(told.up);
      expect(made.heard.down).toEqual(told.down);
      for (const way of ["up", "down"] as const) {
        const judged = rig.judged.filter(({ direction, control }) => direction === way && !control);
        expect(judged.map(({ text, said }) => ({ binary: !text, text: said }))).toEqual(told[way]);
      }
      await bye(made);
    }, 120_000);
  }

  test(`${what}: some messages replaced, and the inflater of the other side goes on`, async () => {
    const random = new Random(what.length);
    const made = await pair(near, far);
    rig.judge = ({ said }) =>
      said.startsWith("secret") ? { kind: "replace", bytes: Buffer.from("[redacted]") } : PASS;
    const told = { up: [] as string[], down: [] as string[] };
    for (let i = 0; i < 80; i++) {
      const up = random.once(2);
      const said = `${random.once(5) ? "secret " : ""}${"the same words again and again ".repeat(1 + random.below(40))}${i % 7}`;
      told[up ? "up" : "down"].push(said.startsWith("secret") ? "[redacted]" : said);
      say(up ? made.client : made.server, said, random);
    }
    await until(
      () => made.heard.up.length === told.up.length && made.heard.down.length === told.down.length,
      "all heard",
    );
    expect(made.heard.up.map(({ text }) => text)).toEqual(told.up);
    expect(made.heard.down.map(({ text }) => text)).toEqual(told.down);
    await bye(made);
  }, 120_000);
}

test("a veto is an orderly close with its reason to the client, and one without to the server", async () => {
  const made = await pair({ threshold: 0 }, { threshold: 0 });
  rig.judge = ({ said }) => (said.includes("attack") ? VETO : PASS);
  const why = (end: WebSocket) =>
    new Promise<[number, string]>((resolve) =>
      end.once("close", (code: number, reason: Buffer) => resolve([code, String(reason)])),
    );
  const whys = [why(made.client), why(made.server)];
  made.client.send("hello");
  made.client.send("an attack in here ".repeat(100));
  made.client.send("behind it");
  expect(await Promise.all(whys)).toEqual([
    [1008, "706 cert_00"],
    [1008, ""],
  ]);
  expect(made.heard.up.map(({ text }) => text)).toEqual(["hello"]);
  await until(() => rig.ends.length > 0, "an end");
  expect(rig.ends[0]).toMatchObject({ error: "706" });
  await rig.clean();
});

test("a bomb of ws's own making is closed as too large", async () => {
  const made = await pair({ threshold: 0 }, { threshold: 0, maxPayload: 0 } as PerMessageDeflateOptions);
  const closed = new Promise<number>((resolve) => made.client.once("close", resolve));
  made.client.send(Buffer.alloc(50_000_000));
  expect(await closed).toBe(1009);
  expect(rig.judged).toEqual([]);
  expect(rig.tooLarge).toEqual(["up"]);
  await rig.clean();
});

test("both ends close at the same moment", async () => {
  const made = await pair(false, false);
  const gone = [made.client, made.server].map((end) => new Promise<number>((resolve) => end.once("close", resolve)));
  made.client.close(1000, "client");
  made.server.close(1001, "server");
  expect(await Promise.all(gone)).toEqual([1001, 1000]);
  await until(() => rig.ends.length > 0, "an end");
  expect(rig.ends[0]?.error).toBeNull();
  await rig.clean();
});
