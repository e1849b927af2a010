/** A tenant's policy as one document that relays which decide for themselves can fetch. */
import { type AttestationKey, signBundle } from "../crypto/attestation.ts";
import type { PolicySource } from "../policy/document.ts";

export interface PolicyBundle {
  readonly version: string;
  readonly tenant: string;
  readonly files: readonly PolicySource[];
  /** Detached JWS over the canonical JSON of all others, with the time; null when the plane has no key. */
  readonly signature: string | null;
}

/** `now`: ms since the epoch, which the signature says. */
export async function bundleOf(
  tenant: string,
  { version, sources }: { readonly version: string; readonly sources: readonly PolicySource[] },
  key: AttestationKey | null,
  now: number,
): Promise<PolicyBundle> {
  const files = sources.map(({ name, text }) => ({ name, text }));
  const content = { version, tenant, files };
  return { ...content, signature: key === null ? null : await signBundle(content, key, now) };
}
