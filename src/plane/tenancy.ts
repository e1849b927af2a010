/** Tenants with the policies in force for them. Read again as a whole: each question sees one reading. */
import type { PlaneConfig } from "../config/plane.ts";
import type { Policy } from "../decide/policy.ts";
import { openPolicy } from "../decide/policy-files.ts";
import { messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { readTenants, type TenantSpec } from "./tenants.ts";

export interface Tenant extends TenantSpec {
  readonly policy: Policy;
}

export interface Tenancy {
  readonly tenants: readonly Tenant[];
  /** Why what is on disk is not what is in force; null when it is. */
  readonly problem: string | null;
  /** A reading with any problem changes nothing. Never rejects. */
  reload(): Promise<{ readonly ok: boolean; readonly message: string }>;
}

type Machine = Pick<Runtime, "readFile" | "stat" | "list" | "sha256">;

/** `shared`: the policy of every tenant, whatever the file says; null: each has its own. Rejects with Fault `policy_invalid`. */
export async function openTenancy(runtime: Machine, config: PlaneConfig, shared: Policy | null): Promise<Tenancy> {
  let tenants = await read();
  let problem: string | null = null;
  let reading: Promise<{ ok: boolean; message: string }> | null = null;
  let again = false;

  /** One path is one policy, however many tenants it has. */
  async function read(): Promise<readonly Tenant[]> {
    const specs = await readTenants(runtime, config);
    const policies = new Map<string | null, Policy>();
    for (const { policyPath } of specs) {
      if (!policies.has(policyPath)) policies.set(policyPath, shared ?? (await openPolicy(runtime, policyPath)));
    }
    return specs.map((spec) => ({ ...spec, policy: policies.get(spec.policyPath) as Policy }));
  }

  async function replace(): Promise<{ ok: boolean; message: string }> {
    try {
      do {
        again = false;
        const fresh = await read();
        if (shared !== null) {
          const result = await shared.reload();
          if (!result.ok) throw new Error(result.message);
        }
        tenants = fresh;
      } while (again);
      problem = null;
      return { ok: true, message: `${tenants.length} tenants, their policies read again` };
    } catch (thrown) {
      problem = messageOf(thrown);
      return { ok: false, message: problem };
    } finally {
      reading = null;
    }
  }

  return {
    get tenants() {
      return tenants;
    },
    get problem() {
      return problem ?? shared?.problem ?? null;
    },
    reload() {
      if (reading !== null) again = true;
      reading ??= replace();
      return reading;
    },
  };
}
