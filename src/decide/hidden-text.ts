/**
 * What a question does not tell: the text of whatever is or looks like a credential. Nobody but the relay may see it, so the
 * relay reads it, whoever rules on the rest: an instruction must not pass because it stands in a Cookie.
 */

import { type Budget, INSPECTORS, type Inspection, type Turn, WHOLE_BYTES } from "../detect/inspect.ts";
import { redactPath } from "../dlp/redact-path.ts";
import { readField, readFieldInSteps } from "../engine/head.ts";
import { OVERLAP } from "../model/bounds.ts";
import { SHORT_VALUE } from "../model/egress.ts";
import type { HeaderList } from "../model/headers.ts";
import { pathIn, queryIn } from "../wire/target.ts";
import { namesCredential, namesCredentialParameter, percentDecoded } from "./credential-fields.ts";

/** `headers` and `trailers`: names and values in turn. The texts, none over `WHOLE_BYTES`. */
export function hiddenTexts(headers: readonly string[], path: string, trailers: HeaderList | null): readonly string[] {
  const texts: string[] = [];
  addFields(texts, headers);
  if (trailers !== null) addFields(texts, trailers);
  addPath(texts, path);
  return texts.length === 0 ? NO_TEXTS : texts;
}

const NO_TEXTS: readonly string[] = [];

/** Null: there is nothing in them. "exhausted" with the budget's share spent: in steps it may be told. */
export function inspectHidden(texts: readonly string[], budget: Budget): Inspection {
  for (const text of texts) {
    const found = readField(text, INSPECTORS, budget);
    if (found !== null) return found;
  }
  return null;
}

/** The same in steps. */
export function* inspectHiddenInSteps(texts: readonly string[], budget: Budget): Generator<Turn, Inspection> {
  for (const text of texts) {
    if (budget.clock() > budget.deadline) return "exhausted";
    const found = yield* readFieldInSteps(text, INSPECTORS, budget);
    if (found !== null) return found;
    yield;
  }
  return null;
}

function addFields(texts: string[], fields: readonly string[]): void {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const value = fields[i + 1] as string;
    if (value.length > SHORT_VALUE && namesCredential(fields[i] as string)) addValue(texts, value);
  }
}

function addPath(texts: string[], path: string): void {
  if (path.length <= SHORT_VALUE) return;
  const plain = pathIn(path);
  if (redactPath(plain) !== plain) addValue(texts, plain);
  const query = queryIn(path);
  if (query === null) return;
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    if (equals === -1 || !namesCredentialParameter(percentDecoded(pair.slice(0, equals)))) continue;
    addValue(texts, pair.slice(equals + 1));
  }
}

function addValue(texts: string[], value: string): void {
  for (let at = 0; at < value.length; at += WHOLE_BYTES - OVERLAP) {
    const part = value.slice(at, at + WHOLE_BYTES);
    if (part.length > SHORT_VALUE) texts.push(part);
  }
}
