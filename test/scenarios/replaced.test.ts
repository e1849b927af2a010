import { expect, test } from "bun:test";
import { hashInTurns } from "../../src/crypto/hash-in-turns.ts";
import { allow } from "../../src/model/decision.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { get, ok, post, Rig, Upstream } from "./_rig.ts";

test("a large replacement is what leaves and what forwarded_hash names", async () => {
  const rig = await Rig.start();
  const upstream = await Upstream.start();
  upstream.answers(() => ok("x"));
  const replacement = new TextEncoder().encode("redacted ".repeat(100_000));
  rig.decide = () => ({ ...allow("redacted"), verdict: "sanitize", replacement });
  const client = await rig.client();
  client.send(post(upstream.at, "secret"));
  expect((await client.answer()).status).toBe(200);
  const [proof] = rig.evidence.proofs;
  expect(proof?.forwarded_hash).toBe(`sha256-${runtime.sha256(replacement)}`);
  expect(proof?.content_hash).toBe(`sha256-${runtime.sha256("secret")}`);
  const received = upstream.all[0]?.received ?? "";
  expect(received).toContain(`Content-Length: ${replacement.length}\r\n`);
  expect(received.endsWith(`\r\n\r\n${new TextDecoder().decode(replacement)}`)).toBe(true);
  client.close();
  await rig.stop();
  upstream.stop();
});

for (const [what, requestOf] of [
  ["a tunnel", (at: string) => `CONNECT ${at} HTTP/1.1\r\nHost: ${at}\r\n\r\n`],
  ["a request without a body", (at: string) => get(at)],
] as const) {
  test(`a replacement for ${what} fails closed: there is nothing that it could replace`, async () => {
    const rig = await Rig.start();
    const upstream = await Upstream.start();
    upstream.answers(() => ok("x"));
    rig.decide = () => ({ ...allow("redacted"), verdict: "sanitize", replacement: new TextEncoder().encode("x") });
    const client = await rig.client();
    client.send(requestOf(upstream.at));
    expect((await client.answer()).status).toBe(503);
    expect(rig.evidence.proofs).toMatchObject([{ verdict: "fail_closed", matched_vector: "decision_malformed" }]);
    expect([rig.dialled, upstream.all]).toEqual([[], []]);
    client.close();
    await rig.clean();
    await rig.stop();
    upstream.stop();
  });
}

test("hashInTurns never hashes more than half a megabyte before it hands the loop back", async () => {
  const bytes = new Uint8Array(3_000_001).fill(7);
  const turns: number[] = [];
  let inTurn = 0;
  const watched = {
    sha256: runtime.sha256,
    hasher: () => {
      const hasher = runtime.hasher();
      return {
        update: (piece: Uint8Array) => {
          inTurn += piece.length;
          hasher.update(piece);
        },
        hex: () => hasher.hex(),
      };
    },
    afterTurn: (run: () => void) => {
      turns.push(inTurn);
      inTurn = 0;
      runtime.afterTurn(run);
    },
  };
  expect(await hashInTurns(watched, bytes)).toBe(runtime.sha256(bytes));
  expect(turns.length).toBe(5);
  expect(Math.max(...turns)).toBeLessThanOrEqual(512 * 1024);
});
