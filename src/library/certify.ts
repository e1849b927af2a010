/** Certificates without a log: sealed and signed as the gateway does it, with `chain` null. */
import type { Signer } from "../crypto/signature.ts";
import { Fault } from "../errors.ts";
import { seal } from "../evidence/certificate.ts";
import { Finished } from "../evidence/finished.ts";
import type { Algorithm, Certificate, CertificateDraft } from "../model/certificate.ts";
import { readSigner, type SigningKey } from "./keys.ts";

export interface Signed {
  /** Frozen, all through. */
  readonly certificate: Certificate;
  /** The same object, one line. */
  readonly json: string;
  /** The same object in printable ASCII. */
  readonly header: string;
}

export interface CertifierOptions {
  readonly orgId: string;
  readonly key: SigningKey;
  /** How long the signer may take, milliseconds. */
  readonly timeoutMs: number;
}

const SIGNATURE: Readonly<Record<Algorithm, RegExp>> = {
  "HMAC-SHA256": /^hmac-[0-9a-f]{64}$/,
  Ed25519: /^ed25519-[A-Za-z0-9_-]{86}$/,
  "ECDSA-P256-SHA256": /^es256-[A-Za-z0-9_-]{86}$/,
};

export class Certifier {
  readonly #orgId: string;
  readonly #timeoutMs: number;
  readonly #signer: Promise<Signer>;

  /** Never throws: a key that cannot be read shows in `ready` and `certify`. */
  constructor({ orgId, key, timeoutMs }: CertifierOptions) {
    this.#orgId = orgId;
    this.#timeoutMs = timeoutMs;
    this.#signer = readSigner(key);
    this.#signer.catch(() => {});
  }

  /** Rejects with Fault `key_invalid`: whoever cannot sign must not act. */
  async ready(): Promise<void> {
    await this.#signer;
  }

  /** Rejects when the signer throws, hangs, or answers with what is no signature of its algorithm. */
  async certify(draft: CertificateDraft): Promise<Signed> {
    const signer = await this.#signer;
    const { kid, algorithm } = signer;
    const id = `cert_${randomHex(8)}`;
    const { text, bytes, ascii } = seal(draft, {
      id,
      orgId: this.#orgId,
      timestamp: new Date().toISOString(),
      kid,
      algorithm,
      chain: null,
    });
    // Another certificate may be sealed in the same memory while this one is signed.
    const signed = bytes.slice();
    const answer = signer.sign(text);
    const signature: unknown = typeof answer === "string" ? answer : await within(answer, this.#timeoutMs);
    // It goes into the JSON as it is.
    if (typeof signature !== "string" || SIGNATURE[algorithm]?.test(signature) !== true) {
      throw new Fault("key_invalid", "sign a certificate: the signer's answer is not a signature of its algorithm");
    }
    const { json, header } = new Finished(id, signed, ascii, signature);
    return { certificate: frozen(JSON.parse(json)), json, header };
  }
}

function within<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Fault("key_invalid", "sign a certificate: timed out")), timeoutMs);
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}

function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function frozen(certificate: Certificate): Certificate {
  for (const member of [certificate.request, certificate.chain, certificate.addresses]) Object.freeze(member);
  return Object.freeze(certificate);
}
