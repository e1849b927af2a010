import { Fault, messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";

const FORM = /^[0-9a-f]{64}$/;
const DEFAULT_DIRECTORY = "data/governance/fail_closed";

/** Where the development key of an audit log lives. */
export function developmentKeyPath(auditPath: string): string {
  if (auditPath === "-") return `${DEFAULT_DIRECTORY}/development.key`;
  const slash = auditPath.lastIndexOf("/");
  return slash === -1 ? "development.key" : `${auditPath.slice(0, slash + 1)}development.key`;
}

/**
 * The HMAC secret kept at `path`, 64 hex digits; made, 0600, when there is none. Of several processes that start at
 * once one makes it and all get the same. Throws Fault `key_invalid`.
 */
export async function developmentKey(runtime: Runtime, path: string): Promise<{ key: string; made: boolean }> {
  let made = false;
  if ((await runtime.stat(path)) === null) {
    const slash = path.lastIndexOf("/");
    try {
      if (slash > 0) await runtime.makeDirectory(path.slice(0, slash));
      await runtime.writeNew(path, runtime.randomHex(32), 0o600);
      made = true;
    } catch (thrown) {
      // Another process may have been first; only a path that still is not there is a failure.
      if ((await runtime.stat(path)) === null) {
        throw new Fault("key_invalid", `cannot make the development key "${path}": ${messageOf(thrown)}`);
      }
    }
  }
  // Whoever was first may still be writing: an empty file gets a second to become a key.
  for (let attempt = 0; ; attempt++) {
    const key = new TextDecoder().decode(await runtime.readFile(path)).replace(/\n$/, "");
    if (FORM.test(key)) return { key, made };
    if (key !== "" || attempt === 50) throw new Fault("key_invalid", `"${path}" is not a development key`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
