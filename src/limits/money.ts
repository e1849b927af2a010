/**
 * Money as whole micro-units of its currency (1 USD = 1,000,000). Never a fraction of a number: every value here is a
 * safe integer, so a sum of a million payments is exact, in Redis (whose scripts count in doubles) as in this process.
 */

/** About nine thousand million units of a currency. */
const MAX_MICROS = Number.MAX_SAFE_INTEGER;

/** Digits behind the point where they are not two (ISO 4217). */
const EXPONENTS: Readonly<Record<string, number>> = Object.fromEntries([
  ...[
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "ISK",
    "JPY",
    "KMF",
    "KRW",
    "PYG",
    "RWF",
    "UGX",
    "UYI",
    "VND",
    "VUV",
    "XAF",
    "XOF",
    "XPF",
  ].map((code) => [code, 0]),
  ...["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"].map((code) => [code, 3]),
]);

/** Digits a currency has behind its point. */
function currencyExponent(currency: string): number {
  return Object.hasOwn(EXPONENTS, currency) ? (EXPONENTS[currency] as number) : 2;
}

const DECIMAL = /^(0|[1-9][0-9]{0,15})(?:\.([0-9]{1,18}))?$/;

/**
 * A plain decimal as an integer of 10^-digits, or null: no sign, no exponent, no leading zero, no space, no other digits
 * than ASCII, nothing that more than `digits` decimals would be needed for, nothing over `MAX_MICROS`.
 */
export function scaled(text: string, digits: number): number | null {
  const match = text.length > 40 ? null : DECIMAL.exec(text);
  if (match === null) return null;
  const fraction = (match[2] ?? "").replace(/0+$/, "");
  if (fraction.length > digits) return null;
  const value = BigInt(`${match[1]}${fraction.padEnd(digits, "0")}`);
  return value > BigInt(MAX_MICROS) ? null : Number(value);
}

/** How an amount is written in a request: `minor` counts cents (or what the currency has), `major` whole units. */
export type AmountUnit = "minor" | "major";

/** Micro-units of an amount as a request writes it, or null when it is not plainly one amount of that currency. */
export function amountMicros(text: string, unit: AmountUnit, currency: string): number | null {
  const exponent = currencyExponent(currency);
  // What a currency cannot express is rounded by whoever charges it, and nobody here knows how.
  const minor = scaled(text, unit === "minor" ? 0 : exponent);
  if (minor === null) return null;
  const micros = BigInt(minor) * 10n ** BigInt(6 - exponent);
  return micros > BigInt(MAX_MICROS) ? null : Number(micros);
}

/** A sum, or null when it is too large to be counted. */
export function sum(amounts: readonly number[]): number | null {
  let total = 0;
  for (const amount of amounts) {
    total += amount;
    if (!Number.isSafeInteger(total)) return null;
  }
  return total;
}

/** As people write it: `12.34 USD`, more decimals only where they are needed. */
export function formatMicros(micros: number, currency: string): string {
  const sign = micros < 0 ? "-" : "";
  const text = String(Math.abs(micros)).padStart(7, "0");
  const fraction = text.slice(-6);
  const digits = currencyExponent(currency);
  const kept = fraction.slice(0, Math.max(digits, fraction.replace(/0+$/, "").length));
  return `${sign}${text.slice(0, -6)}${kept === "" ? "" : `.${kept}`} ${currency}`;
}
