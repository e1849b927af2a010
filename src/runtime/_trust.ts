/**
 * The roots a TLS client trusts: the runtime's public set, the system's bundle, and extra ones it was given. Both
 * runtimes drop their own set as soon as `ca` is given, so the sets are joined here.
 *
 * Measured per handshake, full set of roots: Bun 2.7 ms through a kept SecureContext and 7 ms through its default store;
 * Deno 33 ms through a SecureContext (it parses every root again) and 4 ms through its default store. So on Deno the
 * first set asked for becomes the default store, and only a second, different set pays the slow way.
 */
import tls from "node:tls";
import type { TlsIdentity } from "./contract.ts";

/** To be spread into the options of a TLS connect. */
export interface Trust {
  secureContext?: tls.SecureContext;
}

const MAX_CONTEXTS = 16;
const contexts = new Map<string, Trust>();
let useDefaultStore = false;

export function keepRootsInDefaultStore(): void {
  useDefaultStore = true;
}

let known: readonly string[] | null = null;

/** The public and the system's roots. Read once, before anything is put into the default store. */
export function publicRoots(): readonly string[] {
  if (known !== null) return known;
  const roots = new Set<string>();
  for (const store of ["bundled", "system", "default"] as const) {
    for (const root of tls.getCACertificates(store)) roots.add(root.trim());
  }
  known = [...roots];
  return known;
}

/** Of dials that show a client certificate: kept as long as the identity is. */
const introduced = new WeakMap<TlsIdentity, Map<string, Trust>>();

/** `extraRoots`: PEM text, "" for none. */
export function trust(extraRoots: string, identity?: TlsIdentity): Trust {
  if (identity === undefined) return trustOf(extraRoots);
  const known = introduced.get(identity) ?? new Map<string, Trust>();
  introduced.set(identity, known);
  const made = known.get(extraRoots);
  if (made !== undefined) return made;
  const { cert, key } = identity;
  const fresh = {
    secureContext: tls.createSecureContext({ ca: rootsWith(extraRoots), minVersion: "TLSv1.2", cert, key }),
  };
  known.set(extraRoots, fresh);
  return fresh;
}

function rootsWith(extraRoots: string): string[] {
  return extraRoots === "" ? [...publicRoots()] : [...publicRoots(), extraRoots];
}

function trustOf(extraRoots: string): Trust {
  const made = contexts.get(extraRoots);
  if (made !== undefined) return made;
  const roots = rootsWith(extraRoots);
  const fresh: Trust = {};
  if (useDefaultStore && contexts.size === 0) tls.setDefaultCACertificates(roots);
  else fresh.secureContext = tls.createSecureContext({ ca: roots, minVersion: "TLSv1.2" });
  if (contexts.size >= MAX_CONTEXTS) {
    // The entry of the default store stays: without it the store would be set a second time.
    for (const [key, one] of contexts) if (one.secureContext !== undefined) contexts.delete(key);
  }
  contexts.set(extraRoots, fresh);
  return fresh;
}
