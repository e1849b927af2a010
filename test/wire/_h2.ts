/** A peer of HTTP/2 that says anything, right or wrong, and reads frames by a reading of its own. */
import {
  H2_LIMITS,
  H2Client,
  type H2ClientSink,
  type H2Limits,
  H2Server,
  type H2ServerSink,
  PREFACE,
} from "../../src/wire/h2.ts";
import { FIELD_OVERHEAD, HpackDecoder } from "../../src/wire/hpack-decoder.ts";
import { OutBuffer } from "../../src/wire/out-buffer.ts";
import { bytesOf, textOf } from "./_transcript.ts";

export const T = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: readonly number[] | Uint8Array = [],
): number[] {
  const { length } = payload;
  return [length >>> 16, (length >>> 8) & 255, length & 255, type, flags, ...u32(stream), ...payload];
}

export function u32(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

/** Literals that no table keeps, whatever is in them: `name value name value`. */
export function literals(fields: readonly string[]): number[] {
  const out: number[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    out.push(0);
    for (const text of [fields[i] as string, fields[i + 1] as string]) {
      let rest = text.length;
      if (rest < 127) out.push(rest);
      else {
        out.push(127);
        for (rest -= 127; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) + 128);
        out.push(rest);
      }
      out.push(...bytesOf(text));
    }
  }
  return out;
}

export const GET = [":method", "GET", ":scheme", "https", ":authority", "a.test", ":path", "/"];
export const POST = [":method", "POST", ":scheme", "https", ":authority", "a.test", ":path", "/p"];

export function headers(stream: number, fields: readonly string[], end: boolean): number[] {
  return frame(T.HEADERS, END_HEADERS | (end ? END_STREAM : 0), stream, literals(fields));
}

export function data(stream: number, text: string, end = false): number[] {
  return frame(T.DATA, end ? END_STREAM : 0, stream, [...bytesOf(text)]);
}

export const SETTINGS_FRAME = frame(T.SETTINGS, 0, 0);
/** What a client says before anything else. */
export const HELLO = [...PREFACE, ...SETTINGS_FRAME];

export interface Frame {
  type: number;
  flags: number;
  stream: number;
  payload: Uint8Array;
}

export function framesIn(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  for (let i = 0; i < bytes.length; ) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + i);
    const length = view.getUint32(0) >>> 8;
    if (i + 9 + length > bytes.length) throw new Error("half a frame was written");
    frames.push({
      type: view.getUint8(3),
      flags: view.getUint8(4),
      stream: view.getUint32(5),
      payload: bytes.slice(i + 9, i + 9 + length),
    });
    i += 9 + length;
  }
  return frames;
}

const NAMES = Object.keys(T);

/** Frames as lines; header blocks decoded with `decoder`, which lives as long as the connection. */
export function show(frames: readonly Frame[], decoder: HpackDecoder): string[] {
  return frames.map(({ type, flags, stream, payload }) => {
    const name = NAMES[type] ?? `type ${type}`;
    const number = payload.length >= 4 ? new DataView(payload.buffer, payload.byteOffset).getUint32(0) : 0;
    if (type === T.HEADERS) {
      const block = decoder.decode(payload, 0, payload.length);
      if (block === null) throw new Error("a block was written that is none");
      const fields = block.fields.map((field) => `${field.name}=${field.value}`).join(" ");
      return `HEADERS ${stream}${flags & END_STREAM ? " end" : ""} ${fields}`;
    }
    if (type === T.DATA) return `DATA ${stream}${flags & END_STREAM ? " end" : ""} ${textOf(payload)}`;
    if (type === T.RST_STREAM || type === T.WINDOW_UPDATE) return `${name} ${stream} ${number}`;
    if (type === T.GOAWAY) return `GOAWAY ${number} ${new DataView(payload.buffer, payload.byteOffset).getUint32(4)}`;
    return `${name}${flags & ACK ? " ack" : ""}`;
  });
}

export function taken(engine: H2Server | H2Client): Uint8Array {
  const out = new OutBuffer();
  while (engine.fill(out));
  return out.bytes.slice(0, out.length);
}

