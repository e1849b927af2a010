import { describe, expect, test } from "bun:test";
import { ErrorCode } from "../../src/wire/h2.ts";
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  framesIn,
  GET,
  greeted,
  HELLO,
  headers,
  literals,
  PADDED,
  POST,
  SETTINGS_FRAME,
  server,
  T,
  taken,
  u32,
} from "./_h2.ts";
import { bytesOf } from "./_transcript.ts";

/** GET with one pseudo-header field changed, or (null) left out. */
function changed(name: string, value: string | null): string[] {
  const out: string[] = [];
  for (let i = 0; i < GET.length; i += 2) {
    if (GET[i] !== name) out.push(GET[i] as string, GET[i + 1] as string);
    else if (value !== null) out.push(name, value);
  }
  return out;
}

describe("a conversation", () => {
  test("greeting, request, answer, trailers", () => {
    const peer = server();
    expect(peer.said()).toEqual(["SETTINGS", "WINDOW_UPDATE 0 8323073"]);
    expect(peer.tell(HELLO, headers(1, POST, false))).toEqual(["request 1 POST https://a.test:443/p "]);
    expect(peer.said()).toEqual(["SETTINGS ack"]);
    expect(peer.h2.settled).toBe(false);
    peer.tell(frame(T.SETTINGS, ACK, 0));
    expect(peer.h2.settled).toBe(true);
    expect(peer.tell(data(1, "abc"), headers(1, ["x-sum", "1"], true))).toEqual(["data 1 abc", "end 1 x-sum 1"]);
    expect(peer.h2.respond(1, 200, ["Content-Type", "text/plain"], false)).toBe(true);
    expect(peer.h2.data(1, bytesOf("hello"), false)).toBe(true);
    peer.h2.trailers(1, ["grpc-status", "0"]);
    expect(peer.said()).toEqual([
      "HEADERS 1 :status=200 content-type=text/plain",
      "DATA 1 hello",
      "HEADERS 1 end grpc-status=0",
    ]);
    expect(peer.events.at(-1)).toBe("closed 1");
    expect([peer.h2.active, peer.h2.drained]).toEqual([0, true]);
  });

  test("an interim answer, then one without a body", () => {
    const peer = greeted();
    peer.tell(headers(1, GET, true));
    peer.h2.inform(1, 103, ["link", "x"]);
    peer.h2.respond(1, 204, [], true);
    expect(peer.said()).toEqual(["HEADERS 1 :status=103 link=x", "HEADERS 1 end :status=204"]);
    expect(peer.h2.respond(1, 200, [], true)).toBe(false);
  });

  test("an answer from inside the event of a request without a body resets nothing", () => {
    const peer = greeted({}, { request: (id) => void peer.h2.respond(id, 204, [], true) });
    expect(peer.tell(headers(1, GET, true))).toEqual(["end 1", "closed 1"]);
    expect(peer.said()).toEqual(["HEADERS 1 end :status=204"]);
    peer.tell(headers(3, POST, false));
    expect(peer.said()).toEqual(["HEADERS 3 end :status=204", "RST_STREAM 3 0"]);
  });

  test("an answer before the request is whole: END_STREAM, then a reset without an error; what still comes is passed over", () => {
    const peer = greeted();
    peer.tell(headers(1, POST, false), data(1, "abc"));
    peer.h2.respond(1, 451, [], false);
    peer.h2.data(1, bytesOf("no"), true);
    expect(peer.said()).toEqual(["HEADERS 1 :status=451", "DATA 1 end no", "RST_STREAM 1 0"]);
    expect(peer.tell(data(1, "late"), headers(1, ["x", "y"], true), frame(T.RST_STREAM, 0, 1, u32(8)))).toEqual([]);
    expect(peer.tell(headers(3, GET, true))).toEqual(
      ["request 3 GET https://a.test:443/ ended", "end 3"].map((e) => e.replace("/ ended", "/  ended")),
    );
  });

  test("the peer resets; commands for the stream do nothing any more", () => {
    const peer = greeted();
    expect(peer.tell(headers(1, POST, false), frame(T.RST_STREAM, 0, 1, u32(ErrorCode.CANCEL))).at(-1)).toBe(
      "reset 1 8 peer",
    );
    expect(peer.h2.respond(1, 200, [], true)).toBe(false);
    expect(peer.h2.data(1, bytesOf("x"), true)).toBe(true);
    expect(peer.said()).toEqual([]);
  });

  test("a reset of ours drops what is queued", () => {
    const peer = greeted();
    peer.tell(headers(1, GET, true));
    peer.h2.respond(1, 200, [], false);
    peer.h2.data(1, new Uint8Array(200_000), false);
    peer.h2.reset(1, ErrorCode.CANCEL);
    expect(peer.said()).toEqual(["HEADERS 1 :status=200", "RST_STREAM 1 8"]);
    expect([peer.h2.queued, peer.h2.active]).toEqual([0, 0]);
  });

  test("cookies that came in pieces are one, Host goes with the fields, te: trailers is told", () => {
    let welcome = false;
    const peer = greeted(
      {},
      {
        request: (_, head) => {
          welcome = head.trailersWelcome;
          expect(head.headers).toEqual(["cookie", "a=1; b=2", "host", "A.test:443", "te", "trailers"]);
        },
      },
    );
    peer.tell(headers(1, [...GET, "cookie", "a=1", "host", "A.test:443", "te", "trailers", "cookie", "b=2"], true));
    expect(welcome).toBe(true);
  });

  test("CONNECT names a place and nothing else", () => {
    const peer = greeted();
    const said = peer.tell(headers(1, [":method", "CONNECT", ":authority", "a.test:443"], false), data(1, "tls"));
    expect(said).toEqual(["request 1 CONNECT null://a.test:443 ", "data 1 tls"]);
  });

  test("goaway: what is under way goes on, nothing new is taken up", () => {
    const peer = greeted();
    peer.tell(headers(1, GET, true));
    peer.h2.goaway();
    expect(peer.tell(headers(3, GET, true))).toEqual([]);
    expect(peer.said()).toEqual(["GOAWAY 1 0", "RST_STREAM 3 7"]);
    expect([peer.h2.drained, peer.h2.refused]).toEqual([false, 1]);
    peer.h2.respond(1, 204, [], true);
    peer.said();
    expect(peer.h2.drained).toBe(true);
  });

  test("pings are answered; unknown frames, priorities and GOAWAY are no trouble", () => {
    const peer = greeted();
    const goaway = frame(T.GOAWAY, 0, 0, [...u32(0), ...u32(0), 1, 2]);
    expect(
      peer.tell(
        frame(T.PING, 0, 0, u32(7).concat(u32(8))),
        frame(99, 255, 5, [1, 2]),
        frame(T.PRIORITY, 0, 9, [0, 0, 0, 9, 1]),
        goaway,
      ),
    ).toEqual(["goaway 0 0"]);
    const [pong] = framesIn(taken(peer.h2));
    expect([pong?.type, pong?.flags, [...(pong?.payload ?? [])]]).toEqual([T.PING, ACK, [0, 0, 0, 7, 0, 0, 0, 8]]);
  });
});

