/** Messages as the grammar has them, each part now and then replaced by one that a lenient parser would swallow. */
import type { Random } from "./random.ts";

/** What `pick` draws from mostly, and what it draws from once in a while. */
function part(random: Random, usual: readonly string[], odd: readonly string[]): string {
  return random.once(30) ? random.pick(odd) : random.pick(usual);
}

const HOSTS = ["a.test", "A.test:80", "b.test:8080", "[::1]:81", "127.0.0.1", "a.test."];
const ODD_HOSTS = [
  "",
  "a.test:",
  "u@a.test",
  "127.1",
  "0x7f.1",
  "a.test:080",
  "a.test,b.test",
  "[::1",
  "a b",
  "\xfcb.test",
];
const PATHS = ["/", "/v1/chat?x=1", "//b.test/", "/%2e%2e/\\", "/a;b=c"];
const ODD_PATHS = ["", "a", "/#f", "/\xe9", "*", "?q", "/ ", "http:/x"];
const NAMES = ["Accept", "X-Long-Name", "content-type", "Cookie", "X-Eve-Verdict", "TE", "Authorization", "x"];
const ODD_NAMES = [
  "",
  "A B",
  "A ",
  "Host",
  "Content_Length",
  "N\xe9",
  "(x)",
  "Expect",
  "Trailer",
  "Keep-Alive",
  "HTTP2-Settings",
  "Proxy-Authorization",
];
const VALUES = ["", "a", "text/plain; q=1", "  padded \t", "caf\xe9", '"quoted"', "trailers", "a, b"];
const ODD_VALUES = ["a\r\n b", "a\nb", "a\rb", "\0", "\x7f", "a\r\n\r\nGET / HTTP/1.1"];
const ODD_FIELDS = [
  ...["Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: xchunked"],
  ...["Transfer-Encoding : chunked", "transfer_encoding: chunked", "Content-Length: 3", "Content-Length: +3"],
  ...[
    "Content-Length: 3, 3",
    "Content-Length: 0x3",
    "Content-Length: 9999999999999999999",
    "Host: c.test",
    " folded: x",
  ],
  ...["Connection: close, X-Long-Name", "Connection: \x01", "Proxy-Connection: keep-alive", "Expect: 100-continue"],
  ...["Expect: 101", "no colon", "Upgrade: websocket\r\nConnection: Upgrade", "Upgrade: h2c"],
];
const SIZES = ["5", "005", "5 ", "+5", "0x5", "5;ext=1", "", "FFFFFFFFFFFFFFFF", "-5", "5\n"];

function fields(random: Random): string {
  let text = "";
  for (let left = random.below(5); left > 0; left--) {
    text += `${part(random, NAMES, ODD_NAMES)}: ${part(random, VALUES, ODD_VALUES)}\r\n`;
  }
  return random.once(12) ? `${text}${random.pick(ODD_FIELDS)}\r\n` : text;
}

/** Framing fields and the body they announce, mostly in agreement. */
function content(random: Random): { framing: string; body: string } {
  const kind = random.below(3);
  if (kind === 0) return { framing: "", body: "" };
  const data = "hello";
  if (kind === 1) {
    return { framing: `Content-Length: ${part(random, ["5"], ["05", "5,5", "6", "4", "0", ""])}\r\n`, body: data };
  }
  let body = "";
  for (let left = random.below(3); left > 0; left--) {
    body += `${part(random, ["5", "5", "05"], SIZES)}\r\n${data}${part(random, ["\r\n"], ["", "\n", "\r", "x\r\n"])}`;
  }
  const trailers = random.once(4)
    ? part(random, ["X-Sum: 1\r\n"], ["Content-Length: 5\r\n", "Host: x\r\n", "a\r\n"])
    : "";
  return {
    framing: `${part(random, ["Transfer-Encoding", "transfer-encoding"], ["Transfer-Encoding "])}: ${part(random, ["chunked", "Chunked"], ["chunked, chunked", "identity", '"chunked"', "chunked;q=1"])}\r\n`,
    body: `${body}${part(random, ["0", "00"], ["", "0;x", "1"])}\r\n${trailers}\r\n`,
  };
}

export function request(random: Random): string {
  const method = part(
    random,
    ["GET", "POST", "PUT", "HEAD", "OPTIONS"],
    ["CONNECT", "connect", "G@T", "", "A".repeat(40)],
  );
  const host = part(random, HOSTS, ODD_HOSTS);
  const path = part(random, PATHS, ODD_PATHS);
  const scheme = part(random, ["http", "HTTP", "https"], ["ftp", "", "http:", "//"]);
  let target = random.once(2) ? path : `${scheme}://${host}${path}`;
  if (method === "OPTIONS" && random.once(3)) target = "*";
  if (method === "CONNECT" && !random.once(4)) target = random.once(2) ? host : "b.test:443";
  const version = part(
    random,
    ["HTTP/1.1", "HTTP/1.1", "HTTP/1.0"],
    ["HTTP/2.0", "http/1.1", "HTTP/1.2", "HTTP/1.1 ", "HTTP/1"],
  );
  const said = part(random, [host], [part(random, HOSTS, ODD_HOSTS)]);
  const { framing, body } = content(random);
  const lead = random.once(10) ? "\r\n" : "";
  const space = part(random, [" "], ["  ", "\t", ""]);
  const line = `${lead}${method}${space}${target} ${version}${part(random, ["\r\n"], ["\n", "\r\r\n"])}`;
  return `${line}${random.once(25) ? "" : `Host: ${said}\r\n`}${fields(random)}${framing}\r\n${body}`;
}

export function response(random: Random): string {
  const version = part(random, ["HTTP/1.1", "HTTP/1.1", "HTTP/1.0"], ["HTTP/2.0", "HTP/1.1", "HTTP/1.1 "]);
  const status = part(
    random,
    ["200", "200", "201", "404", "204", "304", "101", "100", "103"],
    ["99", "1000", "2x0", "", "999"],
  );
  const reason = part(random, [" OK", " ", "", " caf\xe9"], ["  ", " \0", "\t"]);
  const { framing, body } = content(random);
  const interim = random.once(6) ? "HTTP/1.1 100 Continue\r\n\r\n" : "";
  return `${interim}${version} ${status}${reason}\r\n${fields(random)}${framing}\r\n${body}`;
}
