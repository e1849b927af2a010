import { expect, test } from "bun:test";
import { type First, Sniffer } from "../../src/enforce/sniff.ts";
import { Deadlines } from "../../src/model/deadlines.ts";
import { FakeConn } from "./_fake-conn.ts";
import { clientHello } from "./_hello.ts";

const quiet = { data() {}, end() {}, drain() {}, close() {} };

/** What is said of `bytes` in pieces of `size`, after how many bytes, and what the next owner is given. */
async function sniffed(bytes: Uint8Array, size: number): Promise<{ first: First; after: number; given: Uint8Array[] }> {
  const conn = new FakeConn(quiet);
  const sniffer = new Sniffer({ conn, leftover: null, ended: false, done() {} }, new Deadlines(() => 0));
  let first: First | null = null;
  void sniffer.first.then((said) => {
    first = said;
  });
  let at = 0;
  while (first === null && at < bytes.length) {
    conn.handler.data(bytes.slice(at, at + size));
    at += size;
    await Promise.resolve();
  }
  conn.handler.data(Uint8Array.of(1, 2));
  const given: Uint8Array[] = [];
  sniffer.handOver(conn, { ...quiet, data: (piece) => void given.push(piece) });
  return { first: await sniffer.first, after: at, given };
}

const text = (of: string) => new TextEncoder().encode(of);

for (const [what, bytes, kind] of [
  ["a long ClientHello", clientHello({ sni: "a.test", pad: 9_000 }), "tls"],
  ["HTTP", text("GET "), "http"],
  ["another handshake message", Uint8Array.of(0x16, 3, 1, 1, 0, 2), "other"],
  ["TLS 0.9", Uint8Array.of(0x16, 2), "other"],
  ["SSH", text("SSH-2"), "other"],
  ["no protocol's name", text("A".repeat(33)), "other"],
  ["the HTTP/2 preface", text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "h2c"],
  ["a preface that goes on otherwise", text("PRI * HTTP/3"), "other"],
] as const) {
  test(`${what} in single bytes is known with its last one, and what was said is given on in one piece`, async () => {
    const whole = await sniffed(bytes, bytes.length);
    const single = await sniffed(bytes, 1);
    expect(single.first).toEqual(whole.first);
    expect([single.first.kind, single.after]).toEqual([kind, bytes.length]);
    expect(single.given).toEqual([bytes, Uint8Array.of(1, 2)]);
  });
}

test("a record that never ends is given up behind 64 KiB, however small its pieces", async () => {
  // Records of 200 bytes whose handshake message is never whole.
  const record = Uint8Array.from([0x16, 3, 1, 0, 200, ...new Array<number>(200).fill(0)]);
  const many = new Uint8Array(record.length * 400);
  for (let i = 0; i < 400; i++) many.set(record, i * record.length);
  many.set([1, 0, 0xff, 0xf0], 5);
  const { first, after } = await sniffed(many, 100);
  expect(first.kind).toBe("other");
  expect(after).toBeLessThanOrEqual(66_000);
});
