import { Fault, messageOf } from "../errors.ts";
import type { Leaf, Mint } from "./leaf.ts";

export interface LeafCacheOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Hosts kept; the one not asked for the longest makes room. Default 1,024. */
  readonly max?: number;
}

/** Of a leaf's time from minting to its end, how much may be left when a new one is made in its place. */
const RENEW_SHARE = 0.25;

interface Kept {
  readonly leaf: Leaf;
  readonly renewAt: number;
}

/**
 * A leaf a host, the same object until it is time for a new one: a quarter of its time before it ends, or when the clock has
 * gone back before its beginning. While one is being made every other asker waits for that one; a failure is told to them all
 * and not kept.
 */
export class LeafCache {
  readonly #mint: Mint;
  readonly #now: () => number;
  readonly #max: number;
  /** In the order of use, the oldest first. */
  readonly #kept = new Map<string, Kept>();
  readonly #making = new Map<string, Promise<Leaf>>();

  constructor(mint: Mint, { now, max = 1024 }: LeafCacheOptions) {
    this.#mint = mint;
    this.#now = now;
    this.#max = max;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** The leaf of a host, if there is one to be had at once. `host` is canonical, as `normalizeHost` has it. */
  cached(host: string): Leaf | null {
    const kept = this.#kept.get(host);
    if (kept === undefined) return null;
    this.#kept.delete(host);
    const now = this.#now();
    if (now >= kept.renewAt || now < kept.leaf.notBefore) return null;
    this.#kept.set(host, kept);
    return kept.leaf;
  }

  /** The leaf of a host, made when there is none. Rejects with Fault `leaf_failed`. */
  leafFor(host: string): Promise<Leaf> {
    const leaf = this.cached(host);
    if (leaf !== null) return Promise.resolve(leaf);
    const running = this.#making.get(host);
    if (running !== undefined) return running;
    const making = this.#make(host).finally(() => this.#making.delete(host));
    this.#making.set(host, making);
    return making;
  }

  async #make(host: string): Promise<Leaf> {
    let leaf: Leaf;
    try {
      leaf = await this.#mint(host);
    } catch (thrown) {
      if (thrown instanceof Fault) throw thrown;
      throw new Fault("leaf_failed", `mint a certificate for "${host}": ${messageOf(thrown)}`, { cause: thrown });
    }
    const now = this.#now();
    if (this.#kept.size >= this.#max) {
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest);
        break;
      }
    }
    this.#kept.set(host, { leaf, renewAt: leaf.notAfter - (leaf.notAfter - now) * RENEW_SHARE });
    return leaf;
  }
}