describe("a malformed request: 400 if the owner likes, then a reset of that stream alone", () => {
  const cases: [what: string, fields: readonly string[], code: string, status?: number][] = [
    ["a name with a capital", [...GET, "X-A", "b"], "bad_field_name"],
    ["a name with a space", [...GET, "x a", "b"], "bad_field_name"],
    ["a name with a colon", [...GET, "x:a", "b"], "bad_field_name"],
    ["a name beyond ASCII", [...GET, "x\xe9", "b"], "bad_field_name"],
    ["no name", [...GET, "", "b"], "empty_field_name"],
    ["CR LF in a value", [...GET, "x", "a\r\nb: c"], "bad_field_value"],
    ["LF in a value", [...GET, "x", "a\nb"], "bad_field_value"],
    ["NUL in a value", [...GET, "x", "a\0b"], "bad_field_value"],
    ["DEL in a value", [...GET, "x", "a\x7fb"], "bad_field_value"],
    ["a space before a value", [...GET, "x", " a"], "bad_field_value"],
    ["a tab behind a value", [...GET, "x", "a\t"], "bad_field_value"],
    ["CR LF in the path", changed(":path", "/a\r\nx: y"), "bad_field_value"],
    ["a space in the path", changed(":path", "/a b"), "bad_target"],
    ["a fragment", changed(":path", "/a#b"), "bad_target"],
    ["an empty path", changed(":path", ""), "bad_target"],
    ["a path without a slash", changed(":path", "a"), "bad_target"],
    ["the path * with GET", changed(":path", "*"), "bad_target"],
    ["no path", changed(":path", null), "missing_pseudo"],
    ["no method", changed(":method", null), "missing_pseudo"],
    ["no scheme", changed(":scheme", null), "missing_pseudo"],
    ["nothing at all", [], "missing_pseudo"],
    ["no authority and no Host", changed(":authority", null), "missing_host"],
    ["an empty authority", changed(":authority", ""), "bad_host"],
    ["userinfo", changed(":authority", "u@a.test"), "bad_host"],
    ["an authority with an odd address", changed(":authority", "0x7f.1"), "bad_host"],
    ["another scheme", changed(":scheme", "ftp"), "bad_scheme"],
    ["a scheme in capitals", changed(":scheme", "HTTPS"), "bad_scheme"],
    ["a method in small letters", changed(":method", "get"), "bad_method"],
    ["a method with a space", changed(":method", "GET /"), "bad_method"],
    ["an empty method", changed(":method", ""), "bad_method"],
    ["a method that is too long", changed(":method", "A".repeat(40)), "method_too_long", 501],
    ["a pseudo-header field behind a field", [...GET.slice(0, 6), "x", "y", ":path", "/"], "late_pseudo"],
    ["a pseudo-header field twice", [...GET, ":path", "/"], "duplicate_pseudo"],
    ["two methods", [...GET, ":method", "POST"], "duplicate_pseudo"],
    ["an unknown pseudo-header field", [...GET, ":extra", "1"], "unknown_pseudo"],
    ["extended CONNECT", [...changed(":method", "CONNECT"), ":protocol", "websocket"], "unknown_pseudo"],
    ["a status", [...GET, ":status", "200"], "bad_pseudo"],
    ["CONNECT with a scheme", [":method", "CONNECT", ":scheme", "https", ":authority", "a:1"], "bad_connect"],
    ["CONNECT with a path", [":method", "CONNECT", ":path", "/", ":authority", "a:1"], "bad_connect"],
    ["CONNECT without an authority", [":method", "CONNECT", "host", "a:1"], "missing_pseudo"],
    ["CONNECT without a port", [":method", "CONNECT", ":authority", "a"], "bad_host"],
    ["CONNECT with a body", [":method", "CONNECT", ":authority", "a:1", "content-length", "1"], "connect_with_body"],
    ["connection", [...GET, "connection", "close"], "connection_field"],
    ["keep-alive", [...GET, "keep-alive", "1"], "connection_field"],
    ["proxy-connection", [...GET, "proxy-connection", "close"], "connection_field"],
    ["transfer-encoding", [...GET, "transfer-encoding", "chunked"], "connection_field"],
    ["upgrade", [...GET, "upgrade", "h2c"], "connection_field"],
    ["te with more than trailers", [...GET, "te", "trailers, deflate"], "connection_field"],
    ["transfer_encoding", [...GET, "transfer_encoding", "chunked"], "ambiguous_field"],
    ["content_length", [...GET, "content_length", "4"], "ambiguous_field"],
    ["another host in Host", [...GET, "host", "b.test"], "host_differs"],
    ["another port in Host", [...GET, "host", "a.test:8443"], "host_differs"],
    ["an ambiguous Host", [...GET, "host", "a.test:0443"], "bad_host"],
    ["two Hosts", [...GET, "host", "a.test", "host", "a.test"], "duplicate_host"],
    ["two lengths", [...GET, "content-length", "0", "content-length", "0"], "duplicate_length"],
    ["a length that is a list", [...GET, "content-length", "0, 0"], "bad_length"],
    ["a length with a sign", [...GET, "content-length", "+1"], "bad_length"],
    ["a length with a zero before it", [...GET, "content-length", "01"], "bad_length"],
    ["an unknown expectation", [...GET, "expect", "200-ok"], "unknown_expectation", 417],
    ["a length without a body", [...GET, "content-length", "1"], "body_too_short"],
    ["a head over its bytes", [...GET, "x", "y".repeat(70_000)], "head_too_large", 431],
    ["a head over its fields", [...GET, ...Array.from({ length: 500 }, () => "x")], "too_many_fields", 431],
  ];
  for (const [what, fields, code, status = 400] of cases) {
    test(what, () => {
      const peer = greeted({ maxHeaderBytes: 80_000 - (status === 431 ? 30_000 : 0) });
      const block = literals(fields);
      const parts = [
        frame(T.HEADERS, END_STREAM | (block.length > 16_384 ? 0 : END_HEADERS), 1, block.slice(0, 16_384)),
      ];
      for (let at = 16_384; at < block.length; at += 16_384) {
        const last = at + 16_384 >= block.length;
        parts.push(frame(T.CONTINUATION, last ? END_HEADERS : 0, 1, block.slice(at, at + 16_384)));
      }
      if (code === "head_too_large") {
        // As a block it is small enough: the list is what is too long.
        const seed = [0x40, ...literals(["x", "y".repeat(3000)]).slice(1)];
        parts.splice(
          0,
          parts.length,
          frame(T.HEADERS, END_STREAM | END_HEADERS, 1, [...literals(GET), ...seed, ...new Array(40).fill(0xbe)]),
        );
      }
      expect(peer.tell(...parts)).toEqual([`malformed 1 ${status} ${code}`]);
      expect(peer.said()).toEqual(["RST_STREAM 1 1"]);
      expect(peer.h2.active).toBe(0);
      expect(peer.tell(headers(3, GET, true)).length).toBe(2);
    });
  }

  test("the owner answers 400 from inside, with a body", () => {
    const peer = greeted(
      {},
      {
        malformed: (stream) => {
          peer.h2.respond(stream, 400, [], false);
          peer.h2.data(stream, bytesOf("bad\n"), true);
        },
      },
    );
    peer.tell(headers(1, [...GET, "connection", "close"], false));
    expect(peer.said()).toEqual(["HEADERS 1 :status=400", "DATA 1 end bad\n", "RST_STREAM 1 1"]);
  });
});

