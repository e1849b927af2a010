/** Tests read as transcripts: bytes in, one line per event out. */
import { RequestParser, ResponseParser, type WireLimits } from "../../src/wire/http1.ts";

export const LIMITS: WireLimits = { maxHeaderBytes: 16_384, maxHeaders: 100 };

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => {
    const code = char.charCodeAt(0);
    if (code > 0xff) throw new Error(`not a byte: ${char}`);
    return code;
  });
}

export function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** Events of every request in `text`, with the fault or the bytes left over last. */
export function requests(text: string, limits: WireLimits = LIMITS): string[] {
  const events: string[] = [];
  const parser = new RequestParser(limits, {
    head: (head) => events.push(`head ${head.method} ${head.form} ${head.host}:${head.port} ${head.path}`),
    body: (bytes) => events.push(`body ${textOf(bytes)}`),
    end: (trailers) => events.push(trailers === null ? "end" : `end ${trailers.join("|")}`),
  });
  const bytes = bytesOf(text);
  let at = 0;
  while (at < bytes.length) {
    at += parser.push(bytes, at);
    if (!parser.complete) break;
    parser.next();
  }
  if (parser.fault !== null) events.push(`fault ${parser.fault.status} ${parser.fault.code}`);
  else if (parser.started) events.push("more");
  return events;
}

/** Events of the answer to `method` in `text`; with `closed` the connection ends behind it. */
export function answer(text: string, { method = "GET", closed = false } = {}): string[] {
  const events: string[] = [];
  const parser = new ResponseParser(LIMITS, {
    informational: (head) => events.push(`interim ${head.status}`),
    head: (head) => {
      const framing = head.bodyless ? "none" : head.chunked ? "chunked" : head.closeDelimited ? "close" : "length";
      events.push(`head ${head.status} ${framing} ${head.keepAlive ? "keep" : "drop"}`);
    },
    body: (bytes) => events.push(`body ${textOf(bytes)}`),
    end: (trailers) => events.push(trailers === null ? "end" : `end ${trailers.join("|")}`),
  });
  parser.start(method);
  const bytes = bytesOf(text);
  const used = parser.push(bytes, 0);
  if (closed) parser.eof();
  if (parser.fault !== null) events.push(`fault ${parser.fault.status} ${parser.fault.code}`);
  else if (!parser.complete) events.push("more");
  else if (used < bytes.length) events.push(`left ${textOf(bytes.subarray(used))}`);
  return events;
}