function common(events: string[]): Omit<H2ServerSink, "request" | "malformed"> {
  return {
    data: (stream, bytes) => {
      const last = events[events.length - 1] ?? "";
      // How a body is cut into calls says nothing.
      if (last.startsWith(`data ${stream} `)) events[events.length - 1] = last + textOf(bytes);
      else events.push(`data ${stream} ${textOf(bytes)}`);
    },
    end: (stream, trailers) => events.push(`end ${stream}${trailers === null ? "" : ` ${trailers.join(" ")}`}`),
    writable: (stream) => events.push(`writable ${stream}`),
    closed: (stream) => events.push(`closed ${stream}`),
    reset: (stream, code, fault) => events.push(`reset ${stream} ${code} ${fault?.code ?? "peer"}`),
    goaway: (last, code) => events.push(`goaway ${last} ${code}`),
    failed: (fault) => events.push(`failed ${fault.code} ${fault.reason}`),
    ready: () => {},
  };
}

export interface Recorded<E> {
  readonly h2: E;
  readonly events: string[];
  now: number;
  /** Gives bytes to the engine, answers the events that came. */
  tell(...bytes: (readonly number[] | Uint8Array)[]): string[];
  /** What the engine has written since, as lines. */
  said(): string[];
}

function recorded<E extends H2Server | H2Client>(h2: E, events: string[], skip: number): Recorded<E> {
  const decoder = new HpackDecoder({ maxHeaderBytes: 1 << 20, maxHeaders: 10_000 });
  let first = skip;
  const peer = {
    h2,
    events,
    now: 1000,
    tell: (...bytes: (readonly number[] | Uint8Array)[]) => {
      const from = events.length;
      h2.push(Uint8Array.from(bytes.flatMap((part) => [...part])), peer.now);
      return events.slice(from);
    },
    said: () => {
      const bytes = taken(h2).subarray(first);
      first = 0;
      return show(framesIn(bytes), decoder);
    },
  };
  return peer;
}

export function server(limits: Partial<H2Limits> = {}, sink: Partial<H2ServerSink> = {}): Recorded<H2Server> {
  const events: string[] = [];
  const h2 = new H2Server(
    { ...H2_LIMITS, ...limits },
    {
      ...common(events),
      request: (stream, head, ended) => {
        const { method, scheme, host, port, path, headers } = head;
        events.push(
          `request ${stream} ${method} ${scheme}://${host}:${port}${path} ${headers.join(" ")}${ended ? " ended" : ""}`,
        );
      },
      malformed: (stream, fault) => events.push(`malformed ${stream} ${fault.status} ${fault.code}`),
      ...sink,
    },
  );
  return recorded(h2, events, 0);
}

/** A server that has been greeted, its own greeting taken. */
export function greeted(limits: Partial<H2Limits> = {}, sink: Partial<H2ServerSink> = {}): Recorded<H2Server> {
  const peer = server(limits, sink);
  peer.tell(HELLO, frame(T.SETTINGS, ACK, 0));
  peer.said();
  return peer;
}

export function client(limits: Partial<H2Limits> = {}, sink: Partial<H2ClientSink> = {}): Recorded<H2Client> {
  const events: string[] = [];
  const h2 = new H2Client(
    { ...H2_LIMITS, ...limits },
    {
      ...common(events),
      informational: (stream, head) => events.push(`interim ${stream} ${head.status}`),
      response: (stream, head, ended) =>
        events.push(`response ${stream} ${head.status} ${head.headers.join(" ")}${ended ? " ended" : ""}`),
      unprocessed: (stream) => events.push(`unprocessed ${stream}`),
      ...sink,
    },
  );
  return recorded(h2, events, PREFACE.length);
}

/** A client whose upstream has said its settings. */
export function connected(limits: Partial<H2Limits> = {}, sink: Partial<H2ClientSink> = {}): Recorded<H2Client> {
  const peer = client(limits, sink);
  peer.tell(SETTINGS_FRAME, frame(T.SETTINGS, ACK, 0));
  peer.said();
  return peer;
}

export { FIELD_OVERHEAD };
