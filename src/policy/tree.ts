/** YAML to plain values, with the place of each. Whatever has no place in a policy is said and taken out. */
import {
  type Document,
  isCollection,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  Scalar,
  visit,
  type YAMLError,
} from "yaml";
import { type Lifted, type LiftedItem, lift } from "./_lift.ts";

export type PolicyPath = readonly (string | number)[];

export interface PolicyTree {
  readonly value: unknown;
  /** `file:line:column: what`. The values they are about stand in the tree as something harmless. */
  readonly problems: readonly string[];
  /** `file:line:column` of the node at a path, or of its nearest ancestor. */
  at(path: PolicyPath): string;
  /** The same, of a key in the map at a path. */
  atKey(path: PolicyPath, key: string): string;
  /** The value at this path was replaced, or is something that a problem has been told about. */
  mended(path: PolicyPath): boolean;
  /** `file:line:column` of a place in the text at a path; both from 1. Of a folded text its beginning. */
  inside(path: PolicyPath, line: number, column: number): string;
  /** The text of the node at a path as it stands in the file, at most 2,000 characters. */
  excerpt(path: PolicyPath): string;
}

const MAX_DEPTH = 16;
const STAR = 'a pattern that begins with * must be in quotes, such as "*.example.com"';
const BRACKET = 'an address in brackets must be in quotes, such as "[2001:db8::1]:443"';
/** Errors that leave a tree to look at; any other leaves a guess. */
const BEARABLE: readonly string[] = ["DUPLICATE_KEY", "BAD_ALIAS"];

/** The text of a YAML syntax error, one a line, when there is no tree to be had. */
export function readTree(name: string, text: string): PolicyTree | string {
  const lifted = lift(text);
  if (lifted === null) return read(name, text, null);
  const tree = read(name, lifted.text, lifted);
  // A run that is no list, or anything wrong: the text as it came says it better.
  return typeof tree === "string" || tree.problems.length > 0 ? read(name, text, null) : tree;
}

