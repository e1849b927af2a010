import { expect, test } from "bun:test";
import { QuestionRoom } from "../../src/decide/question-room.ts";

const MIB = 1024 * 1024;
const never = new AbortController().signal;

test("a room is taken at once while there is some, and by whoever fits when there is some again", async () => {
  const room = new QuestionRoom(10 * MIB);
  expect(room.take(6 * MIB, never)).toBe(6 * MIB);
  const order: string[] = [];
  const large = Promise.resolve(room.take(8 * MIB, never)).then(() => order.push("large"));
  const small = Promise.resolve(room.take(5 * MIB, never)).then(() => order.push("small"));
  room.give(2 * MIB);
  await small;
  expect(order).toEqual(["small"]);
  room.give(5 * MIB);
  room.give(4 * MIB);
  await large;
  expect(order).toEqual(["small", "large"]);
});

test("little questions take none, and one larger than the room takes all of it", () => {
  const room = new QuestionRoom(MIB);
  expect(room.take(100 * MIB, never)).toBe(MIB);
  expect(room.take(64 * 1024, never)).toBe(0);
  expect(room.take(64 * 1024 + 1, never)).toBeInstanceOf(Promise);
});

test("whoever gives up leaves nothing taken", async () => {
  const room = new QuestionRoom(MIB);
  expect(room.take(MIB, never)).toBe(MIB);
  const gone = new AbortController();
  const waiting = room.take(MIB, gone.signal);
  gone.abort();
  expect(await waiting).toBeNull();
  room.give(MIB);
  expect(room.take(MIB, never)).toBe(MIB);
});
