import type { Runtime } from "../runtime/contract.ts";
import { whyUnreadable } from "../words/unreadable.ts";

/** The two files of a CA; null: there is no knowing where the key is. */
export interface CaPlace {
  readonly cert: string;
  readonly key: string | null;
}

/** `ca.crt` and `ca.key` of a directory. */
export function placeIn(directory: string): { readonly cert: string; readonly key: string } {
  const base = directory.endsWith("/") ? directory : `${directory}/`;
  return { cert: `${base}ca.crt`, key: `${base}ca.key` };
}

/** What the settings name, or null. */
export function placeOfSettings({ env }: Runtime): CaPlace | null {
  const cert = env.EVE_PROXY_CA_CERT;
  return cert ? { cert, key: env.EVE_PROXY_CA_KEY ?? env.EVE_PROXY_CA_KEY_FILE ?? null } : null;
}

const MAX_BYTES = 1_048_576;

/** The text of a file, or why it cannot be had: "does not exist". */
export async function textOf(
  runtime: Runtime,
  path: string,
): Promise<{ readonly text: string; readonly mode: number } | { readonly problem: string }> {
  try {
    const info = await runtime.stat(path);
    if (info === null) return { problem: "does not exist" };
    if (!info.regular) return { problem: "is not a file" };
    if (info.size > MAX_BYTES) return { problem: `is larger than ${MAX_BYTES} bytes` };
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await runtime.readFile(path));
    return { text, mode: info.mode };
  } catch (thrown) {
    return { problem: whyUnreadable(thrown) };
  }
}

/** A client that reads meanwhile finds the old file or the new one, never a part. Rejects when it cannot be written; then nothing is left of it. */
export async function replaceFile(
  runtime: Runtime,
  path: string,
  { data, mode }: { readonly data: string | Uint8Array; readonly mode: number },
): Promise<void> {
  const fresh = `${path}.${runtime.randomHex(4)}.new`;
  try {
    await runtime.writeNew(fresh, data, mode);
    runtime.rename(fresh, path);
  } catch (thrown) {
    await runtime.remove(fresh).catch(() => {});
    throw thrown;
  }
}
