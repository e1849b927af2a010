/** Check digits and checksums. Digits are given as their values, one a byte, of which the first `length` count. */

export type Digits = Uint8Array;

export function luhn(digits: Digits, from: number, to: number): boolean {
  let sum = 0;
  for (let i = to - 1, twice = false; i >= from; i--, twice = !twice) {
    const digit = digits[i] as number;
    sum += twice ? (digit > 4 ? 2 * digit - 9 : 2 * digit) : digit;
  }
  return sum % 10 === 0;
}

/** The sum of digits times weights, modulo. Digits behind the last weight are left out. */
export function weighted(digits: Digits, weights: readonly number[], modulo: number): number {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += (digits[i] as number) * (weights[i] as number);
  return sum % modulo;
}

/** ISO 7064 MOD 97-10 over ASCII capitals (A = 10) and digits, read from `first` on and then from the beginning. */
export function mod97(text: Uint8Array, length: number, first: number): number {
  let rest = 0;
  for (let i = 0; i < length; i++) {
    const code = text[(i + first) % length] as number;
    rest = code <= 57 ? (rest * 10 + code - 48) % 97 : (rest * 100 + code - 55) % 97;
  }
  return rest;
}

/** ISO 7064 MOD 11,10: German tax ids, Croatian OIB. The last digit is the check. */
export function mod11_10(digits: Digits, length: number): boolean {
  let product = 10;
  for (let i = 0; i < length - 1; i++) {
    let sum = ((digits[i] as number) + product) % 10;
    if (sum === 0) sum = 10;
    product = (2 * sum) % 11;
  }
  return (11 - product) % 10 === digits[length - 1];
}

const DIHEDRAL = [
  "0123456789",
  "1234067895",
  "2340178956",
  "3401289567",
  "4012395678",
  "5987604321",
  "6598710432",
  "7659821043",
  "8765932104",
  "9876543210",
].map(values);
const PERMUTED = [
  "0123456789",
  "1576283094",
  "5803796142",
  "8916043527",
  "9453126870",
  "4286573901",
  "2793806415",
  "7046913258",
].map(values);

function values(text: string): Digits {
  return Uint8Array.from(text, Number);
}

/** Verhoeff's check, as Aadhaar has it. */
export function verhoeff(digits: Digits, length: number): boolean {
  let check = 0;
  for (let i = 0; i < length; i++) {
    const moved = PERMUTED[i % 8]?.[digits[length - 1 - i] as number] as number;
    check = DIHEDRAL[check]?.[moved] as number;
  }
  return check === 0;
}

/** True for a day that was or will be. `year` with four digits. */
export function isDay(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1 || year < 1850 || year > 2100) return false;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= (month === 2 ? (leap ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31);
}

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** GitHub's and npm's: the last six characters are the CRC-32 of the ones between prefix and them, in base 62. */
export function crc32Base62(payload: string, check: string): boolean {
  let crc = 0xffffffff;
  for (let i = 0; i < payload.length; i++) {
    crc ^= payload.charCodeAt(i);
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  let value = (crc ^ 0xffffffff) >>> 0;
  let text = "";
  for (let i = 0; i < 6; i++) {
    text = BASE62.charAt(value % 62) + text;
    value = Math.floor(value / 62);
  }
  return text === check;
}

const BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/** Bech32 and bech32m (age keys, addresses). In one case. */
export function bech32(text: string): boolean {
  const small = text.toLowerCase();
  const cut = small.lastIndexOf("1");
  if (cut < 1 || cut + 7 > small.length) return false;
  let check = 1;
  const feed = (value: number): void => {
    const top = check >>> 25;
    check = ((check & 0x1ffffff) << 5) ^ value;
    const generator = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
    generator.forEach((word, i) => {
      if ((top >>> i) & 1) check ^= word;
    });
  };
  for (let i = 0; i < cut; i++) feed(small.charCodeAt(i) >> 5);
  feed(0);
  for (let i = 0; i < cut; i++) feed(small.charCodeAt(i) & 31);
  for (let i = cut + 1; i < small.length; i++) {
    const value = BECH32.indexOf(small.charAt(i));
    if (value < 0) return false;
    feed(value);
  }
  return check === 1 || check === 0x2bc830a3;
}
