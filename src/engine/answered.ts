import type { Asked, Engine, Ruled } from "./engine.ts";
import { UNRULED } from "./ruling.ts";

/** An answer that is there whole, or a message that comes down: no rule is asked, only what `responses:` says. */
export function* answered(engine: Pick<Engine, "screen">, { question, budget }: Asked): Generator<void, Ruled> {
  const { body, headers } = question;
  const type = headers.find(([name]) => name.toLowerCase() === "content-type")?.[1];
  const contentType = typeof type === "string" ? type : null;
  const length = body === null ? 0 : body.length;
  const screen = engine.screen(question, { status: 200, contentType, length });
  if (screen === null || body === null) return UNRULED;
  if (screen.veto !== null) return screen.veto;
  for (const part of ["body", "end"] as const) {
    let step = part === "body" ? screen.push(body) : screen.end();
    for (; step.more; step = screen.more()) {
      if (budget.clock() > budget.deadline) return "exhausted";
      yield;
    }
    if (step.veto !== null) return step.veto;
  }
  return screen.ruling;
}
