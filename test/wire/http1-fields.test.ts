import { describe, expect, test } from "bun:test";
import { endToEnd, type RequestHead, RequestParser, type ResponseHead, ResponseParser } from "../../src/wire/http1.ts";
import { OutBuffer } from "../../src/wire/out-buffer.ts";
import { copied } from "../fuzz/_sent.ts";
import { bytesOf, LIMITS, textOf } from "./_transcript.ts";

function request(fields: string): RequestHead {
  let head: RequestHead | null = null;
  const parser = new RequestParser(LIMITS, {
    head: (read) => {
      head = read;
    },
    body() {},
    end() {},
  });
  parser.push(bytesOf(`GET http://a.test/ HTTP/1.1\r\n${fields}\r\n`), 0);
  if (head === null) throw new Error(`refused: ${parser.fault?.code}`);
  return head;
}

function response(fields: string): ResponseHead {
  let head: ResponseHead | null = null;
  const parser = new ResponseParser(LIMITS, {
    informational() {},
    head: (read) => {
      head = read;
    },
    body() {},
    end() {},
  });
  parser.start("GET");
  parser.push(bytesOf(`HTTP/1.1 200 OK\r\n${fields}\r\n`), 0);
  if (head === null) throw new Error(`refused: ${parser.fault?.code}`);
  return head;
}

function lines(head: RequestHead | ResponseHead): string | null {
  const { block } = head.fields;
  return block === null ? null : textOf(copied(new OutBuffer().block(block)));
}

test("fields of a request travel on as the lines they came in, but for those that end here", () => {
  const head = request(
    "Host: a.test\r\nB: 1\r\nTE: x\r\nKeep-Alive: 5\r\na: caf\xe9\r\nX-EVE-Verdict: ALLOW\r\nx_eve_pillar: 1\r\nB: 2\r\nContent-Length: 0\r\n",
  );
  expect(lines(head)).toBe("B: 1\r\na: caf\xe9\r\nB: 2\r\n");
  expect(head.fields.list).toEqual(["B", "1", "a", "caf\xe9", "B", "2"]);
});

const KNOWN = [
  ...["Connection: keep-alive", "Proxy-Connection: keep-alive", "Keep-Alive: 5", "TE: trailers"],
  ...["Upgrade: x", "HTTP2-Settings: x", "Proxy-Authenticate: x", "Proxy-Authorization: x"],
  ...["Proxy-Authentication-Info: x", "Content-Length: 0", "Transfer-Encoding: chunked", "X-EVE-Verdict: x"],
  ...["x+eve+a: x", "Content-Type: text/plain", "Content-Encoding: gzip", "Keep_Alive: 5", "X-Event: x"],
];
for (const field of KNOWN) {
  for (const spelt of [field, field.toLowerCase(), field.toUpperCase().replace("CHUNKED", "chunked")]) {
    test(`${spelt} stays or travels on alike as a line and as a field`, () => {
      const stays = !/^(?:content-(?:type|encoding)|keep_alive|x-event):/i.test(spelt);
      const [name, value] = spelt.split(": ") as [string, string];
      for (const head of [request(`Host: a.test\r\n${spelt}\r\nA: 2\r\n`), response(`${spelt}\r\nA: 2\r\n`)]) {
        expect(lines(head)).toBe(stays ? "A: 2\r\n" : `${spelt}\r\nA: 2\r\n`);
        expect(head.fields.list).toEqual(stays ? ["A", "2"] : [name, value, "A", "2"]);
      }
    });
  }
}

for (const field of ["Trailer: X-Sum", "trailer: x-sum", "TRAILER: x"]) {
  test(`${field} stays here of a request, whose trailers do, and travels on with an answer`, () => {
    const asked = request(`Host: a.test\r\n${field}\r\nA: 2\r\n`);
    expect([lines(asked), asked.fields.list]).toEqual(["A: 2\r\n", ["A", "2"]]);
    const answered = response(`${field}\r\nA: 2\r\n`);
    expect([lines(answered), answered.fields.list]).toEqual([`${field}\r\nA: 2\r\n`, [...field.split(": "), "A", "2"]]);
    expect(endToEnd(field.split(": "), [], "trailers")).toEqual([]);
  });
}

