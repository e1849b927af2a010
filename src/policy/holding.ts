/** Whether rules hold: apart from how they are compiled, which takes packages that a gateway without a policy need not load. */
import { type Asked, NO, not, SOME, type Truth, UNKNOWN, YES } from "./asked.ts";
import type { Condition } from "./condition.ts";
import type { CompiledRule } from "./rule.ts";

/** Whether a rule holds, and when it is not sure that it does, which condition made it so. */
export function holds(rule: CompiledRule, asked: Asked): Truth {
  const { question } = asked;
  if (question.at >= rule.expires) return NO;
  if (question.phase === "tunnel" && !rule.tunnel) return NO;
  let truth = together(rule.conditions, asked);
  for (const exception of rule.exceptions) {
    if (truth === NO) return NO;
    truth = Math.min(truth, not(together(exception, asked))) as Truth;
  }
  return truth;
}

/** Conditions, and others that take them back when all of them hold. */
export function allHold(conditions: readonly Condition[], exception: readonly Condition[] | null, asked: Asked): Truth {
  const truth = together(conditions, asked);
  if (truth === NO || exception === null) return truth;
  return Math.min(truth, not(together(exception, asked))) as Truth;
}

function together(conditions: readonly Condition[], asked: Asked): Truth {
  let truth: Truth = YES;
  for (const condition of conditions) {
    const each = condition.test(asked);
    if (each === NO) return NO;
    if (each < truth) truth = each;
  }
  return truth;
}

/** A rule that lets through must be sure; one that forbids need not be. */
export function counts({ verdict }: Pick<CompiledRule, "verdict">, truth: Truth): boolean {
  return verdict === "allow" ? truth === YES : truth !== NO;
}

/** The conditions that left it open, for people. */
export function whyUnsure(rule: CompiledRule, asked: Asked): string {
  const open = [...rule.conditions, ...rule.exceptions.flat()].filter((condition) => {
    const truth = condition.test(asked);
    return truth === UNKNOWN || truth === SOME;
  });
  return open.map((each) => `${each.name} (${each.found?.(asked) ?? "not known"})`).join(", ");
}
