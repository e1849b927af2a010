import { describe, expect, test } from "bun:test";
import { MAX_FRAGMENTS, MessageReader, writeFrame } from "../../src/wire/websocket.ts";
import { closeFault, closePayload, mask } from "../../src/wire/websocket-frame.ts";
import { type FrameParts, frame, join, MASK, OPTIONS, read } from "./_websocket.ts";

const close = (code: number, reason = "") =>
  join([Uint8Array.of(code >> 8, code & 255), new TextEncoder().encode(reason)]);

describe("frames that are refused", () => {
  const cases: [string, FrameParts | FrameParts[], string][] = [
    ["RSV2", { opcode: 1, rsv: 2 }, "1002 reserved_bits"],
    ["RSV3", { opcode: 1, rsv: 1 }, "1002 reserved_bits"],
    ["RSV1 without permessage-deflate", { opcode: 1, rsv: 4 }, "1002 reserved_bits"],
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, FrameParts, string] => [
      `opcode ${opcode}`,
      { opcode },
      "1002 reserved_opcode",
    ]),
    ["a masked server frame", { opcode: 1, payload: "x", mask: MASK }, "1002 masked"],
    ["a masked server ping", { opcode: 9, mask: MASK }, "1002 masked"],
    ["a ping of 126 bytes", { opcode: 9, payload: "x".repeat(126) }, "1002 control_too_long"],
    ["a fragmented ping", { opcode: 9, fin: false }, "1002 fragmented_control"],
    ["a fragmented close", { opcode: 8, fin: false }, "1002 fragmented_control"],
    ["a continuation of nothing", { opcode: 0, payload: "x" }, "1002 nothing_to_continue"],
    ["a continuation of a whole message", [{ opcode: 1 }, { opcode: 0 }], "1002 nothing_to_continue"],
    ["a message in a message", [{ opcode: 1, fin: false }, { opcode: 1 }], "1002 message_in_message"],
    [
      "a message in a message, behind a ping",
      [{ opcode: 2, fin: false }, { opcode: 9 }, { opcode: 2 }],
      "1002 message_in_message",
    ],
    ["5 in two bytes", { opcode: 1, payload: "hello", lengthBytes: 2 }, "1002 length_not_minimal"],
    ["125 in two bytes", { opcode: 2, payload: "x".repeat(125), lengthBytes: 2 }, "1002 length_not_minimal"],
    ["126 in eight bytes", { opcode: 2, payload: "x".repeat(126), lengthBytes: 8 }, "1002 length_not_minimal"],
    ["65535 in eight bytes", { opcode: 2, payload: "x".repeat(65535), lengthBytes: 8 }, "1002 length_not_minimal"],
    ["a length with its highest bit", { opcode: 2, claims: 2 ** 63, lengthBytes: 8 }, "1002 bad_length"],
    ["the largest length there is", { opcode: 2, claims: 2 ** 62, lengthBytes: 8 }, "1009 message_too_large"],
    ["one byte over the bound", { opcode: 2, claims: (1 << 20) + 1 }, "1009 message_too_large"],
    [
      "fragments over the bound",
      [
        { opcode: 2, fin: false, payload: "x" },
        { opcode: 0, claims: 1 << 20 },
      ],
      "1009 message_too_large",
    ],
    ["a text that is none", { opcode: 1, payload: Uint8Array.of(0x61, 0xff) }, "1007 bad_text"],
    ["a surrogate", { opcode: 1, payload: Uint8Array.of(0xed, 0xa0, 0x80) }, "1007 bad_text"],
    ["an overlong slash", { opcode: 1, payload: Uint8Array.of(0xc0, 0xaf) }, "1007 bad_text"],
    ["above the last character", { opcode: 1, payload: Uint8Array.of(0xf4, 0x90, 0x80, 0x80) }, "1007 bad_text"],
    ["a character cut by the end", { opcode: 1, payload: Uint8Array.of(0xe2, 0x82) }, "1007 bad_text"],
    [
      "a character cut by the end of the last fragment",
      [
        { opcode: 1, fin: false, payload: Uint8Array.of(0xe2) },
        { opcode: 0, payload: Uint8Array.of(0x82) },
      ],
      "1007 bad_text",
    ],
    ["a close of one byte", { opcode: 8, payload: "x" }, "1002 bad_close"],
    ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535].map(
      (code): [string, FrameParts, string] => [
        `close ${code}`,
        { opcode: 8, payload: close(code) },
        "1002 bad_close_code",
      ],
    ),
    ["a close whose reason is no text", { opcode: 8, payload: Uint8Array.of(3, 232, 0xff) }, "1007 bad_close_text"],
  ];
  for (const [what, parts, fault] of cases) {
    test(what, () => {
      const bytes = join([parts].flat().map(frame));
      const { events } = read([bytes]);
      expect(events.at(-1)).toBe(`fault ${fault}`);
      if (bytes.length < 1000) expect(read([...bytes].map((byte) => Uint8Array.of(byte))).events).toEqual(events);
    });
  }

  test("an unmasked client frame", () => {
    expect(read([frame({ opcode: 1, payload: "x" })], { masked: true }).events).toEqual(["fault 1002 unmasked"]);
  });

  test("RSV1 on what is not the first frame of a message, with permessage-deflate", () => {
    const first = frame({ opcode: 1, rsv: 4, fin: false, payload: "x" });
    expect(read([first, frame({ opcode: 0, rsv: 4 })], { deflate: true }).events).toEqual(["fault 1002 reserved_bits"]);
    expect(read([frame({ opcode: 9, rsv: 4 })], { deflate: true }).events).toEqual(["fault 1002 reserved_bits"]);
  });

  test("more fragments than are held", () => {
    const reader = new MessageReader(OPTIONS);
    const empty = frame({ opcode: 0, fin: false });
    reader.push(frame({ opcode: 1, fin: false }), 0);
    for (let i = 1; i < MAX_FRAGMENTS; i++) reader.push(empty.slice(), 0);
    expect(reader.fault).toBeNull();
    reader.push(empty.slice(), 0);
    expect(reader.fault).toEqual({ close: 1009, code: "too_many_fragments" });
  });

  test("a huge claim takes no memory before its bytes are there", () => {
    const reader = new MessageReader({ ...OPTIONS, maxMessage: 2 ** 40 });
    reader.push(frame({ opcode: 2, claims: 2 ** 39, payload: "x" }), 0);
    expect(reader.fault).toBeNull();
    expect(reader.size).toBeLessThanOrEqual(64 * 1024);
  });
});

