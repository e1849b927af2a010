import { afterEach, expect, test } from "bun:test";
import { Deadlines } from "../../src/model/deadlines.ts";
import { until } from "../scenarios/_rig.ts";

const made: Deadlines[] = [];
afterEach(() => {
  for (const one of made.splice(0)) one.stop();
});

function rig(deadline: number) {
  const state = { clock: 0, ended: 0 };
  const deadlines = new Deadlines(() => state.clock);
  const member = {
    deadline,
    expired() {
      state.ended++;
      deadlines.remove(member);
    },
  };
  deadlines.add(member);
  deadlines.start(1);
  made.push(deadlines);
  /** The clock stands at this until it has been looked at, and looked at again. */
  const reaches = async (clock: number): Promise<number> => {
    const before = clock - 0.5;
    for (const at of [before, clock]) {
      state.clock = at;
      await until(() => deadlines.now === at, `${at}`);
    }
    return state.ended;
  };
  return { state, deadlines, member, reaches };
}

test("time in which the process stood still is given back before anything is ended, up to two seconds", async () => {
  const short = rig(100);
  expect(await short.reaches(1)).toBe(0);
  expect(await short.reaches(501)).toBe(0);
  expect(await short.reaches(990)).toBe(0);
  expect(await short.reaches(1_000)).toBe(1);

  const long = rig(100);
  expect(await long.reaches(60_000)).toBe(0);
  expect(await long.reaches(61_990)).toBe(0);
  expect(await long.reaches(62_001)).toBe(1);
});

test("who said something meanwhile is not ended", async () => {
  const { reaches, member, deadlines } = rig(100);
  expect(await reaches(60_000)).toBe(0);
  member.deadline = deadlines.now + 5_000;
  expect(await reaches(62_001)).toBe(0);
  for (let at = 62_002; at < 62_010; at += 1.5) expect(await reaches(at)).toBe(0);
});

test("a loop that is always late ends what is overdue all the same", async () => {
  const { reaches } = rig(100);
  let rounds = 0;
  for (let at = 1_000; (await reaches(at)) === 0; at += 1_000) {
    if (++rounds > 3) throw new Error("nothing is ended");
  }
  expect(rounds).toBeGreaterThan(0);
});
