/** Conditions on time, on what inspection found, and CEL. */

import { SEVERITIES } from "../model/finding.ts";
import { quote } from "../words/quote.ts";
import type { Conditions, TimeWindow } from "./_schema-when.ts";
import { listOf } from "./_values.ts";
import { type Asked, NO, ofSome, SOME, type Truth, UNKNOWN, YES } from "./asked.ts";
import { type Compiling, type Condition, saying } from "./condition.ts";
import { engines } from "./engines.ts";
import { compileGlob } from "./glob.ts";

export function otherConditions(when: Conditions, compiling: Compiling): Condition[] {
  const made: Condition[] = [];
  if (when.times !== undefined) made.push(times(listOf(when.times), compiling, Array.isArray(when.times)));
  if (when.findings !== undefined) made.push(findings(when.findings, compiling));
  if (when.cel !== undefined) {
    const condition = cel(when.cel, compiling);
    if (condition !== null) made.push(condition);
  }
  return made;
}

const DAYS: readonly string[] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const DAY_MINUTES = 1440;

interface Window {
  readonly days: ReadonlySet<number> | null;
  readonly hours: readonly (readonly [from: number, to: number])[] | null;
  readonly local: (ms: number) => { readonly day: number; readonly minute: number };
  readonly from: number;
  readonly until: number;
}

function times(given: readonly TimeWindow[], { path, problem }: Compiling, list: boolean): Condition {
  const windows = given.flatMap((each, i): Window[] => {
    const at = list ? [...path, "times", i] : [...path, "times"];
    const from = each.from === undefined ? Number.NEGATIVE_INFINITY : parseInstant(each.from);
    const until = each.until === undefined ? Number.POSITIVE_INFINITY : parseInstant(each.until);
    if (Number.isNaN(from)) problem([...at, "from"], `${quote(each.from ?? "")} is not a day or an instant`);
    if (Number.isNaN(until)) problem([...at, "until"], `${quote(each.until ?? "")} is not a day or an instant`);
    const local = clockOf(each.zone ?? "UTC");
    if (local === null) {
      problem([...at, "zone"], `${quote(each.zone ?? "")} is not a time zone such as Europe/Berlin`);
      return [];
    }
    const days = each.days === undefined ? null : new Set(listOf(each.days).map((day) => DAYS.indexOf(day)));
    const hours = each.hours === undefined ? null : listOf(each.hours).map(readHours);
    return [{ days, hours, local, from, until }];
  });
  return {
    name: "times",
    says: saying(given.map((each) => Object.values(each).flat().join(" "))),
    tunnel: true,
    cost: 4,
    test: ({ question: { at } }) => (windows.some((window) => holds(window, at)) ? YES : NO),
    found: ({ question: { at } }) => new Date(at).toISOString(),
  };
}

const INSTANT = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** Milliseconds of `2026-01-31` (its first moment in UTC) or of an instant with its offset; NaN for anything else. */
export function parseInstant(text: string): number {
  if (!INSTANT.test(text)) return Number.NaN;
  // The 30th of February is the 2nd of March to some, with a time behind it as well.
  const day = text.slice(0, 10);
  const began = Date.parse(day);
  return Number.isNaN(began) || !new Date(began).toISOString().startsWith(day) ? Number.NaN : Date.parse(text);
}

/** From and to in minutes of a day; a `to` before `from` is on the next day. */
export function readHours(text: string): readonly [number, number] {
  const minutes = (part: string): number => Number(part.slice(0, 2)) * 60 + Number(part.slice(3, 5));
  return [minutes(text.slice(0, 5)), minutes(text.slice(6))];
}

function holds({ days, hours, local, from, until }: Window, at: number): boolean {
  if (at < from || at >= until) return false;
  if (days === null && hours === null) return true;
  const { day, minute } = local(at);
  if (hours === null) return days?.has(day) === true;
  return hours.some(([start, end]) => {
    if (start < end) return minute >= start && minute < end && (days === null || days.has(day));
    // Over midnight: the hours after it belong to the day before.
    if (minute >= start) return days === null || days.has(day);
    return minute < end && (days === null || days.has((day + 6) % 7));
  });
}

/** The local day and minute of a zone; null when there is no such zone. */
function clockOf(zone: string): Window["local"] | null {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      weekday: "short",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
  } catch {
    return null;
  }
  // Asked many times a minute, and always answers the same for it.
  let known = Number.NaN;
  let last = { day: 0, minute: 0 };
  return (ms) => {
    const minute = Math.floor(ms / 60_000);
    if (minute === known) return last;
    const part = (type: string): string =>
      format.formatToParts(minute * 60_000).find((each) => each.type === type)?.value ?? "";
    last = {
      day: DAYS.indexOf(part("weekday").toLowerCase()),
      minute: (Number(part("hour")) * 60 + Number(part("minute"))) % DAY_MINUTES,
    };
    known = minute;
    return last;
  };
}

function findings(given: NonNullable<Conditions["findings"]>, { path, words }: Compiling): Condition {
  const at = [...path, "findings"];
  const globs = (key: "pillars" | "vectors" | "names") =>
    given[key] === undefined ? null : words(given[key], [...at, key]).map(compileGlob);
  const pillars = globs("pillars");
  const vectors = globs("vectors");
  const names = globs("names");
  const least = SEVERITIES.indexOf(given.severity ?? "low");
  const min = given.min ?? 1;
  const is = (patterns: ReturnType<typeof globs>, text: string): boolean =>
    patterns === null || patterns.some((pattern) => pattern.test(text));
  return {
    name: "findings",
    says: JSON.stringify(given),
    tunnel: false,
    cost: 3,
    test(asked): Truth {
      if (!asked.known.findings) return UNKNOWN;
      let count = 0;
      for (const { pillar, vector, name, severity } of asked.findings) {
        if (SEVERITIES.indexOf(severity) < least) continue;
        if (is(pillars, pillar) && is(vectors, vector) && is(names, name)) count += 1;
      }
      return count < min ? NO : ofSome(count, asked.findings.length);
    },
    found: (asked) =>
      asked.known.findings
        ? saying(asked.findings.map(({ vector, name }) => `${vector} ${name}`)) || "none"
        : "not kept",
  };
}

function cel(text: string, { path, problemInside }: Compiling): Condition | null {
  const compiled = engines().cel(text);
  if ("problem" in compiled) {
    problemInside([...path, "cel"], compiled.line, compiled.column, compiled.problem);
    return null;
  }
  const truth = (asked: Asked): Truth => {
    if (!asked.known.content && compiled.content) return UNKNOWN;
    const result = compiled.test(asked);
    return typeof result === "string" ? UNKNOWN : result;
  };
  return {
    name: "cel",
    says: quote(text.replace(/\s+/g, " ").trim(), 120),
    tunnel: compiled.tunnel,
    cost: 8,
    test: truth,
    found(asked) {
      if (!asked.known.content && compiled.content) return "not kept";
      const result = compiled.test(asked);
      if (typeof result === "string") return `cannot be evaluated: ${result}`;
      return result === SOME ? "true of some of the ways the request can be read" : String(result === YES);
    },
  };
}
