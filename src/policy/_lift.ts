/**
 * Long lists of plain words, taken out of a YAML text before it is parsed: a parser that keeps the place of every token
 * needs a hundred milliseconds for the ten thousand hosts of one list. One item stands for a whole run; the lines of the
 * others are gone, and `lineOf` knows where the lines behind them were.
 *
 * Only what can be read in one way is lifted. Whoever finds that a run was no list after all (it may stand in a block
 * scalar) parses the text as it came.
 */

export interface LiftedItem {
  readonly text: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

export interface Lifted {
  readonly text: string;
  /** The value that stands for a run → its items. */
  readonly runs: ReadonlyMap<string, readonly LiftedItem[]>;
  /** The line of the text as it came, of a line of `text`; both from 1. */
  lineOf(line: number): number;
}

/** Shorter runs are not worth it. */
const MIN_RUN = 32;
const ITEM = /^( *)- +(?:([A-Za-z0-9._/-]+(?::[0-9]+)?)|"([^"\\\t]*)"|'([^'\t]*)')(?: +#.*| *)\r?$/;
const BLANK = /^ *(?:#.*)?\r?$/;
/** What YAML 1.2 reads as something else than text. */
const NOT_TEXT =
  /^(?:~|null|true|false|[-+]?(?:\.inf|\.nan|[0-9][0-9_]*|[0-9]*\.?[0-9]+(?:e[-+]?[0-9]+)?|[0-9]+\.(?:e[-+]?[0-9]+)?|0x[0-9a-f]+|0o[0-7]+)|-+|\.+|-.*)$/i;

/** Null when there is nothing to lift. */
export function lift(text: string): Lifted | null {
  if (text.includes("\uE000")) return null;
  const lines = text.split("\n");
  if (lines.length < MIN_RUN) return null;
  const runs = new Map<string, LiftedItem[]>();
  const kept: string[] = [];
  /** Of each kept line, where it was. */
  const origins: number[] = [];
  let run: LiftedItem[] = [];
  let from = 0;
  let indent = -1;
  const keep = (line: string, origin: number): void => {
    kept.push(line);
    origins.push(origin);
  };
  /** Ends the run before the line at `until`, and keeps it as it is when it is too short. */
  const close = (until: number): void => {
    if (run.length >= MIN_RUN) {
      // A text that has such a character in it is not lifted at all.
      const marker = `\uE000run ${runs.size}`;
      runs.set(marker, run);
      keep(`${" ".repeat(indent)}- "${marker}"`, from);
    } else {
      for (let i = from; i < until; i++) keep(lines[i] as string, i);
    }
    run = [];
    from = until;
  };
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string;
    const item = ITEM.exec(line);
    const value = item === null ? undefined : (item[2] ?? item[3] ?? item[4]);
    if (item === null || value === undefined || (item[2] !== undefined && NOT_TEXT.test(value))) {
      if (run.length > 0 && BLANK.test(line)) continue;
      close(i);
      keep(line, i);
      from = i + 1;
      continue;
    }
    const deep = (item[1] as string).length;
    if (deep !== indent) close(i);
    indent = deep;
    const dash = deep + 1;
    run.push({ text: value, line: i + 1, column: dash + 1 + spaces(line, dash) });
  }
  close(lines.length);
  if (runs.size === 0) return null;
  return { text: kept.join("\n"), runs, lineOf: (line) => (origins[line - 1] ?? lines.length - 1) + 1 };
}

function spaces(line: string, from: number): number {
  let count = 0;
  while (line[from + count] === " ") count += 1;
  return count;
}
