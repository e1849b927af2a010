/** The keys of a plane: fetched, kept, and fetched again when a name turns up that is not among them. */
import { type AttestationKey, attestationKeys } from "../crypto/attestation.ts";
import { Fault, messageOf } from "../errors.ts";
import type { HttpClient, Runtime } from "../runtime/contract.ts";

/** Whoever makes up names of keys makes nobody ask for them more often than this. */
const LEAST_GAP_MS = 5_000;
/** Keys that were withdrawn are forgotten after this, if their publisher can be asked. */
const MAX_AGE_MS = 600_000;
const TIMEOUT_MS = 2_000;
const MAX_BYTES = 256 * 1024;

type Machine = Pick<Runtime, "readFile" | "stat" | "monotonic" | "sha256" | "hmacSha256">;

export class KeyRing {
  readonly #runtime: Machine;
  readonly #source: string;
  readonly #client: Pick<HttpClient, "send">;
  #keys: ReadonlyMap<string, AttestationKey> = new Map();
  #asked = Number.NEGATIVE_INFINITY;
  #fetching: Promise<void> | null = null;
  /** Why the keys could not be had when they were last asked for; null when they could. */
  problem: string | null = null;

  /** `source`: a URL or the path of a JWKS file. */
  constructor(runtime: Machine, source: string, client: Pick<HttpClient, "send">) {
    this.#runtime = runtime;
    this.#source = source;
    this.#client = client;
  }

  /** Null for a name that is not among them, also after they were asked for again. Never rejects. */
  async find(kid: string): Promise<AttestationKey | null> {
    const age = this.#runtime.monotonic() - this.#asked;
    const known = this.#keys.get(kid);
    if (known !== undefined) {
      // What is known is good while the publisher is asked behind it, or cannot be.
      if (age > MAX_AGE_MS) void this.#refresh();
      return known;
    }
    if (this.#fetching === null && age < LEAST_GAP_MS) return null;
    await this.#refresh();
    return this.#keys.get(kid) ?? null;
  }

  #refresh(): Promise<void> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = null;
    });
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    this.#asked = this.#runtime.monotonic();
    try {
      this.#keys = await attestationKeys(await this.#text(), this.#runtime);
      this.problem = null;
    } catch (thrown) {
      this.problem = messageOf(thrown);
    }
  }

  async #text(): Promise<string> {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    if (!/^https?:\/\//.test(this.#source)) {
      const info = await this.#runtime.stat(this.#source);
      if (info === null || info.directory || info.size > MAX_BYTES) {
        throw new Fault("key_invalid", "the file of the plane's keys cannot be read");
      }
      return decoder.decode(await this.#runtime.readFile(this.#source));
    }
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const { status, body } = await this.#client.send(this.#source, "GET", {}, null, MAX_BYTES, signal);
    if (status !== 200) throw new Fault("governance_unreachable", `the plane's keys were answered with ${status}`);
    return decoder.decode(body);
  }
}
