/** AdmissionReview of admission.k8s.io/v1: what the API server asks, and how it is answered. */
import { z } from "zod";

const word = z.string().max(1024);
const group = z.looseObject({ group: word, version: word, kind: word });

const request = z.looseObject({
  uid: z.string().regex(/^[0-9A-Za-z-]{1,128}$/),
  kind: group,
  resource: z.looseObject({ group: word, version: word, resource: word }),
  subResource: word.optional(),
  name: word.optional(),
  namespace: word.optional(),
  operation: z.enum(["CREATE", "UPDATE", "DELETE", "CONNECT"]),
  userInfo: z.looseObject({ username: word.optional() }).optional(),
  // A pod, or what exec and attach were asked for; null where there is none.
  object: z.looseObject({}).nullish(),
  oldObject: z.looseObject({}).nullish(),
  dryRun: z.boolean().nullish(),
});

const review = z.looseObject({
  apiVersion: z.literal("admission.k8s.io/v1"),
  kind: z.literal("AdmissionReview"),
  request,
});

export type AdmissionRequest = z.output<typeof request>;

/** RFC 6902. */
export type Operation =
  | { readonly op: "add" | "replace"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string };

/** What is answered. `words`: for whoever made the pod. */
export type Verdict =
  | {
      readonly allowed: true;
      readonly patch: readonly Operation[];
      readonly warnings: readonly string[];
      readonly did: Did;
    }
  | { readonly allowed: false; readonly words: string };

/** What an allow was for. */
export type Did = "injected" | "governed" | "not_asked" | "not_ours" | "unchanged";

const strict = new TextDecoder("utf-8", { fatal: true });

/** What keeps the bytes from being a review, in few words without a value. */
export function readReview(bytes: Uint8Array): AdmissionRequest | string {
  if (!isFew(bytes)) return "the review has too many parts";
  let json: unknown;
  try {
    json = JSON.parse(strict.decode(bytes));
  } catch {
    return "the body is not JSON";
  }
  if (!isExact(json, MAX_DEPTH)) return "the review is nested too deeply, or has a number that cannot be kept as it is";
  const read = review.safeParse(json);
  if (read.success) return read.data.request;
  return `not an AdmissionReview of admission.k8s.io/v1: ${read.error.issues[0]?.path.join(".") || "review"}`;
}

/** Objects, lists and commas, in texts too: `{},` is three bytes, and a hundred times that when it is read. */
export const MAX_PARTS = 200_000;
const [BRACE, BRACKET, COMMA] = [0x7b, 0x5b, 0x2c];

function isFew(bytes: Uint8Array): boolean {
  let parts = 0;
  for (const byte of bytes) if (byte === COMMA || byte === BRACE || byte === BRACKET) parts++;
  return parts <= MAX_PARTS;
}

const MAX_DEPTH = 64;

/** What is put back must be what came: a whole number past 2^53 would not be. */
function isExact(value: unknown, depth: number): boolean {
  if (typeof value === "number") return Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  if (typeof value !== "object" || value === null) return true;
  if (depth === 0) return false;
  for (const item of Array.isArray(value) ? value : Object.values(value)) if (!isExact(item, depth - 1)) return false;
  return true;
}

/** Warnings are shown by kubectl; the API server takes 256 characters of each and 4096 in all. */
const MAX_WARNING = 256;
const MAX_WARNINGS = 10;
const MAX_WORDS = 2048;

export function answerReview(uid: string, verdict: Verdict): object {
  const response: Record<string, unknown> = { uid, allowed: verdict.allowed };
  if (verdict.allowed) {
    if (verdict.patch.length > 0) {
      response.patchType = "JSONPatch";
      response.patch = base64(JSON.stringify(verdict.patch));
    }
    if (verdict.warnings.length > 0) {
      response.warnings = verdict.warnings.slice(0, MAX_WARNINGS).map((text) => text.slice(0, MAX_WARNING));
    }
    response.auditAnnotations = { verdict: verdict.did };
  } else {
    response.status = { code: 403, reason: "Forbidden", message: verdict.words.slice(0, MAX_WORDS) };
    response.auditAnnotations = { verdict: "refused" };
  }
  return { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response };
}

const CHUNK = 8192;

function base64(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let binary = "";
  for (let i = 0; i < bytes.length; i += CHUNK) binary += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  return btoa(binary);
}
