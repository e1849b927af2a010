import { expect, test } from "bun:test";
import { Fault } from "../../src/errors.ts";
import { nearest } from "../../src/words/nearest.ts";
import { quote } from "../../src/words/quote.ts";
import { whyUnreadable } from "../../src/words/unreadable.ts";

test("nearest suggests a near name and nothing for a far one", () => {
  const names = ["EVE_PROXY_PORT", "EVE_PROXY_HOST", "EVE_PROXY_MODE"];
  expect(nearest("EVE_PROXY_PROT", names, "EVE_PROXY_")).toBe("EVE_PROXY_PORT");
  expect(nearest("EVE_PROXY_PORTS", names, "EVE_PROXY_")).toBe("EVE_PROXY_PORT");
  expect(nearest("EVE_PROXY_ELEPHANT", names, "EVE_PROXY_")).toBeNull();
  expect(nearest("x".repeat(100_000), names)).toBeNull();
});

test("quote is one short printable line, whatever it was given", () => {
  expect(quote('a "b"\n\u001b[2J\u009b\u202e')).toBe('"a \\"b\\"\\n\\u001b[2J??"');
  expect(quote("x".repeat(100_000))).toHaveLength(66);
});

test("whyUnreadable has words for what happens to paths, and the message of anything else", () => {
  const system = (code: string) => Object.assign(new Error(`${code}: stat '/x'`), { code });
  expect(whyUnreadable(system("ENOENT"))).toBe("does not exist");
  expect(whyUnreadable(system("EACCES"))).toBe("cannot be read by this user");
  expect(whyUnreadable(system("EISDIR"))).toBe("is a directory");
  expect(whyUnreadable(new TypeError("invalid"))).toBe("is not UTF-8 text");
  expect(whyUnreadable(system("EIO"))).toBe("cannot be read: EIO: stat '/x'");
  expect(whyUnreadable(new Fault("unsupported", "no"))).toBe("cannot be read: no");
});
