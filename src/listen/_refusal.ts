/** A whole answer made without a decision: one line, and the connection closes. `detail` is ASCII. */
export function refusal(status: number, detail: string): string {
  const line = `${detail}\n`;
  return `HTTP/1.1 ${status} ${REASONS[status] ?? "Refused"}\r\nContent-Type: text/plain\r\nContent-Length: ${line.length}\r\nConnection: close\r\n\r\n${line}`;
}

const REASONS: Readonly<Record<number, string>> = {
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
