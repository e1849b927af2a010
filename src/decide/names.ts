/** Names to addresses, remembered for a short while so that a busy destination is not asked for per request. */
import type { Config } from "../config/config.ts";
import { Fault, messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { formatIp, parseIp } from "../wire/ip.ts";

export interface Names {
  /**
   * Every address of the name, canonical, without duplicates, at least one and at most 128; an IP literal is its own
   * address. Synchronous on a hit. Rejects with Fault `resolve_failed`. `asker`: the address of the client that wants it,
   * absent for the gateway itself.
   */
  resolve(host: string, asker?: string): readonly string[] | Promise<readonly string[]>;
}

const MAX_NAMES = 4096;
/** Lookups under way, or waiting for their turn where they take threads: each keeps a request open. */
const MAX_PENDING = 400;
/**
 * One client may have so many times under way what is then still free, as of held bytes: a name whose servers keep silent
 * costs nothing to ask for, and whoever asks for hundreds of them leaves something for the others.
 */
const OF_FREE = 8;
const MAX_ADDRESSES = 128;
const POSITIVE_MS = 30_000;
const NEGATIVE_MS = 1_000;

/** No client's address. */
const OURS = "";

interface Known {
  readonly addresses: readonly string[] | null;
  /** Why there are none; "" otherwise. */
  readonly problem: string;
  readonly expires: number;
}

export function openNames(
  runtime: Pick<Runtime, "resolve" | "monotonic">,
  config: Pick<Config, "upstreamTimeoutMs">,
): Names {
  const known = new Map<string, Known>();
  const pending = new Map<string, Promise<readonly string[]>>();
  /** Of them, by who asked first. */
  const askers = new Map<string, number>();

  function remember(host: string, entry: Omit<Known, "expires">): void {
    known.delete(host);
    if (known.size >= MAX_NAMES) {
      const oldest = known.keys().next();
      if (!oldest.done) known.delete(oldest.value);
    }
    const life = entry.addresses === null ? NEGATIVE_MS : POSITIVE_MS;
    known.set(host, { ...entry, expires: runtime.monotonic() + life });
  }

  function count(asker: string, more: number): void {
    const under = (askers.get(asker) ?? 0) + more;
    if (under === 0) askers.delete(asker);
    else askers.set(asker, under);
  }

  async function look(host: string, asker: string): Promise<readonly string[]> {
    count(asker, 1);
    try {
      const addresses = canonical(await withDeadline(runtime.resolve(host), config.upstreamTimeoutMs), host);
      remember(host, { addresses, problem: "" });
      return addresses;
    } catch (thrown) {
      const problem = thrown instanceof Fault ? thrown.message : `resolve "${host}": ${messageOf(thrown)}`;
      remember(host, { addresses: null, problem });
      throw new Fault("resolve_failed", problem, { cause: thrown });
    } finally {
      pending.delete(host);
      count(asker, -1);
    }
  }

  return {
    resolve(host, asker = OURS) {
      const entry = known.get(host);
      if (entry !== undefined && entry.expires > runtime.monotonic()) {
        return entry.addresses ?? Promise.reject(new Fault("resolve_failed", entry.problem));
      }
      if (parseIp(host) !== null) {
        const addresses = [host];
        remember(host, { addresses, problem: "" });
        return addresses;
      }
      const asked = pending.get(host);
      if (asked !== undefined) return asked;
      const free = MAX_PENDING - pending.size;
      if (free <= 0 || (asker !== OURS && (askers.get(asker) ?? 0) >= OF_FREE * free)) {
        return Promise.reject(new Fault("resolve_failed", `resolve "${host}": too many lookups under way`));
      }
      const lookup = look(host, asker);
      pending.set(host, lookup);
      return lookup;
    },
  };
}

function canonical(resolved: readonly { readonly address: string }[], host: string): readonly string[] {
  const unique = new Set<string>();
  for (const { address } of resolved) {
    const ip = parseIp(address);
    // A zone id, say: not an address that could be judged, so not one that may be left out either.
    if (ip === null) throw new Fault("resolve_failed", `resolve "${host}": answer "${address}" is not an address`);
    unique.add(formatIp(ip));
  }
  if (unique.size === 0) throw new Fault("resolve_failed", `resolve "${host}": no address`);
  if (unique.size > MAX_ADDRESSES)
    throw new Fault("resolve_failed", `resolve "${host}": more than ${MAX_ADDRESSES} addresses`);
  return [...unique];
}

function withDeadline<T>(work: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Fault("resolve_failed", "name resolution timed out")), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
