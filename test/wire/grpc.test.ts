import { expect, test } from "bun:test";
import { GrpcReader, grpcCoding, grpcFrame, grpcMessage, isGrpcType } from "../../src/wire/grpc.ts";

const bytes = (...values: (number | string)[]) =>
  Uint8Array.from(values.flatMap((value) => (typeof value === "number" ? [value] : [...Buffer.from(value)])));

/** Everything a reader says of the pieces: messages as text, then its fault. */
export function read(pieces: readonly Uint8Array[], most: number): string[] {
  const reader = new GrpcReader(most);
  const said: string[] = [];
  for (const piece of pieces) {
    for (let at = 0; at < piece.length && reader.fault === null; ) {
      at += reader.push(piece, at);
      const frame = reader.take();
      if (frame !== null)
        said.push(`${frame.compressed ? "coded" : "plain"} ${Buffer.from(frame.wire).toString("hex")}`);
    }
  }
  reader.end();
  if (reader.fault !== null) said.push(reader.fault);
  return said;
}

const stream = bytes(0, 0, 0, 0, 3, "abc", 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, "de");
const whole = ["plain 0000000003616263", "coded 0100000000", "plain 00000000026465"];

test("GrpcReader reads messages alike at every split, and byte by byte", () => {
  expect(read([stream], 3)).toEqual(whole);
  for (let cut = 0; cut <= stream.length; cut++) {
    expect(read([stream.subarray(0, cut), stream.subarray(cut)], 3)).toEqual(whole);
  }
  expect(
    read(
      [...stream].map((byte) => Uint8Array.of(byte)),
      3,
    ),
  ).toEqual(whole);
});

const FAULTS: [string, Uint8Array, string[]][] = [
  ["a flag that is neither", bytes(2, 0, 0, 0, 0), ["bad_flag"]],
  ["a flag with a high bit", bytes(0x81, 0, 0, 0, 0), ["bad_flag"]],
  ["a message over the bound", bytes(0, 0, 0, 0, 4, "abcd"), ["too_large"]],
  ["the longest length there is", bytes(0, 255, 255, 255, 255), ["too_large"]],
  ["an end inside a prefix", bytes(0, 0, 0), ["truncated"]],
  ["an end inside a message", bytes(0, 0, 0, 0, 3, "ab"), ["truncated"]],
  ["an end before a message", bytes(0, 0, 0, 0, 1), ["truncated"]],
  ["rubbish behind a message", bytes(0, 0, 0, 0, 1, "a", 9), ["plain 000000000161", "truncated"]],
];
for (const [name, input, wanted] of FAULTS) {
  test(`GrpcReader refuses ${name}, however it is cut`, () => {
    for (let cut = 0; cut <= input.length; cut++) {
      expect(read([input.subarray(0, cut), input.subarray(cut)], 3)).toEqual(wanted);
    }
  });
}

test("GrpcReader waits for what a long length announces", () => {
  const reader = new GrpcReader(1 << 30);
  reader.push(bytes(0, 63, 255, 255, 255, "a"), 0);
  expect(reader.take()).toBeNull();
  expect(reader.inside).toBe(true);
});

test("grpcFrame writes what GrpcReader reads", () => {
  const payload = new Uint8Array(70_000).fill(7);
  const reader = new GrpcReader(70_000);
  reader.push(grpcFrame(payload), 0);
  expect(reader.take()?.payload).toEqual(payload);
});

test("isGrpcType knows gRPC as the most careless server does, and not gRPC-Web", () => {
  const plain = ["application/grpc", "application/grpc+proto", "Application/GRPC+json", "application/grpc;a=b"];
  for (const yes of [...plain, "application/grpcx", "application/grpc+proto_"]) {
    expect([yes, isGrpcType(yes)]).toEqual([yes, true]);
  }
  for (const no of [null, "", "application/grpc-web", "application/grpc-web+proto", "text/grpc"]) {
    expect([no, isGrpcType(no)]).toEqual([no, false]);
  }
});

test("grpcCoding has one reading", () => {
  expect(grpcCoding([])).toBeNull();
  expect(grpcCoding(["grpc-encoding", "identity"])).toBeNull();
  expect(grpcCoding(["Grpc-Encoding", "gzip"])).toBe("gzip");
  expect(grpcCoding(["grpc-encoding", "deflate"])).toBe("deflate");
  expect(grpcCoding(["grpc-encoding", "snappy"])).toBe("unknown");
  expect(grpcCoding(["grpc-encoding", "gzip, deflate"])).toBe("unknown");
  expect(grpcCoding(["grpc-encoding", "gzip", "grpc-encoding", "identity"])).toBe("unknown");
});

test("grpcMessage is printable ASCII", () => {
  expect(grpcMessage("50% of é\r\n")).toBe("50%25 of %C3%A9%0D%0A");
});
