/** What strangers can make the gateway hold: counted, bounded, given back. */
import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import type { Config } from "../../src/config/config.ts";
import { allow } from "../../src/model/decision.ts";
import { H2_LIMITS } from "../../src/wire/h2.ts";
import { END_HEADERS, END_STREAM, frame, HELLO, headers, T, u32 } from "../wire/_h2.ts";
import { frame as wsFrame } from "../wire/_websocket.ts";
import { type Far, ok, type RawClient, Rig, settled, Upstream, until } from "./_rig.ts";

const ROOM = 200_000;
const MASK = [0, 0, 0, 0];

let rig: Rig;
let upstream: Upstream;
let at: string;
let speaks2: Http2Server | null = null;

/** What is asked inside of an h2c tunnel is asked of an upstream that speaks HTTP/2. */
async function start2(config: Partial<Config> = {}, pad = "", body = ""): Promise<void> {
  await start(config);
  const server = createServer();
  speaks2 = server;
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => {});
    stream.respond({ ":status": 200, "x-pad": pad });
    stream.resume();
    stream.end(body);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function start(config: Partial<Config> = {}): Promise<void> {
  rig = await Rig.start({ config });
  upstream = await Upstream.start();
  at = upstream.at;
}
afterEach(async () => {
  await rig.stop();
  upstream.stop();
  speaks2?.close();
  speaks2 = null;
});

const held = (): number => rig.door.budget.used;

/** HTTP/2 without TLS inside a tunnel, frame by frame. */
async function h2(): Promise<RawClient> {
  const client = await rig.client();
  client.send(`CONNECT ${at} HTTP/1.1\r\nHost: ${at}\r\n\r\n`);
  await client.head();
  client.send(Uint8Array.from([...HELLO, ...frame(T.WINDOW_UPDATE, 0, 0, u32(1 << 30))]));
  return client;
}

function asks(method: string, more: string[] = []): string[] {
  return [":method", method, ":scheme", "http", ":authority", at, ":path", "/", ...more];
}

