/** Reads an expression before it is ever evaluated: what it names, how much work it may be. */
import type { parse } from "@bufbuild/cel";

export type CelExpr = ReturnType<typeof parse>["expr"];

export interface CelUse {
  /** Variables of the environment, with the first field that is read of each. */
  readonly names: readonly { readonly root: string; readonly field: string | null; readonly id: bigint }[];
  readonly functions: readonly { readonly name: string; readonly id: bigint }[];
  /** Constant regular expressions. */
  readonly patterns: readonly { readonly text: string; readonly id: bigint }[];
  readonly problem?: string;
  readonly id?: bigint;
}

const MAX_NODES = 512;
const MAX_DEPTH = 64;
/** A loop in a loop; a third would be a cube. */
const MAX_LOOPS = 2;
/** `in` looks through a list. */
const HEAVY: readonly string[] = ["@in", "matches", "contains", "_==_", "_!=_"];
const HEAVY_WEIGHT = 25;
/** Handled by the planner itself. */
const BUILT_IN: readonly string[] = [
  "_[_]",
  "_[?_]",
  "_?._",
  "_?_:_",
  "_&&_",
  "_||_",
  "@not_strictly_false",
  "__not_strictly_false__",
];

/** Also puts a meter around the condition of every loop. */
export function surveyCel(expression: CelExpr, isFunction: (name: string) => boolean): CelUse {
  const names: CelUse["names"][number][] = [];
  const functions: CelUse["functions"][number][] = [];
  const patterns: CelUse["patterns"][number][] = [];
  let nodes = 0;
  let problem: { readonly problem: string; readonly id: bigint } | null = null;
  const refuse = (id: bigint, what: string): void => {
    problem ??= { problem: what, id };
  };

  /** The weight of an expression evaluated once, loops in it counted by their own meters. */
  function walk(expr: CelExpr | undefined, bound: readonly string[], depth: number, loops: number): number {
    if (expr === undefined) return 0;
    nodes += 1;
    if (nodes > MAX_NODES) refuse(expr.id, `it has more than ${MAX_NODES} parts`);
    if (depth > MAX_DEPTH) refuse(expr.id, "it is nested too deeply");
    if (problem !== null) return 0;
    const kind = expr.exprKind;
    const further = (each: CelExpr | undefined): number => walk(each, bound, depth + 1, loops);
    switch (kind.case) {
      case "identExpr":
        if (!bound.includes(kind.value.name)) names.push({ root: kind.value.name, field: null, id: expr.id });
        return 1;
      case "selectExpr": {
        const operand = kind.value.operand;
        if (operand?.exprKind.case === "identExpr" && !bound.includes(operand.exprKind.value.name)) {
          names.push({ root: operand.exprKind.value.name, field: kind.value.field, id: operand.id });
          return 2;
        }
        return 1 + further(operand);
      }
      case "callExpr": {
        const { function: name, target, args } = kind.value;
        if (!BUILT_IN.includes(name)) functions.push({ name, id: expr.id });
        const last = args.at(-1)?.exprKind;
        if (name === "matches" && last?.case === "constExpr" && last.value.constantKind.case === "stringValue") {
          patterns.push({ text: last.value.constantKind.value, id: args.at(-1)?.id ?? expr.id });
        } else if (name === "matches") {
          refuse(expr.id, "the pattern of matches must be written out");
        }
        let weight = HEAVY.includes(name) ? HEAVY_WEIGHT : 1;
        weight += further(target);
        for (const arg of args) weight += further(arg);
        return weight;
      }
      case "listExpr":
        return kind.value.elements.reduce((weight, element) => weight + further(element), 1);
      case "structExpr": {
        if (kind.value.messageName !== "") refuse(expr.id, "messages of protocol buffers have no place here");
        let weight = 1;
        for (const entry of kind.value.entries) {
          if (entry.keyKind.case === "mapKey") weight += further(entry.keyKind.value);
          weight += further(entry.value);
        }
        return weight;
      }
      case "comprehensionExpr": {
        if (loops === MAX_LOOPS) refuse(expr.id, `more than ${MAX_LOOPS} loops are inside each other`);
        const loop = kind.value;
        let weight = 1 + further(loop.iterRange) + further(loop.accuInit);
        const inner = [...bound, loop.iterVar, loop.iterVar2, loop.accuVar].filter((name) => name !== "");
        const body =
          walk(loop.loopStep, inner, depth + 1, loops + 1) + walk(loop.loopCondition, inner, depth + 1, loops + 1);
        weight += walk(loop.result, inner, depth + 1, loops);
        if (loop.loopCondition !== undefined) loop.loopCondition = metered(loop.loopCondition, body);
        return weight;
      }
      default:
        return 1;
    }
  }

  walk(expression, [], 0, 0);
  void isFunction;
  return { names, functions, patterns, ...(problem ?? {}) };
}

/** `@step(condition, weight)`, made of copies of nodes there are: they carry the library's marks. */
function metered(condition: CelExpr, weight: number): CelExpr {
  const id = condition.id;
  return {
    ...condition,
    id,
    exprKind: {
      case: "callExpr",
      value: {
        $typeName: "cel.expr.Expr.Call",
        function: "@step",
        args: [
          condition,
          {
            $typeName: "cel.expr.Expr",
            id,
            exprKind: {
              case: "constExpr",
              value: {
                $typeName: "cel.expr.Constant",
                constantKind: { case: "int64Value", value: BigInt(Math.max(1, weight)) },
              },
            },
          },
        ],
      },
    },
  };
}
