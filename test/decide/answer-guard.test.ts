import { afterAll, describe, expect, test } from "bun:test";
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { runtime } from "#runtime";
import { answerGuard } from "../../src/decide/answer-guard.ts";
import type { Engine } from "../../src/engine/engine.ts";
import type { Decision, Mode } from "../../src/model/decision.ts";
import type { AnswerGuard, ScreenStep } from "../../src/model/screen.ts";
import { bytes, chatDeltas, cut, enforcing, KEY, ORDER, sse } from "../engine/_answers.ts";
import { engineOf } from "../engine/_rule.ts";

const PLACE = { scheme: "https", host: "api.example.com", port: 443, literal: false } as const;
const guards: AnswerGuard[] = [];
afterAll(() => {
  for (const guard of guards) guard.close();
});

interface Asked {
  readonly engine?: Engine;
  readonly mode?: Mode;
  readonly headers?: readonly string[];
  readonly length?: number;
}

function guardOf({
  engine = enforcing,
  mode = "enforce",
  headers = ["Content-Type", "text/event-stream"],
  length = -1,
}: Asked) {
  const guard = answerGuard({ runtime, engine, mode }, PLACE, { status: 200, headers, contentLength: length });
  if (guard !== null) guards.push(guard);
  return guard;
}

async function pass(
  pieces: readonly Uint8Array[],
  asked: Asked = {},
): Promise<{ left: number; veto: Decision | null; guard: AnswerGuard }> {
  const guard = guardOf(asked);
  if (guard === null) throw new Error("nothing is looked at");
  let left = 0;
  let veto = guard.atHead;
  const drive = async (first: ScreenStep | Promise<ScreenStep>): Promise<void> => {
    for (let step = await first; ; step = guard.more()) {
      left += step.release;
      veto = step.veto;
      if (!step.more) return;
    }
  };
  for (const piece of pieces) {
    if (veto !== null) break;
    await drive(guard.push(piece));
  }
  if (veto === null) await drive(guard.end());
  return { left, veto, guard };
}

test("of an answer that is plain JSON no field is asked, and it is read all the same", async () => {
  const told = { status: 200, contentLength: -1, plainJson: true };
  const head = Object.defineProperty({ ...told, headers: [] }, "headers", { get: () => expect.unreachable() });
  const guard = answerGuard({ runtime, engine: enforcing, mode: "enforce" }, PLACE, head);
  if (guard === null) throw new Error("nothing is looked at");
  guards.push(guard);
  const asked = guardOf({ headers: ["Content-Type", "application/json"] });
  const leak = bytes(JSON.stringify({ text: `some words, and then ${KEY} and others` }));
  for (const each of [guard, asked]) await each?.push(leak);
  const ended = await guard.end();
  expect(ended.veto).toMatchObject({ verdict: "block" });
  expect(ended).toEqual((await asked?.end()) ?? ended);
});

const CODERS: readonly (readonly [name: string, coding: string, code: (bytes: Uint8Array) => Uint8Array])[] = [
  ["gzip", "gzip", gzipSync],
  ["deflate", "deflate", deflateSync],
  ["raw deflate", "deflate", deflateRawSync],
  ["br", "br", brotliCompressSync],
  ["zstd", "zstd", zstdCompressSync],
  ["one in the other", "gzip, br", (plain) => brotliCompressSync(gzipSync(plain))],
];

const headers = (coding: string): string[] => ["Content-Type", "text/event-stream", "Content-Encoding", coding];
const clean = bytes(sse(...chatDeltas("Nothing but words in here, one after the other. ".repeat(8), 6), "[DONE]"));
const leaking = bytes(sse(...chatDeltas(`some words, and then ${KEY} and others`, 6), "[DONE]"));

