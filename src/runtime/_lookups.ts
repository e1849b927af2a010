/**
 * Names by getaddrinfo(3), where nothing better is to be had (`_bun-names.ts`). Each lookup keeps a thread of the one pool
 * that files are read and bodies decoded in, too, until its name server answers or is given up: half a minute of a
 * stranger's making. So that no name a client asks for can keep the kill file from being looked at, only so many run at
 * once, and the others wait in line.
 */
import dns from "node:dns";
import { Fault } from "../errors.ts";
import { addressesOf, unresolved } from "./_names.ts";
import type { ResolvedAddress } from "./contract.ts";

/** Of the pool's threads, as many as nothing but names may keep. */
export const LOOKUPS_AT_ONCE = 24;
const MAX_WAITING = 1024;

type LookUp = (name: string) => Promise<readonly ResolvedAddress[]>;

/** `atOnce`: fewer than the pool has threads, and at least one. */
export function lookups(atOnce: number, lookUp: LookUp = systemLookup): LookUp {
  const line: (() => void)[] = [];
  let running = 0;
  return async (name) => {
    if (running >= atOnce) {
      if (line.length >= MAX_WAITING) throw new Fault("resolve_failed", `cannot resolve "${name}": too many lookups`);
      await new Promise<void>((resolve) => line.push(resolve));
    } else running += 1;
    try {
      return await lookUp(name);
    } finally {
      const next = line.shift();
      // Its place goes to whoever is next.
      if (next === undefined) running -= 1;
      else next();
    }
  };
}

/** How many lookups a pool of so many threads can bear. */
export function bearable(threads: number): number {
  return Math.max(1, Math.min(LOOKUPS_AT_ONCE, threads - 1));
}

async function systemLookup(name: string): Promise<readonly ResolvedAddress[]> {
  const found = await dns.promises.lookup(name, { all: true, verbatim: true }).catch((error: unknown) => {
    throw unresolved(name, error);
  });
  return addressesOf(name, found);
}
