import { expect, test } from "bun:test";
import { type RequestHead, RequestParser } from "../../src/wire/http1.ts";
import { bytesOf, LIMITS, requests, textOf } from "./_transcript.ts";

/** A request whose only fault is in `fields`. */
function withFields(fields: string, body = ""): string {
  return `POST /x HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n${body}`;
}

function chunked(body: string): string {
  return withFields("Transfer-Encoding: chunked\r\n", body);
}

const FAULTS: readonly (readonly [string, string, string])[] = [
  // Two lengths, or none that is sure.
  ["length and coding", withFields("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"), "400 length_and_coding"],
  ["coding and length", withFields("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"), "400 length_and_coding"],
  ["two lengths", withFields("Content-Length: 4\r\nContent-Length: 5\r\n"), "400 duplicate_length"],
  ["the same length twice", withFields("Content-Length: 5\r\nContent-Length: 5\r\n"), "400 duplicate_length"],
  ["a list of lengths", withFields("Content-Length: 5, 5\r\n"), "400 bad_length"],
  ["an empty length", withFields("Content-Length: \r\n"), "400 bad_length"],
  ["a signed length", withFields("Content-Length: +5\r\n"), "400 bad_length"],
  ["a negative length", withFields("Content-Length: -5\r\n"), "400 bad_length"],
  ["a hexadecimal length", withFields("Content-Length: 0x5\r\n"), "400 bad_length"],
  ["a padded length", withFields("Content-Length: 05\r\n"), "400 bad_length"],
  ["a length with a fraction", withFields("Content-Length: 5.0\r\n"), "400 bad_length"],
  ["a length of 16 digits", withFields("Content-Length: 1000000000000000\r\n"), "400 bad_length"],
  ["a length in other digits", withFields("Content-Length: \xb2\r\n"), "400 bad_length"],
  ["an unknown coding", withFields("Transfer-Encoding: gzip\r\n"), "400 bad_coding"],
  ["identity", withFields("Transfer-Encoding: identity\r\n"), "400 bad_coding"],
  ["a coding behind chunked", withFields("Transfer-Encoding: chunked, gzip\r\n"), "400 bad_coding"],
  ["a coding under chunked", withFields("Transfer-Encoding: gzip, chunked\r\n"), "501 unsupported_coding"],
  ["chunked twice in one field", withFields("Transfer-Encoding: chunked, chunked\r\n"), "400 bad_coding"],
  [
    "chunked in two fields",
    withFields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    "400 duplicate_coding",
  ],
  ["an empty coding", withFields("Transfer-Encoding:\r\n"), "400 bad_coding"],
  ["a quoted coding", withFields('Transfer-Encoding: "chunked"\r\n'), "400 bad_coding"],
  ["a coding with a parameter", withFields("Transfer-Encoding: chunked;q=1\r\n"), "400 bad_coding"],
  ["a coding behind a vertical tab", withFields("Transfer-Encoding: \x0bchunked\r\n"), "400 control_char"],
  ["a coding behind obs-text", withFields("Transfer-Encoding: \xa0chunked\r\n"), "400 bad_coding"],
  ["a coding spelt with an underscore", withFields("Transfer_Encoding: chunked\r\n"), "400 ambiguous_field"],
  ["a length spelt with an underscore", withFields("Content_Length: 3\r\n"), "400 ambiguous_field"],
  ["a length spelt with a dot", withFields("content.length: 3\r\n"), "400 ambiguous_field"],
  ["a coding spelt with a tilde", withFields("TRANSFER~ENCODING: chunked\r\n"), "400 ambiguous_field"],
  ["a coding in HTTP/1.0", "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400 coding_in_http10"],
  [
    "CONNECT with a body",
    "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nContent-Length: 1\r\n\r\n",
    "400 connect_with_body",
  ],
  // Lines and fields.
  ["a folded field", withFields("A: b\r\n c\r\n"), "400 obs_fold"],
  ["a folded first field", "GET / HTTP/1.1\r\n Host: a.test\r\n\r\n", "400 obs_fold"],
  ["a bare LF behind the request line", "GET / HTTP/1.1\nHost: a.test\r\n\r\n", "400 bare_lf"],
  ["a bare LF behind a field", withFields("A: b\nC: d\r\n"), "400 bare_lf"],
  ["a bare CR in a value", withFields("A: b\rC: d\r\n"), "400 bare_cr"],
  ["a bare CR at the end", "GET / HTTP/1.1\r\nHost: a.test\r\n\rX", "400 bare_cr"],
  ["NUL in a value", withFields("A: b\0\r\n"), "400 control_char"],
  ["DEL in a value", withFields("A: \x7f\r\n"), "400 control_char"],
  ["whitespace before the colon", withFields("A : b\r\n"), "400 space_before_colon"],
  ["a tab before the colon", withFields("A\t: b\r\n"), "400 space_before_colon"],
  ["an empty name", withFields(": b\r\n"), "400 empty_field_name"],
  ["a name that is not a token", withFields("A(b): c\r\n"), "400 bad_field_name"],
  ["a name with obs-text", withFields("A\xe9: c\r\n"), "400 bad_field_name"],
  ["a line without a colon", withFields("Abc\r\n"), "400 missing_colon"],
  ["a Connection that is no list of tokens", withFields("Connection: a b\r\n"), "400 bad_connection"],
  ["65 connection options", withFields(`Connection: ${"a,".repeat(65)}\r\n`), "400 bad_connection"],
  ["an unknown expectation", withFields("Expect: 200-ok\r\n"), "417 unknown_expectation"],
  ["a second expectation", withFields("Expect: 100-continue\r\nExpect: x\r\n"), "417 unknown_expectation"],
  // Request lines.
  ["an empty line too many", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 empty_line"],
  ["a CR before the request line", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bare_cr"],
  ["an LF before the request line", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bare_lf"],
  ["a space before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_request_line"],
  ["two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_target"],
  ["a tab between", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_request_line"],
  ["a space at the end", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400 bad_request_line"],
  ["no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_request_line"],
  ["an empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_request_line"],
  ["no version", "GET /\r\nHost: a\r\n\r\n", "400 bad_request_line"],
  ["a method that is no token", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_method"],
  ["a method of 33 letters", `${"A".repeat(33)} / HTTP/1.1\r\nHost: a\r\n\r\n`, "501 method_too_long"],
  ["head in small letters", "head / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_method"],
  ["post in small letters", "post / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_method"],
  ["delete in mixed letters", "Delete / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_method"],
  ["connect in small letters", "Connect a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 bad_method"],
  ["HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505 bad_version"],
  ["the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 bad_version"],
  ["HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", "505 bad_version"],
  ["HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", "505 bad_version"],
  ["http/1.1 in small letters", "GET / http/1.1\r\nHost: a\r\n\r\n", "400 bad_request_line"],
  ["HTTP/1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", "400 bad_request_line"],
  // Targets and hosts.
  ["no Host", "GET / HTTP/1.1\r\n\r\n", "400 missing_host"],
  ["no Host with an absolute target", "GET http://a.test/ HTTP/1.1\r\n\r\n", "400 missing_host"],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n", "400 duplicate_host"],
  ["an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400 bad_host"],
  ["a Host with userinfo", "GET / HTTP/1.1\r\nHost: u@a.test\r\n\r\n", "400 bad_host"],
  ["a Host with a path", "GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n", "400 bad_host"],
  ["a list of Hosts", "GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n", "400 bad_host"],
  ["a Host with obs-text", "GET / HTTP/1.1\r\nHost: b\xfccher.test\r\n\r\n", "400 bad_host"],
  ["a Host that is a short address", "GET / HTTP/1.1\r\nHost: 127.1\r\n\r\n", "400 bad_host"],
  ["a Host that differs", "GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n", "400 host_differs"],
  ["a Host with another port", "GET http://a.test/ HTTP/1.1\r\nHost: a.test:81\r\n\r\n", "400 host_differs"],
  ["a Host without the target's port", "GET http://a.test:81/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 host_differs"],
  ["an HTTP/1.0 Host that differs", "GET http://a.test/ HTTP/1.0\r\nHost: b.test\r\n\r\n", "400 host_differs"],
  ["userinfo in the target", "GET http://u:p@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 bad_target"],
  ["a backslash in the authority", "GET http://a.test\\@b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n", "400 bad_target"],
  ["an empty authority", "GET http:///x HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 bad_target"],
  ["one slash", "GET http:/a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 bad_target"],
  ["another scheme", "GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 bad_target"],
  ["a relative target", "GET x HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 bad_target"],
  ["a fragment", "GET /x#y HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 bad_target"],
  ["obs-text in the target", "GET /\xe9 HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 bad_target"],
  ["a tab in the target", "GET /\tx HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 bad_target"],
  ["* for GET", "GET * HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 bad_target"],
  ["an authority for GET", "GET a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 bad_target"],
  ["CONNECT without a port", "CONNECT a.test HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 bad_target"],
  ["CONNECT with a path", "CONNECT /x HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 bad_target"],
  ["CONNECT with a URL", "CONNECT http://a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n", "400 bad_target"],
  ["CONNECT to bare IPv6", "CONNECT ::1:443 HTTP/1.1\r\nHost: ::1:443\r\n\r\n", "400 bad_target"],
  ["CONNECT with a Host that differs", "CONNECT a.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n", "400 host_differs"],
  ["CONNECT with a Host of another port", "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:80\r\n\r\n", "400 host_differs"],
  // Chunks.
  ["an empty chunk size", chunked("\r\nhello"), "400 bad_chunk_size"],
  ["a chunk size with a sign", chunked("+5\r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_size"],
  ["a chunk size with 0x", chunked("0x5\r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_size"],
  ["a chunk size behind a space", chunked(" 5\r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_size"],
  ["a chunk size before a space", chunked("5 \r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_size"],
  ["a chunk size of 16 digits", chunked("0000000000000005\r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_size"],
  ["a chunk size beyond exact numbers", chunked("20000000000000\r\n"), "400 bad_chunk_size"],
  ["a chunk extension", chunked("5;a=b\r\nhello\r\n0\r\n\r\n"), "400 chunk_extension"],
  ["a chunk extension on the last chunk", chunked("0;a\r\n\r\n"), "400 chunk_extension"],
  ["a bare LF behind a chunk size", chunked("5\nhello\r\n0\r\n\r\n"), "400 bad_chunk_size"],
  ["a bare CR behind a chunk size", chunked("5\rhello"), "400 bare_cr"],
  ["no CRLF behind a chunk", chunked("5\r\nhello0\r\n\r\n"), "400 bad_chunk_end"],
  ["a bare LF behind a chunk", chunked("5\r\nhello\n0\r\n\r\n"), "400 bad_chunk_end"],
  ["another byte for the CR behind a chunk", chunked("5\r\nhellox\n0\r\n\r\n"), "400 bad_chunk_end"],
  ["another byte for the LF behind a chunk", chunked("5\r\nhello\rx0\r\n\r\n"), "400 bare_cr"],
  ["a chunk longer than its size", chunked("4\r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_end"],
  ["a length in the trailers", chunked("0\r\nContent-Length: 5\r\n\r\n"), "400 forbidden_trailer"],
  ["credentials in the trailers", chunked("0\r\nAuthorization: x\r\n\r\n"), "400 forbidden_trailer"],
  ["a folded trailer", chunked("0\r\nA: b\r\n c\r\n\r\n"), "400 obs_fold"],
  ["a trailer without a colon", chunked("0\r\nabc\r\n\r\n"), "400 missing_colon"],
];

for (const [name, text, fault] of FAULTS) {
  test(`RequestParser refuses ${name}`, () => {
    expect(requests(text).at(-1)).toBe(`fault ${fault}`);
  });

  test(`RequestParser refuses ${name} byte by byte with the same events`, () => {
    expect(bytewise(text)).toEqual(joined(requests(text)));
  });
}

test("RequestParser ends nothing behind a fault", () => {
  const events = requests(`${withFields("Content-Length: 1\r\nContent-Length: 1\r\n", "x")}${withFields("")}`);
  expect(events).toEqual(["fault 400 duplicate_length"]);
});

test("RequestParser bounds the bytes of a head exactly", () => {
  const text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  expect(requests(text, { ...LIMITS, maxHeaderBytes: text.length }).at(-1)).toBe("end");
  expect(requests(text, { ...LIMITS, maxHeaderBytes: text.length - 1 })).toEqual(["fault 431 head_too_large"]);
});

test("RequestParser bounds a head that never ends and a trailer section", () => {
  const limits = { ...LIMITS, maxHeaderBytes: 256 };
  expect(requests("A".repeat(300), limits)).toEqual(["fault 431 head_too_large"]);
  expect(requests(chunked(`0\r\nA: ${"b".repeat(300)}`), limits).at(-1)).toBe("fault 431 head_too_large");
});

test("RequestParser bounds the number of fields exactly", () => {
  const two = withFields("A: b\r\n");
  expect(requests(two, { ...LIMITS, maxHeaders: 2 }).at(-1)).toBe("end");
  expect(requests(two, { ...LIMITS, maxHeaders: 1 })).toEqual(["fault 431 too_many_fields"]);
});

test("RequestParser reads a head of a million bytes in single bytes in linear time", () => {
  const text = `GET /${"a".repeat(500_000)} HTTP/1.1\r\nHost: a\r\nX: ${"b".repeat(500_000)}\r\n\r\n`;
  const bytes = bytesOf(text);
  let target = 0;
  const sink = { head: (head: RequestHead) => (target = head.target.length), body() {}, end() {} };
  const parser = new RequestParser({ maxHeaderBytes: 1 << 21, maxHeaders: 10 }, sink);
  // Scanning from the start for each byte would be 5 × 10^11 steps: the test's own time limit would end it.
  for (let i = 0; i < bytes.length; i++) parser.push(bytes.subarray(i, i + 1), 0);
  expect(target).toBe(500_001);
});

const READ: readonly (readonly [string, string, readonly string[]])[] = [
  ["a path", "GET /a?b=c HTTP/1.1\r\nHost: A.test:81\r\n\r\n", ["head GET origin a.test:81 /a?b=c", "end"]],
  [
    "a path that looks like an authority",
    "GET //b.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ["head GET origin a.test:0 //b.test/x", "end"],
  ],
  ["HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", ["head GET origin :0 /", "end"]],
  [
    "an absolute target",
    "GET HTTP://A.Test./x HTTP/1.1\r\nHost: a.test:80\r\n\r\n",
    ["head GET absolute a.test:80 /x", "end"],
  ],
  [
    "https in absolute form",
    "GET https://a.test?x HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ["head GET absolute a.test:443 /?x", "end"],
  ],
  [
    "an absolute target without a path",
    "GET http://[::1]:81 HTTP/1.1\r\nHost: [0::1]:81\r\n\r\n",
    ["head GET absolute ::1:81 /", "end"],
  ],
  [
    "OPTIONS for a whole server",
    "OPTIONS http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ["head OPTIONS absolute a.test:80 *", "end"],
  ],
  ["OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", ["head OPTIONS asterisk a.test:0 *", "end"]],
  ["CONNECT", "CONNECT A.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", ["head CONNECT authority a.test:443 ", "end"]],
  [
    "CONNECT with a Host without port",
    "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ["head CONNECT authority a.test:443 ", "end"],
  ],
  ["CONNECT of HTTP/1.0", "CONNECT [::1]:443 HTTP/1.0\r\n\r\n", ["head CONNECT authority ::1:443 ", "end"]],
  [
    "a body by length",
    withFields("Content-Length: 5\r\n", "hello"),
    ["head POST origin a.test:0 /x", "body hello", "end"],
  ],
  ["a length of zero", withFields("Content-Length: 0\r\n"), ["head POST origin a.test:0 /x", "end"]],
  [
    "chunks",
    chunked("5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"),
    ["head POST origin a.test:0 /x", "body hello0123456789", "end"],
  ],
  [
    "chunks of padded size",
    chunked("005\r\nhello\r\n000\r\n\r\n"),
    ["head POST origin a.test:0 /x", "body hello", "end"],
  ],
  ["trailers", chunked("0\r\nX-Sum: 1\r\ny:\t2 \r\n\r\n"), ["head POST origin a.test:0 /x", "end X-Sum|1|y|2"]],
  [
    "the CRLF old clients leave behind",
    "\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ["head GET origin a.test:0 /", "end"],
  ],
  [
    "pipelined requests",
    `${withFields("Content-Length: 1\r\n", "x")}\r\n${withFields("")}`,
    ["head POST origin a.test:0 /x", "body x", "end", "head POST origin a.test:0 /x", "end"],
  ],
];

for (const [name, text, events] of READ) {
  test(`RequestParser reads ${name}`, () => {
    expect(requests(text)).toEqual([...events]);
  });

  test(`RequestParser reads ${name} over any cut alike`, () => {
    for (let cut = 0; cut <= text.length; cut++) expect(inTwo(text, cut)).toEqual(joined(events));
    expect(bytewise(text)).toEqual(joined(events));
  });

  test(`RequestParser waits for the rest of ${name}`, () => {
    const events = requests(text.slice(0, -1));
    expect(events.at(-1)).toMatch(/^more$|^body /);
  });
}

/** The head of the one request in `text`. */
function headOf(text: string): RequestHead {
  let found: RequestHead | null = null;
  const parser = new RequestParser(LIMITS, { head: (head) => (found = head), body() {}, end() {} });
  parser.push(bytesOf(text), 0);
  expect(parser.fault).toBeNull();
  if (found === null) throw new Error("no head");
  return found;
}

test("RequestHead keeps fields as they came, without the whitespace around values", () => {
  const { headers } = headOf("GET / HTTP/1.1\r\nhOST: a\r\nX:\t b  c \t\r\nx:\r\nY: caf\xe9\x80\r\n\r\n");
  expect(headers).toEqual(["hOST", "a", "X", "b  c", "x", "", "Y", "caf\xe9\x80"]);
});

test("RequestHead says what the peer wants of the connection", () => {
  const wants = (version: string, fields: string) =>
    headOf(`GET / HTTP/${version}\r\nHost: a\r\n${fields}\r\n`).keepAlive;
  expect(wants("1.1", "")).toBe(true);
  expect(wants("1.1", "Connection: Close\r\n")).toBe(false);
  expect(wants("1.1", "Connection: keep-alive\r\nProxy-Connection: close\r\n")).toBe(false);
  expect(wants("1.0", "")).toBe(false);
  expect(wants("1.0", "Proxy-Connection: Keep-Alive\r\n")).toBe(true);
});

test("RequestHead lists connection options of every field in small letters", () => {
  const head = headOf("GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop ,, close\r\nProxy-Connection: Y\r\n\r\n");
  expect(head.connection).toEqual(["x-hop", "close", "y"]);
});

test("RequestHead names an upgrade only when Connection does and the version knows it", () => {
  const upgrade = (version: string, fields: string) =>
    headOf(`GET / HTTP/${version}\r\nHost: a\r\n${fields}\r\n`).upgrade;
  expect(upgrade("1.1", "Connection: Upgrade\r\nUpgrade: WebSocket\r\n")).toBe("websocket");
  expect(upgrade("1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n")).toBe("h2c, websocket");
  expect(upgrade("1.1", "Upgrade: websocket\r\n")).toBeNull();
  expect(upgrade("1.1", "Connection: Upgrade\r\n")).toBeNull();
  expect(upgrade("1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n")).toBeNull();
});

test("RequestHead expects a 100 only of clients that can be sent one", () => {
  const text = (version: string) =>
    `POST / HTTP/${version}\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n`;
  expect(headOf(text("1.1")).expectContinue).toBe(true);
  expect(headOf(text("1.0")).expectContinue).toBe(false);
});

test("RequestParser reads Host anew when only Host changes on a connection", () => {
  const events = requests(
    "GET / HTTP/1.1\r\nHost: a.test\r\n\r\nGET / HTTP/1.1\r\nHost: b.test\r\n\r\nGET / HTTP/1.1\r\nHost: c d\r\n\r\n",
  );
  expect(events).toEqual([
    "head GET origin a.test:0 /",
    "end",
    "head GET origin b.test:0 /",
    "end",
    "fault 400 bad_host",
  ]);
});

test("RequestParser reads the request line anew when it only begins like the last one", () => {
  const events = requests(
    "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1 \r\nHost: a\r\n\r\n",
  );
  expect(events.filter((event) => event !== "end")).toEqual([
    "head GET origin a:0 /a",
    "head GET origin a:0 /b",
    "fault 400 bad_request_line",
  ]);
});

test("RequestParser stops behind a message until next and leaves what follows to the caller", () => {
  const ends: string[] = [];
  const parser = new RequestParser(LIMITS, {
    head: (head) => ends.push(head.method),
    body() {},
    end: () => ends.push("end"),
  });
  const bytes = bytesOf("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n\x16\x03\x01");
  expect(parser.started).toBe(false);
  expect(parser.push(bytes, 0)).toBe(bytes.length - 3);
  expect(parser.complete).toBe(true);
  expect(parser.push(bytes, bytes.length - 3)).toBe(0);
  parser.next();
  expect([parser.complete, parser.started]).toEqual([false, false]);
  expect(ends).toEqual(["CONNECT", "end"]);
});

test("RequestParser does not count the tolerated CRLF as a start", () => {
  const parser = new RequestParser(LIMITS, { head() {}, body() {}, end() {} });
  parser.push(bytesOf("\r"), 0);
  parser.push(bytesOf("\n"), 0);
  expect(parser.started).toBe(false);
  parser.push(bytesOf("G"), 0);
  expect(parser.started).toBe(true);
});

test("RequestParser puts chunks of one byte together: one call a read, however many there are", () => {
  const bodies: Uint8Array[] = [];
  const sink = { head() {}, body: (body: Uint8Array) => void bodies.push(body), end() {} };
  const parser = new RequestParser(LIMITS, sink);
  parser.push(bytesOf(chunked("")), 0);
  for (let read = 1; read <= 2; read++) {
    parser.push(bytesOf("1\r\na\r\n2\r\nbc\r\n".repeat(1000)), 0);
    expect(bodies.map((body) => body.length)).toEqual(Array(read).fill(3000));
    expect(Buffer.from(bodies[read - 1] ?? []).toString()).toBe("abc".repeat(1000));
    // What is kept of it keeps no more alive.
    expect(bodies[read - 1]?.buffer.byteLength).toBeLessThanOrEqual(6000);
  }
});

test("RequestParser hands small chunks on before a large one, and before what is wrong", () => {
  const bodies: string[] = [];
  const sink = { head() {}, body: (body: Uint8Array) => void bodies.push(Buffer.from(body).toString()), end() {} };
  const parser = new RequestParser(LIMITS, sink);
  const large = "x".repeat(4096);
  parser.push(bytesOf(chunked(`1\r\na\r\n1\r\nb\r\n1000\r\n${large}\r\n1\r\nc\r\n1\r\nd\r\n1;e\r\n`)), 0);
  expect(bodies).toEqual(["ab", large, "cd"]);
  expect(parser.fault?.code).toBe("chunk_extension");
});

/** Body events run together: how a body is cut says nothing. */
function joined(events: readonly string[]): string[] {
  const out: string[] = [];
  for (const event of events) {
    const last = out[out.length - 1];
    if (event.startsWith("body ") && last?.startsWith("body ")) out[out.length - 1] = last + event.slice(5);
    else out.push(event);
  }
  return out;
}

function bytewise(text: string): string[] {
  return pieces(Array.from(bytesOf(text), (byte) => Uint8Array.of(byte)));
}

function inTwo(text: string, cut: number): string[] {
  return pieces([bytesOf(text.slice(0, cut)), bytesOf(text.slice(cut))]);
}

function pieces(chunks: readonly Uint8Array[]): string[] {
  const events: string[] = [];
  const parser = new RequestParser(LIMITS, {
    head: (head) => events.push(`head ${head.method} ${head.form} ${head.host}:${head.port} ${head.path}`),
    body: (bytes) => events.push(`body ${textOf(bytes)}`),
    end: (trailers) => events.push(trailers === null ? "end" : `end ${trailers.join("|")}`),
  });
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length && parser.fault === null; ) {
      at += parser.push(chunk, at);
      if (parser.complete) parser.next();
    }
  }
  if (parser.fault !== null) events.push(`fault ${parser.fault.status} ${parser.fault.code}`);
  return joined(events);
}

test("RequestParser hands body bytes on as views of the chunk, and copies few: a view of them costs more", () => {
  for (const [length, copied] of [
    [5, true],
    [1023, true],
    [1024, false],
  ] as const) {
    const read = bytesOf(withFields(`Content-Length: ${length}\r\n`, "x".repeat(length)));
    const bodies: Uint8Array[] = [];
    const parser = new RequestParser(LIMITS, { head() {}, body: (bytes) => void bodies.push(bytes), end() {} });
    expect(parser.push(read, 0)).toBe(read.length);
    expect(bodies.map(textOf)).toEqual(["x".repeat(length)]);
    expect(bodies[0]?.buffer === read.buffer).toBe(!copied);
  }
});
