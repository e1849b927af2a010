import { describe, expect, test } from "bun:test";
import { ErrorCode, PREFACE } from "../../src/wire/h2.ts";
import {
  client,
  connected,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  headers,
  POST,
  SETTINGS_FRAME,
  T,
  taken,
  u32,
} from "./_h2.ts";
import { bytesOf } from "./_transcript.ts";

const TO = { method: "POST", scheme: "https", authority: "a.test", path: "/v1" } as const;
const OK = [":status", "200"];

describe("a conversation", () => {
  test("preface first, then a request and its answer", () => {
    const peer = client();
    expect(taken(peer.h2).subarray(0, PREFACE.length)).toEqual(PREFACE);
    expect(peer.tell(SETTINGS_FRAME)).toEqual([]);
    const id = peer.h2.open(TO, ["Content-Type", "application/json", "Host", "other.test", ":path", "/evil"], false);
    peer.h2.data(id, bytesOf("{}"), true);
    const out = taken(peer.h2);
    expect(id).toBe(1);
    expect(out.length).toBeGreaterThan(9);
    expect(
      peer.tell(
        headers(1, [":status", "103", "link", "x"], false),
        headers(1, [...OK, "content-length", "2"], false),
        data(1, "ok", true),
      ),
    ).toEqual([...["interim 1 103", "response 1 200 content-length 2", "data 1 ok", "end 1", "closed 1"]]);
    expect(peer.h2.active).toBe(0);
  });

  test("what is written: the head of a request without the fields that are not its own", () => {
    const peer = connected();
    peer.h2.open(
      TO,
      ["Accept", "*/*", "host", "other.test", ":path", "/evil", "connection", "close", "te", "trailers"],
      true,
    );
    peer.h2.open({ method: "CONNECT", scheme: "", authority: "a.test:1", path: "" }, [], false);
    expect(peer.said()).toEqual([
      "HEADERS 1 end :method=POST :scheme=https :authority=a.test :path=/v1 accept=*/* te=trailers",
      "HEADERS 3 :method=CONNECT :authority=a.test:1",
    ]);
  });

  for (const [what, to] of [
    ["method", { ...TO, method: "GET /" }],
    ["authority", { ...TO, authority: "a b" }],
    ["path", { ...TO, path: "/a\r\nx" }],
    ["empty path", { ...TO, path: "" }],
  ] as const) {
    test(`a ${what} that is not one word is not sent`, () => {
      const peer = connected();
      expect(() => peer.h2.open(to, [], true)).toThrow("one word");
      expect([peer.h2.active, peer.said()]).toEqual([0, []]);
    });
  }

  for (const [what, method, bytes, events] of [
    [
      "HEAD: a length and no body",
      "HEAD",
      [headers(1, [...OK, "content-length", "9"], true)],
      ["response 1 200 content-length 9 ended", "end 1"],
    ],
    ["HEAD: an empty DATA", "HEAD", [headers(1, OK, false), data(1, "", true)], ["response 1 200 ", "end 1"]],
    [
      "304 with a length",
      "GET",
      [headers(1, [":status", "304", "content-length", "9"], true)],
      ["response 1 304 content-length 9 ended", "end 1"],
    ],
    [
      "trailers",
      "POST",
      [headers(1, OK, false), data(1, "a"), headers(1, ["grpc-status", "0"], true)],
      ["response 1 200 ", "data 1 a", "end 1 grpc-status 0"],
    ],
    [
      "an answer that is all trailers",
      "POST",
      [headers(1, [...OK, "grpc-status", "5"], true)],
      ["response 1 200 grpc-status 5 ended", "end 1"],
    ],
    [
      "a tunnel has no length",
      "CONNECT",
      [headers(1, [...OK, "content-length", "1"], false), data(1, "abc")],
      ["response 1 200 content-length 1", "data 1 abc"],
    ],
  ] as const) {
    test(what, () => {
      const peer = connected();
      peer.h2.open(
        method === "CONNECT" ? { method, scheme: "", authority: "a:1", path: "" } : { ...TO, method },
        [],
        false,
      );
      expect(peer.tell(...bytes)).toEqual([...events]);
    });
  }

  test("an answer before the request is whole, and then the upstream wants no more", () => {
    const peer = connected();
    peer.h2.open(TO, [], false);
    const said = peer.tell(headers(1, [":status", "413"], true), frame(T.RST_STREAM, 0, 1, u32(0)));
    expect(said).toEqual(["response 1 413  ended", "end 1", "reset 1 0 peer"]);
    expect(peer.h2.data(1, bytesOf("x"), true)).toBe(true);
    peer.said();
    expect(peer.h2.drained).toBe(true);
  });
});

