import { Fault } from "../errors.ts";
import type { AsymmetricAlgorithm } from "./signature.ts";

export interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array<ArrayBuffer>;
}

/** The blocks of a PEM text, in order; text around them is ignored. Throws Fault `key_invalid` for a broken block. */
export function readPem(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  let at = 0;
  for (;;) {
    const begin = text.indexOf("-----BEGIN ", at);
    if (begin < 0) return blocks;
    const labelEnd = text.indexOf("-----", begin + 11);
    const label = labelEnd < 0 ? "" : text.slice(begin + 11, labelEnd);
    const footer = `-----END ${label}-----`;
    const end = labelEnd < 0 ? -1 : text.indexOf(footer, labelEnd);
    if (end < 0) throw new Fault("key_invalid", "read a PEM key: a block has no end");
    try {
      const binary = atob(text.slice(labelEnd + 5, end).replace(/\s+/g, ""));
      blocks.push({ label, der: Uint8Array.from(binary, (char) => char.charCodeAt(0)) });
    } catch (cause) {
      throw new Fault("key_invalid", `read a PEM key: the ${JSON.stringify(label)} block is not base64`, { cause });
    }
    at = end + footer.length;
  }
}

export function writePem(label: string, der: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...der));
  return `-----BEGIN ${label}-----\n${base64.replace(/.{1,64}/g, "$&\n")}-----END ${label}-----\n`;
}

const ED25519_OID = "06032b6570";
const P256_OID = "06082a8648ce3d030107";

const RSA_OID = "06092a864886f70d0101";

/** Whether a PKCS#8 or SPKI structure is of RSA, PSS too. */
export function isRsa(der: Uint8Array): boolean {
  return headOf(der).includes(RSA_OID);
}

function headOf(der: Uint8Array): string {
  return Array.from(der.subarray(0, 32), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Which of our algorithms a PKCS#8 or SPKI structure is for, or null. The object identifier stands within the first 32
 * bytes of both; Web Crypto then checks the whole structure when it imports it.
 */
export function algorithmOfDer(der: Uint8Array): AsymmetricAlgorithm | null {
  const head = headOf(der);
  if (head.includes(ED25519_OID)) return "Ed25519";
  return head.includes(P256_OID) ? "ECDSA-P256-SHA256" : null;
}
