/** What interception takes, made of the configuration: leaves of the deployment's CA, exceptions, and how upstreams are verified. */
import type { Config, InterceptException, UpstreamClientCert } from "./config/config.ts";
import type { TlsFor } from "./enforce/dial.ts";
import type { Interceptor } from "./enforce/intercept.ts";
import type { Runtime, TlsIdentity } from "./runtime/contract.ts";
import { HostTable } from "./wire/host-table.ts";

/** Null without a CA. Rejects with Fault `key_invalid` or `certificate_invalid` for one that cannot be used. */
export async function openInterceptor(runtime: Runtime, config: Config, tls: TlsFor): Promise<Interceptor | null> {
  const { interceptCa, headerTimeoutMs, upstreamTimeoutMs } = config;
  if (interceptCa === null) return null;
  // Loaded only where there is a CA: a gateway without one does not pay for it.
  const [{ loadCa }, { leafMinter }, { LeafCache }] = await Promise.all([
    import("./crypto/ca.ts"),
    import("./crypto/leaf.ts"),
    import("./crypto/leaf-cache.ts"),
  ]);
  const now = () => runtime.now();
  const leaves = new LeafCache(await leafMinter(await loadCa(interceptCa, now()), { now }), { now });
  return {
    secureServer: runtime.secureServer,
    secureClient: runtime.secureClient,
    excepted: exceptions(config.interceptExcept),
    identity: (host) => leaves.cached(host) ?? leaves.leafFor(host),
    upstream: tls,
    upstreamMs: upstreamTimeoutMs,
    clientMs: headerTimeoutMs,
  };
}

/** Why TLS to a host is passed through, or null. */
function exceptions(listed: readonly InterceptException[]): (host: string) => string | null {
  const table = new HostTable(listed.map(({ host, reason }) => [host, reason ?? "excepted from interception"]));
  return (host) => table.find(host)?.value ?? null;
}

/** How a host's own certificate is verified, and what it is shown when it asks who we are. */
export function upstreamTls({ upstreamRoots, upstreamClientCerts }: Config): TlsFor {
  const roots = upstreamRoots === null ? {} : { extraRoots: upstreamRoots };
  const shown = identities(upstreamClientCerts);
  return (serverName, alpn) => {
    const identity = shown.get(serverName);
    return { serverName, alpn, ...roots, ...(identity === undefined ? {} : { identity }) };
  };
}

function identities(listed: readonly UpstreamClientCert[]): ReadonlyMap<string, TlsIdentity> {
  return new Map(listed.map(({ host, cert, key }) => [host, { cert, key }]));
}
