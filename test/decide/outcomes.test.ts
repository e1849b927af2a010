import { expect, test } from "bun:test";
import type { Outcomes } from "../../src/decide/outcome-schema.ts";
import { MAX_OUTCOMES, outcomesSchema } from "../../src/decide/outcome-schema.ts";
import { Outbox, type OutboxOptions } from "../../src/decide/outcomes.ts";
import { runtime } from "../../src/runtime/bun.ts";

interface Sent {
  readonly body: Outcomes;
  answer(status: number): void;
  fail(): void;
}

function outbox(change: Partial<OutboxOptions> = {}) {
  const sent: Sent[] = [];
  let lost = 0;
  const made = new Outbox({
    send(bytes) {
      const { promise, resolve, reject } = Promise.withResolvers<{ status: number }>();
      const body = outcomesSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
      sent.push({ body, answer: (status) => resolve({ status }), fail: () => reject(new Error("reset")) });
      return promise;
    },
    decode: runtime.decode,
    lost: (outcomes) => {
      lost += outcomes;
    },
    retryMs: 1,
    renewMs: 60_000,
    ...change,
  });
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  return { made, sent, until, lost: () => lost };
}

const ENDED = { sent: true, status: 200, bytesUp: 1, bytesDown: 2, error: null };
const tokens = (one: Sent | undefined) => one?.body.outcomes.map(({ settle }) => settle);

test("the first is told at once, what comes meanwhile together, and each once", async () => {
  const { made, sent, until } = outbox();
  const all = Array.from({ length: 300 }, (_, i) => made.open({ token: `t${i}`, usage: false }));
  for (const one of all) {
    one.settle(ENDED);
    one.settle(ENDED);
    one.release();
  }
  expect(sent).toHaveLength(1);
  expect(sent[0]?.body.outcomes).toEqual([
    { settle: "t0", ended: { sent: true, status: 200, bytes_up: 1, bytes_down: 2, whole: true, usage: null } },
  ]);
  sent[0]?.answer(200);
  await until(() => sent.length === 2);
  expect(tokens(sent[1])).toHaveLength(MAX_OUTCOMES);
  sent[1]?.answer(200);
  await until(() => sent.length === 3);
  expect(tokens(sent[2])?.at(-1)).toBe("t299");
  sent[2]?.answer(200);
  await made.close();
  expect(sent).toHaveLength(3);
});

test("a plane that fails is told again, one that does not want to know is not", async () => {
  const { made, sent, until, lost } = outbox();
  made.open({ token: "a", usage: false }).release();
  sent[0]?.fail();
  await until(() => sent.length === 2);
  sent[1]?.answer(503);
  await until(() => sent.length === 3);
  expect(sent.map(tokens)).toEqual([["a"], ["a"], ["a"]]);
  expect(sent[2]?.body.outcomes[0]?.ended).toMatchObject({ sent: false });
  sent[2]?.answer(404);
  await until(() => lost() === 1);
  made.open({ token: "b", usage: false }).settle({ ...ENDED, error: "upstream_reset" });
  expect(sent[3]?.body.outcomes[0]).toMatchObject({ settle: "b", ended: { whole: false } });
  sent[3]?.answer(200);
  await made.close();
  expect([sent.length, lost()]).toEqual([4, 1]);
});

test("of too many the oldest are given up", async () => {
  const { made, sent, until, lost } = outbox();
  for (let i = 0; i < 5000; i++) made.end(`t${i}`, ENDED, null);
  expect(lost()).toBe(4999 - 4096);
  sent[0]?.answer(200);
  await until(() => sent.length === 2);
  expect(tokens(sent[1])?.[0]).toBe("t904");
  void made.close();
  sent[1]?.fail();
  await until(() => sent.length === 3);
});

test("what is long under way is told of until it ends", async () => {
  const { made, sent, until } = outbox({ renewMs: 5 });
  const one = made.open({ token: "long", usage: true });
  await until(() => sent.length === 1);
  expect(sent[0]?.body.outcomes).toEqual([{ settle: "long", ended: null }]);
  one.tap?.head(["content-type", "application/json"]);
  one.tap?.body(new TextEncoder().encode('{"usage":{"prompt_tokens":9,"completion_tokens":4}}'));
  one.settle(ENDED);
  sent[0]?.answer(200);
  await until(() => sent.length === 2);
  const ends = sent[1]?.body.outcomes.filter(({ ended }) => ended !== null);
  expect(ends).toEqual([
    {
      settle: "long",
      ended: expect.objectContaining({ usage: { input: 9, cached: 0, output: 4 } }),
    },
  ]);
  sent[1]?.answer(200);
  await made.close();
  expect(sent).toHaveLength(2);
});
