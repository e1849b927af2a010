/**
 * A phrase of Pillar 128 spread over consecutive requests of a session: what one begins with completes what the one before
 * ended with. The sessions are this process's: workers and replicas see their own.
 */
import { SessionTails } from "../detect/session.ts";
import { type Decision, permits } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import { type Decider, layered } from "./decider.ts";
import { contentCodings } from "./decode.ts";
import type { Policy } from "./policy.ts";
import { decisionOf } from "./ruling.ts";

const SESSIONS = 1024;

/**
 * What limits, addresses or evidence refuse behind this has not left, but only `left` tells: until then a request counts as
 * one that does, beside what is known to have left.
 */
export function spreadWatched(
  inner: Decider,
  policy: Pick<Policy, "engine">,
): Decider & Required<Pick<Decider, "left">> {
  const tails = new SessionTails({ sessions: SESSIONS });
  /** What is to be remembered of an egress if it leaves. */
  const going = new WeakMap<Egress, { readonly key: string; readonly bytes: Uint8Array; readonly turn: number }>();
  /** Of the request before: most often the next is of the same session, and its key is the same string. */
  let last = { address: "", agent: "", host: "", key: "" };

  function keyOf({ principal, destination }: Egress): string {
    const { address } = principal;
    const agent = principal.agent ?? "";
    const { host } = destination;
    if (last.address !== address || last.agent !== agent || last.host !== host)
      last = { address, agent, host, key: `${address} ${agent} ${host}` };
    return last.key;
  }

  function follow(decision: Decision, egress: Egress, held: HeldBody | null): Decision {
    if (held === null || !permits(decision)) return decision;
    const key = keyOf(egress);
    const bytes = decision.replacement ?? held.bytes;
    const found = tails.next(key, bytes);
    // A message is not told of when it has left, and its bytes are another's then.
    if (egress.phase === "request") going.set(egress, { key, bytes, turn: tails.turn });
    else tails.left(key, bytes, tails.turn);
    const veto = found === null ? null : policy.engine.vetoed(found);
    return veto === null ? decision : decisionOf(veto, { egress, held, attestationHash: null });
  }

  const looks = (egress: Egress, held: HeldBody | null): boolean =>
    held !== null && held.bytes.length > 0 && hasLetters(egress);
  const layer = layered(inner, { looks, follow });
  return {
    ...layer,
    // A getter does not survive being spread.
    get policyVersion() {
      return layer.policyVersion;
    },
    left(egress) {
      inner.left?.(egress);
      const gone = going.get(egress);
      if (gone === undefined) return;
      going.delete(egress);
      tails.left(gone.key, gone.bytes, gone.turn);
    },
  };
}

/** Compressed bytes have no letters of their own. A type alone, which `coded` is true of too, hides none. */
function hasLetters(egress: Egress): boolean {
  // The fields are asked for behind this only: of most requests they never become strings.
  if (!egress.coded) return true;
  const codings = contentCodings(egress.headers);
  return Array.isArray(codings) && codings.length === 0;
}
