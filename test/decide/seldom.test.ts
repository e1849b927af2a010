import { expect, test } from "bun:test";
import { seldom, seldomEach } from "../../src/decide/seldom.ts";

function watched() {
  const said: string[] = [];
  const clock = { now: 0, monotonic: () => clock.now };
  return { said, clock, say: (message: string) => void said.push(message) };
}

test("seldomEach: one cause is said once a minute, and hides no other", () => {
  const { said, clock, say } = watched();
  const tell = seldomEach(clock, say);
  for (let i = 0; i < 100; i++) tell("401");
  tell("404");
  expect(said).toEqual(["401", "404"]);
  clock.now = 59_999;
  tell("401");
  expect(said).toHaveLength(2);
  clock.now = 60_000;
  tell("401");
  expect(said).toEqual(["401", "404", "401"]);
});

test("seldomEach: whoever makes up causes fills no log, and is not remembered for ever", () => {
  const { said, clock, say } = watched();
  const tell = seldomEach(clock, say);
  for (let i = 0; i < 10_000; i++) tell(`cause ${i}`);
  expect(said).toHaveLength(32);
  clock.now = 60_000;
  tell("a true one");
  expect(said.at(-1)).toBe("a true one");
});

test("seldom: whatever it is, once in ten seconds", () => {
  const { said, clock, say } = watched();
  const tell = seldom(clock, say);
  tell("one");
  tell("another");
  clock.now = 10_000;
  tell("a third");
  expect(said).toEqual(["one", "a third"]);
});
