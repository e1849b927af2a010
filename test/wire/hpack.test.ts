import { describe, expect, test } from "bun:test";
import { HpackDecoder, TABLE_SIZE } from "../../src/wire/hpack-decoder.ts";
import { HpackEncoder } from "../../src/wire/hpack-encoder.ts";
import { huffmanLength, readHuffman, writeHuffman } from "../../src/wire/hpack-huffman.ts";
import { OutBuffer } from "../../src/wire/out-buffer.ts";
import { literals } from "./_h2.ts";
import { bytesOf, textOf } from "./_transcript.ts";

const LIMITS = { maxHeaderBytes: 65_536, maxHeaders: 200 };

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(/\s/g, "").match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function decode(decoder: HpackDecoder, bytes: Uint8Array): string[] | null {
  const block = decoder.decode(bytes, 0, bytes.length);
  return block === null ? null : block.fields.flatMap(({ name, value }) => [name, value]);
}

function encode(encoder: HpackEncoder, fields: readonly string[], secret = false): Uint8Array {
  const out = new OutBuffer(16);
  encoder.begin(out);
  for (let i = 0; i < fields.length; i += 2) encoder.field(out, fields[i] as string, fields[i + 1] as string, secret);
  return out.bytes.slice(0, out.length);
}

const FIRST = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"];
const REQUESTS = [
  FIRST,
  [...FIRST, "cache-control", "no-cache"],
  [
    ...[":method", "GET", ":scheme", "https", ":path", "/index.html", ":authority", "www.example.com"],
    ...["custom-key", "custom-value"],
  ],
];

