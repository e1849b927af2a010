/** A decider that is loaded while the gateway serves already. */
import type { Decision } from "../model/decision.ts";
import type { Egress } from "../model/egress.ts";
import { type Decider, guarded, type Softened } from "./decider.ts";
import type { OpenedDecider } from "./open.ts";

/** What `open` needs, room by room: loaded at once it would hold the event loop for as long as all of them take. */
const ROOMS: readonly (() => Promise<unknown>)[] = [
  () => import("../content/facts.ts"),
  () => import("../dlp/credential.ts"),
  () => import("../dlp/scanners.ts"),
  () => import("../dlp/dlp.ts"),
  () => import("../detect/inflate.ts"),
  () => import("../detect/look-alikes.ts"),
  () => import("../detect/judge.ts"),
  () => import("../detect/lattice.ts"),
  () => import("../detect/inspect.ts"),
  () => import("../engine/engine.ts"),
];

/**
 * For a gateway without a policy, of which all that can be told beforehand is known: nothing is denied by name, nothing
 * opaque, nothing limited. Who asks for a decision waits until there is something to decide it.
 */
export function lateDecider(open: () => Promise<OpenedDecider>, config: Softened): OpenedDecider {
  let opened: OpenedDecider | null = null;
  let opening: Promise<OpenedDecider> | null = null;
  let closed = false;
  const unread = new WeakSet<Egress>();

  function load(): Promise<OpenedDecider> {
    opening ??= inSteps().then((decider) => {
      if (closed) void decider.close();
      opened = decider;
      return decider;
    });
    return opening;
  }

  async function inSteps(): Promise<OpenedDecider> {
    for (const room of ROOMS) {
      await room();
      await nextTurn();
    }
    return open();
  }

  // A room that cannot be loaded is a fault of the decision, like any other.
  const waiting: Decider = guarded(
    {
      policyVersion: null,
      reload: async () => (await load()).reload(),
      opaque: () => false,
      // Beside it there is no plane that could be late: a body that waits until time is up is one that nobody read.
      reading: (egress) => unread.has(egress),
      decide(egress, held): Promise<Decision> {
        if (held !== null) unread.add(egress);
        return load().then((decider) => decider.decide(egress, held));
      },
    },
    config,
  );

  return {
    get candidate() {
      return opened?.candidate ?? null;
    },
    get policyVersion() {
      return opened?.policyVersion ?? null;
    },
    get problem() {
      return opened?.problem ?? null;
    },
    get planeDown() {
      return opened?.planeDown ?? false;
    },
    get planeTrouble() {
      return opened?.planeTrouble ?? null;
    },
    prepare() {
      load()
        .then((decider) => decider.prepare())
        .catch(() => {});
    },
    decide: (egress, held) => (opened ?? waiting).decide(egress, held),
    reload: () => (opened ?? waiting).reload(),
    opaque: (host, port) => (opened ?? waiting).opaque(host, port),
    // An answer comes after a decision, and so after whatever decides was loaded.
    screen: (egress, head) => opened?.screen?.(egress, head) ?? null,
    forget: () => opened?.forget(),
    recheck: (egress) => opened?.recheck(egress) ?? null,
    limits: () => opened?.limits() ?? null,
    deniedAddress: (address, port) => opened?.deniedAddress(address, port) ?? null,
    // Without a policy there is nowhere to look for another.
    watch() {},
    async close() {
      closed = true;
      await opened?.close();
    },
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