for (const odd of ["B:1\r\n", "B:  1\r\n", "B: 1 \r\n", "B:\t1\r\n", "B:\r\n"]) {
  test(`a request with ${JSON.stringify(odd)} is written anew`, () => {
    expect(lines(request(`Host: a.test\r\nA: 0\r\n${odd}`))).toBeNull();
  });
}

test("what Connection names is not among the lines that travel on", () => {
  const head = request("Host: a.test\r\nConnection: X-Hop\r\nX-Hop: 1\r\nA: 2\r\n");
  expect(lines(head)).toBeNull();
  expect(head.fields.list).toEqual(["A", "2"]);
  expect(lines(request("Host: a.test\r\nConnection: keep-alive\r\nA: 2\r\n"))).toBe("A: 2\r\n");
  expect(lines(request("Host: a.test\r\nConnection: close, keep-alive\r\nA: 2\r\n"))).toBe("A: 2\r\n");
});

test("a Host field of an answer travels on, an underscore spelling of a hop-by-hop field too", () => {
  expect(lines(response("Host: b\r\nKeep_Alive: 1\r\nA: 2\r\n"))).toBe("Host: b\r\nKeep_Alive: 1\r\nA: 2\r\n");
});

for (const [type, is] of [
  ["text/event-stream", true],
  ["Text/Event-Stream; charset=utf-8", true],
  ["text/plain", false],
  ["text/event-strea", false],
] as const) {
  test(`an answer of type ${type} is ${is ? "" : "not "}an event stream`, () => {
    expect(response(`Content-Type: ${type}\r\n`).eventStream).toBe(is);
  });
}

describe("an answer is plain JSON", () => {
  for (const fields of [
    "Content-Type: application/json\r\n",
    "content-type:  application/json \r\nServer: a\r\n",
    "Content-Type: application/json\r\nContent-Type: application/json\r\n",
  ])
    test(`by ${JSON.stringify(fields)}`, () => expect(response(fields).plainJson).toBe(true));

  for (const fields of [
    "",
    "Content-Type: \r\n",
    "Content-Type: Application/JSON\r\n",
    "Content-Type: application/json; charset=utf-16\r\n",
    "Content-Type: application/json\r\nContent-Type: text/event-stream\r\n",
    "Content-Type: text/html\r\nContent-Type: application/json\r\n",
    "content_type: application/json\r\n",
    "content_type: application/json\r\nContent-Type: application/json\r\n",
    "Content-Type: application/json\r\nContent_Type: text/html\r\n",
    "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
    "Content-Encoding: identity\r\nContent-Type: application/json\r\n",
    "Content-Type: application/json\r\ncontent!encoding: gzip\r\n",
    "Content-Type: application/json\r\nGrpc-Encoding: gzip\r\n",
    "Connect-Content-Encoding: gzip\r\nContent-Type: application/json\r\n",
  ])
    test(`but not by ${JSON.stringify(fields)}`, () => expect(response(fields).plainJson).toBe(false));
});

test("codings of messages travel on", () => {
  const fields = "Grpc-Encoding: gzip\r\nConnect-Content-Encoding: br\r\n";
  expect(lines(response(fields))).toBe(fields);
  expect(response(fields).fields.list).toEqual(["Grpc-Encoding", "gzip", "Connect-Content-Encoding", "br"]);
  expect(request(`Host: a.test\r\n${fields}`).fields.list).toHaveLength(4);
});

test("OutBuffer takes any byte in a text, short or long, and grows", () => {
  const short = "caf\xe9 \xff";
  const long = `${"x".repeat(70_000)}\xe9${"y".repeat(40)}`;
  const out = new OutBuffer();
  expect(textOf(copied(out.text(short).text(long).append(bytesOf("!"))))).toBe(`${short}${long}!`);
  expect(out.clear().text("a".repeat(40)).length).toBe(40);
});
