/** Hashing without holding the event loop. */
import type { Digest } from "./digest.ts";

/** Bytes that are hashed, or copied, in one turn of the event loop: a millisecond or two, a few on a slow machine. */
export const TURN_BYTES = 512 * 1024;

/** A Runtime is one. */
interface TurningDigest extends Pick<Digest, "sha256"> {
  hasher(): { update(bytes: Uint8Array): void; hex(): string };
  /** Runs it when whatever else is ready has had its turn. */
  afterTurn(run: () => void): void;
}

/** sha256 hex of bytes of any length; the loop is handed back now and then. They must not change meanwhile. */
export function hashInTurns(runtime: TurningDigest, bytes: Uint8Array): string | Promise<string> {
  if (bytes.length <= TURN_BYTES) return runtime.sha256(bytes);
  return new Promise((resolve, reject) => {
    const hasher = runtime.hasher();
    let at = 0;
    const turn = (): void => {
      try {
        hasher.update(bytes.subarray(at, at + TURN_BYTES));
        at += TURN_BYTES;
        if (at < bytes.length) runtime.afterTurn(turn);
        else resolve(hasher.hex());
      } catch (thrown) {
        reject(thrown);
      }
    };
    turn();
  });
}
