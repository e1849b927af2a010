/** A short body that is quiet is one in which nothing is found; the short way may never say so of another. */
import { describe, expect, test } from "bun:test";
import { type BodyKind, compileDlp } from "../../src/dlp/dlp.ts";
import { awsId, github } from "./_secrets.ts";

const encoder = new TextEncoder();
const plain = compileDlp();
const strict = compileDlp({ canaries: ["zebra-4417-quartz"], modes: { personal: "enforce" } });
const host = "collector.example";
const KEY = awsId(3);

function found(dlp: typeof plain, bytes: Uint8Array, kind: BodyKind): number {
  const steps = dlp.scanBody(bytes, { kind, host });
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value === "exhausted" ? -1 : step.value.length;
  }
}

const units = (text: string): string => [...text].map((one) => `\\u00${one.charCodeAt(0).toString(16)}`).join("");
const WRITTEN: Readonly<Record<string, (key: string) => string>> = {
  plain: (key) => `see ${key} there`,
  JSON: (key) => JSON.stringify({ a: { b: [key] } }),
  "JSON with escapes": (key) => `{"a":"${units(key)}"}`,
  "two strings of JSON": (key) => JSON.stringify({ a: key.slice(0, 9), b: key.slice(9) }),
  base64: (key) => JSON.stringify({ a: btoa(`the key is ${key}`) }),
  percent: (key) => [...key].map((one) => `%${one.charCodeAt(0).toString(16)}`).join(""),
  "quoted-printable": (key) =>
    `Content-Transfer-Encoding: quoted-printable\r\n\r\n${key.slice(0, 8)}=\r\n${key.slice(8)}`,
  "UTF-16": (key) => [...key].map((one) => `${one}\0`).join(""),
  "behind much else": (key) => `${"nothing of note here. ".repeat(300)}${key}`,
  none: () => "nothing of note here",
  "a word": () => "zebra-4417-quartz",
  "a card": () => '{"card":"4111 1111 1111 1111"}',
};

describe("isQuiet and scanBody agree on", () => {
  for (const [name, write] of Object.entries(WRITTEN)) {
    for (const kind of ["json", "text", "form", "multipart"] as const) {
      test(`${name}, as ${kind}`, () => {
        for (const key of [KEY, github(2)]) {
          const bytes = encoder.encode(write(key));
          for (const dlp of [plain, strict]) {
            const quiet = dlp.isQuiet(bytes, { kind, host });
            if (quiet) expect(found(dlp, bytes, kind)).toBe(0);
            // Otherwise it would be of no use.
            if (name === "none" && kind !== "form") expect(quiet).toBe(true);
          }
        }
      });
    }
  }
});
