/** SETTINGS (RFC 9113 section 6.5.2): what the peer said, and what we say. */
import { ErrorCode, FIRST_WINDOW, MAX_WINDOW, read32 } from "./h2-frames.ts";

const HEADER_TABLE_SIZE = 1;
export const ENABLE_PUSH = 2;
export const MAX_CONCURRENT_STREAMS = 3;
export const INITIAL_WINDOW_SIZE = 4;
const MAX_FRAME_SIZE = 5;
export const MAX_HEADER_LIST_SIZE = 6;
/** RFC 8441. Never offered: an extended CONNECT has `:protocol`, which is a pseudo-header field that is not known. */
const ENABLE_CONNECT_PROTOCOL = 8;

export class PeerSettings {
  /** At least one frame of them came. */
  seen = false;
  headerTableSize = 4096;
  /** Infinity until the peer sets a bound. */
  maxStreams = Number.POSITIVE_INFINITY;
  initialWindow = FIRST_WINDOW;
  /** Advice (section 10.5.1): a longer head will be refused. */
  maxHeaderListSize = Number.POSITIVE_INFINITY;
  pushes = 0;

  /** A whole number of settings; of those that stand twice the last counts. Answers an error code, or null. */
  read(bytes: Uint8Array, start: number, end: number): number | null {
    this.seen = true;
    for (let i = start; i < end; i += 6) {
      const value = read32(bytes, i + 2);
      switch (((bytes[i] as number) << 8) | (bytes[i + 1] as number)) {
        case HEADER_TABLE_SIZE:
          this.headerTableSize = value;
          break;
        case ENABLE_PUSH:
          if (value > 1) return ErrorCode.PROTOCOL_ERROR;
          this.pushes = value;
          break;
        case MAX_CONCURRENT_STREAMS:
          this.maxStreams = value;
          break;
        case INITIAL_WINDOW_SIZE:
          if (value > MAX_WINDOW) return ErrorCode.FLOW_CONTROL_ERROR;
          this.initialWindow = value;
          break;
        case MAX_FRAME_SIZE:
          if (value < 16_384 || value > 0xff_ffff) return ErrorCode.PROTOCOL_ERROR;
          break;
        case MAX_HEADER_LIST_SIZE:
          this.maxHeaderListSize = value;
          break;
        case ENABLE_CONNECT_PROTOCOL:
          if (value > 1) return ErrorCode.PROTOCOL_ERROR;
          break;
      }
    }
    return null;
  }
}