describe("an answer that is none resets its stream", () => {
  for (const [what, bytes, code] of [
    ["no status", [headers(1, ["x", "y"], true)], "missing_pseudo"],
    ["a status of four digits", [headers(1, [":status", "2000"], true)], "bad_status"],
    ["a status of two digits", [headers(1, [":status", "20"], true)], "bad_status"],
    ["a status with a sign", [headers(1, [":status", "+20"], true)], "bad_status"],
    ["two statuses", [headers(1, [...OK, ...OK], true)], "duplicate_pseudo"],
    ["101", [headers(1, [":status", "101"], false)], "bad_status"],
    ["a 1xx that ends", [headers(1, [":status", "103"], true)], "interim_end"],
    ["too many 1xx", new Array(17).fill(headers(1, [":status", "103"], false)), "too_many_informational"],
    ["a path", [headers(1, [...OK, ":path", "/"], true)], "bad_pseudo"],
    ["a pseudo-header field behind a field", [headers(1, ["x", "y", ...OK], true)], "late_pseudo"],
    ["a field of a connection", [headers(1, [...OK, "connection", "close"], true)], "connection_field"],
    ["te", [headers(1, [...OK, "te", "trailers"], true)], "connection_field"],
    ["204 with a body announced", [headers(1, [":status", "204", "content-length", "1"], true)], "body_not_allowed"],
    ["204 with a body", [headers(1, [":status", "204"], false), data(1, "x")], "body_too_long"],
    ["304 with a body", [headers(1, [":status", "304"], false), data(1, "x")], "body_too_long"],
    [
      "a body longer than its length",
      [headers(1, [...OK, "content-length", "1"], false), data(1, "xy")],
      "body_too_long",
    ],
    [
      "a body shorter than its length",
      [headers(1, [...OK, "content-length", "3"], false), data(1, "xy", true)],
      "body_too_short",
    ],
    ["a length and an end", [headers(1, [...OK, "content-length", "3"], true)], "body_too_short"],
    ["DATA before a head", [data(1, "x")], "no_head"],
    ["a second head", [headers(1, OK, false), headers(1, OK, true)], "bad_pseudo"],
    ["a second head without an end", [headers(1, OK, false), headers(1, OK, false)], "trailers_without_end"],
  ] as const) {
    test(what, () => {
      const peer = connected();
      peer.h2.open({ ...TO, method: "GET" }, [], true);
      peer.said();
      expect(peer.tell(...(bytes as (readonly number[])[])).at(-1)).toMatch(new RegExp(`^reset 1 \\d+ ${code}$`));
      expect(peer.said()).toEqual([`RST_STREAM 1 ${code === "too_many_informational" ? 11 : 1}`]);
      expect([peer.h2.active, peer.h2.fault]).toEqual([0, null]);
    });
  }
});

describe("what ends the connection", () => {
  for (const [what, bytes, reason] of [
    ["a push", [frame(T.PUSH_PROMISE, END_HEADERS, 1, u32(2))], "push"],
    ["a stream of the server's", [headers(2, POST, true)], "idle_stream"],
    ["a stream never opened", [headers(3, OK, true)], "idle_stream"],
    ["DATA for a stream never opened", [data(3, "x")], "idle_stream"],
    ["ENABLE_PUSH of a server", [frame(T.SETTINGS, 0, 0, [0, 2, 0, 0, 0, 1])], "bad_setting"],
    [
      "GOAWAY that takes more back",
      [frame(T.GOAWAY, 0, 0, [...u32(1), ...u32(0)]), frame(T.GOAWAY, 0, 0, [...u32(3), ...u32(0)])],
      "goaway_raised",
    ],
    ["an answer behind an answer", [headers(1, OK, true), headers(1, OK, true)], "closed_stream"],
  ] as const) {
    test(what, () => {
      const peer = connected();
      peer.h2.open(TO, [], true);
      peer.tell(...bytes);
      expect(peer.h2.fault?.reason).toBe(reason);
      expect(peer.h2.open(TO, [], true)).toBe(0);
    });
  }
});

