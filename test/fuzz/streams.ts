/** Streams of answers: any split gives the same, what was told is where it stood, and a second reading agrees. */
import { AmazonReader } from "../../src/wire/amazon-stream.ts";
import { LineReader } from "../../src/wire/lines.ts";
import { SseReader } from "../../src/wire/sse.ts";
import { bytesOf, demand, latin1, type Random } from "./random.ts";

const MOST = 48;

interface Reader {
  readonly whole: number;
  readonly between: boolean;
  readonly kept: number;
  take(bytes: Uint8Array): number;
  end(): void;
}

/** What was told, and where each whole thing ended. The bytes it came in are written over behind it. */
function readBy(make: (told: string[]) => Reader, pieces: readonly Uint8Array[]): string[] {
  const told: string[] = [];
  const reader = make(told);
  let taken = 0;
  for (const piece of pieces) {
    const bytes = piece.slice();
    for (let at = 0; at < bytes.length; ) {
      const before = reader.whole;
      const took = reader.take(bytes.subarray(at));
      demand(took > 0 && at + took <= bytes.length, "took nothing, or more than there was", piece);
      bytes.fill(0x21, at, at + took);
      at += took;
      taken += took;
      demand(reader.whole >= before && reader.whole <= taken, "what is whole goes back, or ahead of what came", piece);
      demand(reader.between === (reader.whole === taken), "between says something else than whole", piece);
      demand(reader.kept <= 2 * MOST, "more is kept than may be", piece);
    }
  }
  told.push(`${reader.whole} whole`);
  reader.end();
  return told;
}

function sameInPieces(make: (told: string[]) => Reader, bytes: Uint8Array, random: Random): string[] {
  const whole = readBy(make, [bytes]);
  const parted = readBy(make, random.split(bytes));
  demand(whole.join("\n") === parted.join("\n"), "split differs from whole", bytes);
  return whole;
}

const ENDS = ["\n", "\r\n", "\r", "\n", "\n"];
const SSE_LINES = [
  ...["data: a", "data:b", "data", "data:", "data:  c", "data : d", "dataset: e", ": comment", "event: x", "id: 1"],
  ...["retry: 10", "\u00ef\u00bb\u00bfdata: f", "", "", "", " data: g", "Data: h", "x".repeat(MOST + 2)],
  ...[`data: ${"y".repeat(MOST - 1)}`, `data: ${"z".repeat(MOST - 6)}`],
];

/** WHATWG HTML 9.2.6 by strings; null where a bound is met. */
function eventsOf(text: string): string[] | null {
  // A mark and nothing else ends as a blank line would.
  if (text === "\u00ef\u00bb\u00bf") return ["event "];
  const lines = text.replace(/^\u00ef\u00bb\u00bf/, "").split(/\r\n|\r|\n/);
  const last = lines.pop() ?? "";
  if (last !== "") lines.push(last);
  const told: string[] = [];
  let data: string[] | null = null;
  for (const [at, line] of lines.entries()) {
    // A byte order mark is a part of its line until it is read.
    if (line.length + (at === 0 ? 3 : 0) > MOST) return null;
    if (line === "") {
      told.push(`event ${(data ?? []).join("\n")}`);
      data = null;
      continue;
    }
    const [, value] = /^data(?::(?: ?)(.*))?$/s.exec(line) ?? [line, null];
    if (value === null) told.push(`line ${line}`);
    else {
      data = [...(data ?? []), value ?? ""];
      if (data.join("\n").length > MOST) return null;
    }
  }
  if (data !== null) told.push(`event ${data.join("\n")}`);
  return told;
}

/** True when an event was told. */
export function checkSse(random: Random): boolean {
  let text = random.once(6) ? "\u00ef\u00bb\u00bf" : "";
  for (let left = random.below(9); left > 0; left--) text += random.pick(SSE_LINES) + random.pick(ENDS);
  const plain = bytesOf(text);
  const bytes = random.once(3) ? random.mutate(plain) : plain;
  const make = (told: string[]) =>
    new SseReader(
      {
        event: (data) => void told.push(`event ${latin1(data)}`),
        line: (line) => void told.push(`line ${latin1(line)}`),
        overflow: () => void told.push("overflow"),
      },
      MOST,
    );
  const told = sameInPieces(make, bytes, random);
  const expected = eventsOf(latin1(bytes));
  const said = told.filter((each) => !/^\d+ whole$/.test(each));
  if (expected !== null)
    demand(said.join("\0") === expected.join("\0"), "events are others than the standard's", bytes);
  return said.some((each) => each.startsWith("event") && each.length > 6) && expected !== null;
}

const LINES = ['{"a":1}', "x", "", "\u001e{}", "\u001e", "\r", "a\rb", "q".repeat(MOST), "r".repeat(MOST + 1)];

/** True when a line was told and none was too long. */
export function checkLines(random: Random): boolean {
  let text = "";
  for (let left = random.below(7); left > 0; left--)
    text += random.pick(LINES) + random.pick(["\n", "\n", "\r\n", "\r"]);
  const plain = bytesOf(text);
  const bytes = random.once(3) ? random.mutate(plain) : plain;
  const make = (told: string[]) =>
    new LineReader(
      { line: (line) => void told.push(`line ${latin1(line)}`), overflow: () => void told.push("overflow") },
      MOST,
    );
  const said = sameInPieces(make, bytes, random).filter((each) => !/^\d+ whole$/.test(each));
  const lines = latin1(bytes).split(/[\r\n]/);
  if (lines.at(-1) === "") lines.pop();
  const expected = lines.map((line) => (line.length > MOST ? "overflow" : `line ${line.replace(/^\u001e/, "")}`));
  demand(said.join("\0") === expected.join("\0"), "lines are others than those between their ends", bytes);
  return said.length > 0 && !said.includes("overflow");
}

function amazonMessage(random: Random): Uint8Array {
  const headers = random.below(12);
  const payload = random.below(random.once(9) ? 60 : 16);
  const bytes = Uint8Array.from({ length: 16 + headers + payload }, () => random.below(256));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, random.once(40) ? random.below(200) : bytes.length);
  view.setUint32(4, random.once(40) ? random.below(200) : headers);
  return bytes;
}

/** True when it was read to its end. */
export function checkAmazon(random: Random): boolean {
  const messages = Array.from({ length: 1 + random.below(5) }, () => amazonMessage(random));
  const plain = Uint8Array.from(messages.flatMap((message) => [...message]));
  const bytes = random.once(4) ? random.mutate(plain) : plain;
  const make = (told: string[]) =>
    new AmazonReader(
      {
        message: (payload) => void told.push(`message ${latin1(payload)}`),
        overflow: () => void told.push("overflow"),
      },
      MOST,
    );
  const told = sameInPieces(make, bytes, random);
  const expected: string[] = [];
  let whole = 0;
  for (let at = 0; at + 12 <= bytes.length; ) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const [total, headers] = [view.getUint32(0), view.getUint32(4)];
    if (total < 16 + headers || total > MOST) expected.push("overflow");
    else if (at + total <= bytes.length)
      expected.push(`message ${latin1(bytes.subarray(at + 12 + headers, at + total - 4))}`);
    if (total < 16 + headers) break;
    at += total;
    if (total <= MOST && at <= bytes.length) whole = at;
  }
  expected.push(`${whole} whole`);
  demand(told.join("\0") === expected.join("\0"), "messages are others than the lengths say", bytes);
  return whole === bytes.length;
}
