import { describe, expect, test } from "bun:test";
import { crc32, deflateSync } from "node:zlib";
import { compileDlp, type DlpFinding, type DlpSettings } from "../../src/dlp/dlp.ts";
import { ALL, drive, scan } from "./_run.ts";
import { awsId, openai, random } from "./_secrets.ts";

/** A short beginning and anything behind it: what chance writes into a picture. */
const square = (length = 30, seed = 1): string => ["EA", "AA", random(length, seed)].join("");
const facebook = (length = 120, seed = 1): string => ["EA", "AB", random(length, seed)].join("");
const weak: readonly string[] = [square(), square(55, 2), facebook(), facebook(200, 3)];

/** The same noise for the same seed. */
function noise(length: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (Math.imul(seed, 2654435761) | 1) >>> 0;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer).subarray(0, length);
}

function chunk(name: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}

/** Grey noise, so many pixels wide and high. */
function png(size: number, seed: number): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(size, 4);
  head[8] = 8;
  const data = deflateSync(noise(size * (size + 1), seed), { level: 1 });
  const mark = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([mark, chunk("IHDR", head), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

const prompt = (base64: string, type = "image/png"): string =>
  JSON.stringify({
    messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: `data:${type};base64,${base64}` } }] }],
  });

/** `text` in the middle of `base64`, with a sign before and behind it that is of base64 too: chance may write it so. */
const written = (base64: string, text: string, at = base64.length >> 1, [left, right] = ["/", "+"]): string =>
  `${base64.slice(0, at)}${left}${text}${right}${base64.slice(at)}`;

const picture = png(60, 7).toString("base64").replaceAll("=", "A");
const acting = (findings: readonly DlpFinding[]): string[] =>
  findings.filter(({ mode }) => mode !== "shadow").map(({ name }) => name);
const secrets = (body: string, kind: "json" | "text" | "form" = "json"): string[] =>
  acting(scan(body, { kind, dlp: compileDlp() }));
const HIPAA: DlpSettings = { modes: { health: "sanitize", personal: "sanitize" } };

describe("pictures", () => {
  test("what chance writes into one vetoes nothing", () => {
    expect(picture.length).toBeGreaterThan(4000);
    for (const text of weak)
      for (const at of [40, 300, 1200, picture.length >> 1, picture.length - 60])
        for (const kind of ["json", "text"] as const) {
          expect(secrets(prompt(written(picture, text, at)), kind)).toEqual([]);
          expect(secrets(prompt(written(picture, text, at, ["+", "/"])), kind)).toEqual([]);
        }
  });

  test("nor with slashes escaped, nor in base64url, nor where slices meet", () => {
    for (const text of weak) {
      expect(secrets(prompt(written(picture, text)).replaceAll("/", "\\/"))).toEqual([]);
      const url = picture.replaceAll("+", "-").replaceAll("/", "_");
      expect(secrets(prompt(written(url, text, 1500, ["-", "_"])))).toEqual([]);
      const large = Buffer.from(noise(150_000, 5)).toString("base64");
      for (const at of [56 * 1024, 60 * 1024, 64 * 1024 - 60, 64 * 1024 + 20, 68 * 1024])
        expect(secrets(prompt(written(large, text, at)))).toEqual([]);
    }
  });

  test("it is told all the same, as the shape it is", () => {
    expect(scan(prompt(written(picture, square())), { kind: "json" })).toMatchObject([
      { name: "square-access-token", mode: "shadow", confidence: "low", view: "plain" },
    ]);
  });

  test("thousands of them, at every setting, as they came", () => {
    const plain = compileDlp();
    const all = compileDlp(HIPAA);
    for (let seed = 1; seed <= 3000; seed++) {
      const body = new TextEncoder().encode(prompt(png(seed % 100 === 0 ? 300 : 40, seed).toString("base64")));
      expect(acting(drive(plain.scanBody(body, { kind: "json", host: "a.test" })) as DlpFinding[])).toEqual([]);
      const clean = drive(all.sanitize(body, { kind: "json", host: "a.test" }));
      if (clean === "exhausted") throw new Error("exhausted without a budget");
      expect(clean.left).toBeNull();
      expect(Buffer.compare(clean.bytes, body)).toBe(0);
    }
  }, 120_000);
});

describe("identifiers", () => {
  const codes = ["Z33", "E11.9".replace(".", ""), "S00WKR", "E8AUC95", "4111111111111111", "QQ123456C", "1EG4TE5MK73"];
  test("are none in what is no text", () => {
    const dlp = compileDlp(HIPAA);
    for (const code of codes)
      for (const word of ["icd", "diagnos", "mbi", "nino", "card"]) {
        const text = prompt(written(written(picture, code), word, (picture.length >> 1) - 8, ["a", "B"]));
        const body = new TextEncoder().encode(text);
        expect(drive(dlp.sanitize(body, { kind: "json", host: "a.test" }))).toEqual({ bytes: body, left: null });
      }
  });
  test("are what they are beside a picture, and in base64 no longer than a word or two", () => {
    const names = (text: string): string[] => acting(scan(text, { kind: "text", dlp: compileDlp(HIPAA) }));
    expect(names(`diagnosis E11.9 ${picture}`)).toEqual(["icd-10"]);
    expect(names(`${picture} diagnosis: E11.9/I10`)).toEqual(["icd-10", "icd-10"]);
    expect(names(`${picture}\n4111111111111111\n${picture}`)).toEqual(["payment-card"]);
    expect(names(`card/4111111111111111+${random(60)}`)).toEqual(["payment-card"]);
  });
  test("a diagnosis is written in capitals", () => {
    const names = (text: string): string[] => scan(text, { kind: "text" }).map(({ name }) => name);
    for (const text of ["diagnosis E11.9", "icd: S72.001A", "ICD-10 Z33"]) expect(names(text)).toContain("icd-10");
    for (const text of ["icd z33", "icd S00WkR", "icd e8AuC95"]) expect(names(text)).not.toContain("icd-10");
  });
});

