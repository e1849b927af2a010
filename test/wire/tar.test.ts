import { describe, expect, test } from "bun:test";
import { readTar } from "../../src/wire/tar.ts";

interface Entry {
  readonly name: string;
  readonly text?: string;
  readonly type?: string;
  readonly size?: string;
  readonly prefix?: string;
}

function header({ name, text = "", type = "0", size, prefix = "" }: Entry): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, "latin1");
  block.write(size ?? text.length.toString(8).padStart(11, "0"), 124, "latin1");
  block.write(type, 156, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  block.write(prefix, 345, "latin1");
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

const tar = (...entries: Entry[]): Uint8Array =>
  Buffer.concat([
    ...entries.flatMap((entry) => {
      const text = Buffer.from(entry.text ?? "");
      return [header(entry), text, Buffer.alloc((512 - (text.length % 512)) % 512)];
    }),
    Buffer.alloc(1024),
  ]);

const read = (bytes: Uint8Array): unknown => {
  const entries = readTar(bytes);
  return typeof entries === "string"
    ? entries
    : entries.map(({ name, bytes }) => [name, Buffer.from(bytes).toString()]);
};

describe("an archive is refused", () => {
  const good = tar({ name: "a", text: "x".repeat(600) });
  const wrong = Uint8Array.from(good);
  wrong[0] = 0x62;
  const cases: [string, Uint8Array, RegExp][] = [
    ["that is empty", new Uint8Array(), /ends without/],
    ["cut between entries", good.subarray(0, 1536), /ends without/],
    ["cut in the middle of one", good.subarray(0, 1000), /middle/],
    ["with a changed header", wrong, /checksum/],
    ["with a size that is no number", tar({ name: "a", size: "-1" }), /size/],
    ["with a size in base 256", tar({ name: "a", size: "\u0080\0\0\0\0\0\0\0\0\0\u0001" }), /size/],
    ["with a size beyond its end", tar({ name: "a", size: "77777777777" }), /middle/],
    ["with a link", tar({ name: "a", type: "2" }), /regular/],
    ["with a device", tar({ name: "a", type: "3" }), /regular/],
    ["with an extended header", tar({ name: "a", type: "x", text: "9 path=b\n" }), /extended/],
    ["with a name that climbs", tar({ name: "a/../../b" }), /name/],
    ["with no name", tar({ name: "/" }), /name/],
    ["with a name twice", tar({ name: "/a" }, { name: "./a" }), /two entries/],
    ["with too many entries", tar(...Array.from({ length: 4097 }, (_, i) => ({ name: `f${i}` }))), /more than/],
  ];
  for (const [name, bytes, problem] of cases) test(name, () => expect(read(bytes)).toMatch(problem));
});

test("files are read in their order, directories passed over", () => {
  const bytes = tar(
    { name: "./", type: "5" },
    { name: "/policy.wasm", text: "w".repeat(1024) },
    { name: "data.json", text: "{}", prefix: "roles" },
    { name: "./empty", text: "" },
  );
  expect(read(bytes)).toEqual([
    ["policy.wasm", "w".repeat(1024)],
    ["roles/data.json", "{}"],
    ["empty", ""],
  ]);
});

test("no bytes make it throw, or read beyond them", () => {
  const good = tar({ name: "a", text: "hello" }, { name: "b", text: "x".repeat(700) });
  let seed = 7;
  for (let round = 0; round < 2000; round++) {
    const bytes = Uint8Array.from(good.subarray(0, 1 + (round % good.length)));
    for (let i = 0; i < 3; i++) {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      bytes[seed % bytes.length] = seed >> 8;
    }
    const entries = readTar(bytes);
    if (typeof entries !== "string")
      for (const entry of entries) expect(entry.bytes.length).toBeLessThanOrEqual(bytes.length);
  }
});