describe("an answer that is coded", () => {
  for (const [name, coding, code] of CODERS) {
    test(`${name}: clean, it leaves as it came`, async () => {
      const coded = new Uint8Array(code(clean));
      for (const size of [1, 7, 100, coded.length]) {
        const { left, veto } = await pass(cut(coded, size), { headers: headers(coding) });
        expect(veto).toBe(null);
        expect(left).toBe(coded.length);
      }
    });
    test(`${name}: what is in it is seen, wherever it is cut`, async () => {
      const coded = new Uint8Array(code(leaking));
      for (const size of [1, 5, 64, coded.length]) {
        const { veto } = await pass(cut(coded, size), { headers: headers(coding) });
        expect(veto?.vector).toBe("dlp_secret");
      }
    });
  }

  test("events of a stream that is flushed leave when they are whole", async () => {
    const { createGzip } = await import("node:zlib");
    const gzip = createGzip();
    const pieces: Uint8Array[] = [];
    gzip.on("data", (piece: Uint8Array) => pieces.push(new Uint8Array(piece)));
    const guard = guardOf({ headers: headers("gzip") }) as AnswerGuard;
    let given = 0;
    let left = 0;
    for (const event of chatDeltas("Plain words, of which none begins anything. ", 9)) {
      gzip.write(bytes(sse(event)));
      await new Promise<void>((done) => gzip.flush(constants.Z_SYNC_FLUSH, () => done()));
      for (const piece of pieces.splice(0)) {
        given += piece.length;
        left += (await guard.push(piece)).release;
      }
      expect(given - left).toBeLessThan(200);
    }
    expect(left).toBeGreaterThan(0);
  });

  test("what cannot be undone is a veto where anything acts", async () => {
    for (const coding of ["gzip", "br", "zstd", "deflate"]) {
      const { veto, left } = await pass([bytes("this is not coded at all, is it")], { headers: headers(coding) });
      expect([veto?.vector, left]).toEqual(["response_undecodable", 0]);
    }
    expect((await pass([], { headers: headers("rot13") })).veto?.vector).toBe("response_undecodable");
    const after = new Uint8Array([...gzipSync(clean), ...bytes(` ${KEY} trailing`)]);
    expect((await pass([after], { headers: headers("gzip") })).veto?.vector).toBe("response_undecodable");
  });

  test("messages inside of it that are packed each by itself cannot be undone either: gRPC-Web, Connect", async () => {
    const message = new Uint8Array(gzipSync(leaking));
    const framed = Uint8Array.of(1, 0, 0, message.length >> 8, message.length & 255, ...message);
    for (const [type, name] of [
      ["application/grpc-web+proto", "grpc-encoding"],
      ["application/grpc-web+json", "Grpc-Encoding"],
      ["application/grpc", "grpc-encoding"],
      ["application/connect+json", "Connect-Content-Encoding"],
    ] as const) {
      const { veto, left } = await pass([framed], { headers: ["Content-Type", type, name, "gzip"] });
      expect([type, veto?.vector, left]).toEqual([type, "response_undecodable", 0]);
      const plain = await pass([clean], { headers: ["Content-Type", type, name, "identity"] });
      expect([plain.veto, plain.left]).toEqual([null, clean.length]);
      const said = await pass([bytes(`"text": "${KEY}"\n`)], { headers: ["Content-Type", type] });
      expect([type, said.veto?.vector]).toEqual([type, "dlp_secret"]);
    }
  });

  test("and passes where nothing does", async () => {
    const engine = engineOf("default: allow\nresponses: { mode: shadow }");
    const odd = bytes("this is not coded at all, is it");
    const { veto, left } = await pass(cut(odd, 5), { engine, headers: headers("gzip") });
    expect([veto, left]).toEqual([null, odd.length]);
    expect(guardOf({ engine, headers: headers("rot13") })).toBe(null);
  });

  test("that becomes too large is a veto, in little memory", async () => {
    const bomb = new Uint8Array(gzipSync(new Uint8Array(8 * 1024 * 1024).fill(0x20)));
    for (const size of [bomb.length, 1000]) {
      expect((await pass(cut(bomb, size), { headers: headers("gzip") })).veto?.vector).toBe("response_bomb");
    }
    const dense = new Uint8Array(
      brotliCompressSync(new Uint8Array(24 * 1024 * 1024), { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
    );
    expect((await pass([dense], { headers: headers("br") })).veto?.vector).toBe("response_bomb");
  });

  /** What decodes to nothing may go on for as long as an upstream likes, behind half an event. */
  const NOTHINGS: readonly (readonly [string, string, (half: Uint8Array) => readonly [Uint8Array, Uint8Array]])[] = [
    [
      "empty blocks of DEFLATE",
      "gzip",
      (half) => [
        new Uint8Array(gzipSync(half, { finishFlush: constants.Z_SYNC_FLUSH })),
        Uint8Array.of(0, 0, 0, 0xff, 0xff),
      ],
    ],
    [
      "frames of zstd that are skipped",
      "zstd",
      (half) => [new Uint8Array(zstdCompressSync(half)), Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4)],
    ],
    [
      "empty metablocks of brotli",
      "br",
      (half) => [
        new Uint8Array(brotliCompressSync(half, { finishFlush: constants.BROTLI_OPERATION_FLUSH })),
        // ISLAST 0, MNIBBLES 0, reserved 0, MSKIPBYTES 0: six bits of metadata that has none, to the end of the byte.
        Uint8Array.of(0b000110),
      ],
    ],
  ];
  for (const [name, coding, make] of NOTHINGS) {
    test(`${name}, without end: exhausted behind 8 MiB that nothing comes of, wherever it is cut`, async () => {
      const [half, nothing] = make(bytes('data: {"choices":[{"index":0,"delta":{"content":"hello'));
      const block = new Uint8Array(Math.floor(64_000 / nothing.length) * nothing.length);
      for (let at = 0; at < block.length; at += nothing.length) block.set(nothing, at);
      for (const size of [block.length, 5000]) {
        const guard = guardOf({ headers: headers(coding) }) as AnswerGuard;
        let given = half.length;
        let step = await guard.push(half);
        while (step.veto === null && given < 12 * 1024 * 1024) {
          for (const piece of cut(block, size)) {
            if (step.veto !== null) break;
            step = await guard.push(piece);
            given += piece.length;
          }
        }
        expect([step.release, step.veto?.verdict, step.veto?.vector]).toEqual([
          0,
          "fail_closed",
          "inspection_exhausted",
        ]);
        expect(given).toBeGreaterThan(8 * 1024 * 1024);
        expect(given).toBeLessThan(8 * 1024 * 1024 + 2 * block.length);
      }
    });
  }

  test("nothing that comes of it stands in the way of what has: it all leaves when the event is whole", async () => {
    const { createGzip } = await import("node:zlib");
    const gzip = createGzip();
    const out: Uint8Array[] = [];
    gzip.on("data", (piece: Uint8Array) => out.push(new Uint8Array(piece)));
    const write = async (text: string): Promise<Uint8Array> => {
      out.length = 0;
      gzip.write(text);
      await new Promise<void>((done) => gzip.flush(constants.Z_SYNC_FLUSH, () => done()));
      return new Uint8Array(Buffer.concat(out));
    };
    const guard = guardOf({ headers: headers("gzip") }) as AnswerGuard;
    let given = 0;
    let left = 0;
    const give = async (piece: Uint8Array): Promise<void> => {
      given += piece.length;
      left += (await guard.push(piece)).release;
    };
    await give(await write(": a comment\n\ndata: [DO"));
    const before = left;
    const empty = new Uint8Array(4000 * 5);
    for (let at = 0; at < empty.length; at += 5) empty.set([0, 0, 0, 0xff, 0xff], at);
    // More ends than are remembered apart.
    for (const piece of cut(empty, 13)) await give(piece);
    expect(left).toBe(before);
    await give(await write("NE]\n\n"));
    expect(left).toBe(given);
  });

  test("that is cut short is no veto: nobody can read on", async () => {
    const coded = new Uint8Array(gzipSync(clean)).subarray(0, -20);
    expect((await pass([coded], { headers: headers("gzip") })).veto).toBe(null);
  });
});

describe("decisions", () => {
  test("a veto says what, by which rule, of which policy", async () => {
    const { veto } = await pass([leaking]);
    expect(veto).toMatchObject({
      verdict: "block",
      status: 451,
      pillar: "CoreGuard",
      vector: "dlp_secret",
      rule: "responses.secret github-personal-token",
      mode: "enforce",
      policyVersion: enforcing.policyVersion,
    });
    expect(veto?.reason).toEndWith("stands in the answer");
    expect(JSON.stringify(veto)).not.toContain(KEY);
  });
  test("an order says Pillar 128", async () => {
    const { veto } = await pass([bytes(sse(...chatDeltas(ORDER)))]);
    expect(veto).toMatchObject({ pillar: "128", vector: "701" });
  });
  test("only watches where nothing that it finds could hold anything back", () => {
    const watching = engineOf("default: allow\nresponses: { mode: shadow }");
    expect(guardOf({ engine: watching })?.watchesOnly).toBe(true);
    expect(guardOf({ mode: "shadow" })?.watchesOnly).toBe(true);
    expect(guardOf({})?.watchesOnly).toBe(false);
    const limited = engineOf("default: allow\nresponses: { mode: shadow, max_bytes: 1000 }");
    expect(guardOf({ engine: limited })?.watchesOnly).toBe(false);
    expect(guardOf({ engine: watching, headers: ["Content-Encoding", "gzip"] })?.watchesOnly).toBe(false);
  });

  test("in a gateway that is in shadow nothing acts, and the allow says what would have been", async () => {
    const { left, veto, guard } = await pass(cut(leaking, 40), { mode: "shadow" });
    expect([left, veto]).toEqual([leaking.length, null]);
    expect(guard.allowed).toMatchObject({ verdict: "allow", would: "block", mode: "shadow", vector: "dlp_secret" });
  });
  test("nothing found is a plain allow", async () => {
    const { guard } = await pass([clean]);
    expect(guard.allowed).toMatchObject({ verdict: "allow", would: null, vector: null, findings: [] });
  });
  test("what cannot be inspected fails closed", async () => {
    const { veto } = await pass([bytes(`data: ${"x".repeat(9_000_000)}`)]);
    expect(veto).toMatchObject({ verdict: "fail_closed", status: 503, pillar: "114", vector: "inspection_exhausted" });
  });
  test("a veto on the head is there before a byte is given", () => {
    const engine = engineOf("default: allow\nresponses: { max_bytes: 10 }");
    expect(guardOf({ engine, length: 11 })?.atHead?.vector).toBe("response_too_large");
    expect(guardOf({ engine, length: 10 })?.atHead).toBe(null);
  });
});

describe("the end of a vetoed answer", () => {
  test("an event of its own that clients show", async () => {
    const { veto, guard } = await pass([leaking]);
    const end = new TextDecoder().decode(guard.ending(veto as Decision, "cert_0123456789abcdef") ?? undefined);
    const [name, data, blank] = end.split("\n");
    expect([name, blank]).toEqual(["event: error", ""]);
    expect(JSON.parse((data ?? "").slice(6))).toMatchObject({
      status: "BLOCK",
      pillar: "CoreGuard",
      vector: "dlp_secret",
      certificate_id: "cert_0123456789abcdef",
      error: { type: "vetoed", code: "dlp_secret", certificate_id: "cert_0123456789abcdef" },
    });
  });
  test("a line of JSON, or nothing", async () => {
    const veto = (await pass([leaking])).veto as Decision;
    const lines = guardOf({ headers: ["Content-Type", "application/x-ndjson"] })?.ending(veto, "cert_1");
    expect(JSON.parse(new TextDecoder().decode(lines ?? undefined))).toMatchObject({ certificate_id: "cert_1" });
    expect(guardOf({ headers: ["Content-Type", "text/html"] })?.ending(veto, "cert_1")).toBe(null);
    expect(guardOf({ headers: headers("gzip") })?.ending(veto, "cert_1")).toBe(null);
  });
});
