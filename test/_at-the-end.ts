/**
 * What is done once, when all tests have been run: children that a failed test left behind are ended, folders removed. The
 * test runner tells nobody that it ends (no "exit" event), and a hook of a file would run when that file is over, while what
 * several files share is still in use: `_preload.ts` has one for all of them. Programs that are no tests end by themselves.
 */
import type { ChildProcess } from "node:child_process";

const actions = new Set<() => void>();
process.on("exit", endAll);

/** The action is done at the end, unless what is returned was called before. It may not throw what must be heard. */
export function atTheEnd(action: () => void): () => void {
  actions.add(action);
  return () => void actions.delete(action);
}

/** A child that does not outlive the tests. */
export function leashed<T extends ChildProcess>(child: T): T {
  const forget = atTheEnd(() => void child.kill("SIGKILL"));
  child.once("exit", forget);
  return child;
}

export function endAll(): void {
  for (const action of actions) {
    actions.delete(action);
    try {
      action();
    } catch (error) {
      console.error("at the end of the tests:", error);
    }
  }
}