describe("a message that goes wrong behind its head", () => {
  const length = [...POST, "content-length", "3"];
  const cases: [string, (readonly number[])[], string[]][] = [
    [
      "a body longer than its length",
      [headers(1, length, false), data(1, "abcd", true)],
      ["data 1 abc", "reset 1 1 body_too_long"],
    ],
    [
      "a body shorter than its length",
      [headers(1, length, false), data(1, "ab", true)],
      ["data 1 ab", "reset 1 1 body_too_short"],
    ],
    [
      "a short body before trailers",
      [headers(1, length, false), headers(1, ["x", "y"], true)],
      ["reset 1 1 body_too_short"],
    ],
    [
      "trailers that end nothing",
      [headers(1, POST, false), headers(1, ["x", "y"], false)],
      ["reset 1 1 trailers_without_end"],
    ],
    [
      "a pseudo-header field in trailers",
      [headers(1, POST, false), headers(1, [":path", "/"], true)],
      ["reset 1 1 bad_pseudo"],
    ],
    ["a capital in trailers", [headers(1, POST, false), headers(1, ["X", "y"], true)], ["reset 1 1 bad_field_name"]],
    [
      "a length in trailers",
      [headers(1, POST, false), headers(1, ["content-length", "0"], true)],
      ["reset 1 1 late_length"],
    ],
    ["DATA behind the end", [headers(1, POST, true), data(1, "x")], ["end 1", "reset 1 5 data_after_end"]],
    [
      "a head behind the end",
      [headers(1, POST, true), headers(1, ["x", "y"], true)],
      ["end 1", "reset 1 5 head_after_end"],
    ],
    [
      "a window opened by nothing",
      [headers(1, POST, false), frame(T.WINDOW_UPDATE, 0, 1, u32(0))],
      ["reset 1 1 zero_increment"],
    ],
    [
      "a window opened too far",
      [headers(1, POST, false), frame(T.WINDOW_UPDATE, 0, 1, u32(0x7fffffff))],
      ["reset 1 3 window_overflow"],
    ],
  ];
  for (const [what, bytes, events] of cases) {
    test(what, () => {
      const peer = greeted();
      expect(peer.tell(...bytes).slice(1)).toEqual(events);
      const code = events.at(-1)?.split(" ")[2];
      expect(peer.said()).toEqual([`RST_STREAM 1 ${code}`]);
      expect(peer.tell(headers(3, GET, true)).length).toBe(2);
    });
  }

  test("more than the stream's window", () => {
    const peer = greeted({ streamWindow: 65_535 });
    peer.tell(headers(1, POST, false));
    const piece = frame(T.DATA, 0, 1, new Uint8Array(16_384));
    expect(peer.tell(piece, piece, piece, piece).at(-1)).toBe("reset 1 3 window");
  });
});

