/**
 * Periods of budgets: fixed, and cut by the UTC calendar. Not sliding, because an exact sliding sum needs every
 * entry of the period kept, and an approximate one can be exceeded; a fixed one is one number a key, exact, and ends at
 * a moment everybody can name. Its price: two periods' budgets can be spent around one boundary.
 */

export interface Period {
  /** As written, for messages: `1d`. */
  readonly text: string;
  /** Seconds; 0 is a calendar month. */
  readonly seconds: number;
  /** Seconds from the epoch to the first boundary: weeks begin on Monday. */
  readonly offset: number;
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const DAY = 86_400;
/** 1970-01-01 was a Thursday. */
const FIRST_MONDAY = 4 * DAY;

/** One for the whole policy; its unit is the second group. */
export const DURATION = /^([1-9][0-9]{0,5})(s|m|h|d|w)$/;

/** Seconds of a duration such as `30s`, `5m`, `1h`, `1d`, `1w`; null when it is none. */
export function durationSeconds(text: string): number | null {
  const match = DURATION.exec(text);
  return match === null ? null : Number(match[1]) * (UNITS[match[2] as string] as number);
}

/** Null unless it divides the calendar evenly: a part of a day, `1d`, `1w` or `1mo`. */
export function parsePeriod(text: string): Period | null {
  if (text === "1mo") return { text, seconds: 0, offset: 0 };
  const seconds = durationSeconds(text);
  if (seconds === null) return null;
  if (seconds === 7 * DAY) return { text, seconds, offset: FIRST_MONDAY };
  return DAY % seconds === 0 ? { text, seconds, offset: 0 } : null;
}

/** The number of the period a moment is in; later periods have larger numbers. */
export function windowAt({ seconds, offset }: Period, nowMs: number): number {
  if (seconds !== 0) return Math.floor((nowMs / 1000 - offset) / seconds);
  const date = new Date(nowMs);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

/** When a period is over, in milliseconds since the epoch. */
export function windowEnd({ seconds, offset }: Period, window: number): number {
  if (seconds !== 0) return ((window + 1) * seconds + offset) * 1000;
  return Date.UTC(Math.floor((window + 1) / 12), (window + 1) % 12, 1);
}
