/** Much of everything: nothing is left out in silence, and no step grows with it. */
import { describe, expect, test } from "bun:test";
import { compileDlp, loadPatternEngine } from "../../src/dlp/dlp.ts";
import { jsonPlaces } from "../../src/dlp/json-places.ts";
import { END, FOUND, JsonStrings, MORE } from "../../src/dlp/json-strings.ts";
import { redact } from "../../src/dlp/redact.ts";
import { ALL, drive, scan } from "./_run.ts";
import { github, gitlab, random } from "./_secrets.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const host = "collector.example";

function counted<T>(steps: Generator<void, T>): { readonly value: T; readonly steps: number } {
  for (let count = 1; ; count++) {
    const step = steps.next();
    if (step.done) return { value: step.value, steps: count };
  }
}

describe("keys cut in pieces", () => {
  const cut = (key: string): string[] => [key.slice(0, 15), key.slice(15), "and so on"];

  test("are told behind thousands that may go where they go", () => {
    const own = Array.from({ length: 6000 }, (_, n) => cut(github(n))).flat();
    const body = JSON.stringify([...own, ...cut(gitlab(3))]);
    const found = scan(body, { kind: "json", host: "api.github.com", dlp: compileDlp() });
    expect(found.map(({ name, mode }) => `${mode} ${name}`)).toContain("enforce gitlab-personal-token");
  });

  test("cannot be hidden by personal data that stands beside them", () => {
    const [head, tail] = cut(github(4));
    const body = JSON.stringify([head, `${tail} card 4111 1111 1111 1111`]);
    const found = scan(body, { kind: "json", dlp: compileDlp() });
    expect(found.filter(({ mode }) => mode === "enforce").map(({ view }) => view)).toEqual(["joined"]);
  });
});

describe("what is taken out of a body", () => {
  const rows = (count: number): string =>
    Array.from({ length: count }, (_, n) => `"u${n}@mail.company.org",${4_111_111_111_111_111 + (n % 1000)}`).join(",");

  test("is taken out in as many steps as there is of it, in whatever order rules found it", () => {
    const dlp = compileDlp(ALL);
    for (const [kind, body] of [
      ["json", `[${rows(20_000)}]`],
      ["text", rows(20_000)],
      ["form", `x=${encodeURIComponent(rows(5000))}`],
    ] as const) {
      const bytes = encoder.encode(body);
      const found = drive(dlp.scanBody(bytes, { kind, host }));
      if (found === "exhausted") throw new Error("exhausted");
      expect(counted(redact(bytes, found, kind)).steps).toBeGreaterThan(found.length / 500);
      const done = drive(dlp.sanitize(bytes, { kind, host }));
      if (done === "exhausted") throw new Error("exhausted");
      expect(done.left).toBeNull();
      expect(decoder.decode(done.bytes)).not.toContain("@");
      if (kind === "json") expect(JSON.parse(decoder.decode(done.bytes))).toHaveLength(40_000);
    }
  }, 30_000);

  test("more than can be taken out is a reason to veto, not a pass", () => {
    const body = encoder.encode(Array.from({ length: 100_100 }, (_, n) => `${n}@company.org `).join(""));
    const done = drive(compileDlp(ALL).sanitize(body, { kind: "text", host }));
    expect(done).toMatchObject({ left: "many" });
  }, 30_000);

  test("what a pattern finds in a key stays, and is told as not redactable", async () => {
    await loadPatternEngine();
    const dlp = compileDlp({
      modes: { pattern: "sanitize", personal: "sanitize" },
      patterns: [{ name: "ticket", pattern: "TCK-[0-9]{5}" }],
    });
    const body = JSON.stringify({ a: "x", "TCK-12345": "jo@company.org", b: "TCK-54321" });
    const found = scan(body, { kind: "json", dlp });
    expect(found.map(({ name, redactable }) => [name, redactable])).toEqual([
      ["ticket", false],
      ["email-address", true],
      ["ticket", true],
    ]);
    expect(drive(dlp.sanitize(encoder.encode(body), { kind: "json", host }))).toMatchObject({ left: "structure" });
  });
});

describe("strings of JSON", () => {
  const strings = (bytes: Uint8Array): { readonly found: string[]; readonly turns: number } => {
    const walk = new JsonStrings(bytes);
    const found: string[] = [];
    for (let turns = 0; ; ) {
      const state = walk.next();
      if (state === END) return { found, turns };
      if (state === MORE) turns++;
      if (state === FOUND) found.push(decoder.decode(bytes.subarray(walk.open, walk.close + 1)));
    }
  };

  test("are those that a parser sees", () => {
    const texts = ['"', "\\", '\\"', '\\\\"', "a", "", "\\".repeat(200), `${"\\".repeat(201)}"`, "é", "\n"];
    for (let seed = 0; seed < 300; seed++) {
      const values = Array.from(
        { length: 1 + (seed % 5) },
        (_, n) => texts[(seed * 7 + n * 13 + (seed >> 3)) % 10] ?? "",
      );
      const body = encoder.encode(JSON.stringify(values));
      expect(strings(body).found.map((text) => JSON.parse(text))).toEqual(values);
    }
  });

  test("of a megabyte of escaped quotes or backslashes are read in turns", () => {
    for (const part of ['\\"', "\\\\"]) {
      const body = encoder.encode(`["${part.repeat(500_000)}","x"]`);
      const { found, turns } = strings(body);
      expect(found.map(({ length }) => length)).toEqual([1_000_002, 3]);
      expect(turns).toBeGreaterThan(10);
    }
  });

  test("a number of a megabyte is measured once, and is no number", () => {
    const body = encoder.encode(`[${"1.".repeat(500_000)}]`);
    const ranges = Array.from({ length: 50_000 }, (_, n) => ({ start: 1 + n * 16, end: 9 + n * 16 }));
    const { value, steps } = counted(jsonPlaces(body, ranges));
    expect(new Set(value.map(({ place }) => place))).toEqual(new Set(["structure"]));
    expect(steps).toBeGreaterThan(40);
  });
});

test("a secret among percent-escapes is found wherever their window ends", () => {
  const key = [...`${random(6, 2)} ${github(8)} `].map((c) => `%${c.charCodeAt(0).toString(16)}`).join("");
  for (let lead = 3400; lead < 4200; lead += 37) {
    const body = `x %2F${"a".repeat(lead)}${key}${"b".repeat(300)}`;
    expect(scan(body).map(({ name }) => name)).toContain("github-personal-token");
  }
});