describe("room", () => {
  test("as many streams as the upstream takes, and one more when one is over", () => {
    const peer = client();
    expect(peer.h2.room).toBe(100);
    peer.tell(frame(T.SETTINGS, 0, 0, [0, 3, ...u32(2)]));
    expect([peer.h2.open(TO, [], true), peer.h2.open(TO, [], true), peer.h2.open(TO, [], true)]).toEqual([1, 3, 0]);
    peer.tell(headers(1, [":status", "204"], true));
    expect([peer.h2.room, peer.h2.open(TO, [], true), peer.h2.room]).toEqual([1, 5, 0]);
    peer.tell(frame(T.SETTINGS, 0, 0, [0, 3, ...u32(0)]));
    peer.tell(headers(3, [":status", "204"], true));
    expect(peer.h2.room).toBe(0);
  });

  test("GOAWAY: streams above the last were not processed, those below go on, none is opened", () => {
    const peer = connected();
    for (let i = 0; i < 3; i++) peer.h2.open(TO, [], i > 0);
    expect(peer.tell(frame(T.GOAWAY, 0, 0, [...u32(1), ...u32(0)]))).toEqual([
      "goaway 1 0",
      "unprocessed 3",
      "unprocessed 5",
    ]);
    expect([peer.h2.room, peer.h2.leaving, peer.h2.active, peer.h2.open(TO, [], true)]).toEqual([0, true, 1, 0]);
    peer.h2.data(1, bytesOf("x"), true);
    expect(peer.tell(headers(1, OK, true)).at(-1)).toBe("end 1");
    peer.said();
    expect(peer.events.at(-1)).toBe("closed 1");
  });

  test("REFUSED_STREAM: not processed; after a head it is a reset like any other", () => {
    const peer = connected();
    peer.h2.open(TO, [], true);
    peer.h2.open(TO, [], true);
    const refused = u32(ErrorCode.REFUSED_STREAM);
    expect(peer.tell(frame(T.RST_STREAM, 0, 1, refused))).toEqual(["unprocessed 1"]);
    expect(peer.tell(headers(3, OK, false), frame(T.RST_STREAM, 0, 3, refused))).toEqual([
      "response 3 200 ",
      "reset 3 7 peer",
    ]);
  });

  test("goaway of ours: nothing new", () => {
    const peer = connected();
    peer.h2.open(TO, [], true);
    peer.h2.goaway();
    expect(peer.h2.open(TO, [], true)).toBe(0);
    expect(peer.said().at(-1)).toBe("GOAWAY 0 0");
    peer.tell(headers(1, OK, true));
    expect(peer.h2.drained).toBe(true);
  });

  test("a cancelled request: what still comes is passed over, and its bytes are given back", () => {
    const peer = connected({ connectionWindow: 65_535, streamWindow: 65_535 });
    peer.h2.open(TO, [], true);
    peer.h2.reset(1, ErrorCode.CANCEL);
    peer.said();
    expect(peer.tell(headers(1, OK, false), ...new Array(2).fill(frame(T.DATA, 0, 1, new Uint8Array(16_384))))).toEqual(
      [],
    );
    expect(peer.said()).toEqual(["WINDOW_UPDATE 0 32768"]);
    expect(END_STREAM).toBe(1);
  });

  test("an answer that is whole and not consumed keeps its place: it has a part of the connection's window", () => {
    const peer = connected({ maxStreams: 2 });
    peer.h2.open(TO, [], true);
    peer.tell(headers(1, OK, false), frame(T.DATA, END_STREAM, 1, new Uint8Array(100)));
    expect([peer.h2.active, peer.h2.room]).toEqual([0, 1]);
    peer.h2.open(TO, [], true);
    expect(peer.h2.open(TO, [], true)).toBe(0);
    peer.h2.consumed(1, 100);
    expect(peer.h2.open(TO, [], true)).toBe(5);
  });

  test("what was consumed is given back in steps of a stream's window, not of the connection's", () => {
    const peer = connected({ connectionWindow: 8 * 65_535, streamWindow: 65_535 });
    peer.h2.open(TO, [], true);
    peer.said();
    peer.tell(headers(1, OK, false), ...new Array(2).fill(frame(T.DATA, 0, 1, new Uint8Array(16_384))));
    peer.h2.consumed(1, 32_768);
    expect(peer.said()).toEqual(["WINDOW_UPDATE 0 32768", "WINDOW_UPDATE 1 32768"]);
  });
});
