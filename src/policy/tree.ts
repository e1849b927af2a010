/** YAML to plain values, with the place of each. Whatever has no place in a policy is said and taken out. */
import {
  type Document,
  isCollection,
  isMap,
  isNode,
  LineCounter,
  type Node,
  parseDocument,
  Scalar,
  visit,
  type YAMLError,
} from "yaml";

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
}

const MAX_DEPTH = 16;
const STAR = 'a pattern that begins with * must be in quotes, such as "*.example.com"';
const BRACKET = 'an address in brackets must be in quotes, such as "[2001:db8::1]:443"';
/** Errors that leave a tree to look at; any other leaves a guess. */
const BEARABLE: readonly string[] = ["DUPLICATE_KEY", "BAD_ALIAS"];

/** The text of a YAML syntax error, one a line, when there is no tree to be had. */
export function readTree(name: string, text: string): PolicyTree | string {
  const lines = new LineCounter();
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${Math.max(1, line)}:${Math.max(1, col)}`;
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
  visit(parsed, {
    Alias: (_key, node) => {
      const real = node.resolve(parsed) !== undefined;
      return instead(node, `*${node.source}`, real ? "aliases are not used in policies" : `*${node.source}: ${STAR}`);
    },
    Collection: (_key, node, path) => {
      if (path.length > MAX_DEPTH) return instead(node, null, `nested deeper than ${MAX_DEPTH}`);
      return isMap(node) && node.items.some(({ key }) => isCollection(key)) ? instead(node, null, BRACKET) : undefined;
    },
  });
  const at = (path: PolicyPath): Node | null => {
    const node = path.length === 0 ? parsed.contents : parsed.getIn(path, true);
    return isNode(node) ? node : null;
  };
  return {
    value: parsed.toJS(),
    problems,
    at(path: PolicyPath) {
      for (let length = path.length; length >= 0; length--) {
        const node = at(path.slice(0, length));
        if (node?.range) return place(node.range[0]);
      }
      return place(0);
    },
    atKey(path: PolicyPath, key: string) {
      const map = at(path);
      const pair = isMap(map) ? map.items.find((item) => isNode(item.key) && String(item.key) === key) : undefined;
      return place((pair?.key as Node | undefined)?.range?.[0] ?? 0);
    },
    mended: (path: PolicyPath) => replaced.has(at(path)),
  };
}

function sayYaml({ code, message, pos }: YAMLError, text: string): string {
  if (code === "BAD_ALIAS") return STAR;
  if (code === "DUPLICATE_KEY") return "a key is given twice in one map";
  const [from] = pos;
  return text[from] === ":" && text[from - 1] === "]" ? BRACKET : message;
}
