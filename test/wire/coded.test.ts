/** What says how a body is to be read is seen whichever version of HTTP it comes by, or its codings are nobody's to undo. */
import { expect, test } from "bun:test";
import { H2_LIMITS } from "../../src/wire/h2.ts";
import type { H2RequestHead } from "../../src/wire/h2-heads.ts";
import { H2Server, type H2ServerSink } from "../../src/wire/h2-server.ts";
import { type RequestHead, RequestParser } from "../../src/wire/http1.ts";
import { HELLO, headers, POST } from "./_h2.ts";
import { bytesOf, LIMITS } from "./_transcript.ts";

function byHttp1(name: string, value: string): boolean {
  let found: RequestHead | null = null;
  const parser = new RequestParser(LIMITS, { head: (head) => (found = head), body() {}, end() {} });
  parser.push(
    bytesOf(`POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n${name}: ${value}\r\nContent-Length: 2\r\n\r\n{}`),
    0,
  );
  expect(parser.fault).toBeNull();
  return (found as RequestHead | null)?.coded === true;
}

function byHttp2(name: string, value: string): boolean {
  let found: H2RequestHead | null = null;
  const sink = new Proxy({} as H2ServerSink, {
    get: (_, event) => (event === "request" ? (_id: number, head: H2RequestHead) => (found = head) : () => {}),
  });
  const server = new H2Server({ ...H2_LIMITS, ...LIMITS }, sink);
  server.push(Uint8Array.from([...HELLO, ...headers(1, [...POST, name, value], false)]), 0);
  return (found as H2RequestHead | null)?.coded === true;
}

const CODED: readonly (readonly [string, string])[] = [
  ["content-encoding", "gzip"],
  ["content_encoding", "deflate"],
  ["content.encoding", "br"],
  ["content-type", "text/plain; charset=utf-7"],
  ["content_type", "text/plain; charset=utf-7"],
  ["content~type", "application/x-www-form-urlencoded"],
];

test.each(CODED)("%s: %s", (name, value) => {
  expect([byHttp1(name, value), byHttp2(name, value)]).toEqual([true, true]);
});

test.each([["grpc-encoding"], ["connect-content-encoding"]])("messages inside, packed by %s, of HTTP/1", (name) => {
  expect(byHttp1(name, "gzip")).toBe(true);
});

test.each([
  ["content-type", "application/json"],
  ["x-content_encoding", "gzip"],
  ["contentaencoding", "gzip"],
  ["content_encodings", "gzip"],
])("not %s: %s", (name, value) => {
  expect([byHttp1(name, value), byHttp2(name, value)]).toEqual([false, false]);
});