describe("what ends the connection", () => {
  const E = ErrorCode;
  const open = headers(1, POST, false);
  const whole = headers(1, GET, true);
  const start = frame(T.HEADERS, END_STREAM, 1, literals(GET));
  const cases: [string, (readonly number[])[], number, string][] = [
    ["a frame that is too long", [frame(99, 0, 0, new Uint8Array(16_385))], E.FRAME_SIZE_ERROR, "frame_size"],
    ["a stream with an even number", [headers(2, GET, true)], E.PROTOCOL_ERROR, "even_stream"],
    ["a stream below the last", [headers(5, GET, true), headers(3, GET, true)], E.PROTOCOL_ERROR, "stream_reused"],
    ["HEADERS on no stream", [headers(0, GET, true)], E.PROTOCOL_ERROR, "wrong_stream"],
    ["DATA on no stream", [data(0, "x")], E.PROTOCOL_ERROR, "wrong_stream"],
    ["DATA on an idle stream", [data(1, "x")], E.PROTOCOL_ERROR, "idle_stream"],
    ["RST_STREAM on an idle stream", [frame(T.RST_STREAM, 0, 1, u32(8))], E.PROTOCOL_ERROR, "idle_stream"],
    ["WINDOW_UPDATE on an idle stream", [frame(T.WINDOW_UPDATE, 0, 1, u32(8))], E.PROTOCOL_ERROR, "idle_stream"],
    ["SETTINGS on a stream", [frame(T.SETTINGS, 0, 1)], E.PROTOCOL_ERROR, "wrong_stream"],
    ["SETTINGS of five bytes", [frame(T.SETTINGS, 0, 0, [0, 0, 0, 0, 0])], E.FRAME_SIZE_ERROR, "frame_size"],
    ["an ACK with settings", [frame(T.SETTINGS, ACK, 0, [0, 1, 0, 0, 0, 0])], E.FRAME_SIZE_ERROR, "frame_size"],
    ["an ACK of nothing", [frame(T.SETTINGS, ACK, 0)], E.PROTOCOL_ERROR, "stray_ack"],
    ["ENABLE_PUSH 2", [frame(T.SETTINGS, 0, 0, [0, 2, 0, 0, 0, 2])], E.PROTOCOL_ERROR, "bad_setting"],
    ["a window of 2^31", [frame(T.SETTINGS, 0, 0, [0, 4, 128, 0, 0, 0])], E.FLOW_CONTROL_ERROR, "bad_setting"],
    ["frames of 16,383", [frame(T.SETTINGS, 0, 0, [0, 5, 0, 0, 63, 255])], E.PROTOCOL_ERROR, "bad_setting"],
    ["PING of seven bytes", [frame(T.PING, 0, 0, new Uint8Array(7))], E.FRAME_SIZE_ERROR, "frame_size"],
    ["PING on a stream", [frame(T.PING, 0, 1, new Uint8Array(8))], E.PROTOCOL_ERROR, "wrong_stream"],
    ["GOAWAY of seven bytes", [frame(T.GOAWAY, 0, 0, new Uint8Array(7))], E.FRAME_SIZE_ERROR, "frame_size"],
    [
      "RST_STREAM of five bytes",
      [open, frame(T.RST_STREAM, 0, 1, new Uint8Array(5))],
      E.FRAME_SIZE_ERROR,
      "frame_size",
    ],
    ["WINDOW_UPDATE of three bytes", [frame(T.WINDOW_UPDATE, 0, 0, [0, 0, 1])], E.FRAME_SIZE_ERROR, "frame_size"],
    ["PRIORITY of four bytes", [frame(T.PRIORITY, 0, 1, u32(0))], E.FRAME_SIZE_ERROR, "frame_size"],
    ["PRIORITY on no stream", [frame(T.PRIORITY, 0, 0, [0, 0, 0, 1, 1])], E.PROTOCOL_ERROR, "wrong_stream"],
    [
      "the connection's window opened by nothing",
      [frame(T.WINDOW_UPDATE, 0, 0, u32(0))],
      E.PROTOCOL_ERROR,
      "zero_increment",
    ],
    [
      "the connection's window opened too far",
      [frame(T.WINDOW_UPDATE, 0, 0, u32(0x7fffffff))],
      E.FLOW_CONTROL_ERROR,
      "window_overflow",
    ],
    ["a push", [frame(T.PUSH_PROMISE, END_HEADERS, 1, u32(2))], E.PROTOCOL_ERROR, "push"],
    ["CONTINUATION of nothing", [frame(T.CONTINUATION, END_HEADERS, 1)], E.PROTOCOL_ERROR, "stray_continuation"],
    ["a frame within a block", [start, data(1, "x")], E.PROTOCOL_ERROR, "block_interrupted"],
    [
      "CONTINUATION of another stream",
      [start, frame(T.CONTINUATION, END_HEADERS, 3)],
      E.PROTOCOL_ERROR,
      "block_interrupted",
    ],
    ["an unknown frame within a block", [start, frame(99, 0, 0)], E.PROTOCOL_ERROR, "block_interrupted"],
    ["padding as long as its frame", [open, frame(T.DATA, PADDED, 1, [1])], E.PROTOCOL_ERROR, "bad_padding"],
    ["padding without its byte", [open, frame(T.DATA, PADDED, 1, [])], E.PROTOCOL_ERROR, "bad_padding"],
    [
      "padding longer than HEADERS",
      [frame(T.HEADERS, END_HEADERS | PADDED, 1, [9, 0x82])],
      E.PROTOCOL_ERROR,
      "bad_padding",
    ],
    [
      "HEADERS too short for its priority",
      [frame(T.HEADERS, END_HEADERS | 0x20, 1, [0, 0])],
      E.FRAME_SIZE_ERROR,
      "frame_size",
    ],
    ["a block that is none", [frame(T.HEADERS, END_HEADERS, 1, [0x80])], E.COMPRESSION_ERROR, "compression"],
    ["empty CONTINUATION", [start, frame(T.CONTINUATION, 0, 1)], E.ENHANCE_YOUR_CALM, "continuation_flood"],
    [
      "a block in too many pieces",
      [start, ...new Array(17).fill(frame(T.CONTINUATION, 0, 1, [0x82]))],
      E.ENHANCE_YOUR_CALM,
      "continuation_flood",
    ],
    [
      "a block without an end",
      [start, ...new Array(6).fill(frame(T.CONTINUATION, 0, 1, new Uint8Array(16_384)))],
      E.ENHANCE_YOUR_CALM,
      "block_too_large",
    ],
    [
      "HEADERS for a stream that the peer reset",
      [open, frame(T.RST_STREAM, 0, 1, u32(8)), headers(1, GET, true)],
      E.STREAM_CLOSED,
      "closed_stream",
    ],
    [
      "DATA for a stream that the peer reset",
      [open, frame(T.RST_STREAM, 0, 1, u32(8)), data(1, "x")],
      E.STREAM_CLOSED,
      "closed_stream",
    ],
    [
      "a setting that opens a window too far",
      [whole, frame(T.WINDOW_UPDATE, 0, 1, u32(0x7fff0000)), frame(T.SETTINGS, 0, 0, [0, 4, 0, 2, 0, 0])],
      E.FLOW_CONTROL_ERROR,
      "window_overflow",
    ],
  ];
  for (const [what, bytes, code, reason] of cases) {
    test(what, () => {
      const peer = greeted();
      const before = peer.events.length;
      expect(peer.tell(...bytes).at(-1)).toBe(`failed ${code} ${reason}`);
      expect(peer.events.slice(before).filter((event) => event.startsWith("failed")).length).toBe(1);
      expect(peer.said().at(-1)).toMatch(new RegExp(`^GOAWAY \\d ${code}$`));
      expect(peer.tell(headers(7, GET, true), new Array(50).fill(255))).toEqual([]);
      expect([peer.h2.active, peer.h2.queued, peer.h2.fault?.reason]).toEqual([0, 0, reason]);
    });
  }

  test("a stream that was over both ways", () => {
    for (const late of [data(1, "x"), headers(1, GET, true)]) {
      const peer = greeted();
      peer.tell(whole);
      peer.h2.respond(1, 204, [], true);
      expect(peer.tell(late)).toEqual([`failed ${E.STREAM_CLOSED} closed_stream`]);
    }
  });

  test("more than the connection's window", () => {
    const peer = greeted({ connectionWindow: 65_535 });
    const piece = (stream: number) => frame(T.DATA, 0, stream, new Uint8Array(16_384));
    peer.tell(open, headers(3, POST, false), piece(1), piece(3), piece(1));
    expect(peer.tell(piece(3))).toEqual([`failed ${E.FLOW_CONTROL_ERROR} window`]);
  });

  for (const [what, bytes, reason] of [
    ["another protocol", [...bytesOf("GET / HTTP/1.1\r\nHost: a\r\n\r\n")], "bad_preface"],
    ["a preface with one byte changed", [...HELLO.slice(0, 23), 0x0b, ...SETTINGS_FRAME], "bad_preface"],
    ["no settings", [...HELLO.slice(0, 24), ...headers(1, GET, true)], "no_settings"],
    ["an ACK for settings", [...HELLO.slice(0, 24), ...frame(T.SETTINGS, ACK, 0)], "no_settings"],
  ] as const) {
    test(what, () => expect(server().tell(bytes)).toEqual([`failed 1 ${reason}`]));
  }
});