describe("bodies in one-byte pieces", () => {
  const COUNT = 20_000;
  const text = "x".repeat(COUNT);

  test("chunk by chunk: held as charged, and forwarded whole", async () => {
    await start();
    upstream.answers(() => ok("heard"));
    const client = await rig.client();
    client.send(`POST http://${at}/ HTTP/1.1\r\nHost: ${at}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    client.send("1\r\nx\r\n".repeat(COUNT));
    await until(() => held() === COUNT, "all of it held");
    client.send("0\r\n\r\n");
    expect((await client.answer()).body).toBe("heard");
    expect((await upstream.connection(0)).received.endsWith(`\r\n\r\n${text}`)).toBe(true);
    client.close();
    await rig.clean();
  });

  test("frame by frame: the same over HTTP/2", async () => {
    await start2();
    const client = await h2();
    client.send(Uint8Array.from(headers(1, asks("POST"), false)));
    const one = frame(T.DATA, 0, 1, [0x78]);
    client.send(Uint8Array.from(Array.from({ length: COUNT }, () => one).flat()));
    await until(() => held() === COUNT, "all of it held");
    expect(rig.asked.length).toBe(1);
    client.send(Uint8Array.from(frame(T.DATA, END_STREAM, 1)));
    await until(() => rig.asked.length === 2, "the question");
    expect(Buffer.from(rig.asked[1]?.body?.bytes ?? []).toString()).toBe(text);
    client.close();
    await rig.clean();
  });
});

test("a stream of HTTP/2 without room waits with its window closed, and ends with a certificate", async () => {
  await start2({ maxHeld: ROOM, maxBody: ROOM });
  const clients = [await h2(), await h2()];
  const piece = frame(T.DATA, 0, 1, new Uint8Array(16_000));
  for (const client of clients) {
    client.send(Uint8Array.from(headers(1, asks("POST"), false)));
    for (let i = 0; i < 7; i++) client.send(Uint8Array.from(piece));
  }
  await until(() => held() > ROOM, "full");
  expect(held()).toBeLessThan(2 * ROOM);
  rig.advance(2_001);
  await until(() => rig.evidence.proofs.some(({ matched_vector }) => matched_vector === "held_exhausted"), "evidence");
  // Who found room goes on with what it has; its client may take its time.
  await until(() => held() < ROOM, "given back");
  for (const client of clients) client.close();
  await rig.clean();
});

describe("many at once", () => {
  const LIMIT = 1_000_000;
  const COUNT = 60;

  /** The most that was ever held, read by read. */
  function watched(): () => number {
    const { budget } = rig.door;
    let used = 0;
    let most = 0;
    Object.defineProperty(budget, "used", {
      get: () => used,
      set(value: number) {
        used = value;
        most = Math.max(most, used);
      },
    });
    return () => most;
  }

  const refused = () => rig.evidence.proofs.filter(({ matched_vector }) => matched_vector === "held_exhausted").length;
  /** Beyond the limit by a quarter, and by what one read brings, which is looked at before the next. */
  const BOUND = LIMIT + LIMIT / 4 + 512 * 1024;

  for (const [name, length] of [
    ["whole, and waiting for an upstream that stands still", 100_000],
    ["begun, and waiting for room", 150_000],
  ] as const) {
    test(`bodies that are ${name}: never more than the limit and a quarter; who is beyond is refused with a certificate`, async () => {
      await start({ maxHeld: LIMIT, maxBody: 200_000 });
      const most = watched();
      const clients = await Promise.all(Array.from({ length: COUNT }, () => rig.client()));
      for (const client of clients)
        client.send(
          `POST http://${at}/ HTTP/1.1\r\nHost: ${at}\r\nContent-Length: ${length}\r\n\r\n${"x".repeat(100_000)}`,
        );
      // Nobody's time is over: the clock stands.
      await until(() => refused() >= COUNT - 13, "the others refused", 20_000);
      expect(held()).toBeGreaterThan(LIMIT / 2);
      expect(most()).toBeLessThanOrEqual(BOUND);
      for (const client of clients) client.socket.resetAndDestroy();
      await until(() => held() === 0, "given back");
      await rig.clean();
    });
  }

  test("who is small is kept, and those of a hog that wait make room for it", async () => {
    await start({ maxHeld: LIMIT, maxBody: 200_000 });
    upstream.answers(() => ok("heard"));
    const head = (length: number) => `POST http://${at}/ HTTP/1.1\r\nHost: ${at}\r\nContent-Length: ${length}\r\n\r\n`;
    const hogs = await Promise.all(Array.from({ length: 14 }, () => rig.client("127.0.0.2")));
    for (const hog of hogs) hog.send(head(150_000) + "x".repeat(100_000));
    await until(() => held() > LIMIT, "full");
    const small = await rig.client("127.0.0.3");
    small.send(head(100_000) + "y".repeat(100_000));
    expect((await small.answer()).status).toBe(200);
    for (const each of [...hogs, small]) each.close();
    await until(() => held() === 0, "given back");
    await rig.clean();
  });

  test("that wait for room are not all read at once when there is some, and none is refused while there is", async () => {
    await start({ maxHeld: LIMIT, maxBody: 900_000 });
    upstream.answers(() => ok("heard"));
    let release = (): void => {};
    rig.decide = () => {
      rig.decide = () => allow("test");
      return new Promise((resolve) => {
        release = () => resolve(allow("late"));
      });
    };
    const head = (length: number) => `POST http://${at}/ HTTP/1.1\r\nHost: ${at}\r\nContent-Length: ${length}\r\n\r\n`;
    const first = await rig.client("127.0.0.2");
    first.send(head(900_000) + "x".repeat(900_000));
    await until(() => rig.asked.length === 1, "deciding");
    const others = await Promise.all(Array.from({ length: 40 }, () => rig.client()));
    for (const other of others) other.send(`${head(20_001)}${"y".repeat(20_000)}`);
    await until(() => held() > LIMIT, "full");
    for (let i = 0; i < 20; i++) await settled();
    release();
    expect((await first.answer()).status).toBe(200);
    // Those that were woken bring nothing; when the wait of the others ends, there is room all the same.
    for (let i = 0; i < 20; i++) await settled();
    rig.advance(2_001);
    for (let i = 0; i < 20; i++) await settled();
    for (const other of others) other.send("y");
    for (const other of others) expect((await other.answer()).status).toBe(200);
    expect(refused()).toBe(0);
    for (const each of [first, ...others]) each.close();
    await rig.clean();
  });
});

