import type { Original } from "../model/conn.ts";
import type { Destination } from "../model/egress.ts";
import { formatAuthority } from "../wire/authority.ts";

/** What a request in origin-form, or a stream, says of where it goes. Port 0: it does not say. */
interface Said {
  readonly host: string;
  readonly port: number;
  readonly literal: boolean;
  /** Equal requests share it. */
  readonly destination: Destination;
}

/**
 * Where a redirected connection was going, for the requests on it. The name decides, and what it resolves to is dialled: the
 * original address would be compared with in vain where names rotate, and an address somebody forged is simply never
 * dialled. Only what names nothing goes by the address. The port is the connection's; a request that says another one has
 * two readings.
 */
export class Redirected {
  readonly original: Original;
  /** Equal requests share their destination, on all connections of a door. */
  readonly #known: WeakMap<Destination, Destination>;
  #unnamed: Destination | null = null;

  constructor(original: Original, known: WeakMap<Destination, Destination>) {
    this.original = original;
    this.#known = known;
  }

  destination(said: Said): Destination {
    const { address, port } = this.original;
    if (said.host === "") {
      this.#unnamed ??= { scheme: "http", host: address, port, literal: true };
      return this.#unnamed;
    }
    const known = this.#known.get(said.destination);
    if (known?.port === port) return known;
    const made = { scheme: "http", host: said.host, port, literal: said.literal } as const;
    this.#known.set(said.destination, made);
    return made;
  }

  /** The authority that is named besides the connection's own port, or null. */
  conflict({ host, port }: Said, scheme: Destination["scheme"] | null): string | null {
    const samePort = port === 0 || port === this.original.port;
    return samePort && (scheme === null || scheme === "http") ? null : formatAuthority(host, port);
  }
}
