import { describe, expect, test } from "bun:test";
import { type BodyKind, compileDlp } from "../../src/dlp/dlp.ts";
import { ALL, drive, scan } from "./_run.ts";
import { anthropic, github, random, stripe } from "./_secrets.ts";

const dlp = compileDlp();
const encoder = new TextEncoder();

/** So many bytes of a text that is different each time. */
function filled(bytes: number, line: (n: number) => string): string {
  let text = "";
  for (let n = 0; text.length < bytes; n++) text += line(n);
  return text;
}

describe("a secret behind a flood of decoys is found:", () => {
  // What the last decoy and the secret are together, where they are one.
  const last = "private-key";
  const floods: [string, (n: number) => string][] = [
    ["values under telling names", (n) => `token: abc123456${n % 10}x `],
    ["random values under telling names", (n) => `api_key=${random(24, n)}\n`],
    ["passwords", (n) => `password="${random(10, n)}!"\n`],
    ["beginnings of keys", () => "sk-proj- xoxb- ghp_ "],
    ["examples of keys", () => `gh${"p_"}${"x".repeat(36)} `],
    ["real keys of the host's own", (n) => `sk${"-proj-"}${random(90, n)} `],
    ["IBANs that are none", (n) => `DE${10 + (n % 80)} `],
    ["cards", () => "4111111111111111 "],
    ["numbers under words that tell", (n) => `ssn 219-09-${1000 + (n % 9000)} `],
    ["addresses", (n) => `user${n}@mail.company.org `],
    ["web tokens that are none", (n) => `eyJhbGciOi${n}.eyJ.x `],
    ["armour", () => "-----BEGIN PRIVATE KEY-----"],
    ["escapes", () => "%41%42"],
    ["encoded texts", (n) => `${btoa(`nothing to be seen here, number ${n}`)} `],
  ];
  for (const [what, line] of floods) {
    test(what, () => {
      const body = `${filled(300_000, line)}\n${github(77)} and db_password = "${random(20, 4)}"\n`;
      const found = scan(body, { dlp, host: "api.openai.com" });
      expect(
        found.some(({ name, mode }) => (name === "github-personal-token" || name === last) && mode === "enforce"),
      ).toBe(true);
    });
  }

  test("a number that a word tells, among thousands that none does", () => {
    const body = `${filled(300_000, (n) => `${100_000_000 + n * 7919} `)} IBAN GB82WEST12345698765432 and ssn 219-09-9999.`;
    const told = scan(body, { dlp: compileDlp(ALL) }).filter(({ confidence }) => confidence === "high");
    expect(told.map(({ name }) => name).slice(-2)).toEqual(["iban", "us-ssn"]);
  });

  test("cut in pieces, among thousands of values that are none", () => {
    const key = anthropic(4);
    const values = Array.from({ length: 8000 }, (_, n) => `sk${"-"}${random(7, n)}`);
    const body = JSON.stringify([...values, "end of it", key.slice(0, 50), key.slice(50)]);
    expect(scan(body, { dlp, kind: "json" }).map(({ name }) => name)).toContain("anthropic-api-key");
  });

  test("everything of a flood is taken out", () => {
    const body = filled(200_000, (n) => `user${n}@mail.company.org\n`);
    const done = drive(compileDlp(ALL).sanitize(encoder.encode(body), { kind: "text", host: "h.example" }));
    if (done === "exhausted") throw new Error("exhausted");
    expect(done.left).toBeNull();
    expect(new TextDecoder().decode(done.bytes)).not.toContain("@");
  });
});

describe("honest texts of a megabyte are never exhausted, nor hold an event loop:", () => {
  const hex = (n: number, length: number): string => random(length, n, "0123456789abcdef");
  const texts: [string, BodyKind, (n: number) => string][] = [
    ["names and telephone numbers", "text", (n) => `${n},Ada Example,+49 30 ${1_000_000 + n},Berlin\n`],
    ["settings", "text", (n) => `SERVICE_${n}_URL=https://svc${n}.internal/x\nSERVICE_${n}_KEY=${random(32, n)}\n`],
    ["a lock file", "text", (n) => `"p${n}": { "version": "1.${n}.0", "integrity": "sha512-${random(86, n)}==" },\n`],
    [
      "a log",
      "text",
      (n) => `2024-05-11T12:00:00.${n % 1000}Z INFO id=${hex(n, 16)} ip=80.20.${n % 255}.9 took=${n}ms\n`,
    ],
  ];
  const steps = (body: Uint8Array, kind: BodyKind): number => {
    const scanning = dlp.scanBody(body, { kind, host: "collector.example" });
    for (let count = 0; ; count++) {
      const step = scanning.next();
      if (!step.done) continue;
      expect(step.value).not.toBe("exhausted");
      return count;
    }
  };
  for (const [what, kind, line] of texts) {
    test(what, () => expect(steps(encoder.encode(filled(1_000_000, line)), kind)).toBeGreaterThan(100));
  }

  test("ten thousand users in JSON", () => {
    const users = Array.from({ length: 10_000 }, (_, n) => ({
      id: n,
      email: `user${n}@mail.company.org`,
      phone: `+49 30 ${1_000_000 + n}`,
      iban: "DE89370400440532013000",
      born: "1990-02-01",
    }));
    expect(steps(encoder.encode(JSON.stringify(users)), "json")).toBeGreaterThan(100);
  });
});

test("a long key is told whole, at every place around the steps of a slice", () => {
  const key = stripe(3);
  for (let at = 8192 - 40; at < 8192 + 4; at += 3) {
    const body = `${"a b ".repeat(5000).slice(0, at)} ${key} ${"c d ".repeat(3000)}`;
    expect(scan(body, { dlp }).map(({ start, end }) => [start, end])).toEqual([[at + 1, at + 1 + key.length]]);
  }
});

test("two bodies that are scanned at once do not get into each other's way", () => {
  const body = (seed: number, sign: string) =>
    encoder.encode(JSON.stringify({ t: `${`${sign}x `.repeat(30_000)}${github(seed)}` }));
  const one = dlp.scanBody(body(1, "\n"), { kind: "json", host: "h.example" });
  const other = dlp.scanBody(body(2, "\t\t"), { kind: "json", host: "h.example" });
  const done: number[] = [];
  let running = [one, other];
  while (running.length > 0) {
    running = running.filter((steps) => {
      const step = steps.next();
      if (!step.done) return true;
      done.push(step.value === "exhausted" ? -1 : step.value.length);
      return false;
    });
  }
  expect(done).toEqual([1, 1]);
});
