/** Spellings of addresses that must not be dialled. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { corporaFolder } from "./corpora.ts";
import { table } from "./report.ts";
import type { Section } from "./section.ts";
import { readUrls, ssrfRows } from "./ssrf.ts";

export const destinations: Section = () => {
  const path = join(corporaFolder(), "ssrf", "ssrf-urls.jsonl.gz");
  if (!existsSync(path)) return null;
  const rows = ssrfRows(readUrls(path));
  const held = rows.reduce((sum, { absolute, connect }) => sum + absolute + connect, 0);
  const all = rows.reduce((sum, { total }) => sum + 2 * total, 0);
  const markdown = [
    table(
      ["expected", "URLs", "in absolute form", "as CONNECT", "told in a text"],
      rows.map(({ expect, total, absolute, connect, inText }) => [
        expect,
        `${total}`,
        `${absolute}`,
        `${connect}`,
        `${inText}`,
      ]),
    ),
    REMARKS,
  ].join("\n\n");
  const goal = {
    what: "Destinations: nothing inside is dialled, in whatever spelling",
    wanted: "100 %",
    measured: `${held} of ${all}`,
    kept: held === all,
  };
  return { markdown, goals: [goal] };
};

const REMARKS = `A URL that leads inside is held when it is refused at the door, or when the address in it is refused. Where only a name is left,
the address that is dialled is the one that is checked; no resolver was asked here. The last column is
what is told of such URLs in the body of a request, which by itself vetoes only for metadata of clouds.`;
