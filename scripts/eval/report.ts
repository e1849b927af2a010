/** Words and tables of docs/detection.md. */

export interface Share {
  readonly hits: number;
  readonly of: number;
}

export function shareOf<T>(items: readonly T[], hit: (item: T) => boolean): Share {
  return { hits: items.filter(hit).length, of: items.length };
}

export function added(shares: readonly Share[]): Share {
  return shares.reduce((sum, { hits, of }) => ({ hits: sum.hits + hits, of: sum.of + of }), { hits: 0, of: 0 });
}

const Z = 1.96;

/** Wilson's interval at 95 %, in shares of one. */
export function wilson({ hits, of }: Share): readonly [number, number] {
  if (of === 0) return [0, 1];
  const p = hits / of;
  const spread = Z * Math.sqrt((p * (1 - p)) / of + Z ** 2 / (4 * of ** 2));
  const scale = 1 + Z ** 2 / of;
  const middle = p + Z ** 2 / (2 * of);
  return [Math.max(0, (middle - spread) / scale), Math.min(1, (middle + spread) / scale)];
}

export function percent(part: number, digits = 1): string {
  return `${(100 * part).toFixed(digits)} %`;
}

/** "12/34", "35.3 %", "21.5–52.1 %". */
export function cells(share: Share, digits = 1): string[] {
  const [low, high] = wilson(share);
  const at = (part: number): string => (100 * part).toFixed(digits);
  return [
    `${share.hits}/${share.of}`,
    share.of === 0 ? "–" : percent(share.hits / share.of, digits),
    `${at(low)}–${at(high)} %`,
  ];
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (row: readonly string[]): string => `| ${row.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The `part` quantile of numbers, or 0 of none. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
}