describe("RFC 7541 appendix C", () => {
  test("C.2: single fields", () => {
    const literal = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    const decoder = new HpackDecoder(LIMITS);
    expect(decode(decoder, hex(literal))).toEqual(["custom-key", "custom-header"]);
    expect(decoder.tableSize).toBe(55);
    const plain = new HpackDecoder(LIMITS);
    expect(decode(plain, hex("040c 2f73 616d 706c 652f 7061 7468"))).toEqual([":path", "/sample/path"]);
    expect(plain.tableSize).toBe(0);
    const never = hex("1008 7061 7373 776f 7264 0673 6563 7265 74");
    expect(plain.decode(never, 0, never.length)?.sensitive).toEqual(["password"]);
    expect(decode(plain, hex("82"))).toEqual([":method", "GET"]);
  });

  const plain = [
    "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "8286 84be 5808 6e6f 2d63 6163 6865",
    "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
  ];
  const coded = [
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    "8286 84be 5886 a8eb 1064 9cbf",
    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
  ];
  for (const [section, blocks] of [
    ["C.3", plain],
    ["C.4", coded],
  ] as const) {
    test(`${section}: requests`, () => {
      const decoder = new HpackDecoder(LIMITS);
      const sizes = [57, 110, 164];
      blocks.forEach((block, i) => {
        expect(decode(decoder, hex(block))).toEqual(REQUESTS[i] as string[]);
        expect(decoder.tableSize).toBe(sizes[i] as number);
      });
    });
  }

  test("C.4 as written here: the same bytes", () => {
    const encoder = new HpackEncoder();
    coded.forEach((block, i) => {
      expect(encode(encoder, REQUESTS[i] as string[])).toEqual(hex(block));
    });
  });

  const date = "Mon, 21 Oct 2013 20:13:21 GMT";
  const answers = [
    [":status", "302", "cache-control", "private", "date", date, "location", "https://www.example.com"],
    [":status", "307", "cache-control", "private", "date", date, "location", "https://www.example.com"],
    [
      ...[":status", "200", "cache-control", "private", "date", "Mon, 21 Oct 2013 20:13:22 GMT"],
      ...["location", "https://www.example.com", "content-encoding", "gzip"],
      ...["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
    ],
  ];
  const plainAnswers = [
    `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e
     1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
    "4803 3330 37c1 c0bf",
    `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d
     4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572
     7369 6f6e 3d31`,
  ];
  const codedAnswers = [
    `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b
     97c8 e9ae 82ae 43d3`,
    "4883 640e ffc1 c0bf",
    `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf
     cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
  ];
  for (const [section, blocks] of [
    ["C.5", plainAnswers],
    ["C.6", codedAnswers],
  ] as const) {
    test(`${section}: responses, with a table of 256 bytes`, () => {
      const decoder = new HpackDecoder(LIMITS);
      // 256, as an update of the table's size.
      expect(decode(decoder, hex("3fe101"))).toEqual([]);
      const sizes = [222, 222, 215];
      blocks.forEach((block, i) => {
        expect(decode(decoder, hex(block))).toEqual(answers[i] as string[]);
        expect(decoder.tableSize).toBe(sizes[i] as number);
      });
    });
  }
});

describe("what is no block", () => {
  for (const [what, bytes] of [
    ["the index 0", "80"],
    ["an index behind both tables", "be"],
    ["a literal named by an index behind both tables", "7f00 0161"],
    ["an integer without an end", "ff"],
    ["an integer over its bound", "ffff ffff ffff 7f"],
    ["an integer padded with zeros", "ff80 8080 8080 00"],
    ["a name longer than the block", "0005 6162"],
    ["a literal without a value", "0001 61"],
    ["Huffman padding with zeros", "0001 6181 00"],
    ["Huffman padding of eight ones", "0001 6182 1fff"],
    ["EOS in a text", "0001 6184 ffff ffff"],
    ["a table larger than was announced", "3fe21f"],
    ["an update of the table's size behind a field", "8220"],
    ["three updates of the table's size", "2020 20"],
  ] as const) {
    test(what, () => expect(decode(new HpackDecoder(LIMITS), hex(bytes))).toBeNull());
  }

  test("the last byte of the padding rule: seven ones are right", () => {
    // "0" is 00000 and "%" 010101: the rest of the two bytes is filled with ones.
    expect(decode(new HpackDecoder(LIMITS), hex("0001 6181 07"))).toEqual(["a", "0"]);
  });
});

describe("bounds", () => {
  test("a bomb of references never becomes a list", () => {
    const decoder = new HpackDecoder({ maxHeaderBytes: 16_384, maxHeaders: 1000 });
    const seed = Uint8Array.from([0x40, ...literals(["a", "x".repeat(3000)]).slice(1)]);
    expect(decoder.decode(seed, 0, seed.length)?.fields.length).toBe(1);
    const bomb = new Uint8Array(60_000).fill(0xbe);
    const block = decoder.decode(bomb, 0, bomb.length);
    expect(block?.over).toBe("bytes");
    expect(block?.fields.length).toBe(Math.floor(16_384 / (3001 + 32)));
  });

  test("too many fields, and the table is right behind them", () => {
    const decoder = new HpackDecoder({ maxHeaderBytes: 65_536, maxHeaders: 3 });
    const bytes = Uint8Array.from([0x82, 0x82, 0x82, 0x82, ...hex("400161 0162")]);
    const block = decoder.decode(bytes, 0, bytes.length);
    expect([block?.over, block?.fields.length]).toEqual(["fields", 3]);
    expect(decode(decoder, hex("be"))).toEqual(["a", "b"]);
  });

  test("a field larger than the table empties it", () => {
    const decoder = new HpackDecoder({ maxHeaderBytes: 65_536, maxHeaders: 9 });
    decode(decoder, hex("4001 6101 62"));
    const large = Uint8Array.from([0x40, ...literals(["b", "x".repeat(TABLE_SIZE)]).slice(1)]);
    expect(decode(decoder, large)?.length).toBe(2);
    expect(decoder.tableSize).toBe(0);
    expect(decode(decoder, hex("be"))).toBeNull();
  });

  test("equal blocks have equal readings, unless the table changed between them", () => {
    const decoder = new HpackDecoder(LIMITS);
    decode(decoder, hex("4001 6101 62"));
    const one = hex("be82");
    expect(decoder.decode(one, 0, one.length)).toBe(decoder.decode(one, 0, one.length));
    decode(decoder, hex("4001 6301 64"));
    expect(decode(decoder, one)).toEqual(["c", "d", ":method", "GET"]);
  });

  test("a block with a never-indexed field is not kept", () => {
    const decoder = new HpackDecoder(LIMITS);
    const secret = hex("1001 6101 62");
    const first = decoder.decode(secret, 0, secret.length);
    expect(decoder.decode(secret, 0, secret.length)).not.toBe(first);
  });
});

describe("encoder", () => {
  test("a head that is sent again is a few indices", () => {
    const encoder = new HpackEncoder();
    const head = [":method", "POST", ":path", "/v1/messages", "user-agent", "agent/1.0", "x-trace", "abc"];
    const first = encode(encoder, head);
    expect(encode(encoder, head).length).toBe(4);
    expect(first.length).toBeGreaterThan(20);
  });

  for (const name of [
    "authorization",
    "cookie",
    "set-cookie",
    "proxy-authorization",
    "x-api-key",
    "x-goog-api-key",
    "x-amz-security-token",
  ]) {
    test(`${name} is in no table`, () => {
      const encoder = new HpackEncoder();
      const bytes = encode(encoder, [name, "s3cr3t"]);
      expect(encoder.tableSize).toBe(0);
      expect(new HpackDecoder(LIMITS).decode(bytes, 0, bytes.length)?.sensitive).toEqual([name]);
    });
  }

  test("what the caller calls secret is in no table, not even by an index of the fixed one", () => {
    const encoder = new HpackEncoder();
    const bytes = encode(encoder, ["x-plain", "v", ":method", "GET"], true);
    expect(new HpackDecoder(LIMITS).decode(bytes, 0, bytes.length)?.sensitive).toEqual(["x-plain", ":method"]);
    expect(encoder.tableSize).toBe(0);
  });

  test("a path with a query is in no table", () => {
    const encoder = new HpackEncoder();
    encode(encoder, [":path", "/a?key=1"]);
    expect(encoder.tableSize).toBe(0);
  });

  test("HTTP/1 heads: names are folded, unsafe characters become spaces, the connection's fields stay", () => {
    const bytes = encode(new HpackEncoder(), [
      ...["X-Name", "a\r\nb", "Content-Type", " text/plain ", "Connection", "close", "transfer-encoding", "chunked"],
      ...["Keep-Alive", "1", "te", "gzip", "bad name", "x", "", "x", "x-wide", "a\u0161b", "TE", "trailers"],
    ]);
    expect(decode(new HpackDecoder(LIMITS), bytes)).toEqual([
      ...["x-name", "a  b", "content-type", "text/plain", "x-wide", "a b", "te", "trailers"],
    ]);
  });

  test("the peer's table size is told before it is used", () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(LIMITS);
    decode(decoder, encode(encoder, ["a", "b"]));
    encoder.resize(0);
    encoder.resize(200);
    const bytes = encode(encoder, ["a", "b"]);
    expect([...bytes.subarray(0, 4)]).toEqual([0x20, 0x3f, 0xa9, 0x01]);
    expect(decode(decoder, bytes)).toEqual(["a", "b"]);
    encoder.resize(1 << 20);
    expect(decode(decoder, encode(encoder, ["a", "b"]))).toEqual(["a", "b"]);
    encoder.resize(0);
    for (let i = 0; i < 3; i++) expect(decode(decoder, encode(encoder, ["c", `${i}`]))).toEqual(["c", `${i}`]);
    expect(encoder.tableSize).toBe(0);
  });

  test("both tables stay the same over thousands of heads", () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(LIMITS);
    for (let i = 0; i < 3000; i++) {
      const head = [":path", `/${i % 97}`, "x-a", `${i % 13}`, "x-b", "y".repeat(i % 1100), `x-${i % 31}`, "z"];
      expect(decode(decoder, encode(encoder, head))).toEqual(head);
      expect(decoder.tableSize).toBe(encoder.tableSize);
      expect(encoder.tableSize).toBeLessThanOrEqual(TABLE_SIZE);
    }
  });
});

test("Huffman: every byte, alone and beside every other", () => {
  const into = new Uint8Array(64);
  const read = new Uint8Array(64);
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b += 5) {
      const text = String.fromCharCode(a, b, a);
      const end = writeHuffman(text, into, 0);
      expect(end).toBe(huffmanLength(text));
      const length = readHuffman(into, 0, end, read);
      if (textOf(read.subarray(0, length)) !== text) throw new Error(`bytes ${a} and ${b}`);
    }
  }
  expect(bytesOf("a").length).toBe(1);
});
