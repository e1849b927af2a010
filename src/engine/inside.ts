/** What is found in texts that stand in a body in another form than its own. */
import { type Inner, innerTexts, mayHoldTexts } from "../content/inner-texts.ts";
import { looksProtobuf, protobufTexts } from "../content/protobuf-texts.ts";
import { INSPECTORS, inspectSlices, type SliceSize, type Turn } from "../detect/inspect.ts";
import type { Dlp, DlpFinding } from "../dlp/dlp.ts";
import type { Finding } from "../model/finding.ts";
import { kindOf } from "./body-kind.ts";
import type { Asked } from "./engine.ts";
import { opaqueFinding } from "./opaque.ts";

/** Pillar 128 undoes base64 by itself, and what is in it again. */
const BASE64 = /^base64(?: > base64)*$/;

interface How {
  /** Pillar 128 is looked for, too. */
  readonly attacks: boolean;
  readonly dlp: Dlp;
  readonly size: SliceSize;
}

/** Attacks, what could not be read, and data (which has a `class`), in the order of the body; null: let others run; a promise: let them run until then. */
export function* inspectInside(
  {
    question,
    budget,
  }: { readonly question: Pick<Asked["question"], "body" | "headers" | "host">; readonly budget: Asked["budget"] },
  { attacks, dlp, size }: How,
): Generator<Finding | DlpFinding | "bomb" | "exhausted" | Promise<void> | null, void> {
  const { body, host } = question;
  if (body === null || body.length === 0) return;
  for (const inner of texts(question, body)) {
    if (budget.clock() > budget.deadline) return yield "exhausted";
    if (inner === null || inner === "bomb") {
      yield inner;
      continue;
    }
    if (inner.kind === "opaque") {
      yield opaqueFinding(inner);
      continue;
    }
    const { bytes, view, start, end } = inner;
    const as = (found: Finding) => (found.view === "plain" ? view : `${view} > ${found.view}`);
    if (attacks && !BASE64.test(view)) {
      const found = yield* turns(inspectSlices(bytes, INSPECTORS, budget, size));
      if (found === "exhausted") return yield found;
      if (found !== null) yield { ...found, view: as(found), where: "body", start, end };
    }
    const found = yield* turns(dlp.scanBody(bytes, { kind: kindOf(question, bytes), host, budget }));
    if (found === "exhausted") return yield found;
    for (const each of found) yield { ...each, view: as(each), where: "body", start, end, redactable: false };
    yield null;
  }
}

/** Whether there may be anything to inspect besides the body as it is. */
export function mayHoldMore(question: Spoken, body: Uint8Array): boolean {
  return mayHoldTexts(body) || isProtobuf(question, body);
}

function* texts(question: Spoken, body: Uint8Array): Generator<Inner, void> {
  for (const inner of innerTexts(body)) {
    yield inner;
    if (inner === "bomb") return;
  }
  if (!isProtobuf(question, body)) return;
  for (const level of protobufTexts(body)) {
    const isText = level !== null && level !== "bomb";
    yield isText ? { kind: "text", bytes: level, view: "protobuf", start: 0, end: body.length } : level;
  }
}

type Spoken = Pick<Asked["question"], "headers">;

const PROTOBUF = /^\s*application\/(?:grpc|protobuf|x-protobuf|vnd\.google\.protobuf)/i;

/** By what it says and by its looks. Its looks first: a question makes the list of its fields when it is first looked at. */
function isProtobuf(question: Spoken, body: Uint8Array): boolean {
  if (!looksProtobuf(body)) return false;
  return question.headers.some(
    ([name, value]) => name.toLowerCase() === "content-type" && typeof value === "string" && PROTOBUF.test(value),
  );
}

/**
 * Without what stands in `found` (in the order of their starts) already: the same thing, told of the body as it is, and perhaps
 * redactable there.
 */
export function onlyInside(inside: readonly DlpFinding[], found: readonly DlpFinding[]): readonly DlpFinding[] {
  const starts = new Map<string, number[]>();
  for (const { name, start } of found) {
    const list = starts.get(name);
    if (list === undefined) starts.set(name, [start]);
    else list.push(start);
  }
  return inside.filter(({ name, start, end }) => {
    const list = starts.get(name) ?? [];
    let [from, to] = [0, list.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((list[middle] as number) < start) from = middle + 1;
      else to = middle;
    }
    return (list[from] ?? Number.POSITIVE_INFINITY) >= end;
  });
}

function* turns<T>(steps: Generator<Turn, T>): Generator<Promise<void> | null, T> {
  try {
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
      yield step.value instanceof Promise ? step.value : null;
    }
  } catch (thrown) {
    // Whatever they hold is given back.
    steps.throw(thrown);
    throw thrown;
  }
}
