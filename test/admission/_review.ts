/** Recorded reviews, and what becomes of them. Patches are applied by a library that others write. */
import { readFileSync } from "node:fs";
import { applyPatch } from "rfc6902";
import { type Asking, admit } from "../../src/admission/admit.ts";
import { readInjection } from "../../src/admission/injection.ts";
import { type AdmissionRequest, readReview, type Verdict } from "../../src/admission/review.ts";

const VECTORS = new URL("../vectors/admission/", import.meta.url);

export const INJECTION_TEXT = readFileSync(new URL("injection.yaml", VECTORS), "utf8");

export type Recorded = "create" | "update" | "debug" | "exec" | "defaulted";

// biome-ignore lint/suspicious/noExplicitAny: tests reach into objects of any shape
export type Anything = any;

export function recorded(name: Recorded): Anything {
  return JSON.parse(readFileSync(new URL(`${name}.json`, VECTORS), "utf8"));
}

export function injectionWith(more = "", from = INJECTION_TEXT) {
  return readInjection("injection.yaml", `${from}${more}`);
}

export function asking(change: Partial<Asking> = {}): Asking {
  return { injection: injectionWith(), mark: "0123456789abcdef", all: false, last: false, ...change };
}

export function requestOf(review: object): AdmissionRequest {
  const read = readReview(new TextEncoder().encode(JSON.stringify(review)));
  if (typeof read === "string") throw new Error(read);
  return read;
}

export function admitted(review: object, change: Partial<Asking> = {}): Verdict {
  return admit(requestOf(review), asking(change));
}

/** The object with the patch of an allow in it. */
export function patched(object: object, verdict: Verdict): Anything {
  if (!verdict.allowed) throw new Error(verdict.words);
  const copy = structuredClone(object);
  const failed = applyPatch(copy, structuredClone([...verdict.patch]) as Parameters<typeof applyPatch>[1]).filter(
    (one) => one !== null,
  );
  if (failed.length > 0) throw failed[0];
  return copy;
}

/** A recorded pod with a change, on its way in. */
export function creating(change: (pod: Anything) => void): Anything {
  const review = recorded("create");
  change(review.request.object);
  return review;
}
