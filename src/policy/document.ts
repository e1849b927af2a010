/** Policy files: strict YAML in, a checked document out. Every problem is named with its file and line. */
import { isMap, isNode, LineCounter, type Node, parseDocument, visit } from "yaml";
import { z } from "zod";
import { Fault } from "../errors.ts";

export interface PolicySource {
  /** File name, as messages and rules say it. */
  readonly name: string;
  readonly text: string;
}

const patterns = z.array(z.string().min(1).max(300)).max(65_536).default([]);

const schema = z.strictObject({
  version: z.literal(1),
  /** The verdict for a host no rule names. At least one file of a policy says it. */
  default: z.enum(["allow", "deny"]).optional(),
  hosts: z.strictObject({ allow: patterns, deny: patterns }).default({ allow: [], deny: [] }),
  /** `host:port` of tunnels that may carry any protocol. */
  opaque: z.array(z.string().min(1).max(300)).max(4096).default([]),
});

export type PolicyDocument = z.infer<typeof schema>;

export interface ParsedPolicy {
  readonly name: string;
  readonly document: PolicyDocument;
  /** 1-based line of the node at a path, or of its nearest ancestor. */
  lineOf(path: readonly (string | number)[]): number;
}

const MAX_BYTES = 1024 * 1024;
const MAX_DEPTH = 16;
const MAX_PROBLEMS = 50;

/** Throws Fault `policy_invalid` whose message has one problem a line, `file:line: problem`. */
export function parsePolicy({ name, text }: PolicySource): ParsedPolicy {
  if (text.length > MAX_BYTES) throw invalid([`${name}:1: larger than ${MAX_BYTES} bytes`]);
  const lines = new LineCounter();
  const at = (offset: number): number => lines.linePos(offset).line;
  let parsed: ReturnType<typeof parseDocument>;
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
    throw invalid([`${name}:1: cannot be parsed`]);
  }
  const wrong = [...parsed.errors, ...parsed.warnings];
  if (wrong.length > 0) throw invalid(wrong.map((each) => `${name}:${at(each.pos[0])}: ${each.message}`));
  visit(parsed, {
    Alias: (_key, node) => {
      throw invalid([`${name}:${at(node.range?.[0] ?? 0)}: aliases are not used in policies`]);
    },
    Collection: (_key, node, path) => {
      if (path.length <= MAX_DEPTH) return;
      throw invalid([`${name}:${at(node.range?.[0] ?? 0)}: nested deeper than ${MAX_DEPTH}`]);
    },
  });

  const lineOf = (path: readonly (string | number)[]): number => {
    for (let length = path.length; length >= 0; length--) {
      const node = parsed.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return at(node.range[0]);
    }
    return 1;
  };
  const checked = schema.safeParse(parsed.toJS());
  if (checked.success) return { name, document: checked.data, lineOf };
  const problems = checked.error.issues.flatMap((issue) => {
    const path = issue.path.filter((part) => typeof part !== "symbol");
    if (issue.code === "unrecognized_keys") {
      const map = path.length === 0 ? parsed.contents : parsed.getIn(path, true);
      return issue.keys.map((key) => `${name}:${at(keyOffset(map, key))}: unknown key "${[...path, key].join(".")}"`);
    }
    return [`${name}:${lineOf(path)}: ${path.length === 0 ? "policy" : path.join(".")}: ${issue.message}`];
  });
  throw invalid(problems);
}

export function invalid(problems: readonly string[]): Fault {
  const shown = problems.slice(0, MAX_PROBLEMS);
  if (problems.length > shown.length) shown.push(`… and ${problems.length - shown.length} more`);
  return new Fault("policy_invalid", shown.join("\n"));
}

function keyOffset(map: unknown, key: string): number {
  if (!isMap(map)) return 0;
  const pair = map.items.find((item) => isNode(item.key) && String(item.key) === key);
  return (pair?.key as Node | undefined)?.range?.[0] ?? 0;
}
