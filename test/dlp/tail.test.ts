import { describe, expect, test } from "bun:test";
import { compileDlp } from "../../src/dlp/dlp.ts";
import { FORMATS } from "../../src/dlp/formats.ts";
import {
  anthropic,
  awsId,
  github,
  gitlab,
  hexToken,
  jwt,
  openai,
  privateKey,
  random,
  sendgrid,
  slackHook,
  stripe,
} from "./_secrets.ts";

const encoder = new TextEncoder();
const dlp = compileDlp({ modes: { personal: "enforce", secret: "enforce" } });
const HOST = "collector.example";

function tail(text: string, { whole = false, personal = false } = {}) {
  return dlp.tail(encoder.encode(text), { host: HOST, whole, personal });
}

/** One text of each shape in formats.ts, of random letters. */
function example(spec: string, seed: number): string {
  const alphabets: Record<string, string> = {
    l: "abcdefghijklmnopqrstuvwxyz0123456789",
    u: "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    s: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    d: "0123456789",
    h: "0123456789abcdef",
    x: "0123456789abcdef",
    r: "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
  };
  let n = seed;
  return spec.replace(/<(\w)(\d+)(?:-(\d+))?>/g, (_, of: string, min: string, max?: string) => {
    n += 7;
    const length = max === undefined ? Number(min) : Math.min(Number(max), Number(min) + (n % 5));
    return random(length, n, alphabets[of]);
  });
}

describe("of a secret that is being written nothing may go", () => {
  /** What stands before the first literal of a key has no sign of its own: so much may go before anybody knows. */
  const UNTOLD = 15;
  const BEFORE = "So this is what I found in that file: ";

  function check(name: string, secret: string, least = 0): boolean {
    const whole = tail(`${BEFORE}${secret} and so on`, {});
    const found = whole.findings.find(({ mode }) => mode === "enforce");
    if (found === undefined) return false;
    for (let end = found.start + 1; end <= found.end; end++) {
      const { open, findings } = tail(`${BEFORE}${secret}`.slice(0, end));
      if (findings.some(({ mode }) => mode === "enforce")) continue;
      if (end - found.start > least && open > found.start) {
        throw new Error(`${name}: ${open - found.start} of ${end - found.start} bytes of ${secret} would go`);
      }
    }
    return true;
  }

  test("whatever vendor's it is, and wherever it is cut", () => {
    let checked = 0;
    for (const [name, , spec, telling] of FORMATS) {
      const lead = spec.startsWith("<") ? UNTOLD : 0;
      const near = telling?.near === undefined ? "" : `${telling.near} `;
      for (const seed of [1, 2, 3]) if (check(name, near + example(spec, seed), lead + near.length)) checked++;
    }
    expect(checked).toBeGreaterThan(2.4 * FORMATS.length);
  });

  for (const [name, secret, least] of [
    ["a web token", jwt(), 0],
    ["a private key", privateKey(), 0],
    ["a password in an address", "postgres://app:hunter22xyz@db.internal/main", 0],
    ["a value under its name", `api_key = "${random(32, 4)}"`, 0],
    ["a bearer token", `Authorization: Bearer ${random(40, 5)}`, 0],
    ["a key in base64", btoa(`key ${github(3)}`), UNTOLD],
    ["a key in hex", [...github(4)].map((c) => c.charCodeAt(0).toString(16)).join(""), UNTOLD],
    ["a key in percent-escapes", [...gitlab(2)].map((c) => `%${c.charCodeAt(0).toString(16)}`).join(""), 0],
  ] as const) {
    test(`${name}, wherever it is cut`, () => expect(check(name, secret, least)).toBe(true));
  }

  test("a canary, and a word of a dictionary", () => {
    const own = compileDlp({
      modes: { canary: "enforce", dictionary: "enforce" },
      canaries: ["bluebird-7-falcon"],
      dictionaries: [{ name: "projects", words: ["Project Nightingale"] }],
    });
    for (const word of ["bluebird-7-falcon", "Project Nightingale"]) {
      for (let end = 1; end < word.length; end++) {
        const text = encoder.encode(`see ${word.slice(0, end)}`);
        expect(own.tail(text, { host: HOST, whole: false, personal: false }).open).toBeLessThanOrEqual(4);
      }
    }
  });
});

describe("what is open", () => {
  const CLOSED = [
    "The quick brown fox jumps over the lazy dog.",
    "Here is some code: const total = items.reduce((sum, x) => sum + x, 0)",
    "see https://example.org/path/to/page",
    "Ein ganz gewöhnlicher Satz auf Deutsch",
    "call me on +1 555 0100",
    "a 12-line function",
    "the answer is 42",
    "token counts and key concepts",
    '{"name": "value", "other": ',
    "日本語のテキスト",
  ];
  for (const text of CLOSED) test(`nothing: ${text}`, () => expect(tail(text).open).toBe(encoder.encode(text).length));

  test("is told whole when nothing comes behind it", () => {
    const text = `it is ${github()}`;
    expect(tail(text).findings).toEqual([]);
    expect(tail(text, { whole: true }).findings.map(({ name }) => name)).toEqual(["github-personal-token"]);
  });

  test("is nothing once it is one letter too long", () => {
    const text = `it is ${github()}x`;
    expect(tail(text, { whole: true }).findings).toEqual([]);
  });

  test("numbers and addresses are waited for where they count", () => {
    expect(tail("write to jane.doe", { personal: true }).open).toBe(9);
    expect(tail("card 4111 1111 11", { personal: true }).open).toBe(5);
    expect(tail("card 4111 1111 11").open).toBe(17);
  });

  test("ordinary words of a stream are seldom waited for", () => {
    const words =
      "The model writes one word after the other and each of them has to leave at once unless it begins a key".split(
        " ",
      );
    let text = "";
    const held = words.filter((word) => {
      text += ` ${word}`;
      return tail(text).open < text.length;
    });
    expect(held.length).toBeLessThan(words.length / 5);
  });
});

test("every secret is found the same whole", () => {
  for (const secret of [
    openai(),
    anthropic(),
    github(),
    gitlab(),
    awsId(),
    stripe(),
    sendgrid(),
    slackHook(),
    jwt(),
    hexToken(8),
  ]) {
    const found = tail(`x ${secret} y`).findings.filter(({ mode }) => mode === "enforce").length;
    expect(found).toBe(secret.length === 8 ? 0 : 1);
  }
});

test("a tail is quiet where nothing is told of it now, nor when it is whole", () => {
  const key = github(7);
  const cut = tail(`the key is ${key}`);
  expect(cut.findings).toEqual([]);
  expect(cut.quiet).toBe(false);
  expect(tail(`the key is ${key}`, { whole: true }).findings).not.toEqual([]);
  for (const whole of [false, true]) expect(tail("the key is not here", { whole }).quiet).toBe(true);
});
