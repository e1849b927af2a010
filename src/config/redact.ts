import type { Config } from "./config.ts";

type Plain = string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain };

const HIDDEN = "[redacted]";

function hide(secret: string | null): string | null {
  return secret === null ? null : HIDDEN;
}

/** The configuration as it may be logged: every secret is replaced, CIDRs are text. */
export function redact(config: Config): Readonly<Record<string, Plain>> {
  const { governance, upstreamProxy } = config;
  return {
    ...config,
    hmacKey: hide(config.hmacKey),
    signingKey: hide(config.signingKey),
    adminToken: hide(config.adminToken),
    governance: governance && { ...governance, token: hide(governance.token), key: hide(governance.key) },
    redis: config.redis && { ...config.redis, url: HIDDEN },
    policyBundle: config.policyBundle && {
      ...config.policyBundle,
      plane: {
        ...config.policyBundle.plane,
        token: hide(config.policyBundle.plane.token),
        key: hide(config.policyBundle.plane.key),
      },
    },
    opa: config.opa && { ...config.opa },
    upstreamProxy: upstreamProxy && { ...upstreamProxy, authorization: hide(upstreamProxy.authorization) },
    allowAddresses: config.allowAddresses.map((cidr) => cidr.text),
    clients: config.clients?.map((cidr) => cidr.text) ?? null,
    adminListen: config.adminListen && { ...config.adminListen },
  };
}
