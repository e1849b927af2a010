/** HTTP/1 codec: bytes ↔ events, strict (RFC 9112 with nothing lenient), incremental, without I/O. */

export type { WireFault, WireLimits } from "./http1-head.ts";
export { LineMemo } from "./http1-line.ts";
export { RequestHead, RequestParser, type RequestSink } from "./http1-request.ts";
export { ResponseHead, ResponseParser, type ResponseSink } from "./http1-response.ts";
export { endToEnd, requestLines, statusLine, writeFields } from "./http1-write.ts";
