/** Header compression for HTTP/2 (RFC 7541). */

export { type Block, FIELD_OVERHEAD, type Field, HpackDecoder, TABLE_SIZE } from "./hpack-decoder.ts";
export { HpackEncoder } from "./hpack-encoder.ts";
