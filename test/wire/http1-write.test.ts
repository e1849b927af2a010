import { expect, test } from "bun:test";
import { endToEnd, requestLines, statusLine, writeFields } from "../../src/wire/http1.ts";

const HOP = [
  ...["Connection", "Proxy-Connection", "Keep-Alive", "TE", "Transfer-Encoding", "Upgrade", "Expect"],
  ...[
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Authentication-Info",
    "HTTP2-Settings",
    "X-EVE-Verdict",
    "x-eve-",
    "X_EVE_Decision_Cert",
  ],
];

for (const name of HOP) {
  test(`endToEnd takes ${name} out in any case and both directions`, () => {
    for (const spelt of [name, name.toLowerCase(), name.toUpperCase()]) {
      expect(endToEnd(["A", "1", spelt, "x", "B", "2"], [], "request")).toEqual(["A", "1", "B", "2"]);
      expect(endToEnd(["A", "1", spelt, "x", "B", "2"], [], "response")).toEqual(["A", "1", "B", "2"]);
    }
  });
}

test("endToEnd keeps names that only resemble hop-by-hop ones", () => {
  const near = [
    "X-EVE",
    "1",
    "X-Event",
    "2",
    "Connections",
    "3",
    "TEx",
    "4",
    "Upgrade-Insecure-Requests",
    "5",
    "Trailers",
    "6",
  ];
  expect(endToEnd(near, [], "request")).toEqual(near);
});

test("endToEnd takes what Connection names, in any case, every time", () => {
  expect(endToEnd(["X-Hop", "1", "A", "2", "x-hop", "3"], ["close", "x-hop"], "request")).toEqual(["A", "2"]);
});

test("endToEnd takes Content-Length out both ways and Host out of requests only", () => {
  const headers = ["Host", "a", "Content-Length", "5", "A", "1"];
  expect(endToEnd(headers, [], "request")).toEqual(["A", "1"]);
  expect(endToEnd(headers, [], "response")).toEqual(["Host", "a", "A", "1"]);
});

test("endToEnd keeps order, case and repeats", () => {
  const headers = ["b", "1", "A", "2", "b", "3"];
  expect(endToEnd(headers, [], "response")).toEqual(headers);
});

test("writeFields lets no value and no name out of its line", () => {
  expect(writeFields(["A", "x\r\nB: y", "C\r\nD", "z", "E", "a\0b", "F", "caf\xe9"])).toBe(
    "A: x  B: y\r\nE: a b\r\nF: caf\xe9\r\n",
  );
});

test("writeFields lets no wide character become a line break when it is cut to a byte", () => {
  expect(writeFields(["A", "x\u010d\u010aB: y"])).toBe("A: x  B: y\r\n");
  expect(writeFields(["A\u010a", "x"])).toBe("");
});

for (const [method, target, host] of [
  ["GET", "/ HTTP/1.1\r\nX: y", "a"],
  ["GET", "/a b", "a"],
  ["GET", "", "a"],
  ["G T", "/", "a"],
  ["GET", "/", "a\r\nX: y"],
  ["GET", "/\u010a", "a"],
] as const) {
  test(`requestLines throws for ${JSON.stringify([method, target, host])}`, () => {
    expect(() => requestLines(method, target, host)).toThrow("not one word");
  });
}

test("requestLines puts Host behind the request line", () => {
  expect(requestLines("POST", "/x?y", "a.test:81")).toBe("POST /x?y HTTP/1.1\r\nHost: a.test:81\r\n");
});

test("statusLine speaks HTTP/1.1 and lets no reason out of its line", () => {
  expect(statusLine(200, "OK")).toBe("HTTP/1.1 200 OK\r\n");
  expect(statusLine(502, "a\r\nb")).toBe("HTTP/1.1 502 a  b\r\n");
});