describe("what is read", () => {
  const spoken: [string, FrameParts[], string[]][] = [
    ["a text", [{ opcode: 1, payload: "héllo" }], ["1 h\u00c3\u00a9llo"]],
    ["nothing", [{ opcode: 1 }, { opcode: 2 }], ["1 ", "2 "]],
    [
      "a character over fragments",
      [
        { opcode: 1, fin: false, payload: Uint8Array.of(0xe2) },
        { opcode: 0, fin: false, payload: Uint8Array.of(0x82) },
        { opcode: 0, payload: Uint8Array.of(0xac) },
      ],
      ["1 \u00e2\u0082\u00ac"],
    ],
    [
      "control frames between fragments",
      [
        { opcode: 2, fin: false, payload: "a" },
        { opcode: 9, payload: "ping" },
        { opcode: 0, fin: false },
        { opcode: 10 },
        { opcode: 0, payload: "b" },
      ],
      ["9 ping", "10 ", "2 ab"],
    ],
    [
      "a close in a message",
      [
        { opcode: 2, fin: false, payload: "a" },
        { opcode: 8, payload: close(1000, "bye") },
      ],
      ["8 \u0003\u00e8bye"],
    ],
    ["a close without a code", [{ opcode: 8 }], ["8 "]],
    [
      "lengths around the edges",
      [125, 126, 127, 300].map((length) => ({ opcode: 2, payload: "x".repeat(length) })),
      [125, 126, 127, 300].map((length) => `2 ${"x".repeat(length)}`),
    ],
    [
      "what is compressed",
      [
        { opcode: 1, rsv: 4, fin: false, payload: Uint8Array.of(0xff) },
        { opcode: 0, payload: Uint8Array.of(0xfe) },
        { opcode: 2, payload: "plain" },
      ],
      ["1z \u00ff\u00fe", "2 plain"],
    ],
  ];
  for (const [what, parts, events] of spoken) {
    for (const masked of [false, true]) {
      test(`${what}, ${masked ? "up" : "down"}: at every split, and handed back byte for byte`, () => {
        const frames = parts.map((part) => frame({ ...part, mask: masked ? MASK : null }));
        const bytes = join(frames);
        const options = { masked, deflate: true };
        const whole = read([bytes], options);
        expect(whole.events).toEqual(events);
        for (let i = 0; i <= bytes.length; i++) {
          const parted = read([bytes.slice(0, i), bytes.slice(i)], options);
          expect(parted.events).toEqual(events);
          expect(parted.wire).toEqual(whole.wire);
        }
        const single = read(
          [...bytes].map((byte) => Uint8Array.of(byte)),
          options,
        );
        expect(single).toEqual(whole);
        // Control frames leave before the message they stand in; nothing else moves, and nothing is lost.
        if (!what.includes("in a message")) expect(whole.wire.length).toBe(bytes.length);
        if (!parts.some(({ opcode }) => opcode > 7)) expect(whole.wire).toEqual(bytes);
      });
    }
  }
});

describe("what is written", () => {
  test("is read again, whatever its length, masked afresh upstream", () => {
    for (const length of [0, 1, 47, 48, 125, 126, 1000, 65535, 65536, 70001]) {
      const payload = Uint8Array.from({ length }, (_, i) => (i * 31) & 255);
      for (const masked of [false, true]) {
        const { events } = read([writeFrame(2, payload, masked)], { masked });
        expect(events).toEqual([`2 ${Buffer.from(payload).toString("latin1")}`]);
      }
    }
    const masks = Array.from({ length: 8 }, () => writeFrame(1, new Uint8Array(0), true).slice(2).join());
    expect(new Set(masks).size).toBeGreaterThan(1);
  });

  test("masking is the plain definition of it at every alignment and phase", () => {
    const key = 0xc3a5_0f91 | 0;
    const keys = [0x91, 0x0f, 0xa5, 0xc3];
    const room = Uint8Array.from({ length: 140 }, (_, i) => i * 7);
    for (let start = 0; start < 9; start++) {
      for (const length of [0, 1, 3, 5, 47, 48, 49, 50, 51, 63, 130]) {
        for (let phase = 0; phase < 5; phase++) {
          const bytes = room.slice();
          mask(bytes.subarray(start, start + length), key, phase);
          const inside = (i: number) => i >= start && i < start + length;
          const expected = room.map((byte, i) => (inside(i) ? byte ^ (keys[(phase + i - start) & 3] ?? 0) : byte));
          expect(bytes).toEqual(expected);
        }
      }
    }
  });

  test("the reason of a close is cut at a whole character", () => {
    expect(closePayload(1008, "é".repeat(80)).length).toBe(2 + 122);
    expect(closeFault(closePayload(1008, "é".repeat(80)))).toBeNull();
    expect(closePayload(1002, "").length).toBe(2);
  });
});
