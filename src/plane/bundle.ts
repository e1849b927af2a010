/** A tenant's policy as one document that relays which decide for themselves can fetch. */
import { type AttestationKey, signBundle } from "../crypto/attestation.ts";
import type { PolicySource } from "../policy/document.ts";

export interface PolicyBundle {
  readonly version: string;
  readonly files: readonly PolicySource[];
  /** Detached JWS over the canonical JSON of the two others; null when the plane has no key. */
  readonly signature: string | null;
}

export async function bundleOf(
  version: string,
  sources: readonly PolicySource[],
  key: AttestationKey | null,
): Promise<PolicyBundle> {
  const files = sources.map(({ name, text }) => ({ name, text }));
  return { version, files, signature: key === null ? null : await signBundle({ version, files }, key) };
}
