import type { WireFault } from "../wire/http1.ts";

/** What the door answers by itself. What answers a decision is in `model/decision.ts`, and never here. */
export type UndecidedStatus = WireFault["status"] | 403 | 503;

/** A whole answer made without a decision: one line, and the connection closes. `detail` is ASCII. */
export function refusal(status: UndecidedStatus, detail: string): string {
  const line = `${detail}\n`;
  return `HTTP/1.1 ${status} ${REASONS[status]}\r\nContent-Type: text/plain\r\nContent-Length: ${line.length}\r\nConnection: close\r\n\r\n${line}`;
}

const REASONS: Readonly<Record<UndecidedStatus, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  405: "Method Not Allowed",
  408: "Request Timeout",
  417: "Expectation Failed",
  431: "Request Header Fields Too Large",
  501: "Not Implemented",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};
