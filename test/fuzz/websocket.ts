/** WebSocket frames: any split gives the same events, and what was read is handed back as the bytes it came in. */
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { agreement, MessageInflater } from "../../src/wire/websocket.ts";
import { frame, join, read } from "../wire/_websocket.ts";
import { bytesOf, demand, type Random } from "./random.ts";

const TEXTS = ["", "a", "héllo", "€uro", "🙂", "\u0080", "x".repeat(130)];

function payload(random: Random): Uint8Array {
  if (random.once(2)) return new TextEncoder().encode(random.pick(TEXTS));
  return Uint8Array.from({ length: random.below(random.once(6) ? 300 : 12) }, () => random.below(256));
}

function conversation(random: Random, masked: boolean): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let inside = false;
  for (let left = 1 + random.below(6); left > 0; left--) {
    const mask = masked === !random.once(60) ? [0, 1, 2, 3].map(() => random.below(256)) : null;
    if (random.once(4)) {
      const close = join([
        Uint8Array.of(3, random.pick([232, 233, 236, 240])),
        bytesOf(random.pick(["", "bye", "\u00ff"])),
      ]);
      const opcode = random.pick([8, 9, 10]);
      frames.push(frame({ opcode, payload: opcode === 8 ? close : payload(random).slice(0, 125), mask }));
      continue;
    }
    const fin = !random.once(3);
    const continues = random.once(80) ? !inside : inside;
    const opcode = continues ? 0 : random.pick([1, 2, 2]);
    const rsv = opcode !== 0 && random.once(4) ? 4 : 0;
    frames.push(
      frame({ opcode, fin, rsv, payload: payload(random), mask, ...(random.once(60) ? { lengthBytes: 2 } : {}) }),
    );
    inside = !fin;
  }
  return frames;
}

/** True when everything was read to its end. */
export function checkWebSocket(random: Random): boolean {
  const options = { masked: random.once(2), deflate: !random.once(8), maxMessage: random.pick([20, 200, 4096]) };
  const frames = conversation(random, options.masked);
  const plain = join(frames);
  const bytes = random.once(3) ? random.mutate(plain) : plain;
  const whole = read([bytes], options);
  const parted = read(random.split(bytes), options);
  demand(JSON.stringify(parted) === JSON.stringify(whole), "split differs from whole", bytes);
  const fine = !whole.events.some((event) => event.startsWith("fault"));
  // Control frames come out before the message they stand in; read once more, the order is already that.
  const again = read([whole.wire], options);
  const events = whole.events.filter((event) => !event.startsWith("fault"));
  demand(JSON.stringify(again.events) === JSON.stringify(events), "handed back and read differ", bytes);
  demand(Buffer.compare(again.wire, whole.wire) === 0, "handed back twice differ", bytes);
  return fine;
}

/** What is unpacked is what zlib unpacks, whatever the bytes; slices change nothing. True when there was a message. */
export function checkInflate(random: Random): boolean {
  const words = Array.from({ length: random.below(60) }, () =>
    random.pick(["the ", "and ", "secret", "\u0000", "xyz", "aaaaaaaa"]),
  );
  const strategy = random.below(5);
  const level = random.below(10);
  const packed = deflateRawSync(bytesOf(words.join("")), {
    level,
    strategy,
    finishFlush: constants.Z_SYNC_FLUSH,
  }).subarray(0, -4);
  const input = random.once(2) ? new Uint8Array(packed) : random.mutate(packed);
  const found = [1 << 20, 1 + random.below(9)].map((budget) => {
    const inflater = new MessageInflater(true, 15, 4096);
    inflater.start(input);
    let state = inflater.run(budget);
    while (state === "more") state = inflater.run(budget);
    return state === "done" ? Buffer.from(inflater.take()).toString("latin1") : `!${state}`;
  });
  demand(found[0] === found[1], "slices differ", input);
  const [ours = ""] = found;
  if (ours.startsWith("!")) return false;
  const theirs = inflateRawSync(join([input, Uint8Array.of(0, 0, 255, 255)]), { finishFlush: constants.Z_SYNC_FLUSH });
  demand(theirs.toString("latin1") === ours, "zlib reads something else", input);
  return true;
}

const PIECES = [
  "permessage-deflate",
  ...["client_no_context_takeover", "server_no_context_takeover", "client_max_window_bits", "server_max_window_bits"],
  ...["=", ";", ";", ",", " ", "\t", '"', "8", "10", "15", "16", "08", "x"],
];

/** No list of extensions makes it throw, and no answer is taken for an offer that is not there. True when something is agreed on. */
export function checkExtensions(random: Random): boolean {
  const list = () => {
    if (random.once(2))
      return `permessage-deflate${random.once(2) ? `; ${random.pick(PIECES)}=${random.pick(["8", "12", '"15"'])}` : ""}`;
    return Array.from({ length: random.below(9) }, () => random.pick(PIECES)).join(random.pick(["", " "]));
  };
  const answer = ["Sec-WebSocket-Extensions", list()];
  const version = ["Sec-WebSocket-Version", "13"];
  const said = agreement([...version, "Sec-WebSocket-Extensions", list()], answer);
  demand(agreement(version, answer).kind !== "deflate", "agreed on without an offer", answer.join());
  return said.kind === "deflate";
}
