/** Cuts an answer that comes in pieces into texts of JSON, holding no more than a bound of it. */

export type FrameSink = (bytes: Uint8Array) => void;

export interface Framer {
  push(chunk: Uint8Array): void;
  end(): void;
}

/** A line, message or answer above this is passed over. */
const MAX_FRAME = 1024 * 1024;
const MAX_WHOLE = 16 * 1024 * 1024;
/** The values behind `data:` of one event are one text. */
const DATA = [0x64, 0x61, 0x74, 0x61, 0x3a];

/** Bytes that wait for the rest of them; room doubles, so pushing is linear. */
class Held {
  #room = new Uint8Array(1024);
  #length = 0;
  #over = false;
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** Null: it was too much. */
  get bytes(): Uint8Array | null {
    return this.#over ? null : this.#room.subarray(0, this.#length);
  }

  add(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (this.#over || length > this.#most) {
      this.#over = true;
      return;
    }
    if (length > this.#room.length) {
      const wide = new Uint8Array(Math.max(length, this.#room.length * 2));
      wide.set(this.#room.subarray(0, this.#length));
      this.#room = wide;
    }
    this.#room.set(bytes, this.#length);
    this.#length = length;
  }

  clear(): void {
    this.#length = 0;
    this.#over = false;
  }
}

/** Lines: of NDJSON each a text, of server-sent events those behind `data:`. */
export function lineFramer(sink: FrameSink, events: boolean): Framer {
  const held = new Held(MAX_FRAME);
  const data = new Held(MAX_FRAME);
  const flush = (): void => {
    const text = data.bytes;
    if (text !== null && text.length > 0) sink(text);
    data.clear();
  };
  const line = (): void => {
    const whole = held.bytes;
    if (whole !== null) {
      const end = whole[whole.length - 1] === 0x0d ? whole.length - 1 : whole.length;
      const text = whole.subarray(0, end);
      if (!events) {
        if (text.length > 0) sink(text);
      } else if (text.length === 0) flush();
      else if (DATA.every((code, i) => text[i] === code)) data.add(text.subarray(text[5] === 0x20 ? 6 : 5));
    }
    held.clear();
  };
  return {
    push(chunk) {
      let at = 0;
      for (let lf = chunk.indexOf(0x0a); lf !== -1; lf = chunk.indexOf(0x0a, at)) {
        held.add(chunk.subarray(at, lf));
        line();
        at = lf + 1;
      }
      held.add(chunk.subarray(at));
    },
    end() {
      line();
      flush();
    },
  };
}

/** One text; when it is none, one a line. */
export function wholeFramer(sink: (bytes: Uint8Array) => boolean): Framer {
  const held = new Held(MAX_WHOLE);
  return {
    push: (chunk) => held.add(chunk),
    end() {
      const bytes = held.bytes;
      if (bytes === null || bytes.length === 0 || sink(bytes)) return;
      const lines = lineFramer(sink, bytes[0] !== 0x7b && bytes[0] !== 0x5b);
      lines.push(bytes);
      lines.end();
    },
  };
}

/**
 * application/vnd.amazon.eventstream: length, length of headers, checksum, headers, payload, checksum. Checksums are not
 * looked at: whoever could change them could change the counts.
 */
export function amazonFramer(sink: FrameSink): Framer {
  const held = new Held(MAX_FRAME);
  let wanted = 12;
  let skip = 0;
  const take = (): void => {
    const bytes = held.bytes;
    if (bytes === null || bytes.length < wanted) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const total = view.getUint32(0);
    const headers = view.getUint32(4);
    if (bytes.length === 12) {
      if (total < 16 + headers || total > MAX_FRAME) {
        skip = total > MAX_FRAME ? total - 12 : Number.POSITIVE_INFINITY;
        held.clear();
      } else wanted = total;
      return;
    }
    const payload = bytes.subarray(12 + headers, total - 4);
    if (payload.length > 0) sink(payload);
    held.clear();
    wanted = 12;
  };
  return {
    push(chunk) {
      let at = 0;
      while (at < chunk.length) {
        if (skip > 0) {
          const passed = Math.min(skip, chunk.length - at);
          skip -= passed;
          at += passed;
          continue;
        }
        const more = Math.min(wanted - (held.bytes?.length ?? 0), chunk.length - at);
        held.add(chunk.subarray(at, at + more));
        at += more;
        take();
      }
    },
    end() {
      held.clear();
    },
  };
}
