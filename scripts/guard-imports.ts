/**
 * Imports go down only, and the core names no runtime.
 *
 * Why: a decision that can reach the code that dials, or a parser that can reach a socket, ends as a gateway where
 * nobody can say what must have happened before a byte leaves. The table below is the architecture; a room may import
 * what stands in its row and nothing else. decide, evidence and enforce never see each other: the top does.
 * A runtime's name outside src/runtime would tie the rules to one of the two programs that run them; the tsconfig with
 * `types: []` refuses the types, this scan refuses the words.
 *
 * What a stranger imports (package.json `exports`) must not drag a listener behind it.
 */
import { readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { Glob } from "bun";

/** What every room but these two may import. */
const FLOOR = ["model", "errors"] as const;
const PURE = [
  ...FLOOR,
  "words",
  "wire",
  "crypto",
  "content",
  "detect",
  "dlp",
  "limits",
  "policy",
  "engine",
  "redirect",
  "config",
] as const;
const BELOW_DECISION = [...PURE, "contract", "observe"] as const;
const EVERY_ROOM = [...BELOW_DECISION, "decide", "evidence", "enforce", "listen", "plane", "admission"] as const;

/**
 * Room → rooms it may import besides itself. A file directly in src/ is a room of the top layer. A row has what its room uses:
 * what would be new in it is a step that is to be thought about, and then written here.
 */
export const TABLE: Readonly<Record<string, readonly string[]>> = {
  model: [],
  errors: [],
  words: ["errors"],
  wire: FLOOR,
  crypto: [...FLOOR, "wire"],
  content: [...FLOOR, "wire"],
  detect: FLOOR,
  dlp: [...FLOOR, "crypto", "content"],
  limits: [...FLOOR, "wire"],
  policy: [...FLOOR, "words", "wire", "content", "detect", "dlp", "limits"],
  engine: [...FLOOR, "wire", "content", "detect", "dlp", "policy"],
  redirect: [...FLOOR, "words", "wire"],
  config: [...FLOOR, "words", "wire", "crypto", "contract"],
  contract: ["model"],
  runtime: [...FLOOR, "contract"],
  observe: [...FLOOR, "config", "contract"],
  decide: BELOW_DECISION,
  evidence: [...FLOOR, "wire", "crypto", "config", "contract"],
  enforce: [...FLOOR, "wire", "config", "contract"],
  listen: [...FLOOR, "words", "wire", "crypto", "config", "contract", "observe"],
  plane: [...BELOW_DECISION, "decide"],
  admission: [...FLOOR, "words", "wire", "crypto", "policy", "config", "contract", "observe", "decide"],
  library: [...FLOOR, "wire", "crypto", "detect", "dlp", "policy", "engine", "decide", "evidence"],
  cli: [...EVERY_ROOM, "top"],
  top: [...EVERY_ROOM, "cli", "library"],
};

/**
 * Of the three rooms that see nothing of each other, what each file of the top may see; a file without a row sees none.
 * Two of them in one file is a place where the order of a decision could be gone around, so each such row is a choice:
 * `gateway` makes their parts, `pipeline` calls them in order, `ends` tells them of the end, `inner-certificates` gives
 * what is decided inside its evidence, `passage` has types alone.
 */
export const ROAD: Readonly<Record<string, readonly string[]>> = {
  gateway: ["decide", "evidence", "enforce"],
  pipeline: ["decide", "evidence", "enforce"],
  ends: ["decide", "evidence", "enforce"],
  passage: ["decide", "evidence", "enforce"],
  "inner-certificates": ["evidence", "enforce"],
  drafts: ["decide"],
  within: ["decide"],
  "local-record": ["decide"],
  admin: ["decide"],
  control: ["decide"],
  run: ["decide"],
  workers: ["decide"],
  intercepting: ["enforce"],
};
const APART: readonly string[] = ["decide", "evidence", "enforce"];

/** Rooms that a library entry must not reach. */
const NOT_FOR_STRANGERS = ["listen", "enforce", "cli", "runtime"];

/** What says that bytes may leave, and what lets them: besides where it stands, only these may name it. */
const ONLY_FOR: readonly (readonly [what: string, named: RegExp, files: readonly string[]])[] = [
  ["mintPermit", /\bmintPermit\b/, ["src/decide/permit.ts", "src/pipeline.ts"]],
  ["a cast to Permit", /\bas\s+Permit\b/, ["src/decide/permit.ts"]],
  ["dialPermit", /\bdialPermit\b/, ["src/enforce/dial.ts", "src/enforce/route.ts"]],
  ["dialProxy", /\bdialProxy\b/, ["src/enforce/dial.ts", "src/enforce/route.ts"]],
];
/** In the room that carries out, one file dials. */
const RAW_DIAL = /\bruntime\s*\.\s*dial\b/;

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(?:type\s+)?(?:[\w*{}\s,$]+\sfrom\s+)?"([^"\n]+)"|\bimport\(\s*"([^"\n]+)"\s*\)/g;
const RUNTIME_WORD =
  /(?<![\w.#])(?:Bun|Deno|process|Buffer)\s*(?:\.\s*[A-Za-z_]|\[|\()|\bglobalThis\.(?:Bun|Deno|process|Buffer)\b/;

export function roomOf(path: string): string {
  const parts = path.split("/");
  if (path === "src/errors.ts") return "errors";
  if (path === "src/runtime/contract.ts") return "contract";
  if (parts.length === 2) return "top";
  return parts[1] ?? "";
}

export function importsOf(text: string): string[] {
  return [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? "");
}

function withoutCommentsAndStrings(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<![:"'`])\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"/g, " ");
}

/** `sources`: path (src/…) → text. `packages`: the names in `dependencies`. Answers one line a violation. */
export function checkImports(sources: ReadonlyMap<string, string>, packages: readonly string[]): string[] {
  const problems: string[] = [];
  for (const [path, text] of sources) {
    const room = roomOf(path);
    const allowed = TABLE[room];
    if (allowed === undefined) {
      problems.push(`${path}: the room "${room}" is not in the table`);
      continue;
    }
    const sideDoor = room === "runtime";
    for (const target of importsOf(text)) {
      if (target === "#runtime") {
        if (path !== "src/main.ts") problems.push(`${path}: only src/main.ts may import #runtime`);
      } else if (target.startsWith(".")) {
        const file = normalize(join(dirname(path), target));
        const other = roomOf(file);
        if (!target.endsWith(".ts")) problems.push(`${path}: "${target}" has no .ts extension`);
        if (other === "runtime" && !sideDoor) problems.push(`${path}: reaches ${file} past #runtime`);
        else if (other !== room && !allowed.includes(other))
          problems.push(`${path}: ${room} must not import ${other} (${file})`);
        else if (room === "top" && APART.includes(other) && ROAD[basename(path, ".ts")]?.includes(other) !== true)
          problems.push(`${path}: this file of the top must not import ${other} (${file})`);
      } else if (target.startsWith("node:") || target.startsWith("bun") || target.startsWith("deno")) {
        if (!sideDoor) problems.push(`${path}: names a runtime: "${target}"`);
      } else {
        const name = target
          .split("/")
          .slice(0, target.startsWith("@") ? 2 : 1)
          .join("/");
        if (!packages.includes(name)) problems.push(`${path}: "${name}" is not a dependency`);
      }
    }
    const code = withoutCommentsAndStrings(text);
    for (const [what, named, files] of ONLY_FOR)
      if (!files.includes(path) && named.test(code)) problems.push(`${path}: ${what} is for ${files.join(", ")} only`);
    if (room === "enforce" && path !== "src/enforce/dial.ts" && RAW_DIAL.test(code))
      problems.push(`${path}: dials past src/enforce/dial.ts`);
    const word = sideDoor || path === "src/main.ts" ? null : RUNTIME_WORD.exec(code);
    if (word !== null) problems.push(`${path}: names a runtime: ${word[0]}`);
  }
  return problems;
}

/** Everything an entry pulls in must be fit for a stranger's program. */
export function checkEntries(sources: ReadonlyMap<string, string>, entries: readonly string[]): string[] {
  const problems: string[] = [];
  for (const entry of entries) {
    const seen = new Set<string>();
    const queue = [entry];
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (seen.has(path)) continue;
      seen.add(path);
      const text = sources.get(path);
      if (text === undefined) continue;
      if (NOT_FOR_STRANGERS.includes(roomOf(path))) problems.push(`${entry}: pulls in ${path}`);
      for (const target of importsOf(text)) {
        if (target === "#runtime") problems.push(`${entry}: pulls in #runtime through ${path}`);
        else if (target.startsWith(".")) queue.push(normalize(join(dirname(path), target)));
      }
    }
  }
  return problems;
}

if (import.meta.main) {
  const sources = new Map<string, string>();
  for (const path of new Glob("src/**/*.ts").scanSync(".")) sources.set(path, readFileSync(path, "utf8"));
  const manifest = JSON.parse(readFileSync("package.json", "utf8"));
  const entries = Object.values(JSON.parse(readFileSync("deno.json", "utf8")).exports as Record<string, string>);
  const problems = [
    ...checkImports(sources, Object.keys(manifest.dependencies)),
    ...checkEntries(
      sources,
      entries.map((entry) => normalize(entry)),
    ),
  ];
  for (const problem of problems) console.error(problem);
  console.log(`${sources.size} files, ${problems.length} forbidden imports`);
  process.exit(problems.length === 0 ? 0 : 1);
}
