/** Cuts an answer that comes in pieces into texts of JSON, holding no more than a bound of it. */
import { AmazonReader } from "../wire/amazon-stream.ts";
import { ByteRoom } from "../wire/byte-room.ts";
import { LineReader } from "../wire/lines.ts";
import { SseReader } from "../wire/sse.ts";

export type FrameSink = (bytes: Uint8Array) => void;

export interface Framer {
  push(chunk: Uint8Array): void;
  end(): void;
}

/** A line, message or answer above this is passed over. */
const MAX_FRAME = 1024 * 1024;
const MAX_WHOLE = 16 * 1024 * 1024;
interface Reader {
  take(bytes: Uint8Array): number;
  end(): void;
}

function framer(reader: Reader): Framer {
  return {
    push(chunk) {
      for (let at = 0; at < chunk.length; ) at += reader.take(at === 0 ? chunk : chunk.subarray(at));
    },
    end: () => reader.end(),
  };
}

function overflow(): void {}

/** Lines: of NDJSON each a text, of server-sent events those behind `data:`. */
export function lineFramer(sink: FrameSink, events: boolean): Framer {
  const told = (text: Uint8Array): void => {
    if (text.length > 0) sink(text);
  };
  if (events) return framer(new SseReader({ event: told, line: overflow, overflow }, MAX_FRAME));
  return framer(new LineReader({ line: told, overflow }, MAX_FRAME));
}

/** One text; when it is none, one a line. */
export function wholeFramer(sink: (bytes: Uint8Array) => boolean): Framer {
  const held = new ByteRoom(MAX_WHOLE);
  let over = false;
  return {
    push(chunk) {
      if (!over && !held.add(chunk, 0, chunk.length)) over = true;
    },
    end() {
      const bytes = held.bytes.subarray(0, held.length);
      if (over || bytes.length === 0 || sink(bytes)) return;
      const lines = lineFramer(sink, bytes[0] !== 0x7b && bytes[0] !== 0x5b);
      lines.push(bytes);
      lines.end();
    },
  };
}

export function amazonFramer(sink: FrameSink): Framer {
  const message = (payload: Uint8Array): void => {
    if (payload.length > 0) sink(payload);
  };
  return framer(new AmazonReader({ message, overflow }, MAX_FRAME));
}
