/** HTTP/2: any bytes, any split, both roles: no throw, no loop, no bound passed, and one reading. */
import { H2_LIMITS, H2Client, H2Server, type H2ServerSink } from "../../src/wire/h2.ts";
import { HpackDecoder } from "../../src/wire/hpack-decoder.ts";
import { HpackEncoder } from "../../src/wire/hpack-encoder.ts";
import { OutBuffer } from "../../src/wire/out-buffer.ts";
import { copied } from "./_sent.ts";
import { demand, latin1, type Random } from "./random.ts";

const LIMITS = {
  ...H2_LIMITS,
  ...{ maxHeaderBytes: 2000, maxHeaders: 20, maxStreams: 4, streamWindow: 65_535, connectionWindow: 65_535 },
  maxQueued: 1000,
  maxUnsent: 4000,
};
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Fields, most of which are right. */
function fields(random: Random, request: boolean): string[] {
  const out = request
    ? [
        ":method",
        random.pick(["GET", "POST", "HEAD", "PUT"]),
        ":scheme",
        "https",
        ":authority",
        "a.test",
        ":path",
        `/${random.below(5)}`,
      ]
    : [":status", random.pick(["200", "204", "304", "103", "500"])];
  if (random.once(12)) out.splice(2 * random.below(out.length / 2), 2);
  for (let left = random.below(4); left > 0; left--) {
    out.push(random.pick(["x-a", "cookie", "content-type", "te", "host", "x-b", "content-length", "X"]));
    out.push(
      random.pick([
        "1",
        "a=b",
        "application/json",
        "trailers",
        "a.test",
        "0",
        " ",
        "\xff",
        "y".repeat(random.below(900)),
      ]),
    );
  }
  return out;
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): number[] {
  return [
    payload.length >>> 16,
    (payload.length >>> 8) & 255,
    payload.length & 255,
    type,
    flags,
    0,
    0,
    stream >>> 8,
    stream & 255,
    ...payload,
  ];
}

function block(encoder: HpackEncoder, list: readonly string[]): Uint8Array {
  const out = new OutBuffer(64);
  encoder.begin(out);
  for (let i = 0; i < list.length; i += 2) encoder.field(out, list[i] as string, list[i + 1] as string);
  return copied(out);
}

