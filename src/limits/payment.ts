/** The amounts a request says it pays, read so that nobody else can read another sum in it. */
import { mayMean, wantedOf } from "./amount-names.ts";
import { formName, type Path } from "./amount-path.ts";
import { jsonPlaces } from "./json-places.ts";
import { type AmountUnit, amountMicros, sum } from "./money.ts";

export interface PaymentTerms {
  readonly field: Path;
  readonly currencyField: Path | null;
  readonly currency: string;
  readonly unit: AmountUnit;
}

/** A request as far as a payment can be in it. */
export interface Paying {
  /** Codings undone; null when there is none. */
  readonly body: Uint8Array | null;
  /** Content-Type; "" when there is none. */
  readonly contentType: string;
  /** The target's query without its question mark; "" when there is none. */
  readonly query: string;
  /** A name in the query is not told, because it is a credential: it may be any. */
  readonly hidden?: boolean;
}

/** Whole micro-units, or why it is not plain what would be paid: a stable code and words without the request's. */
export type PaymentRead = number | { readonly vector: "payment_unreadable" | "payment_currency"; readonly why: string };

/** A payment is not a document: what is larger is refused, and no body holds the event loop. */
const MAX_BODY = 262_144;

export function readPayment(terms: PaymentTerms, { body, contentType, query, hidden }: Paying): PaymentRead {
  if (body === null || body.length === 0) return unreadable("it has no body to read an amount from");
  if (body.length > MAX_BODY) return unreadable(`its body is over ${MAX_BODY} bytes`);
  const type = (contentType.split(";")[0] ?? "").trim().toLowerCase();
  const form = type === "application/x-www-form-urlencoded";
  if (!form && type !== "" && type !== "application/json" && !/^application\/[a-z0-9.+-]+\+json$/.test(type)) {
    return unreadable("its body is neither JSON nor a form");
  }
  if (form && looksLikeJson(body)) return unreadable("its body is said to be a form and looks like JSON");
  const name = formName(terms.field);
  if (query !== "" && placesOf(terms).some((path) => namesLike(query, path).length > 0)) {
    return unreadable("an amount or a currency is in its query too");
  }
  if (name !== null && hidden === true) return unreadable("a name in its query is a credential");
  const found = form ? formPlaces(body, terms) : jsonPlaces(body, placesOf(terms));
  if (found === null)
    return unreadable(form ? "its form cannot be read in one way" : "its JSON cannot be read in one way");
  const [amounts = [], currencies = []] = found;
  if (amounts.length === 0) return unreadable("it has no amount where one is expected");
  const wrong = currencyProblem(terms, currencies);
  if (wrong !== null) return { vector: "payment_currency", why: wrong };
  const micros: number[] = [];
  for (const { kind, text } of amounts) {
    const value = kind === "other" ? null : amountMicros(text, terms.unit, terms.currency);
    if (value === null) return unreadable(`its amount is no plain number of ${terms.unit} units of ${terms.currency}`);
    micros.push(value);
  }
  return sum(micros) ?? unreadable("its amounts are too large to be added up");
}

function unreadable(why: string): PaymentRead {
  return { vector: "payment_unreadable", why };
}

function placesOf({ field, currencyField }: PaymentTerms): Path[] {
  return currencyField === null ? [field] : [field, currencyField];
}

interface Text {
  readonly kind: string;
  readonly text: string;
}

function currencyProblem({ currencyField, currency }: PaymentTerms, found: readonly Text[]): string | null {
  if (currencyField === null) return null;
  if (found.length === 0) return "it does not say its currency";
  const same = found.every(({ kind, text }) => kind === "string" && text.toUpperCase() === currency);
  return same ? null : `its currency is not ${currency}`;
}

/** As `jsonPlaces`. A name that stands twice, in whatever way, is read one way here and another there. */
function formPlaces(body: Uint8Array, terms: PaymentTerms): Text[][] | null {
  const text = decoded(body);
  if (text === null) return null;
  const found: Text[][] = [];
  for (const path of placesOf(terms)) {
    const name = formName(path);
    if (name === null) return null;
    const like = namesLike(text, path);
    if (like.length > 1 || (like[0] ?? name) !== name) return null;
    // As it stands between two ampersands: who parts at semicolons too must read the same.
    const value = new URLSearchParams(`&${text}`).get(name);
    found.push(value === null ? [] : [{ kind: "string", text: value }]);
  }
  return found;
}

function decoded(body: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return null;
  }
}

/** The names of an urlencoded text that some reader takes for this place. Some servers also part at semicolons. */
function namesLike(text: string, path: Path): string[] {
  const wanted = wantedOf(path);
  const found: string[] = [];
  // The ampersand in front: a question mark at the start belongs to the name.
  for (const [name] of new URLSearchParams(`&${text.replaceAll(";", "&")}`))
    if (mayMean(name, wanted)) found.push(name);
  return found;
}

/** Many servers do not ask what a body is said to be. Blanks, marks and comments in front are passed over by some. */
function looksLikeJson(body: Uint8Array): boolean {
  const at = body.findIndex((byte) => byte > 0x20 && byte < 0x7f);
  const byte = body[at];
  return byte === 0x7b || byte === 0x5b || byte === 0x2f;
}
