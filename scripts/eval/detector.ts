/** The engine as it runs before an egress: a chat request with the text in it, inspected as the relay would. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Inspection } from "../../src/detect/inspect.ts";
import * as inspecting from "../../src/detect/inspect.ts";
import { findMarkup } from "../../src/detect/markup.ts";
import { findPhrase } from "../../src/detect/phrases.ts";
import { lettersFor, type Model } from "./training.ts";
import { weightsModule } from "./weights-file.ts";

const encoder = new TextEncoder();
const BUDGET = { deadline: Number.POSITIVE_INFINITY, clock: () => 0, work: Number.POSITIVE_INFINITY };

export function chatBody(text: string): Uint8Array {
  return encoder.encode(JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: text }] }));
}

type Inspecting = Pick<typeof inspecting, "INSPECTORS" | "inspectSlices" | "inspectWhole" | "WHOLE_BYTES">;

export function inspect(body: Uint8Array, by: Inspecting = inspecting): Inspection {
  if (body.length <= by.WHOLE_BYTES) return by.inspectWhole(body, by.INSPECTORS, BUDGET);
  const steps = by.inspectSlices(body, by.INSPECTORS, BUDGET);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/**
 * The same engine with another model in the place of its weights: a copy of its source, for the weights are a part of it.
 * Gives what `vectorOf` does.
 */
export async function engineWith(model: Model, threshold: number): Promise<(text: string) => string | null> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-eval-"));
  try {
    const source = fileURLToPath(new URL("../../src", import.meta.url));
    cpSync(source, folder, { recursive: true });
    writeFileSync(join(folder, "detect/weights.ts"), weightsModule(model, threshold));
    const by = (await import(join(folder, "detect/inspect.ts"))) as Inspecting;
    return (text) => named(inspect(chatBody(text), by));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The vector of what is found in a chat request with this text, "exhausted", or null. */
export function vectorOf(text: string): string | null {
  return named(inspect(chatBody(text)));
}

/** The same of bytes as they are. */
export function vectorOfBody(text: string): string | null {
  return named(inspect(encoder.encode(text)));
}

function named(found: Inspection): string | null {
  return found === null || found === "exhausted" ? found : found.vector;
}

/** Whether a rule finds something in the text as it stands: what is left of the judge when nothing was learned. */
export function ruleFinds(text: string): boolean {
  const letters = lettersFor(text);
  if (findPhrase(letters, 0, letters.length) !== null) return true;
  const bytes = encoder.encode(text);
  return findMarkup(bytes, 0, bytes.length) !== null;
}
