/** Who may ask: the tenants of a plane, as their file says it or as the environment says there is one. */
import { z } from "zod";
import type { PlaneConfig } from "../config/plane.ts";
import { constantTimeEqual } from "../crypto/digest.ts";
import { Fault } from "../errors.ts";
import { readTree } from "../policy/tree.ts";
import type { Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { whyUnreadable } from "../words/unreadable.ts";

export interface TenantSpec {
  /** Stands in logs, metrics, attestations and bundles. */
  readonly id: string;
  /** sha256 of its tokens, hex; any of them is good. Empty: none is asked for. */
  readonly tokenHashes: readonly string[];
  /** Common name that its client certificate must have, or null. */
  readonly clientName: string | null;
  readonly policyPath: string | null;
}

export const MAX_TENANTS = 1024;
const MAX_FILE_BYTES = 1024 * 1024;

const hash = z.string().regex(/^sha256-[0-9a-f]{64}$/, 'must be "sha256-" and 64 lower-case hex digits');
const one = z.string().min(1, "is empty").max(4096);

const fileSchema = z.strictObject({
  tenants: z
    .array(
      z
        .strictObject({
          id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "must be letters, digits, . _ and -, at most 64"),
          token_hash: z.union([hash, z.array(hash).min(1).max(16)]).optional(),
          token_file: one.optional(),
          client_cn: one.max(256).optional(),
          policy: one.optional(),
        })
        .refine(
          (tenant) =>
            tenant.token_hash !== undefined || tenant.token_file !== undefined || tenant.client_cn !== undefined,
          {
            message: "needs token_hash, token_file or client_cn: without one anybody could ask in its name",
          },
        ),
    )
    .min(1, "names no tenant")
    .max(MAX_TENANTS, `names more than ${MAX_TENANTS} tenants`),
});

type Files = Pick<Runtime, "readFile" | "stat" | "sha256">;

/** Rejects with Fault `policy_invalid`, naming every problem of the file that can be told at once. */
export async function readTenants(
  runtime: Files,
  config: Pick<PlaneConfig, "tenantsPath" | "token" | "policyPath" | "tls" | "orgId">,
): Promise<readonly TenantSpec[]> {
  const { tenantsPath: path } = config;
  if (path === null) {
    const tokenHashes = config.token === null ? [] : [runtime.sha256(config.token)];
    return [{ id: config.orgId, tokenHashes, clientName: null, policyPath: config.policyPath }];
  }
  const name = path.slice(path.lastIndexOf("/") + 1);
  const tree = readTree(name, await textOf(runtime, path));
  if (typeof tree === "string") throw invalid(tree);
  if (tree.problems.length > 0) throw invalid(tree.problems.join("\n"));
  const checked = fileSchema.safeParse(tree.value);
  if (!checked.success) {
    const lines = checked.error.issues.map((issue) => {
      const where = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
      return `${tree.at(where)}: ${where.join(".") || "tenants"}: ${issue.message}`;
    });
    throw invalid(lines.join("\n"));
  }
  const tenants: TenantSpec[] = [];
  for (const { id, token_hash, token_file, client_cn, policy } of checked.data.tenants) {
    const tokenHashes = (typeof token_hash === "string" ? [token_hash] : (token_hash ?? [])).map((text) =>
      text.slice(7),
    );
    if (token_file !== undefined) tokenHashes.push(runtime.sha256(await tokenIn(runtime, token_file)));
    if (client_cn !== undefined && config.tls?.clientCa === undefined) {
      throw invalid(
        `${name}: ${quote(id)}: client_cn needs EVE_PROXY_GOVERNANCE_CLIENT_CA: no certificate is asked for`,
      );
    }
    tenants.push({ id, tokenHashes, clientName: client_cn ?? null, policyPath: policy ?? null });
  }
  const twice = firstTwice(tenants.map(({ id }) => id));
  if (twice !== null) throw invalid(`${name}: tenant ${quote(twice)} is named twice`);
  if (firstTwice(tenants.flatMap(({ tokenHashes }) => tokenHashes)) !== null) {
    throw invalid(`${name}: two tenants have the same token: it would not be clear who asks`);
  }
  const nameless = tenants
    .filter(({ tokenHashes }) => tokenHashes.length === 0)
    .map(({ clientName }) => clientName ?? "");
  if (firstTwice(nameless) !== null) throw invalid(`${name}: two tenants have the same client_cn and no token`);
  return tenants;
}

/**
 * Who asks, or null. The token is compared by its hash with every tenant's, whoever it may be: time tells neither where a
 * token differs nor whose it nearly is.
 */
export function tenantOf<T extends TenantSpec>(
  tenants: readonly T[],
  given: { readonly tokenHash: string | null; readonly clientName: string | null },
): T | null {
  let found: T | null = null;
  for (const tenant of tenants) {
    let right = tenant.tokenHashes.length === 0;
    for (const each of tenant.tokenHashes) {
      if (constantTimeEqual(each, given.tokenHash ?? "")) right = true;
    }
    if (tenant.clientName !== null && tenant.clientName !== given.clientName) right = false;
    // One that must show a token goes before one that a certificate alone makes: the more exact is meant.
    if (right && (found === null || found.tokenHashes.length === 0)) found = tenant;
  }
  return found;
}

function firstTwice(values: readonly string[]): string | null {
  return values.find((value, at) => values.indexOf(value) !== at) ?? null;
}

async function tokenIn(runtime: Files, path: string): Promise<string> {
  const token = (await textOf(runtime, path)).replace(/\r?\n$/, "");
  if (!/^[\u0021-\u007e]{16,}$/.test(token)) {
    throw invalid(`token file ${quote(path)} must hold one token of 16 or more printable characters`);
  }
  return token;
}

async function textOf(runtime: Files, path: string): Promise<string> {
  try {
    const info = await runtime.stat(path);
    if (info === null) throw invalid(`${quote(path)} does not exist`);
    if (info.directory || info.size > MAX_FILE_BYTES) throw invalid(`${quote(path)} is no file of at most 1 MiB`);
    return new TextDecoder("utf-8", { fatal: true }).decode(await runtime.readFile(path));
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    throw invalid(`${quote(path)} ${whyUnreadable(thrown)}`);
  }
}

function invalid(message: string): Fault {
  return new Fault("policy_invalid", message);
}
