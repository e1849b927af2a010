import { describe, expect, test } from "bun:test";
import { compileDlp } from "../../src/dlp/dlp.ts";
import { ALL, sanitize, scan } from "./_run.ts";
import { anthropic, github, openai, privateKey, random, stripe } from "./_secrets.ts";

describe("sanitize", () => {
  test("leaves a body alone in which nothing is", () => {
    const body = JSON.stringify({ messages: [{ role: "user", content: "hello é \u{1f600}" }] });
    expect(sanitize(body, "json")).toBe(body);
  });

  test("equal secrets get equal numbers, others their own; everything else stays", () => {
    const [a, b] = [github(1), github(2)];
    const body = `{ "x" : "${a}" ,"y":["é ${b}\\n", "${a}"] }`;
    expect(sanitize(body, "json")).toBe(
      '{ "x" : "[REDACTED:github-personal-token:1]" ,"y":["é [REDACTED:github-personal-token:2]\\n", "[REDACTED:github-personal-token:1]"] }',
    );
  });

  test("a card given as a JSON number becomes a string", () => {
    expect(sanitize('{"card":4111111111111111,"n":2}', "json")).toBe('{"card":"[REDACTED:payment-card:1]","n":2}');
  });

  test("a key of an object stays and is told as not redactable", () => {
    const body = JSON.stringify({ [github(5)]: 1 });
    expect(sanitize(body, "json")).toBe(body);
    expect(scan(body, { kind: "json" }).map(({ redactable }) => redactable)).toEqual([false]);
  });

  test("a form stays a form", () => {
    const key = openai(3);
    const done = new URLSearchParams(sanitize(`a=1&note=${encodeURIComponent(`my key: ${key}`)}&b=2`, "form"));
    expect([...done.keys()]).toEqual(["a", "note", "b"]);
    expect(done.get("note")).not.toContain(key);
    expect(done.get("note")).toContain("[REDACTED:openai-project-key:1]");
  });

  test("a multipart body keeps its boundaries", async () => {
    const boundary = `----FormBoundary${random(16, 8)}`;
    const body = `--${boundary}\r\nContent-Disposition: form-data; name="k"\r\n\r\n${stripe(2)}\r\n--${boundary}--\r\n`;
    const done = sanitize(body, "multipart");
    const form = await new Response(done, {
      headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
    }).formData();
    expect(form.get("k")).toBe("[REDACTED:stripe-secret-key:1]");
  });

  test("a private key goes as a whole", () => {
    expect(sanitize(JSON.stringify({ k: privateKey() }), "json")).toBe('{"k":"[REDACTED:private-key:1]"}');
  });

  test("numbers go on behind placeholders that stand in the body", () => {
    expect(sanitize(`[REDACTED:jwt:7] ${github(1)}`, "text")).toBe(
      "[REDACTED:jwt:7] [REDACTED:github-personal-token:8]",
    );
  });

  test("what is only told stays", () => {
    const dlp = compileDlp({ modes: { personal: "shadow" } });
    expect(sanitize("mail jo@company.org", "text", dlp)).toBe("mail jo@company.org");
  });
});

describe("for bodies put together at random", () => {
  const pieces = [
    () => "hello there, ",
    () => github(9),
    () => openai(9),
    () => anthropic(9),
    () => "4111 1111 1111 1111",
    () => "4111111111111111",
    () => "DE89370400440532013000",
    () => "jo@company.org",
    () => 'password="hunter2!Aq9"',
    () => "token: ",
    () => random(24, 6),
    () => '\n\\ "',
    () => "é😀",
    () => "+14155550132",
    () => "tel 030 1234567",
    () => "=",
    () => ":",
    () => "&a=",
    () => "%41",
    () => btoa(`k ${github(4)}`),
    () => "219-09-9999",
    () => "https://a:b9K2xq81@h.example/",
    () => "[REDACTED:iban:3]",
    () => privateKey(),
  ];
  let state = 99;
  const next = (n: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 8) % n;
  };
  const text = (): string =>
    Array.from({ length: 1 + next(9) }, () => pieces[next(pieces.length)]?.() ?? "").join(next(2) === 0 ? " " : "");
  const dlp = compileDlp(ALL);

  test("JSON parses, twice is once, nothing sure is left, and it is the same each time", () => {
    for (let round = 0; round < 400; round++) {
      const body = JSON.stringify({ a: text(), list: [text(), 4111111111111111, null, { b: text() }] });
      const once = sanitize(body, "json", dlp);
      expect(() => JSON.parse(once)).not.toThrow();
      expect(sanitize(once, "json", dlp)).toBe(once);
      expect(sanitize(body, "json", dlp)).toBe(once);
      const acted = (b: string): number =>
        scan(b, { kind: "json", dlp }).filter(({ mode, redactable }) => mode === "sanitize" && redactable).length;
      expect(acted(once)).toBe(0);
      expect(scan(once, { kind: "json", dlp }).length).toBeLessThanOrEqual(scan(body, { kind: "json", dlp }).length);
    }
  });

  test("forms and texts as well", () => {
    for (let round = 0; round < 200; round++) {
      const form = `x=${encodeURIComponent(text())}&y=${encodeURIComponent(text())}`;
      const once = sanitize(form, "form", dlp);
      expect([...new URLSearchParams(once).keys()]).toEqual(["x", "y"]);
      expect(sanitize(once, "form", dlp)).toBe(once);
      const plain = text();
      const done = sanitize(plain, "text", dlp);
      expect(sanitize(done, "text", dlp)).toBe(done);
    }
  });
});
