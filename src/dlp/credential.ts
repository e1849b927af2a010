/** Telling credentials by their looks: vendors' formats (formats.ts), and strings too random to be words. */
import { latin1Into } from "./bytes.ts";
import { Format } from "./format.ts";
import { FORMATS } from "./formats.ts";
import { entropyOf } from "./placeholder.ts";
import { secretRule } from "./rule.ts";
import { Sink } from "./sink.ts";

/** A literal beginning of vendors' keys. */
interface Beginning {
  readonly text: string;
  /** Null: several issuers' keys begin so. */
  issuer: string | null;
  /** The beginning alone tells, whatever follows it. */
  readonly telling: boolean;
  /** Shapes one of which the whole token has where the beginning alone does not tell. Compiled when first needed. */
  readonly specs: { readonly spec: string; readonly issuer: string }[];
  formats: readonly Format[] | null;
}

/** Families of which not every member is known. */
const FAMILIES: readonly (readonly [beginning: string, issuer: string])[] = [
  ["sk-ant-", "anthropic"],
  ["xoxb-", "slack"],
  ["xoxp-", "slack"],
  ["xapp-", "slack"],
  ["hf_", "huggingface"],
  ["r8_", "replicate"],
  ["eyJ", "jwt"],
];
/** What of a token has to stand behind a beginning that tells. */
const MIN_TAIL = 12;
/** Ends in a sign, as in `ghp_`, and does not begin with a word that anybody might choose. */
const TELLING =
  /^(?!(?:live|test|key|pubkey|access|api|sdk|secret|pat|oauth|bot|organizations|duffel)[-_:/])\w[\w-]{2,}[-_.]$/;
/** Of another kind, and as telling. */
const SURE = new Set(["SG.", "AccountKey=", "whsec_"]);
/** Many a server that speaks OpenAI's dialect hands out keys of its own that begin so. */
const OPENAI_DIALECT = "sk-";
/** In the middle of every key that OpenAI made before keys said what they belong to. */
const OPENAI_MARK = "T3BlbkFJ";

let beginnings: ReadonlyMap<number, readonly Beginning[]> | null = null;

/** By their first two characters; the longer before the shorter ones they start with. */
function beginningsOf(): ReadonlyMap<number, readonly Beginning[]> {
  const known = new Map<string, Beginning>();
  const note = (text: string, issuer: string, spec: string | null): void => {
    const other = known.get(text);
    if (other === undefined) {
      const telling = spec === null || SURE.has(text) || TELLING.test(text);
      known.set(text, { text, issuer, telling, specs: spec === null ? [] : [{ spec, issuer }], formats: null });
      return;
    }
    if (other.issuer !== issuer) other.issuer = null;
    if (spec !== null) other.specs.push({ spec, issuer });
  };
  for (const [text, issuer] of FAMILIES) note(text, issuer, null);
  for (const [, issuer, spec, telling] of FORMATS) {
    const text = spec.slice(0, spec.indexOf("<"));
    // A shape that says nothing without a word beside it says nothing here.
    if (text.length >= 2 && telling?.near === undefined) note(text, issuer, spec);
  }
  const table = new Map<number, Beginning[]>();
  for (const beginning of [...known.values()].sort((a, b) => b.text.length - a.text.length)) {
    const key = keyOf(beginning.text);
    const list = table.get(key);
    if (list === undefined) table.set(key, [beginning]);
    else list.push(beginning);
  }
  return table;
}

function keyOf(text: string): number {
  return (text.charCodeAt(0) << 16) | text.charCodeAt(1);
}

/** Who issued a token, by its looks; null when nobody known did, or one of several. */
export function issuerOf(token: string): string | null {
  const beginning = beginningOf(token);
  if (beginning === null) return null;
  if (beginning.text === OPENAI_DIALECT) return token.includes(OPENAI_MARK) ? "openai" : null;
  return beginning.issuer ?? shapedBy(token, beginning);
}

function beginningOf(token: string): Beginning | null {
  beginnings ??= beginningsOf();
  const list = beginnings.get(keyOf(token));
  if (list === undefined) return null;
  for (const beginning of list) {
    if (!token.startsWith(beginning.text)) continue;
    if (beginning.telling ? token.length >= beginning.text.length + MIN_TAIL : shapesOf(token, beginning).length > 0)
      return beginning;
  }
  return null;
}

const MAX_SHAPED = 1024;
const scratch = new Uint8Array(MAX_SHAPED);
let sink: Sink | null = null;

/** Whose shape it has, of several issuers whose keys begin alike; null when it has that of more than one, or none. */
function shapedBy(token: string, beginning: Beginning): string | null {
  const issuers = new Set(shapesOf(token, beginning));
  const [only = null] = issuers;
  return issuers.size === 1 ? only : null;
}

/** The issuers whose shapes the whole token has. */
function shapesOf(token: string, beginning: Beginning): string[] {
  if (token.length > MAX_SHAPED) return [];
  beginning.formats ??= beginning.specs.map(({ spec, issuer }) => new Format(secretRule(issuer, issuer, ""), spec));
  const bytes = scratch.subarray(0, latin1Into(token, scratch));
  sink ??= new Sink();
  sink.begin(bytes);
  const issuers: string[] = [];
  for (const format of beginning.formats)
    if (format.match(bytes, 0, sink) === token.length) issuers.push(format.rule.name);
  return issuers;
}

const UUID = /^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$/;
const MIN_RANDOM = 20;
const BITS_PER_CHARACTER = 3.2;

/** True for a run of 20 or more letters and digits that no one would type: mixed, and spread over the alphabet. */
function looksRandom(text: string): boolean {
  if (text.length < MIN_RANDOM || UUID.test(text)) return false;
  for (const run of text.split(/[^A-Za-z0-9]+/, 64)) {
    if (run.length < MIN_RANDOM || !/[0-9]/.test(run) || !/[A-Za-z]/.test(run)) continue;
    if (entropy(run) >= BITS_PER_CHARACTER) return true;
  }
  return false;
}

/** Something in the text that has a known issuer or looks random. */
export function looksSecret(text: string): boolean {
  return beginningOf(text) !== null || looksRandom(text);
}

function entropy(text: string): number {
  return entropyOf(scratch, 0, latin1Into(text, scratch));
}
