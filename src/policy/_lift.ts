/**
 * Long lists of plain words, taken out of a YAML text before it is parsed: a parser that keeps the place of every token
 * needs a hundred milliseconds for the ten thousand hosts of one list. One item stands for a whole run, and the lines of
 * the others stay as empty lines, so every place behind them is where it was.
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
  const lines = text.split("\n");
  if (lines.length < MIN_RUN) return null;
  const runs = new Map<string, LiftedItem[]>();
  let run: LiftedItem[] = [];
  let indent = -1;
  const close = (): void => {
    if (run.length >= MIN_RUN) {
      const [first, ...rest] = run as [LiftedItem, ...LiftedItem[]];
      // No text can hold it: YAML refuses private-use look-alikes of nothing, but a marker that is in the text is none.
      const marker = `\uE000run ${runs.size}`;
      runs.set(marker, run);
      lines[first.line - 1] = `${" ".repeat(indent)}- "${marker}"`;
      for (const { line } of rest) lines[line - 1] = "";
    }
    run = [];
  };
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string;
    const item = ITEM.exec(line);
    const value = item === null ? undefined : (item[2] ?? item[3] ?? item[4]);
    if (item === null || value === undefined || (item[2] !== undefined && NOT_TEXT.test(value))) {
      if (!BLANK.test(line)) close();
      continue;
    }
    const deep = (item[1] as string).length;
    if (deep !== indent) close();
    indent = deep;
    run.push({ text: value, line: i + 1, column: line.indexOf("-") + 2 + spaces(line, line.indexOf("-") + 1) });
  }
  close();
  return runs.size === 0 || text.includes("\uE000") ? null : { text: lines.join("\n"), runs };
}

function spaces(line: string, from: number): number {
  let count = 0;
  while (line[from + count] === " ") count += 1;
  return count;
}
