/** Both roles against each other, and every split of a conversation. */
import { describe, expect, test } from "bun:test";
import { H2_LIMITS, H2Client, type H2Limits, H2Server } from "../../src/wire/h2.ts";
import { OutBuffer } from "../../src/wire/out-buffer.ts";
import { Random } from "../fuzz/random.ts";
import {
  ACK,
  client,
  data,
  END_HEADERS,
  frame,
  GET,
  HELLO,
  headers,
  literals,
  PADDED,
  POST,
  SETTINGS_FRAME,
  server,
  T,
  taken,
  u32,
} from "./_h2.ts";

describe("every split", () => {
  const block = literals([...POST, "cookie", "a=1", "cookie", "b=2", "content-length", "9"]);
  const said = Uint8Array.from([
    ...HELLO,
    ...frame(T.SETTINGS, ACK, 0),
    ...frame(T.HEADERS, PADDED, 1, [3, ...block.slice(0, 20), 0, 0, 0]),
    ...frame(T.CONTINUATION, 0, 1, block.slice(20, 21)),
    ...frame(T.CONTINUATION, END_HEADERS, 1, block.slice(21)),
    ...data(1, "abc"),
    ...frame(T.DATA, PADDED, 1, [2, 0x64, 0x65, 0x66, 0, 0]),
    ...frame(T.DATA, PADDED, 1, [1, 0]),
    ...frame(T.PING, 0, 0, new Uint8Array(8)),
    ...frame(42, 1, 3, [1, 2, 3]),
    ...data(1, "ghi"),
    ...headers(3, GET, true),
    ...headers(1, ["x-sum", "1"], true),
    ...headers(5, [...GET, "connection", "close"], true),
    ...headers(7, [...POST, "content-length", "2"], false),
    ...data(7, "abc", true),
    ...frame(T.WINDOW_UPDATE, 0, 3, u32(5)),
    ...frame(T.RST_STREAM, 0, 3, u32(8)),
    ...frame(T.GOAWAY, 0, 0, [...u32(0), ...u32(0), 9]),
    ...data(3, "x"),
    ...headers(9, GET, true),
  ]);

  function read(pieces: readonly Uint8Array[]): string {
    const peer = server();
    for (const piece of pieces) {
      peer.h2.push(piece, 5);
      // Whoever keeps a view of a piece is seen.
      piece.fill(0x21);
    }
    return JSON.stringify([peer.events, [...taken(peer.h2)]]);
  }

  const whole = read([said.slice()]);

  test("the whole says what it should", () => {
    expect((JSON.parse(whole) as [string[]])[0]).toEqual(
      [
        "request 1 POST https://a.test:443/p cookie a=1; b=2 content-length 9",
        "data 1 abcdef",
        "data 1 ghi",
        "request 3 GET https://a.test:443/  ended",
        "end 3",
        "end 1 x-sum 1",
        "malformed 5 400 connection_field",
        "request 7 POST https://a.test:443/p content-length 2",
        "data 7 ab",
        "reset 7 1 body_too_long",
        "reset 3 8 peer",
        "goaway 0 0",
        "failed 5 closed_stream",
      ].flatMap((event) => (event === "data 1 abcdef" ? ["data 1 abcdefghi"] : event === "data 1 ghi" ? [] : [event])),
    );
  });

  test("in two anywhere", () => {
    for (let at = 1; at < said.length; at++) {
      if (read([said.slice(0, at), said.slice(at)]) !== whole) throw new Error(`split at ${at}`);
    }
  });

  test("byte by byte, and in random pieces", () => {
    expect(read(Array.from(said, (byte) => Uint8Array.of(byte)))).toBe(whole);
    for (let seed = 0; seed < 300; seed++) {
      if (read(new Random(seed).split(said)) !== whole) throw new Error(`seed ${seed}`);
    }
  });

  test("of what an upstream says, byte by byte", () => {
    const answer = Uint8Array.from([
      ...SETTINGS_FRAME,
      ...headers(1, [":status", "103"], false),
      ...headers(1, [":status", "200", "content-length", "4"], false),
      ...data(1, "ab"),
      ...frame(T.DATA, PADDED | 1, 1, [1, 0x63, 0x64, 0]),
      ...headers(3, [":status", "101"], false),
      ...frame(T.PUSH_PROMISE, END_HEADERS, 5, u32(2)),
    ]);
    const told = (pieces: readonly Uint8Array[]): string[] => {
      const peer = client();
      for (let i = 0; i < 3; i++) peer.h2.open({ method: "GET", scheme: "http", authority: "a", path: "/" }, [], true);
      for (const piece of pieces) peer.h2.push(piece, 1);
      return peer.events;
    };
    const events = told([answer]);
    expect(events).toEqual([
      "interim 1 103",
      "response 1 200 content-length 4",
      "data 1 abcd",
      "end 1",
      "closed 1",
      "reset 3 1 bad_status",
      "failed 1 push",
    ]);
    expect(told(Array.from(answer, (byte) => Uint8Array.of(byte)))).toEqual(events);
  });
});

