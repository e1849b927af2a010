/** gRPC messages: any split gives the same, and what is read as protobuf is walked to its end whatever it is. */
import { protobufTexts } from "../../src/content/protobuf-texts.ts";
import { GrpcReader } from "../../src/wire/grpc.ts";
import { demand, type Random } from "./random.ts";

const MOST = 64;

function stream(random: Random): Uint8Array {
  const bytes: number[] = [];
  for (let left = 1 + random.below(5); left > 0; left--) {
    const length = random.below(random.once(20) ? MOST + 8 : 24);
    bytes.push(random.once(3) ? 1 : 0, 0, 0, 0, length);
    for (let i = 0; i < length; i++) bytes.push(random.below(256));
  }
  return Uint8Array.from(bytes);
}

function read(pieces: readonly Uint8Array[]): { said: string[]; wire: Uint8Array[]; fault: string | null } {
  const reader = new GrpcReader(MOST);
  const said: string[] = [];
  const wire: Uint8Array[] = [];
  for (const piece of pieces) {
    for (let at = 0; at < piece.length && reader.fault === null; ) {
      const count = reader.push(piece, at);
      demand(count > 0, "nothing was read", piece);
      at += count;
      const frame = reader.take();
      if (frame === null) continue;
      said.push(`${frame.compressed} ${Buffer.from(frame.payload).toString("hex")}`);
      wire.push(frame.wire.slice());
    }
  }
  reader.end();
  return { said, wire, fault: reader.fault };
}

/** True when everything was read to its end. */
export function checkGrpc(random: Random): boolean {
  const plain = stream(random);
  const bytes = random.once(3) ? random.mutate(plain) : plain;
  const whole = read([bytes]);
  const parted = read(random.split(bytes));
  demand(whole.fault === parted.fault && whole.said.join() === parted.said.join(), "split differs from whole", bytes);
  const again = Buffer.concat(whole.wire);
  demand(again.equals(bytes.subarray(0, again.length)), "what is handed on is not what came", bytes);
  demand(whole.fault !== null || again.length === bytes.length, "something was lost", bytes);
  return whole.fault === null;
}

/** True when there was a text. */
export function checkProtobuf(random: Random): boolean {
  const made = (depth: number): number[] => {
    const out: number[] = [];
    for (let left = 1 + random.below(3); left > 0; left--) {
      const tag = (1 + random.below(15)) * 8;
      if (random.once(4)) out.push(tag, random.below(128));
      else if (random.once(6)) out.push(tag + 5, 1, 2, 3, 4);
      else {
        const inner =
          depth > 0 && random.once(2)
            ? made(depth - 1)
            : Array.from({ length: 3 + random.below(9) }, () => random.below(256));
        if (inner.length < 128) out.push(tag + 2, inner.length, ...inner);
      }
    }
    return out;
  };
  const plain = Uint8Array.from(made(3));
  const bytes = random.once(2) ? random.mutate(plain) : plain;
  let texts = 0;
  for (const level of protobufTexts(bytes)) {
    if (level === null) continue;
    demand(level !== "bomb" && level.length <= bytes.length + 1, "a level is longer than the body", bytes);
    texts++;
  }
  return texts > 0;
}