describe("too much of what costs the peer nothing", () => {
  function flood(
    limits: Parameters<typeof greeted>[0],
    count: number,
    piece: (i: number) => readonly number[],
  ): string | undefined {
    const peer = greeted(limits);
    for (let i = 0; i < count && peer.h2.fault === null; i++) {
      peer.tell(piece(i));
      peer.said();
    }
    return peer.h2.fault === null ? undefined : `${peer.h2.fault.code} ${peer.h2.fault.reason}`;
  }
  const calm = ErrorCode.ENHANCE_YOUR_CALM;
  const pair = (i: number, then: readonly number[]): number[] => [...headers(2 * i + 1, POST, false), ...then];
  for (const [reason, allowed, piece] of [
    ["rapid_reset", 1224, (i: number) => pair(i, frame(T.RST_STREAM, 0, 2 * i + 1, u32(8)))],
    ["provoked_resets", 100, (i: number) => pair(i, frame(T.WINDOW_UPDATE, 0, 2 * i + 1, u32(0)))],
    ["provoked_resets", 100, (i: number) => pair(i, frame(T.WINDOW_UPDATE, 0, 2 * i + 1, u32(0x7fffffff)))],
    ["provoked_resets", 100, (i: number) => [...headers(2 * i + 1, POST, true), ...data(2 * i + 1, "x")]],
    ["provoked_resets", 100, (i: number) => [...headers(2 * i + 1, POST, true), ...headers(2 * i + 1, POST, true)]],
    ["provoked_resets", 100, (i: number) => headers(2 * i + 1, [...GET, "", ""], true)],
    ["provoked_resets", 100, (i: number) => pair(i, headers(2 * i + 1, ["x", "y"], false))],
    ["settings_flood", 31, () => SETTINGS_FRAME],
    ["ping_flood", 500, () => frame(T.PING, 0, 0, new Uint8Array(8))],
    ["ping_flood", 500, () => frame(T.PING, ACK, 0, new Uint8Array(8))],
    ["window_update_flood", 1000, () => frame(T.WINDOW_UPDATE, 0, 0, u32(1))],
    ["window_update_flood", 1000, () => frame(T.WINDOW_UPDATE, 0, 0, u32(2047))],
    [
      "window_update_flood",
      1000,
      (i: number) => {
        const late = frame(T.WINDOW_UPDATE, 0, 1, u32(1 << 20));
        return i === 0 ? [...headers(1, POST, false), ...frame(T.RST_STREAM, 0, 1, u32(8)), ...late] : late;
      },
    ],
    ["ignored_frames", 200, () => frame(T.PRIORITY, 0, 1, [0, 0, 0, 0, 0])],
    ["ignored_frames", 200, () => frame(77, 0, 1)],
    ["empty_data_flood", 100, (i: number) => (i === 0 ? headers(1, POST, false) : data(1, ""))],
    [
      "empty_data_flood",
      100,
      (i: number) => (i === 0 ? headers(1, POST, false) : frame(T.DATA, PADDED, 1, [3, 0, 0, 0])),
    ],
  ] as const) {
    test(`${reason}: ${allowed} are allowed at once`, () => {
      const slack = reason === "empty_data_flood" ? 1 : 0;
      expect(flood({}, allowed + slack, piece)).toBeUndefined();
      expect(flood({}, allowed + slack + 1, piece)).toBe(`${calm} ${reason}`);
    });
  }

  test("windows that are opened by what readers take at a time are not counted, and end where a window does", () => {
    const piece = frame(T.WINDOW_UPDATE, 0, 0, u32(4096));
    expect(flood({}, 100_000, () => piece)).toBeUndefined();
    expect(flood({}, 2, () => frame(T.WINDOW_UPDATE, 0, 0, u32(0x7fff_ffff)))).toBe("3 window_overflow");
  });

  test("streams above the bound are refused one by one, then all", () => {
    const peer = greeted({ maxStreams: 2 });
    peer.tell(headers(1, GET, true), headers(3, GET, true), headers(5, GET, true));
    expect(peer.said()).toEqual(["RST_STREAM 5 7"]);
    expect([peer.h2.active, peer.h2.refused]).toEqual([2, 1]);
    expect(flood({ maxStreams: 1 }, 502, (i) => headers(2 * i + 1, GET, true))).toBe(`${calm} refused_streams`);
  });

  test("a thousand requests opened and cut at once are none", () => {
    const peer = greeted({ maxStreams: 1000 });
    for (let i = 0; i < 1000; i++) peer.tell(headers(2 * i + 1, POST, false));
    expect(peer.h2.active).toBe(1000);
    for (let i = 0; i < 1000; i++) peer.tell(frame(T.RST_STREAM, 0, 2 * i + 1, u32(ErrorCode.CANCEL)));
    expect([peer.h2.active, peer.h2.fault]).toEqual([0, null]);
  });

  test("time gives the allowances back", () => {
    const peer = greeted();
    for (let i = 0; i < 3000; i++) {
      peer.now += 25;
      peer.tell(frame(T.PING, 0, 0, new Uint8Array(8)));
      peer.said();
    }
    expect(peer.h2.fault).toBeNull();
  });

  test("answers that the peer does not read", () => {
    const peer = greeted();
    for (let i = 0; i < 100_000 && peer.h2.fault === null; i++) {
      peer.now += 25;
      peer.tell(frame(T.PING, 0, 0, new Uint8Array(8)));
    }
    expect(peer.h2.fault?.reason).toBe("replies_unread");
    expect(taken(peer.h2).length).toBeLessThan(66_000);
  });

  test("frames for a stream that we reset: many, not endless", () => {
    const peer = greeted();
    peer.tell(headers(1, POST, false));
    peer.h2.reset(1, ErrorCode.CANCEL);
    for (let i = 0; i < 4096; i++) peer.tell(data(1, "x"));
    expect(peer.h2.fault).toBeNull();
    peer.tell(data(1, "x"));
    expect(peer.h2.fault?.reason).toBe("late_frames");
  });
});

