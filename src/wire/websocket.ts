/** WebSocket codec: bytes to whole messages and back, strict (RFC 6455, RFC 7692), incremental, without I/O. */

export { type Inflated, MessageInflater } from "./message-inflater.ts";
export { type Agreement, agreement, type Deflate } from "./websocket-extensions.ts";
export {
  BINARY,
  CLOSE,
  closePayload,
  isControl,
  PING,
  PONG,
  TEXT,
  type WebSocketFault,
  writeFrame,
} from "./websocket-frame.ts";
export { Held, MAX_FRAGMENTS, MessageReader, type ReaderOptions } from "./websocket-reader.ts";