function read(name: string, text: string, lifted: Lifted | null): PolicyTree | string {
  const lines = new LineCounter();
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    const row = Math.max(1, line);
    return `${name}:${lifted === null ? row : lifted.lineOf(row)}:${Math.max(1, col)}`;
  };
  let parsed: Document;
  try {
    // Nesting deep enough to overflow the parser's stack throws.
    parsed = parseDocument(text, {
      lineCounter: lines,
      strict: true,
      uniqueKeys: true,
      version: "1.2",
      prettyErrors: false,
    });
  } catch {
    return `${name}:1:1: cannot be parsed`;
  }
  const broken = parsed.errors.some(({ code }) => !BEARABLE.includes(code));
  const problems = [...parsed.errors, ...parsed.warnings]
    // Where there is a tree, the alias itself is found below.
    .filter(({ code }) => broken || code !== "BAD_ALIAS")
    .map((each) => `${place(each.pos[0])}: ${sayYaml(each, text)}`);
  if (broken) return problems.join("\n");

  const replaced = new Set<unknown>();
  const instead = (node: Node, value: string | null, problem: string): Scalar => {
    problems.push(`${place(node.range?.[0] ?? 0)}: ${problem}`);
    const harmless = new Scalar(value);
    harmless.range = node.range ?? null;
    replaced.add(harmless);
    return harmless;
  };
  /** Of a list with runs in it: what stands at each index. */
  const expanded = new Map<unknown, (Node | LiftedItem)[]>();
  let runs = 0;
  visit(parsed, {
    Alias: (_key, node) => {
      const real = node.resolve(parsed) !== undefined;
      return instead(node, `*${node.source}`, real ? "aliases are not used in policies" : `*${node.source}: ${STAR}`);
    },
    Collection: (_key, node, path) => {
      if (path.length > MAX_DEPTH) return instead(node, null, `nested deeper than ${MAX_DEPTH}`);
      if (isMap(node) && node.items.some(({ key }) => isCollection(key))) return instead(node, null, BRACKET);
      if (lifted === null || !isSeq(node)) return undefined;
      const all: (Node | LiftedItem)[] = [];
      for (const item of node.items) {
        const run = isScalar(item) && typeof item.value === "string" ? lifted.runs.get(item.value) : undefined;
        if (run === undefined) all.push(item as Node);
        else for (const each of run) all.push(each);
        if (run !== undefined) runs += 1;
      }
      if (all.length !== node.items.length) expanded.set(node, all);
      return undefined;
    },
  });
  if (lifted !== null && runs !== lifted.runs.size) return `${name}:1:1: a list that is none`;
  const nodeAt = (path: PolicyPath): Node | LiftedItem | null => {
    let node: unknown = parsed.contents;
    for (const part of path) {
      const all = expanded.get(node);
      if (all !== undefined) node = typeof part === "number" ? all[part] : undefined;
      else node = isCollection(node) ? node.get(part, true) : undefined;
    }
    return isNode(node) || isLifted(node) ? node : null;
  };
  const at = (path: PolicyPath): string => {
    for (let length = path.length; length >= 0; length--) {
      const node = nodeAt(path.slice(0, length));
      if (isLifted(node)) return `${name}:${node.line}:${node.column}`;
      if (node?.range) return place(node.range[0]);
    }
    return place(0);
  };
  return {
    value: lifted === null ? parsed.toJS() : withRuns(parsed.toJS(), lifted),
    problems,
    at,
    atKey(path: PolicyPath, key: string) {
      const map = nodeAt(path);
      const pair = isMap(map) ? map.items.find((item) => isNode(item.key) && String(item.key) === key) : undefined;
      return place((pair?.key as Node | undefined)?.range?.[0] ?? 0);
    },
    mended: (path: PolicyPath) => replaced.size > 0 && replaced.has(nodeAt(path)),
    inside(path: PolicyPath, line: number, column: number) {
      const node = nodeAt(path);
      const start = isLifted(node) ? null : (node?.range?.[0] ?? null);
      if (start === null || !isScalar(node)) return at(path);
      if (node.type === "BLOCK_LITERAL") {
        const rows = text.slice(start).split("\n", line + 1);
        const from = start + rows.slice(0, line).reduce((sum, row) => sum + row.length + 1, 0);
        return place(from + (/^ */.exec(rows[line] ?? "")?.[0].length ?? 0) + column - 1);
      }
      if (node.type === "BLOCK_FOLDED" || line > 1) return at(path);
      return place(start + column - 1 + (node.type === "PLAIN" ? 0 : 1));
    },
    excerpt(path: PolicyPath) {
      const node = nodeAt(path);
      if (isLifted(node)) return node.text;
      if (!node?.range) return "";
      const [from, end] = node.range;
      const column = from - (text.lastIndexOf("\n", from - 1) + 1);
      // As deep as it stands in the file, and no deeper.
      const rows = text
        .slice(from, Math.min(end, from + 2000))
        .trimEnd()
        .split("\n");
      return rows.map((row, i) => (i > 0 && /^ *$/.test(row.slice(0, column)) ? row.slice(column) : row)).join("\n");
    },
  };
}

function withRuns(value: unknown, lifted: Lifted): unknown {
  if (Array.isArray(value)) {
    return value.flatMap((item: unknown) => {
      const run = typeof item === "string" ? lifted.runs.get(item) : undefined;
      return run === undefined ? [withRuns(item, lifted)] : run.map(({ text }) => text);
    });
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, withRuns(of, lifted)]));
}

function isLifted(node: unknown): node is LiftedItem {
  return typeof node === "object" && node !== null && "column" in node;
}

function sayYaml({ code, message, pos }: YAMLError, text: string): string {
  if (code === "BAD_ALIAS") return STAR;
  if (code === "DUPLICATE_KEY") return "a key is given twice in one map";
  const [from] = pos;
  return text[from] === ":" && text[from - 1] === "]" ? BRACKET : message;
}
