import { Fault } from "../errors.ts";

/** What a listener's failure says besides the address: which settings name it, and what can be done. Rejects as `binding` does. */
export async function boundBy<T>(settings: string, binding: Promise<T>): Promise<T> {
  try {
    return await binding;
  } catch (thrown) {
    if (!(thrown instanceof Fault) || thrown.code !== "listen_failed") throw thrown;
    const remedy = unboundRemedy(thrown.message);
    throw new Fault("listen_failed", `${thrown.message} (set by ${settings}${remedy === null ? "" : `; ${remedy}`})`, {
      cause: thrown,
    });
  }
}

/** What a runtime's `cannot listen on HOST:PORT: CODE` comes of, and what to do; null when that is not known. */
export function unboundRemedy(message: string): string | null {
  const [, host = "", port = "", why = ""] = /^cannot listen on (.*):([0-9]+): (.*)$/.exec(message) ?? [];
  if (why === "EADDRINUSE") return "another process has it";
  if (why === "EACCES" && Number(port) < 1024) {
    return "ports below 1024 are not for this user: set a higher one, or give the gateway CAP_NET_BIND_SERVICE";
  }
  // Bun tells of a name that is not known in words only, Deno says EINVAL of an address.
  if (/^[0-9.]+$|:/.test(host)) {
    return why === "EADDRNOTAVAIL" || why === "EINVAL"
      ? "this is no address of this host: set one of them, or 0.0.0.0 for all"
      : null;
  }
  const unknown = why === "ENOTFOUND" || why === "EAI_AGAIN" || why.startsWith("Failed to listen");
  return unknown ? "no address of this host is known for the name: set an address, or 0.0.0.0 for all" : null;
}
