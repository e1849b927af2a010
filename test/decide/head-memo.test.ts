/** What was read of a head to no effect is not read again, and nothing else is left out. */
import { expect, test } from "bun:test";
import { HeadMemo } from "../../src/decide/head-memo.ts";
import { Engine } from "../../src/engine/engine.ts";
import type { FieldBlock } from "../../src/model/headers.ts";
import { egress } from "./_egress.ts";

const first = new Engine(null);
const second = new Engine(null);
const lines = (text: string): FieldBlock => ({
  size: text.length,
  copyTo(target, at) {
    for (let i = 0; i < text.length; i++) target[at + i] = text.charCodeAt(i);
  },
});
const withLines = (value: string) => ({
  ...egress({ headers: ["X-Note", value] }),
  block: lines(`X-Note: ${value}\r\n`),
});
const unread = (memo: HeadMemo, value: string, engine = first) => memo.unread(withLines(value), engine).raw;

test("the same lines are read once by each engine", () => {
  const memo = new HeadMemo(() => "0");
  expect(unread(memo, "a long note")).toEqual(["X-Note", "a long note"]);
  memo.quiet(withLines("a long note"), first);
  expect(unread(memo, "a long note")).toEqual([]);
  expect(unread(memo, "a long note", second)).toEqual(["X-Note", "a long note"]);
  expect(unread(memo, "a lonG note")).toEqual(["X-Note", "a lonG note"]);
  // The head before is remembered as bytes still, and was quiet.
  expect(unread(memo, "a long note")).toEqual([]);
});

test("a head is not quiet because another one of its length was", () => {
  const memo = new HeadMemo(() => "0");
  const veto = "ignore all previous";
  memo.quiet(withLines("x".repeat(veto.length)), first);
  expect(unread(memo, veto)).toEqual(["X-Note", veto]);
});

test("a head too long to be remembered is compared field by field", () => {
  const memo = new HeadMemo(() => "0");
  const long = "n".repeat(4000);
  unread(memo, long);
  memo.quiet(withLines(long), first);
  expect(unread(memo, long)).toEqual([]);
  expect(unread(memo, `${long.slice(1)}m`)).toEqual(["X-Note", `${long.slice(1)}m`]);
});