describe("no way around: found beside or in base64", () => {
  test("with a real edge at either side", () => {
    const [before, behind] = [picture.slice(0, 2000), picture.slice(2000)];
    for (const text of weak)
      for (const edge of ['"', " ", "\n", "=", ",", ":", ".", "\t", "'", "&", ";", "~", "|"])
        for (const body of [`${before}${edge}${text}/${behind}`, `${before}/${text}${edge}${behind}`])
          expect([edge, secrets(body, "text")]).toEqual([
            edge,
            [text.startsWith("EAAB") ? "facebook-access-token" : "square-access-token"],
          ]);
  });

  test("at the beginning and the end of a string", () => {
    for (const text of weak)
      for (const value of [`${text}/${picture}`, `${picture}/${text}`, `${picture}=`.replace(/=$/, `==${text}`)])
        expect(secrets(JSON.stringify({ value }))).toHaveLength(1);
  });

  test("keys that are long enough to be no chance", () => {
    for (const [left, right] of [
      ["/", "+"],
      ["+", "/"],
    ] as const) {
      expect(secrets(prompt(written(picture, awsId(), 2000, [left, right])))).toEqual(["aws-access-key-id"]);
      expect(secrets(prompt(written(picture, openai(), 2000, [left, right])))).toEqual(["openai-project-key"]);
    }
  });

  test("in base64 that says text", () => {
    const prose = "These are the minutes of a meeting about nothing in particular. ".repeat(60);
    const text = Buffer.from(`${prose}token: ${facebook()} and that is it. ${prose}`).toString("base64");
    expect(secrets(prompt(text, "text/plain"))).toEqual(["facebook-access-token"]);
    // Written by hand into it, with what is base64 on both sides.
    const plain = Buffer.from(prose).toString("base64");
    for (const secret of weak) expect(secrets(prompt(written(plain, secret, 2000)))).toHaveLength(1);
  });

  test("text with a picture behind it", () => {
    const line = `password reset for the account, token: ${facebook()} and more of that sort\n`;
    const mixed = Buffer.concat([Buffer.from(line.repeat(60)), png(40, 4)]);
    expect(secrets(prompt(mixed.toString("base64")))).toContain("facebook-access-token");
  });

  test("among words, paths and keys that are joined by what base64 has too", () => {
    const words = "some+more+words+of+a+form/and/a/path/Of/Many/Parts+".repeat(60);
    const upper = "CONSTANT/NAMES/OF/SOME/SORT+".repeat(80);
    const hex = `${random(32, 1, "0123456789abcdef")}/`.repeat(60);
    for (const around of [words, upper, hex])
      for (const secret of weak)
        expect(secrets(written(around, secret, around.length >> 1, ["/", "/"]), "text")).toHaveLength(1);
  });

  test("in base64 that is not long", () => {
    for (const secret of weak) expect(secrets(written(random(700, 9), secret, 350), "text")).toHaveLength(1);
  });

  test("cut over neighbouring values, whatever they end and begin with", () => {
    const secret = facebook(200);
    const pieces = [
      `${random(120, 4)}/${secret.slice(0, 30)}`,
      secret.slice(30, 150),
      `${secret.slice(150)}+${random(60, 6)}`,
    ];
    expect(secrets(JSON.stringify({ pieces }))).toHaveLength(1);
  });

  test("what an operator looks for", () => {
    const dlp = compileDlp({
      ...ALL,
      canaries: ["canary7Q4xZ"],
      dictionaries: [{ name: "codename", words: ["bluefin"] }],
    });
    for (const [text, name] of [
      ["canary7Q4xZ", "canary"],
      ["bluefin", "codename"],
    ] as const)
      expect(acting(scan(prompt(written(picture, text)), { kind: "json", dlp }))).toEqual([name]);
  });
});

test("a picture full of what looks like keys costs no more than its reading", () => {
  const planted = Array.from({ length: 1500 }, (_, n) => `${square(30, n)}/`).join("");
  const body = new TextEncoder().encode(prompt(planted + picture));
  const quiet = new TextEncoder().encode(prompt(Buffer.from(noise(body.length, 1)).toString("base64")));
  const dlp = compileDlp();
  const cost = (bytes: Uint8Array): number => {
    let best = Number.POSITIVE_INFINITY;
    for (let n = 0; n < 5; n++) {
      const from = process.cpuUsage().user;
      drive(dlp.scanBody(bytes, { kind: "json", host: "a.test" }));
      best = Math.min(best, process.cpuUsage().user - from);
    }
    return best;
  };
  expect(cost(body) / cost(quiet)).toBeLessThan(40);
});