interface Exchange {
  sent: number;
  /** Sum of the bytes by place, either way. */
  up: number;
  seenUp: number;
  down: number;
  seenDown: number;
  ended: boolean;
  closed: number;
}

/** A connection between the two roles, with whatever consumer and splitting `random` gives it. */
class Link {
  readonly exchanges = new Map<number, Exchange>();
  readonly client: H2Client;
  readonly server: H2Server;
  readonly #random: Random;
  readonly #out = new OutBuffer();
  readonly #unconsumed: [H2Client | H2Server, number, number][] = [];
  #now = 0;
  most = 0;

  constructor(random: Random, limits: Partial<H2Limits>) {
    this.#random = random;
    const all = { ...H2_LIMITS, ...limits };
    const of = (id: number): Exchange => this.exchanges.get(id) as Exchange;
    const failed = (fault: { reason: string }) => {
      throw new Error(fault.reason);
    };
    const other = { writable: () => {}, goaway: () => {}, ready: () => {}, failed };
    const reset = (id: number, code: number) => {
      throw new Error(`stream ${id} was reset with ${code}`);
    };
    this.server = new H2Server(all, {
      ...other,
      reset,
      malformed: (_, fault) => {
        throw new Error(fault.code);
      },
      closed: (id) => {
        of(id).closed++;
      },
      request: (id, head) => {
        if (head.path !== `/${id}` || !head.headers.includes(`v${id % 7}`)) throw new Error("another head");
        this.most = Math.max(this.most, this.server.active);
        this.server.respond(id, 200, ["x-id", `${id}`], false);
      },
      data: (id, bytes) => {
        of(id).seenUp += sum(bytes);
        this.#eat(this.server, id, bytes.length);
      },
      end: (id) => {
        const body = this.#body();
        of(id).down = sum(body);
        this.server.data(id, body, false);
        if (id % 3 === 0) this.server.trailers(id, ["x-sum", `${of(id).down}`]);
        else this.server.data(id, new Uint8Array(0), true);
      },
    });
    this.client = new H2Client(all, {
      ...other,
      reset,
      informational: () => {},
      unprocessed: (id) => {
        throw new Error(`stream ${id} was refused`);
      },
      closed: (id) => {
        of(id).closed++;
      },
      response: (id, head) => {
        if (head.headers.join() !== `x-id,${id}`) throw new Error("another answer");
      },
      data: (id, bytes) => {
        of(id).seenDown += sum(bytes);
        this.#eat(this.client, id, bytes.length);
      },
      end: (id, trailers) => {
        of(id).ended = true;
        if ((trailers !== null) !== (id % 3 === 0)) throw new Error("trailers");
      },
    });
  }

