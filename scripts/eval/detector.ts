/** The engine as it runs before an egress: a chat request with the text in it, inspected as the relay would. */
import { INSPECTORS, type Inspection, inspectSlices, inspectWhole, WHOLE_BYTES } from "../../src/detect/inspect.ts";
import { findMarkup } from "../../src/detect/markup.ts";
import { findPhrase } from "../../src/detect/phrases.ts";
import { lettersFor } from "./training.ts";

const encoder = new TextEncoder();
const BUDGET = { deadline: Number.POSITIVE_INFINITY, clock: () => 0, work: Number.POSITIVE_INFINITY };

export function chatBody(text: string): Uint8Array {
  return encoder.encode(JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: text }] }));
}

export function inspect(body: Uint8Array): Inspection {
  if (body.length <= WHOLE_BYTES) return inspectWhole(body, INSPECTORS, BUDGET);
  const steps = inspectSlices(body, INSPECTORS, BUDGET);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
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
