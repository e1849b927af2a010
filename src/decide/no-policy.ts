import type { Config } from "../config/config.ts";

/** True when nothing that is configured may ever say what is allowed: what decides is then known without reading anything. */
export function withoutPolicy({ policyPath, policyBundle, opa }: Config): boolean {
  return policyPath === null && policyBundle === null && opa === null;
}

export const NO_POLICY =
  'no policy is configured: every public host is allowed; attacks on models (Pillar 128), secrets and internal addresses are vetoed, personal data is only noted; to tighten, set EVE_PROXY_POLICY to a file with "version: 1" and "extends: [llm-only]", and see docs/policy.md';