describe("windows", () => {
  const sizes = (peer: ReturnType<typeof greeted>) =>
    framesIn(taken(peer.h2))
      .filter((f) => f.type === T.DATA)
      .map((f) => [f.stream, f.payload.length, f.flags]);

  test("the stream's window holds bytes back, WINDOW_UPDATE lets them go", () => {
    const peer = greeted();
    peer.tell(headers(1, GET, true), frame(T.WINDOW_UPDATE, 0, 0, u32(1 << 20)));
    peer.h2.respond(1, 200, [], false);
    expect(peer.h2.data(1, new Uint8Array(70_000), true)).toBe(true);
    expect(sizes(peer)).toEqual([
      [1, 16_384, 0],
      [1, 16_384, 0],
      [1, 16_384, 0],
      [1, 16_383, 0],
    ]);
    expect([peer.h2.queuedOf(1), peer.h2.fill]).toEqual([70_000 - 65_535, peer.h2.fill]);
    peer.tell(frame(T.WINDOW_UPDATE, 0, 1, u32(5000)));
    expect(sizes(peer)).toEqual([[1, 4465, END_STREAM]]);
    expect(peer.events.at(-1)).toBe("closed 1");
  });

  test("the connection's window is shared, in turn", () => {
    const peer = greeted();
    peer.tell(headers(1, GET, true), headers(3, GET, true), headers(5, GET, true));
    for (const id of [1, 3, 5]) {
      peer.h2.respond(id, 200, [], false);
      peer.h2.data(id, new Uint8Array(60_000), true);
    }
    expect(sizes(peer).map(([id]) => id)).toEqual([1, 3, 5, 1]);
    peer.tell(frame(T.WINDOW_UPDATE, 0, 0, u32(200_000)));
    expect(sizes(peer).map(([id]) => id)).toEqual([3, 5, 1, 3, 5, 1, 3, 5]);
    expect(peer.h2.queued).toBe(0);
  });

  test("settings move the windows of open streams, below zero too", () => {
    const peer = greeted();
    const initial = (size: number) => frame(T.SETTINGS, 0, 0, [0, 4, ...u32(size)]);
    peer.tell(headers(1, GET, true), initial(10));
    peer.h2.respond(1, 200, [], false);
    peer.h2.data(1, new Uint8Array(30), true);
    expect(sizes(peer)).toEqual([[1, 10, 0]]);
    peer.tell(initial(5), frame(T.WINDOW_UPDATE, 0, 1, u32(5)));
    expect(sizes(peer)).toEqual([]);
    peer.tell(initial(15));
    expect(sizes(peer)).toEqual([[1, 10, 0]]);
    peer.tell(initial(100));
    expect(sizes(peer)).toEqual([[1, 10, END_STREAM]]);
  });

  test("a queue over its bound says stop, and go on when half of it has left", () => {
    const peer = greeted({ maxQueued: 20_000 });
    peer.tell(headers(1, GET, true));
    peer.h2.respond(1, 200, [], false);
    expect(peer.h2.data(1, new Uint8Array(20_000), false)).toBe(true);
    expect(peer.h2.data(1, new Uint8Array(60_000), false)).toBe(false);
    sizes(peer);
    expect(peer.events.at(-1)).not.toBe("writable 1");
    peer.tell(frame(T.WINDOW_UPDATE, 0, 0, u32(1 << 20)), frame(T.WINDOW_UPDATE, 0, 1, u32(1 << 20)));
    sizes(peer);
    expect(peer.events.filter((event) => event === "writable 1").length).toBe(1);
  });

  test("what still comes behind a stop does not take it back: the end of it is told all the same", () => {
    const peer = greeted({ maxQueued: 100_000 });
    peer.tell(headers(1, GET, true), frame(T.WINDOW_UPDATE, 0, 0, u32(1 << 20)));
    peer.h2.respond(1, 200, [], false);
    expect(peer.h2.data(1, new Uint8Array(165_534), false)).toBe(false);
    // 65,535 leave: 99,999 wait, under the bound and over its half.
    sizes(peer);
    expect(peer.h2.data(1, new Uint8Array(1), false)).toBe(false);
    expect(peer.events).not.toContain("writable 1");
    peer.tell(frame(T.WINDOW_UPDATE, 0, 1, u32(1 << 20)));
    sizes(peer);
    expect(peer.events.filter((event) => event === "writable 1").length).toBe(1);
    expect(peer.h2.data(1, new Uint8Array(1), false)).toBe(true);
  });

  test("too much for all streams together stops each sooner, and none that could be sent for ever", () => {
    const peer = greeted({ maxQueued: 16_000, maxUnsent: 20_000 });
    // No windows for the streams behind it.
    peer.tell(frame(T.SETTINGS, 0, 0, [0, 4, ...u32(0)]));
    for (const id of [9, 11, 13]) {
      peer.tell(headers(id, GET, true));
      peer.h2.respond(id, 200, [], false);
    }
    expect(peer.h2.data(9, new Uint8Array(15_000), false)).toBe(true);
    expect(peer.h2.data(11, new Uint8Array(4_000), false)).toBe(true);
    // 20,001: the next has a sixteenth of 16,000.
    expect(peer.h2.data(13, new Uint8Array(1_000), false)).toBe(true);
    expect(peer.h2.data(13, new Uint8Array(1), false)).toBe(false);
    // It is sent all the same when its window opens, and goes on.
    peer.tell(frame(T.WINDOW_UPDATE, 0, 13, u32(1_000)));
    sizes(peer);
    expect(peer.events.filter((event) => event === "writable 13").length).toBe(1);
  });

  test("windows open again only for what was consumed; padding is given back at once", () => {
    const peer = greeted({ streamWindow: 65_535, connectionWindow: 65_535 });
    peer.tell(headers(1, POST, false), frame(T.DATA, PADDED, 1, [255, ...new Uint8Array(16_383)]));
    for (let i = 0; i < 2; i++) peer.tell(frame(T.DATA, 0, 1, new Uint8Array(16_384)));
    expect(peer.said()).toEqual([]);
    peer.h2.consumed(1, 32_000);
    expect(peer.said()).toEqual([]);
    peer.h2.consumed(1, 512);
    expect(peer.said()).toEqual(["WINDOW_UPDATE 0 32768", "WINDOW_UPDATE 1 32768"]);
    // What was never told cannot be consumed.
    peer.h2.consumed(1, 1e9);
    expect(peer.said().length).toBe(0);
  });

  test("bytes of a stream that is over stay counted until they are consumed", () => {
    const peer = greeted({ streamWindow: 65_535, connectionWindow: 65_535 });
    const piece = (id: number) => [
      ...headers(id, POST, false),
      ...frame(T.DATA, END_STREAM, id, new Uint8Array(16_384)),
    ];
    for (const id of [1, 3, 5]) {
      peer.tell(piece(id));
      peer.h2.respond(id, 204, [], true);
    }
    expect([peer.h2.active, peer.said().filter((line) => line.startsWith("WINDOW")).length]).toEqual([0, 0]);
    peer.h2.consumed(1, 16_384);
    peer.h2.consumed(3, 16_384);
    expect(peer.said()).toEqual(["WINDOW_UPDATE 0 32768"]);
    expect(peer.tell(data(3, "x"))).toEqual([`failed ${ErrorCode.STREAM_CLOSED} closed_stream`]);
  });

  test("a head longer than a frame goes out in pieces", () => {
    const peer = greeted();
    peer.tell(headers(1, GET, true));
    peer.h2.respond(1, 200, ["x-long", "\x7e".repeat(40_000), "x-more", "b".repeat(10_000)], true);
    const frames = framesIn(taken(peer.h2));
    expect(frames.map((f) => [f.type, f.flags])).toEqual([
      [T.HEADERS, END_STREAM],
      [T.CONTINUATION, 0],
      [T.CONTINUATION, END_HEADERS],
    ]);
    expect(frames.slice(0, 2).map((f) => f.payload.length)).toEqual([16_384, 16_384]);
  });

  test("ready is told once a turn", () => {
    let told = 0;
    const peer = greeted(
      {},
      {
        ready: () => {
          told++;
        },
      },
    );
    told = 0;
    peer.tell(headers(1, GET, true), frame(T.PING, 0, 0, new Uint8Array(8)), frame(T.PING, 0, 0, new Uint8Array(8)));
    peer.h2.respond(1, 200, [], false);
    peer.h2.data(1, bytesOf("x"), true);
    expect(told).toBe(1);
    peer.said();
    peer.tell(frame(T.PING, 0, 0, new Uint8Array(8)));
    expect(told).toBe(2);
  });
});