test("of a body that an early answer leaves behind nothing is kept, and the outcome says how much has left", async () => {
  await start();
  const client = await h2();
  const body = new Uint8Array(200_000);
  client.send(Uint8Array.from(headers(1, asks("POST", ["content-length", String(body.length)]), false)));
  for (let i = 0; i < body.length; i += 10_000)
    client.send(Uint8Array.from(frame(T.DATA, 0, 1, body.subarray(i, i + 10_000))));
  client.send(Uint8Array.from(frame(T.DATA, END_STREAM, 1)));
  const far = await upstream.connection(0);
  // The whole answer at once, and no window for the body: SETTINGS_INITIAL_WINDOW_SIZE 0; :status 200.
  far.send(Buffer.from(frame(T.SETTINGS, 0, 0, [0, 4, 0, 0, 0, 0])).toString("latin1"));
  await until(() => far.received.includes(":path") || far.received.length > 100, "the request");
  far.send(Buffer.from(frame(T.HEADERS, END_STREAM | END_HEADERS, 1, [0x88])).toString("latin1"));
  await until(() => rig.evidence.outcomes.length > 0, "an outcome");
  expect(rig.evidence.outcomes[0]).toMatchObject({ error: null, status: 200, protocol: "h2" });
  const reset = Buffer.from(frame(T.RST_STREAM, 0, 1, u32(0))).toString("latin1");
  await until(() => far.received.includes(reset), "a reset that says no error");
  expect(rig.evidence.outcomes[0]?.bytes_up).toBeLessThan(body.length);
  client.close();
  far.socket.destroy();
  await rig.clean();
});

