import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dlpNames } from "../../src/dlp/finding-names.ts";

const ROOM = new URL("../../src/dlp/", import.meta.url);

test("every name that a detector is written with is among the names of findings", () => {
  const names = dlpNames();
  const written = readdirSync(ROOM)
    .filter((file) => file !== "finding-names.ts")
    .flatMap((file) =>
      [
        ...readFileSync(new URL(file, ROOM), "utf8").matchAll(
          /(?:\b(?:secretRule|rule)\(|\bname: )"([a-z0-9][a-z0-9-]+)"/g,
        ),
      ].map(([, name = ""]) => name),
    );
  expect(written.length).toBeGreaterThan(50);
  expect(written.filter((name) => !names.has(name))).toEqual([]);
  expect(names).toContain("openai-api-key");
});
