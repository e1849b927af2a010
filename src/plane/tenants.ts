/** Who may ask: the tenants of a plane, as their file says it or as the environment says there is one. */
import { z } from "zod";
import type { PlaneConfig } from "../config/plane.ts";
import { constantTimeEqual } from "../crypto/digest.ts";
import { Fault, messageOf } from "../errors.ts";
import { type PolicyTree, readTree } from "../policy/tree.ts";
import type { Runtime } from "../runtime/contract.ts";
import { nearest } from "../words/nearest.ts";
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

const MAX_TENANTS = 1024;
const MAX_FILE_BYTES = 1024 * 1024;

const hash = z.string().regex(/^sha256-[0-9a-f]{64}$/, 'must be "sha256-" and 64 lower-case hex digits');
const HASHES = 'must be "sha256-" and 64 lower-case hex digits, or a list of at most 16 such';
const one = z.string({ error: "must be text: put it in quotes" }).min(1, "is empty").max(4096);

const fileSchema = z.strictObject({
  tenants: z
    .array(
      z
        .strictObject({
          id: z
            .string({ error: "must be a name such as payments" })
            .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "must be letters, digits, . _ and -, at most 64"),
          token_hash: z.union([hash, z.array(hash).min(1).max(16)], { error: HASHES }).optional(),
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
      { error: "must be a list of tenants, each with an id and token_hash, token_file or client_cn" },
    )
    .min(1, "names no tenant")
    .max(MAX_TENANTS, `names more than ${MAX_TENANTS} tenants`),
});

const TENANT_KEYS = ["id", "token_hash", "token_file", "client_cn", "policy"] as const;

type Files = Pick<Runtime, "readFile" | "stat" | "sha256">;

/** Rejects with Fault `policy_invalid`, naming every problem of the form, or when there is none every other. */
export async function readTenants(
  runtime: Files,
  config: Pick<PlaneConfig, "tenantsPath" | "token" | "policyPath" | "tls" | "opa" | "orgId">,
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
    throw invalid(checked.error.issues.flatMap((issue) => wrongForm(tree, issue)).join("\n"));
  }
  const problems: string[] = [];
  const tenants: TenantSpec[] = [];
  const known = { id: new Map<string, string>(), token: new Map<string, string>(), name: new Map<string, string>() };
  /** The other tenant that has this already, or null. */
  const before = (kind: keyof typeof known, value: string, id: string): string | null => {
    const other = known[kind].get(value) ?? null;
    if (other === null) known[kind].set(value, id);
    return other;
  };
  for (const [index, { id, token_hash, token_file, client_cn, policy }] of checked.data.tenants.entries()) {
    const complain = (what: string, key?: string): void => {
      const place = tree.at(["tenants", index, ...(key === undefined ? [] : [key])]);
      problems.push(`${place}: tenant ${quote(id)}: ${what}`);
    };
    const tokenHashes = (typeof token_hash === "string" ? [token_hash] : (token_hash ?? [])).map((text) =>
      text.slice(7),
    );
    const token = token_file === undefined ? null : await tokenIn(runtime, token_file);
    if (token !== null && "problem" in token) complain(token.problem, "token_file");
    else if (token !== null) tokenHashes.push(runtime.sha256(token.token));
    if (client_cn !== undefined && config.tls?.clientCa === undefined) {
      complain("client_cn needs EVE_PROXY_GOVERNANCE_CLIENT_CA: no certificate is asked for", "client_cn");
    }
    // With an OPA policy for all, theirs are not read.
    if (policy !== undefined && config.opa === null && (await runtime.stat(policy).catch(() => undefined)) === null) {
      complain(`${quote(policy)} does not exist`, "policy");
    }
    if (before("id", id, id) !== null) complain("is named twice", "id");
    for (const each of tokenHashes) {
      const other = before("token", each, id);
      if (other === id) complain("names a token twice");
      else if (other !== null) complain(`has the same token as ${quote(other)}: it would not be clear who asks`);
    }
    if (tokenHashes.length === 0 && (token === null || !("problem" in token))) {
      const other = before("name", client_cn ?? "", id);
      if (other !== null) complain(`has the same client_cn as ${quote(other)}, and neither has a token`, "client_cn");
    }
    tenants.push({ id, tokenHashes, clientName: client_cn ?? null, policyPath: policy ?? null });
  }
  if (problems.length > 0) throw invalid(problems.join("\n"));
  return tenants;
}

function wrongForm(tree: PolicyTree, issue: z.core.$ZodIssue): string[] {
  const where = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
  const what = where.join(".") || "tenants file";
  if (issue.code !== "unrecognized_keys") return [`${tree.at(where)}: ${what}: ${issue.message}`];
  const known = where.length === 0 ? ["tenants"] : TENANT_KEYS;
  return issue.keys.map((key) => {
    const near = nearest(key, known);
    const hint = near === null ? `known are ${known.join(", ")}` : `did you mean ${near}?`;
    return `${tree.atKey(where, key)}: ${what}: unknown key ${quote(key)}, ${hint}`;
  });
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

async function tokenIn(
  runtime: Files,
  path: string,
): Promise<{ readonly token: string } | { readonly problem: string }> {
  let text: string;
  try {
    text = await textOf(runtime, path);
  } catch (thrown) {
    return { problem: messageOf(thrown) };
  }
  const token = text.replace(/\r?\n$/, "");
  if (/^[\u0021-\u007e]{16,}$/.test(token)) return { token };
  return { problem: `${quote(path)} must hold one token of 16 or more printable characters` };
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