describe("messages of a WebSocket", () => {
  async function open(): Promise<{ client: RawClient; far: Far }> {
    const client = await rig.client();
    const { length } = upstream.all;
    client.send(
      `GET http://${at}/ HTTP/1.1\r\nHost: ${at}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    );
    const far = await upstream.connection(length);
    await far.heads(1);
    far.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    await client.wait((text) => text.includes("\r\n\r\n"), "the 101");
    client.received = "";
    return { client, far };
  }

  /** All of a message but its end. */
  const begun = (mask: readonly number[] | null, length: number, opcode = 2): Uint8Array =>
    wsFrame({ opcode, fin: false, payload: new Uint8Array(length), mask });

  for (const direction of ["up", "down"] as const) {
    test(`that are not whole are counted (${direction}); without room they wait, then end with 1013 and a certificate`, async () => {
      await start({ maxHeld: ROOM, maxBody: 20_000_000 });
      const open2 = [await open(), await open(), await open()];
      for (const { client, far } of open2) {
        if (direction === "up") client.send(begun(MASK, 80_000));
        else far.send(begun(null, 80_000));
      }
      await until(() => held() > ROOM, "full");
      // A read more for each may slip in; the rest stays with its sender.
      const more = begun(direction === "up" ? MASK : null, 3_000_000, 0);
      for (const { client, far } of open2) (direction === "up" ? client : far).send(more);
      for (let i = 0; i < 20; i++) await settled();
      expect(held()).toBeLessThan(2_000_000);
      expect(open2.every(({ client }) => client.ending === "open")).toBe(true);
      rig.advance(2_001);
      for (const { client, far } of open2) {
        const said = await client.wait((text) => text.includes("held_exhausted cert_"), "the close");
        expect([said.charCodeAt(0), said.charCodeAt(2) * 256 + said.charCodeAt(3)]).toEqual([0x88, 1013]);
        client.close();
        far.socket.destroy();
      }
      expect(rig.evidence.proofs.filter(({ matched_vector }) => matched_vector === "held_exhausted")).toMatchObject(
        open2.map(() => ({ phase: "message", verdict: "fail_closed" })),
      );
      expect(held()).toBe(0);
      await rig.clean();
    });
  }

  test("room again lets one that waits go on", async () => {
    await start({ maxHeld: ROOM, maxBody: ROOM });
    const [first, second] = [await open(), await open()];
    first.client.send(begun(MASK, 130_000));
    await until(() => held() >= 130_000, "the first");
    second.client.send(begun(MASK, 100_000));
    await until(() => held() > ROOM, "full");
    second.client.send(wsFrame({ opcode: 0, fin: true, payload: Uint8Array.of(1), mask: MASK }));
    for (let i = 0; i < 20; i++) await settled();
    expect(rig.asked.some(({ body }) => body?.bytes.length === 100_001)).toBe(false);
    first.client.close();
    await until(() => second.far.bytes > 100_000, "the message");
    second.client.close();
    for (const { far } of [first, second]) far.socket.destroy();
    await rig.clean();
  });

  test("what passed and is not taken counts until it is", async () => {
    await start({ maxBody: 20_000_000 });
    const { client, far } = await open();
    client.socket.pause();
    const size = 16_000_000;
    far.send(wsFrame({ opcode: 2, fin: true, payload: new Uint8Array(size) }));
    await until(() => held() >= size, "held for the client");
    for (let i = 0; i < 20; i++) await settled();
    expect(held()).toBeGreaterThanOrEqual(size);
    client.socket.resume();
    await until(() => held() === 0, "taken");
    client.close();
    far.socket.destroy();
    await rig.clean();
  });

  test("what is being decided counts, and what came behind it; all of it is given back", async () => {
    await start();
    const { client, far } = await open();
    let decide = (): void => {};
    rig.decide = () =>
      new Promise((resolve) => {
        decide = () => resolve(allow("late"));
      });
    client.send(wsFrame({ opcode: 2, fin: true, payload: new Uint8Array(50_000), mask: MASK }));
    await until(() => rig.asked.some(({ egress }) => egress.phase === "message"), "asked");
    expect(held()).toBeGreaterThanOrEqual(50_000);
    rig.decide = () => allow("test");
    decide();
    await until(() => held() === 0 && far.bytes > 50_000, "passed and given back");
    client.close();
    far.socket.destroy();
    await rig.clean();
  });
});

describe("an HTTP/2 client that reads nothing", () => {
  test("gives way with its oldest connection when its address has too much; others have room", async () => {
    const maxHeld = 4_000_000;
    await start2({ maxHeld, maxBody: 100_000 }, "", "x".repeat(60_000));
    const clients: RawClient[] = [];
    for (let i = 0; !rig.notices.includes("h2_answers_unread") && i < 12; i++) {
      const client = await h2();
      clients.push(client);
      // SETTINGS_INITIAL_WINDOW_SIZE 0.
      client.send(Uint8Array.from(frame(T.SETTINGS, 0, 0, [0, 4, 0, 0, 0, 0])));
      const before = held();
      for (let id = 1; id < 32; id += 2) client.send(Uint8Array.from(headers(id, asks("GET"), true)));
      await until(() => held() >= before + 900_000 || rig.notices.length > 0, "answered");
      expect(held()).toBeLessThanOrEqual(maxHeld);
    }
    const [first, ...others] = clients;
    await until(() => first?.ending !== "open", "the first one ended");
    expect(others.every(({ ending }) => ending === "open")).toBe(true);
    expect(held()).toBeGreaterThan(2_000_000);
    for (const client of clients) client.socket.resetAndDestroy();
    await until(() => held() === 0, "given back");
  });

  test("and asks on is cut when too many heads wait for it; what waits counts, and is given back", async () => {
    await start2({}, "p".repeat(30_000));
    (rig.door as { h2Limits: typeof H2_LIMITS }).h2Limits = { ...H2_LIMITS, maxUnsent: 256 * 1024 };
    const client = await h2();
    client.socket.pause();
    let most = 0;
    let id = 1;
    while (!rig.notices.includes("h2_answers_unread")) {
      if (id > 8_000) throw new Error("it was let ask for ever");
      const before = rig.asked.length;
      for (let i = 0; i < 20; i++, id += 2) client.send(Uint8Array.from(headers(id, asks("HEAD"), true)));
      await until(() => rig.asked.length >= before + 20 || rig.notices.length > 0, "asked");
      most = Math.max(most, held());
    }
    expect(most).toBeLessThan(4 * 1024 * 1024);
    await until(() => held() === 0, "given back");
    client.close();
    await rig.clean();
  }, 120_000);
});
