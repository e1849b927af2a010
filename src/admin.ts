/** Opens the admin surface where one is configured. Its code is loaded then and only then. */
import { COMMIT, VERSION } from "./cli/version.ts";
import type { Config } from "./config/config.ts";
import type { Endpoint } from "./decide/host.ts";
import type { Operated } from "./listen/admin.ts";
import type { KillOrder } from "./model/kill-order.ts";
import type { Log } from "./observe/log.ts";
import type { StatusFacts } from "./observe/status.ts";
import type { Runtime } from "./runtime/contract.ts";
import { boundBy } from "./words/bound.ts";

/** Resolves to the address it was bound to, null when none is configured. Rejects with Fault `listen_failed`. */
export async function openAdmin(
  runtime: Runtime,
  config: Config,
  operated: Operated,
  log: Log,
): Promise<Endpoint | null> {
  const { adminListen, adminToken } = config;
  if (adminListen === null || adminToken === null) return null;
  const { adminSurface } = await import("./listen/admin.ts");
  const serving = runtime.serve(adminListen, adminSurface(runtime, adminToken, operated, log));
  const listener = await boundBy("EVE_PROXY_ADMIN_LISTEN", serving);
  const bound = { host: listener.address, port: listener.port };
  log.info("admin listening", bound);
  if (!bound.host.startsWith("127.") && bound.host !== "::1") {
    log.warn("the admin surface can be reached from other hosts, and its token is sent in the clear", bound);
  }
  return bound;
}

export function statusFacts(runtime: Runtime, config: Config, kill: KillOrder): StatusFacts {
  const { name, version } = runtime;
  return {
    version: VERSION,
    build: COMMIT,
    runtime: `${name} ${version}`,
    uptimeMs: runtime.monotonic(),
    config,
    kill,
  };
}
