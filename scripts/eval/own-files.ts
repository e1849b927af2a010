/** This project's own code, tests and documents as innocent text: long, technical, and full of talk about attacks. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Row, readRows } from "./corpora.ts";
import { ruleFinds } from "./detector.ts";

const ENDINGS = /\.(?:ts|md|json|mjs|yml|yaml|svg)$|^LICENSE$/;
/** Made from what is learned here, or written as attacks. */
const LEFT_OUT =
  /weights\.ts$|own-attacks\.ts$|detection\.md$|pillar128\.md$|package-lock\.json$|test\/detect\/|docs\/detection/;
const FOLDERS = ["src", "test", "docs", "scripts"];
const LONGEST = 60_000;

function* filesIn(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesIn(path);
    else if (ENDINGS.test(entry.name)) yield path;
  }
}

const rowOf = (source: string, id: string, text: string): Row => ({
  id: `${source}:${id}`,
  source,
  kind: "benign",
  text,
  planted: null,
  topic: null,
});

/** What quotes an attack is no lesson in innocence: such paragraphs are left out. */
function innocent(text: string): string {
  if (!ruleFinds(text)) return text;
  return text
    .split("\n\n")
    .filter((paragraph) => !ruleFinds(paragraph))
    .join("\n\n");
}

/** Files without the paragraphs in which a rule finds something. */
export function ownFiles(): Row[] {
  const root = readdirSync(".").filter((name) => ENDINGS.test(name));
  return [...root.sort(), ...FOLDERS.flatMap((folder) => [...filesIn(folder)])]
    .filter((path) => !LEFT_OUT.test(path))
    .map((path) => rowOf("own files", path, innocent(readFileSync(path, "utf8").slice(0, LONGEST))))
    .filter(({ text }) => text.length > 200 && !ruleFinds(text));
}

const OTHER = [
  "secrets/detect-secrets",
  "secrets/fake-leaks",
  "secrets/gitleaks-rule-cases",
  "secrets/presidio-recognizers",
  "http/llhttp",
  "http/curl-proxy-commands",
];

/** Code, settings and records of corpora made for something else, twenty rows in one text: nothing in them speaks to a model. */
export function otherCorpora(): Row[] {
  return OTHER.flatMap((file) => {
    const texts = readRows(`${file}.jsonl.gz`).map((fields) =>
      typeof fields["text"] === "string"
        ? fields["text"]
        : Buffer.from(String(fields["raw_b64"] ?? ""), "base64").toString("latin1"),
    );
    const rows: Row[] = [];
    for (let n = 0; n < texts.length; n += 20)
      rows.push(
        rowOf(
          file,
          String(n),
          texts
            .slice(n, n + 20)
            .join("\n")
            .slice(0, LONGEST),
        ),
      );
    return rows;
  });
}
