import { expect, test } from "bun:test";
import { fromBase64 } from "../../src/wire/base64.ts";

test.each(["a", "a=b=", "é", "====", "YQ=a"])("%p is not base64", (text) => expect(fromBase64(text)).toBeNull());

test.each([
  ["", []],
  ["YQ==", [97]],
  ["YQ", [97]],
  [" /w\n8= ", [255, 15]],
])("%p is %p", (text, bytes) => expect([...(fromBase64(text) ?? [])]).toEqual(bytes));
