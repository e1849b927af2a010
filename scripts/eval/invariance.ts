/** Of the payloads that are caught as they are, those still caught under each disguise; benign ones must stay clean. */
import { encodedRows } from "./corpora.ts";
import { vectorOf } from "./detector.ts";
import { added, cells, percent, type Share, shareOf, table } from "./report.ts";
import type { Section } from "./section.ts";

export const invariance: Section = () => {
  const rows = encodedRows();
  const transforms = [...new Set(rows.map(({ transform }) => transform))];
  const plain = new Map<string, boolean>();
  const caught = (text: string): boolean => vectorOf(text) !== null;
  const caughtPlain = (text: string): boolean => {
    const known = plain.get(text) ?? caught(text);
    plain.set(text, known);
    return known;
  };
  const kept: Share[] = [];
  const clean: Share[] = [];
  const lines = transforms.map((transform) => {
    const mine = rows.filter((row) => row.transform === transform);
    const share = shareOf(
      mine.filter(({ benign, base }) => !benign && caughtPlain(base)),
      ({ text }) => caught(text),
    );
    const wrong = shareOf(
      mine.filter(({ benign }) => benign),
      ({ text }) => caught(text),
    );
    kept.push(share);
    clean.push(wrong);
    return [transform, ...cells(share), `${wrong.hits}/${wrong.of}`];
  });
  const all = added(kept);
  const wrong = added(clean);
  const rate = all.hits / Math.max(1, all.of);
  const missed = rows
    .filter(({ benign, base, text }) => !benign && caughtPlain(base) && !caught(text))
    .map(({ id }) => `\`${id}\``);
  return {
    markdown: [
      table(
        ["transform", "still found", "share", "95 %", "benign found"],
        [...lines, ["**together**", ...cells(all), `${wrong.hits}/${wrong.of}`]],
      ),
      `Lost under their disguise: ${missed.slice(0, 40).join(", ") || "none"}.`,
    ].join("\n\n"),
    goals: [{ what: "invariance under encodings", wanted: "≥ 95 %", measured: percent(rate), kept: rate >= 0.95 }],
  };
};