function noise(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

function conversation(random: Random, request: boolean): Uint8Array {
  const encoder = new HpackEncoder();
  const out: number[] = [];
  if (request) for (const char of PREFACE) out.push(char.charCodeAt(0));
  out.push(...frame(4, 0, 0, new Uint8Array(0)));
  let next = 1;
  for (let left = 1 + random.below(12); left > 0; left--) {
    const stream = random.once(3) ? 1 + 2 * random.below(6) : Math.max(1, next - 2);
    switch (random.below(10)) {
      case 0:
      case 1:
      case 2: {
        const bytes = block(encoder, fields(random, request));
        const cut = random.once(4) ? random.below(bytes.length + 1) : bytes.length;
        const end = random.below(2);
        out.push(...frame(1, end | (cut === bytes.length ? 4 : 0), next, bytes.subarray(0, cut)));
        if (cut < bytes.length) out.push(...frame(9, 4, next, bytes.subarray(cut)));
        next += 2;
        break;
      }
      case 3:
      case 4:
        out.push(...frame(0, random.pick([0, 1, 8]), stream, noise(random, random.below(200))));
        break;
      case 5:
        out.push(...frame(random.pick([3, 8]), 0, random.once(4) ? 0 : stream, noise(random, 4)));
        break;
      case 6:
        out.push(...frame(6, random.below(2), 0, noise(random, 8)));
        break;
      case 7:
        out.push(...frame(4, 0, 0, Uint8Array.of(0, random.below(8), 0, 0, random.below(256), random.below(256))));
        break;
      case 8:
        out.push(...frame(random.below(12), random.below(256), stream, noise(random, random.below(30))));
        break;
      default:
        out.push(...frame(1, 5, stream, block(encoder, ["x-sum", "1"])));
    }
  }
  return Uint8Array.from(out);
}

interface Reading {
  text: string;
  told: number;
}

function read(pieces: readonly Uint8Array[], server: boolean): Reading {
  const events: string[] = [];
  let told = 0;
  let h2: H2Server | H2Client | null = null;
  const sink: Omit<H2ServerSink, "request" | "malformed"> = {
    data: (id, bytes) => {
      const last = events[events.length - 1] ?? "";
      if (last.startsWith(`d${id} `)) events[events.length - 1] = last + latin1(bytes);
      else events.push(`d${id} ${latin1(bytes)}`);
      if (id % 3 === 0) h2?.consumed(id, bytes.length);
    },
    end: (id, trailers) => {
      events.push(`e${id} ${trailers?.join() ?? ""}`);
      if (!server || id % 4 === 1) return;
      (h2 as H2Server).respond(id, 200, ["x-a", "b"], false);
      h2?.data(id, new Uint8Array(id * 90), true);
    },
    writable: (id) => events.push(`w${id}`),
    closed: (id) => events.push(`c${id}`),
    reset: (id, code, fault) => events.push(`r${id} ${code} ${fault?.code}`),
    goaway: (last, code) => events.push(`g${last} ${code}`),
    failed: (fault) => events.push(`f ${fault.reason}`),
    ready: () => {},
  };
  if (server) {
    h2 = new H2Server(LIMITS, {
      ...sink,
      request: (id, head) => {
        told++;
        events.push(`q${id} ${JSON.stringify(head)}`);
      },
      malformed: (id, fault) => events.push(`m${id} ${fault.code}`),
    });
  } else {
    const client = new H2Client(LIMITS, {
      ...sink,
      informational: (id, head) => events.push(`i${id} ${head.status}`),
      response: (id, head) => {
        told++;
        events.push(`a${id} ${JSON.stringify(head)}`);
      },
      unprocessed: (id) => events.push(`u${id}`),
    });
    h2 = client;
    for (const method of ["GET", "HEAD", "POST", "GET"]) {
      client.open({ method, scheme: "https", authority: "a.test", path: "/" }, [], method !== "POST");
    }
    client.data(5, new Uint8Array(3000), true);
  }
  for (const piece of pieces) {
    h2.push(piece, 1);
    piece.fill(0x21);
    demand(h2.active >= 0 && h2.active <= LIMITS.maxStreams, "more streams than allowed", `${h2.active}`);
    demand(h2.queued >= 0 && h2.queued < 200_000, "a queue without a bound", `${h2.queued}`);
  }
  const out = new OutBuffer();
  for (let turns = 0; h2.fill(out); turns++) demand(turns < 100, "fill has no end", "");
  demand(h2.fault === null || (h2.active === 0 && h2.queued === 0), "alive after its end", "");
  let frames = 0;
  for (let at = server ? 0 : PREFACE.length; at < out.length; frames++) {
    at +=
      9 + (((out.bytes[at] as number) << 16) | ((out.bytes[at + 1] as number) << 8) | (out.bytes[at + 2] as number));
    demand(at <= out.length, "half a frame was written", "");
  }
  return { text: `${events.join("\n")}\n${frames} ${latin1(copied(out))}`, told };
}

/** True when at least one head was read. */
export function checkH2(random: Random): boolean {
  const server = random.once(2);
  let bytes = conversation(random, server);
  if (random.once(3)) bytes = random.mutate(bytes);
  const whole = read([bytes.slice()], server);
  demand(read(random.split(bytes), server).text === whole.text, "split differs from whole", bytes);
  return whole.told > 0;
}

const encoder = new HpackEncoder();
const decoder = new HpackDecoder({ maxHeaderBytes: 100_000, maxHeaders: 200 });

/** What was encoded is decoded again, over one pair of tables; and no bytes at all break a decoder. */
export function checkHpack(random: Random): boolean {
  const list = fields(random, random.once(2)).map((text) => text.trim().toLowerCase());
  if (random.once(20)) encoder.resize(random.pick([0, 100, 4096]));
  const bytes = block(encoder, list);
  const read = decoder.decode(bytes, 0, bytes.length);
  const again = read?.fields.flatMap(({ name, value }) => [name, value]);
  const sent = list.filter((_, i) => !(list[i - (i % 2)] === "te" && list[i - (i % 2) + 1] !== "trailers"));
  demand(JSON.stringify(again) === JSON.stringify(sent), "decode(encode(x)) is not x", JSON.stringify([sent, again]));
  demand(encoder.tableSize === decoder.tableSize, "two tables", bytes);
  const wild = random.once(2) ? random.mutate(bytes) : noise(random, random.below(200));
  const small = new HpackDecoder({ maxHeaderBytes: 500, maxHeaders: 5 });
  const some = small.decode(wild, 0, wild.length);
  demand(small.tableSize <= 4096 && (some?.fields.length ?? 0) <= 5, "a bound was passed", wild);
  return some !== null;
}
