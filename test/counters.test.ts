import { expect, test } from "bun:test";
import type { ControlLink, Message } from "../src/control.ts";
import { count, parentCounters } from "../src/counters.ts";
import { MemoryLimits } from "../src/decide/limits-memory.ts";
import { budget } from "./decide/_needs.ts";

/** A link whose other side answers with what `reply` says; `sent` is what was told besides. */
function linkTo(reply: (holder: string) => Message | null) {
  const sent: Message[] = [];
  const link = {
    take: async (holder: string) => reply(holder),
    send: (message: Message) => sent.push(message),
  } as unknown as ControlLink;
  return { store: parentCounters(link, 1_000), sent };
}

test("a parent that does not answer is out of reach; places are given back", async () => {
  const { store, sent } = linkTo(() => null);
  await expect(store.take("a", [budget()])).rejects.toMatchObject({ code: "limits_unreachable" });
  expect(sent).toMatchObject([{ kind: "adjust", holder: "a" }]);
});

test("a parent that is full says so, and is not taken for one that is out of reach", async () => {
  const counters = new MemoryLimits({ now: () => 0, monotonic: () => 0 }, 1);
  const { store, sent } = linkTo((holder) => {
    const answers: Message[] = [];
    const back = { send: (message: Message) => answers.push(message) } as unknown as ControlLink;
    count(counters, { kind: "take", id: 1, holder, needs: [budget({ key: holder })] }, back);
    return answers[0] ?? null;
  });
  expect((await store.take("a", [budget()])).taken).toBe(true);
  await expect(store.take("b", [budget()])).rejects.toMatchObject({ code: "limits_uncounted" });
  expect(sent).toEqual([]);
});
