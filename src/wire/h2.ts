/** HTTP/2 (RFC 9113), both roles: bytes in, events out; commands in, bytes out. No I/O, no clock. */

export { H2Client, type H2ClientSink } from "./h2-client.ts";
export { ErrorCode, PREFACE } from "./h2-frames.ts";
export type { H2RequestHead, H2ResponseHead } from "./h2-heads.ts";
export { H2Server, type H2ServerSink } from "./h2-server.ts";
export { H2_LIMITS, type H2Limits } from "./h2-sink.ts";
export type { H2Fault } from "./h2-wire.ts";
