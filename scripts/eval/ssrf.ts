/**
 * Odd spellings of internal destinations against the door, the address guard and the finder of URLs in texts. A row is
 * kept when it is refused at the door, or its literal address is refused, or only a name is left: then the address that is
 * dialled is the one that is checked. `bun scripts/eval/ssrf.ts [CORPUS] [--misses]`
 */
import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { findInternalUrls } from "../../src/content/internal-urls.ts";
import { addressGuard } from "../../src/decide/address.ts";
import { readTarget } from "../../src/wire/http1-target.ts";

export const SSRF_CORPUS = "/work/shared/corpora/ssrf/ssrf-urls.jsonl.gz";

export interface SsrfUrl {
  readonly id: string;
  readonly source: string;
  readonly url: string;
  readonly whatwg: { readonly host: string; readonly scheme: string; readonly port: string } | null;
  readonly oracle: string;
  readonly expect: string;
}

/** `resolve`: a name, whose addresses are checked before the dial. `open`: an address that would be dialled. */
export type Outcome = "refused" | "guarded" | "resolve" | "open";

const guard = addressGuard({ allow: [], gate: { checkAddress: () => null } });

/** What becomes of a request target, given as the bytes a client would send. */
export function outcomeOf(method: string, target: string): Outcome {
  // The door takes visible ASCII only; a client that sends UTF-8 or a blank is refused before the target is read.
  if (/[^\x21-\x7e]|#/.test(target)) return "refused";
  const read = readTarget(method, target, null, 10);
  if (!("destination" in read)) return "refused";
  const { host, literal, port } = read.destination;
  if (!literal) return guard.checkName(host) === null ? "resolve" : "guarded";
  return guard.check([host], port) === null ? "open" : "guarded";
}

export interface SsrfRow {
  readonly expect: string;
  total: number;
  absolute: number;
  connect: number;
  /** In a text. Of rows that lead inside. */
  inText: number;
  readonly misses: string[];
}

export function ssrfRows(urls: readonly SsrfUrl[]): SsrfRow[] {
  const rows = new Map<string, SsrfRow>();
  for (const { expect, oracle, url, whatwg } of urls) {
    const name = `${expect} (${oracle})`;
    const row = rows.get(name) ?? { expect: name, total: 0, absolute: 0, connect: 0, inText: 0, misses: [] };
    rows.set(name, row);
    row.total += 1;
    const absolute = outcomeOf("GET", url);
    const raw = /^[a-z]+:\/\/([^/?#]*)/i.exec(url)?.[1] ?? url;
    const connects = [raw, whatwg?.host ?? raw].map((host) =>
      outcomeOf("CONNECT", /:\d+$/.test(host) ? host : `${host}:80`),
    );
    if (holds(absolute, expect)) row.absolute += 1;
    else row.misses.push(`${absolute} in absolute form: ${JSON.stringify(url)}`);
    if (connects.every((each) => holds(each, expect))) row.connect += 1;
    else row.misses.push(`${connects.join()} as CONNECT: ${JSON.stringify(raw)}`);
    const inside = findInternalUrls(`{"cmd":"fetch ${url} now"}`).length > 0;
    if (inside) row.inText += 1;
    else if (expect === "block") row.misses.push(`not found in a text: ${JSON.stringify(url)}`);
  }
  return [...rows.values()];
}

function holds(outcome: Outcome, expect: string): boolean {
  if (expect === "block") return outcome === "refused" || outcome === "guarded";
  if (expect === "resolve-then-check") return outcome !== "open";
  return outcome === "refused" || outcome === "guarded" || outcome === "resolve";
}

export function readUrls(path: string): SsrfUrl[] {
  const lines = gunzipSync(readFileSync(path)).toString("utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}

if (import.meta.main) {
  const path = process.argv[2]?.startsWith("/") ? process.argv[2] : SSRF_CORPUS;
  if (!existsSync(path)) {
    console.log(`SKIP no corpus at ${path}`);
    process.exit(0);
  }
  console.log("| expected | URLs | absolute form | CONNECT | found in a text |\n|---|---|---|---|---|");
  const rows = ssrfRows(readUrls(path));
  for (const row of rows) {
    console.log(`| ${row.expect} | ${row.total} | ${row.absolute} | ${row.connect} | ${row.inText} |`);
  }
  if (process.argv.includes("--misses")) for (const row of rows) for (const miss of row.misses) console.log(miss);
}
