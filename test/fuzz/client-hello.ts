/** ClientHellos: built from a model and read back to it, over any fragmentation; broken ones are never half-read. */
import { type HelloResult, readClientHello } from "../../src/wire/client-hello.ts";
import { bytesOf, demand, type Random } from "./random.ts";

const NAMES = ["a.test", "API.Example.com", "xn--bcher-kva.test", "x"];
const ODD_NAMES = ["", "a..b", "a b", "127.1", "a\0.test", "\xfc.test", "a.test:443"];
const PROTOCOLS = ["h2", "http/1.1", "\x00\xff"];

function u16(value: number): number[] {
  return [value >> 8, value & 255];
}

function vector16(bytes: readonly number[]): number[] {
  return [...u16(bytes.length), ...bytes];
}

interface Built {
  bytes: Uint8Array;
  /** Null: the model has a part that must be refused. */
  expected: HelloResult | null;
}

function build(random: Random): Built {
  let sni: string | null = null;
  let alpn: string[] = [];
  let sound = true;
  const extensions: number[][] = [];
  if (!random.once(4)) {
    const odd = random.once(12);
    sni = random.pick(odd ? ODD_NAMES : NAMES);
    if (odd) sound = false;
    const entry = [0, ...vector16([...bytesOf(sni)])];
    extensions.push([...u16(0), ...vector16(vector16(entry))]);
    if (random.once(20)) {
      extensions.push([...u16(0), ...vector16(vector16(entry))]);
      sound = false;
    }
  }
  if (random.once(2)) {
    alpn = [random.pick(PROTOCOLS), ...(random.once(2) ? [random.pick(PROTOCOLS)] : [])];
    const list = alpn.flatMap((name) => [name.length, ...bytesOf(name)]);
    extensions.push([...u16(16), ...vector16(vector16(list))]);
  }
  const ech = random.once(4);
  if (ech) extensions.push([...u16(0xfe0d), ...vector16([0, 1, 2])]);
  for (let left = random.below(3); left > 0; left--) {
    extensions.push([
      ...u16(0x1000 + extensions.length),
      ...vector16(Array.from({ length: random.below(40) }, () => 7)),
    ]);
  }
  const body = [3, 3, ...Array.from({ length: 32 }, (_, i) => i), 0, ...vector16([0x13, 1, 0x13, 2]), 1, 0];
  body.push(...vector16(extensions.flat()));
  const message = [1, 0, ...vector16(body)];
  const trailing = random.once(30);
  if (trailing) {
    message.push(9);
    sound = false;
  }
  const records: number[] = [];
  // Behind its last record nothing belongs to the hello, so a byte too many must share that record to be one.
  const longest = trailing || random.once(2) ? message.length : 4 + random.below(60);
  for (let at = 0; at < message.length; ) {
    const end = Math.min(message.length, at + (longest === message.length ? longest : 4 + random.below(longest)));
    records.push(22, 3, 1, ...vector16(message.slice(at, end)));
    at = end;
  }
  if (random.once(5)) records.push(20, 3, 3, 0, 1, 1);
  return {
    bytes: Uint8Array.from(records),
    expected: sound ? { kind: "hello", sni: sni?.toLowerCase() ?? null, alpn, ech } : null,
  };
}

/** True when a hello was read. */
export function checkClientHello(random: Random): boolean {
  const { bytes: plain, expected } = build(random);
  const mutated = random.once(2);
  const bytes = mutated ? random.mutate(plain) : plain;
  const whole = readClientHello(bytes);
  const shown = JSON.stringify(whole);
  if (!mutated) {
    if (expected === null) demand(whole.kind !== "hello", "a broken hello was read", bytes);
    else demand(shown === JSON.stringify(expected), `read as ${shown}`, bytes);
  }
  for (let left = 4; left > 0; left--) {
    const early = readClientHello(bytes.subarray(0, random.below(bytes.length + 1)));
    demand(early.kind === "more" || JSON.stringify(early) === shown, "more bytes changed the answer", bytes);
  }
  return whole.kind === "hello";
}
