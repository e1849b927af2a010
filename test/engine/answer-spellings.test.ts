/** One answer may be written in many ways that a client reads alike. */
import { describe, expect, test } from "bun:test";
import { bytes, cut, KEY, ORDER, pass, SSE } from "./_answers.ts";

const [A, B] = [KEY.slice(0, 20), KEY.slice(20)];
const AWS = ["AKIA", "Z5GMXQ7RWP3KLN2B"].join("");
const events = (...data: string[]): string => data.map((each) => `data: ${each}\n\n`).join("");
const chat = (content: string, index = `"index":0,`): string =>
  `{"choices":[{${index}"delta":{"content":${JSON.stringify(content)}}}]}`;
const lines = `{"message":{"content":"${A}"},"done":false}\n{"message":{"content":"${B}"},"done":false}\n`;

/** Nothing of the key leaves, however the answer is cut. */
const HALVES: readonly (readonly [name: string, body: string, type?: string])[] = [
  ["an index that is another spelling of the number", events(chat(A), chat(B, `"index":0.0,`))],
  ["an index with an exponent", events(chat(A, `"index":1,`), chat(B, `"index":1e0,`))],
  ["an index that is given once", events(chat(A), chat(B, ""))],
  ["a name with an escape", events(chat(A), chat(B).replace("content", "\\u0063ontent"))],
  [
    "a key that stands twice",
    events(...[A, B].map((part) => chat(part).replace('"content"', '"content":"-","content"'))),
  ],
  [
    "a list that stands twice",
    events(...[A, B].map((part) => `{"choices":[{"delta":{"content":"-"}}],${chat(part).slice(1)}`)),
  ],
  ["a type that no client of it asks for", events(...[A, B].map((part, i) => `{"type":"${i}",${chat(part).slice(1)}`))],
  ["data that is text", events(A, B)],
  ["the name of an event", `event: ${KEY}\ndata: {}\n\n`],
  ["events of two types", events(chat(A), chat(B)), "text/event-stream, text/event-stream"],
  ["events of a type without its semicolon", events(chat(A), chat(B)), "text/event-stream charset=utf-8"],
  ["lines of JSON that end with CR", lines.replaceAll("\n", "\r"), "application/x-ndjson"],
];

describe("a key that is split over", () => {
  for (const [name, body, type = SSE] of HALVES) {
    test(name, () => {
      const all = bytes(body);
      for (const size of [all.length, 1, 7, 40]) {
        const { veto, left } = pass(cut(all, size), { type });
        expect(veto).toBe("dlp_secret");
        expect(left).not.toContain(A.slice(0, 8));
      }
    });
  }
});

describe("what is said to be a stream of events, and is read as text by who fetches it", () => {
  for (const [name, body] of [
    ["a short line", `${AWS}\n`],
    ["one that never ends", AWS],
    ["a comment", `:${AWS}\n\n`],
    ["an identifier", `id:${AWS}\n\n`],
    ["a short line before an event", `${AWS}\ndata: {}\n\n`],
  ] as const) {
    test(`${name} is looked at`, () => {
      for (const size of [body.length, 1]) {
        expect(pass(cut(bytes(body), size))).toMatchObject({ veto: "dlp_secret", left: "" });
      }
    });
  }
  for (const [name, field] of [
    ["lines", ""],
    ["identifiers", "id: "],
    ["comments", ": "],
    ["names of events", "event: "],
  ] as const) {
    test(`an order over ${name}`, () => {
      const body = `${ORDER.split(" ")
        .map((word) => `${field}${word}\n`)
        .join("")}\n`;
      for (const size of [body.length, 1]) expect(pass(cut(bytes(body), size)).veto).toBe("701");
    });
  }
});

test("what keeps a stream alive, numbers and names of events are waited for by nobody", () => {
  const ping = ": ping\n\nid: 17\nretry: 3000\nevent: content_block_delta\ndata: {}\n\n";
  const { veto, held } = pass(Array.from({ length: 50 }, () => bytes(ping)));
  expect({ veto, held }).toEqual({ veto: null, held: 0 });
});

/** Two names with one hash: FNV-1a of 32 bits, by a birthday among made-up names. */
function nameLike(wanted: string): string {
  const hash = (name: string): number => {
    let value = 0x811c9dc5 | 0;
    for (let i = 0; i < name.length; i++) value = Math.imul(value ^ name.charCodeAt(i), 0x01000193);
    return value;
  };
  // Four bytes behind a prefix reach every hash: the last two are found by meeting in the middle.
  const inverse = 0x359c449b;
  const back = (value: number, byte: number): number => Math.imul(value, inverse) ^ byte;
  const letters = "bdfghijlmnqrvxyz0123456789_-.~";
  const forward = new Map<number, string>();
  for (const a of letters) for (const b of letters) for (const c of letters) forward.set(hash(a + b + c), a + b + c);
  const code = (letter: string): number => letter.charCodeAt(0);
  for (const w of letters)
    for (const x of letters)
      for (const y of letters)
        for (const z of letters) {
          const middle = back(back(back(back(hash(wanted), code(z)), code(y)), code(x)), code(w));
          const before = forward.get(middle);
          if (before !== undefined) return before + w + x + y + z;
        }
  throw new Error("none");
}

test("a name speaks for no other that has its hash", () => {
  const value = "q7Zx0LmV4tRb9KpWc2Nd8YsHf3Gj6EaU";
  const wanted = "vault_token";
  const seen = events(`{"vault_token":"${value}"}`);
  expect(pass([bytes(events(`{"${nameLike(wanted)}":"nothing at all here"}`))]).veto).toBe(null);
  expect(pass([bytes(seen)]).veto).toBe("dlp_secret");
});
