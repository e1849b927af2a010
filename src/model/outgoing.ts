import type { Conn, Original } from "./conn.ts";

type Ends = Pick<Conn, "localAddress" | "localPort" | "remoteAddress" | "remotePort" | "closed">;

/** A loop comes back at once; what was dialled this many connections ago does not any more. */
const MAX_RECENT = 8192;

/**
 * The connections this process dialled last, so that one that is redirected back to it is known: both ends of a connection
 * together belong to one connection at a time, while a port alone may serve several. Once it is closed its ends may be
 * somebody else's, who shares this address and its free ports with us.
 */
export class Outgoing {
  /** By their ends. What is over must not be kept alive by being remembered here. */
  readonly #recent = new Map<string, WeakRef<Ends>>();

  dialled(conn: Ends): void {
    const recent = this.#recent;
    const ends = `${conn.localAddress} ${conn.localPort} ${conn.remoteAddress} ${conn.remotePort}`;
    // Anew, so that it stands behind those that were dialled before it.
    recent.delete(ends);
    if (recent.size >= MAX_RECENT)
      for (const oldest of recent.keys()) {
        recent.delete(oldest);
        break;
      }
    recent.set(ends, new WeakRef(conn));
  }

  /** Whether a connection that came from there, on its way to `original`, is one of them. */
  has({ remoteAddress, remotePort }: Pick<Conn, "remoteAddress" | "remotePort">, { address, port }: Original): boolean {
    const dialled = this.#recent.get(`${remoteAddress} ${remotePort} ${address} ${port}`)?.deref();
    return dialled !== undefined && !dialled.closed;
  }
}