  open(): boolean {
    const id = this.client.open(
      { method: "POST", scheme: "https", authority: "a.test", path: `/${this.exchanges.size * 2 + 1}` },
      ["x-v", `v${(this.exchanges.size * 2 + 1) % 7}`],
      false,
    );
    if (id === 0) return false;
    const body = this.#body();
    this.exchanges.set(id, {
      sent: body.length,
      up: sum(body),
      seenUp: 0,
      down: 0,
      seenDown: 0,
      ended: false,
      closed: 0,
    });
    this.client.data(id, body, true);
    return true;
  }

  /** One turn both ways. False: nothing moved. */
  turn(): boolean {
    let moved = this.#move(this.client, this.server);
    if (this.#move(this.server, this.client)) moved = true;
    while (this.#unconsumed.length > 0 && (!moved || this.#random.once(2))) {
      const at = this.#random.below(this.#unconsumed.length);
      const [by, id, bytes] = this.#unconsumed[at] as [H2Client | H2Server, number, number];
      const last = this.#unconsumed.pop();
      if (last !== undefined && at < this.#unconsumed.length) this.#unconsumed[at] = last;
      by.consumed(id, bytes);
      moved = true;
    }
    return moved;
  }

  #move(from: H2Client | H2Server, to: H2Client | H2Server): boolean {
    this.#out.clear();
    from.fill(this.#out, 1 + this.#random.below(100_000));
    if (this.#out.length === 0) return false;
    this.#now += 1;
    const bytes = this.#out.bytes.slice(0, this.#out.length);
    const longest = this.#random.once(4) && bytes.length < 4000 ? 20 : 20_000;
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.slice(at, at + 1 + this.#random.below(longest));
      at += piece.length;
      to.push(piece, this.#now);
      // Whoever keeps a view of a piece is seen.
      piece.fill(0);
    }
    return true;
  }

  #eat(by: H2Client | H2Server, id: number, bytes: number): void {
    this.#unconsumed.push([by, id, bytes]);
  }

  #body(): Uint8Array {
    const size = 1 + this.#random.below(this.#random.once(8) ? 100_000 : 300);
    const step = this.#random.below(255);
    const body = new Uint8Array(size);
    for (let i = 0; i < size; i++) body[i] = i * step + size;
    return body;
  }
}

function sum(bytes: Uint8Array): number {
  let total = bytes.length;
  for (const byte of bytes) total = (total + byte) % 0x10000000;
  return total;
}

describe("both roles against each other", () => {
  function check(link: Link): void {
    for (const [id, exchange] of link.exchanges) {
      const { up, seenUp, down, seenDown, ended, closed } = exchange;
      if (up !== seenUp || down !== seenDown || !ended || closed !== 2)
        throw new Error(`${id} ${JSON.stringify(exchange)}`);
    }
    expect([link.client.active, link.server.active, link.client.queued, link.server.queued]).toEqual([0, 0, 0, 0]);
  }

  test("any bodies in any pieces, over small windows and large", () => {
    for (let seed = 1; seed <= 25; seed++) {
      const random = new Random(seed);
      const limits = random.once(2) ? { streamWindow: 65_535, connectionWindow: 65_535, maxQueued: 1000 } : {};
      const link = new Link(random, limits);
      let left = 1 + random.below(20);
      for (let idle = 0; idle < 3; ) {
        while (left > 0 && random.once(2) && link.open()) left--;
        idle = link.turn() || left > 0 ? 0 : idle + 1;
      }
      check(link);
    }
  }, 60_000);

  test("a thousand streams at once", () => {
    const link = new Link(new Random(7), { maxStreams: 1000 });
    // The server's settings have to come first.
    while (!link.client.peer.seen) link.turn();
    for (let i = 0; i < 1000; i++) expect(link.open()).toBe(true);
    expect(link.open()).toBe(false);
    while (link.turn());
    expect(link.most).toBe(1000);
    check(link);
  }, 60_000);
});
