import { expect, test } from "bun:test";
import { type ResponseHead, ResponseParser } from "../../src/wire/http1.ts";
import { answer, bytesOf, LIMITS } from "./_transcript.ts";

const FAULTS: readonly (readonly [string, string, string])[] = [
  [
    "length and coding",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "400 length_and_coding",
  ],
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "400 duplicate_length"],
  ["a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", "400 bad_length"],
  ["an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "400 bad_coding"],
  ["a coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "400 coding_in_http10"],
  ["a 204 that announces a body", "HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\n", "400 body_not_allowed"],
  ["a chunked 204", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "400 body_not_allowed"],
  ["a 100 that announces a body", "HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n", "400 body_not_allowed"],
  ["a folded field", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "400 obs_fold"],
  ["a bare LF", "HTTP/1.1 200 OK\nA: b\r\n\r\n", "400 bare_lf"],
  ["a bare CR", "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n", "400 bare_cr"],
  ["NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n", "400 control_char"],
  ["an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", "400 empty_line"],
  ["no version", "200 OK\r\n\r\n", "400 bad_status_line"],
  ["another protocol", "ICY/1.1 200 OK\r\n\r\n", "400 bad_status_line"],
  ["HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", "505 bad_version"],
  ["two spaces", "HTTP/1.1  200 OK\r\n\r\n", "400 bad_status_line"],
  ["a status of two digits", "HTTP/1.1 99 Low\r\n\r\n", "400 bad_status_line"],
  ["a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", "400 bad_status_line"],
  ["a status below 100", "HTTP/1.1 099 Low\r\n\r\n", "400 bad_status_line"],
  ["a status that is no number", "HTTP/1.1 2x0 OK\r\n\r\n", "400 bad_status_line"],
  ["a chunk extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\n", "400 chunk_extension"],
  [
    "a forbidden trailer",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nSet-Cookie: a\r\n\r\n",
    "400 forbidden_trailer",
  ],
  [
    "a 17th interim answer",
    `${"HTTP/1.1 103 Early\r\n\r\n".repeat(17)}HTTP/1.1 200 OK\r\n\r\n`,
    "400 too_many_informational",
  ],
];

for (const [name, text, fault] of FAULTS) {
  test(`ResponseParser refuses ${name}`, () => {
    expect(answer(text).at(-1)).toBe(`fault ${fault}`);
  });
}

const TRUNCATED: readonly (readonly [string, string, string])[] = [
  ["before the answer", "", "no_answer"],
  ["in the head", "HTTP/1.1 200 OK\r\nA", "truncated"],
  ["behind an interim answer", "HTTP/1.1 100 Continue\r\n\r\n", "truncated"],
  ["in a body by length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "truncated"],
  ["in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell", "truncated"],
  ["before the last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "truncated"],
  ["before the end of the trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "truncated"],
];

for (const [where, text, code] of TRUNCATED) {
  test(`ResponseParser tells a connection closed ${where}`, () => {
    expect(answer(text).at(-1)).not.toMatch(/^fault/);
    expect(answer(text, { closed: true }).at(-1)).toBe(`fault 400 ${code}`);
  });
}

const READ: readonly (readonly [string, string, { method?: string; closed?: boolean }, readonly string[]])[] = [
  [
    "a body by length",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    {},
    ["head 200 length keep", "body hello", "end"],
  ],
  [
    "what follows as left over",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP",
    {},
    ["head 200 length keep", "body x", "end", "left HTTP"],
  ],
  ["a length of zero", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", {}, ["head 200 length keep", "end"]],
  [
    "chunks and trailers",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n",
    {},
    ["head 200 chunked keep", "body hi", "end A|b"],
  ],
  [
    "a body until close",
    "HTTP/1.1 200 OK\r\n\r\nhello",
    { closed: true },
    ["head 200 close drop", "body hello", "end"],
  ],
  ["an empty body until close", "HTTP/1.0 200 OK\r\n\r\n", { closed: true }, ["head 200 close drop", "end"]],
  ["a body that may go on", "HTTP/1.1 200 OK\r\n\r\nhello", {}, ["head 200 close drop", "body hello", "more"]],
  [
    "an answer to HEAD",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    { method: "HEAD" },
    ["head 200 none keep", "end"],
  ],
  [
    "a chunked answer to HEAD",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    { method: "HEAD" },
    ["head 200 none keep", "end"],
  ],
  ["204", "HTTP/1.1 204 No Content\r\n\r\n", {}, ["head 204 none keep", "end"]],
  [
    "204 with a length of zero",
    "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    {},
    ["head 204 none keep", "end"],
  ],
  [
    "304 with the length of what it stands for",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    {},
    ["head 304 none keep", "end"],
  ],
  [
    "interim answers",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    {},
    ["interim 100", "interim 103", "head 200 length keep", "end"],
  ],
  [
    "101 as an end",
    "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00",
    {},
    ["head 101 none drop", "end", "left \x81\x00"],
  ],
  [
    "2xx to CONNECT as an end",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\x16",
    { method: "CONNECT" },
    ["head 200 none drop", "end", "left \x16"],
  ],
  [
    "a refusal of CONNECT with its body",
    "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
    { method: "CONNECT" },
    ["head 403 length keep", "body no", "end"],
  ],
  [
    "Connection: close",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    {},
    ["head 200 length drop", "end"],
  ],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", {}, ["head 200 length drop", "end"]],
  [
    "HTTP/1.0 with keep-alive",
    "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n",
    {},
    ["head 200 length keep", "end"],
  ],
  ["a status line without a reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", {}, ["head 200 length keep", "end"]],
  [
    "Host and Expect as any other field",
    "HTTP/1.1 200 OK\r\nHost: a\r\nHost: b\r\nExpect: x\r\nContent-Length: 0\r\n\r\n",
    {},
    ["head 200 length keep", "end"],
  ],
];

for (const [name, text, options, events] of READ) {
  test(`ResponseParser reads ${name}`, () => {
    expect(answer(text, options)).toEqual([...events]);
  });
}

test("ResponseHead keeps obs-text in the reason and in values", () => {
  const heads: ResponseHead[] = [];
  const parser = new ResponseParser(LIMITS, {
    informational() {},
    head: (head) => heads.push(head),
    body() {},
    end() {},
  });
  parser.start("GET");
  parser.push(bytesOf("HTTP/1.1 200 D\xe9j\xe0\r\nA: \x80\xff\r\nContent-Length: 0\r\n\r\n"), 0);
  expect(heads[0]?.reason).toBe("D\xe9j\xe0");
  expect(heads[0]?.headers).toEqual(["A", "\x80\xff", "Content-Length", "0"]);
});

test("ResponseParser takes nothing before start and one answer per start", () => {
  const statuses: number[] = [];
  const parser = new ResponseParser(LIMITS, {
    informational() {},
    head: (head) => statuses.push(head.status),
    body() {},
    end() {},
  });
  const bytes = bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
  expect(parser.push(bytes, 0)).toBe(0);
  parser.start("GET");
  expect(parser.started).toBe(false);
  const used = parser.push(bytes, 0);
  expect([parser.complete, parser.push(bytes, used), parser.eof()]).toEqual([true, 0, true]);
  parser.start("GET");
  parser.push(bytes, used);
  expect(statuses).toEqual([200, 404]);
});
