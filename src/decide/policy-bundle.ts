/** A policy that a plane serves: asked for again and again, checked as a whole, and kept in a file for a start without network. */
import type { Config, PolicyBundleConfig } from "../config/config.ts";
import { bundleProblem, bundleSignedAt } from "../crypto/attestation.ts";
import { canonicalize } from "../crypto/canonical.ts";
import { constantTimeEqual } from "../crypto/digest.ts";
import { Fault, messageOf } from "../errors.ts";
import { loadEngines } from "../policy/engines.ts";
import { compilePolicy } from "../policy/program.ts";
import type { HttpReply, Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { whyUnreadable } from "../words/unreadable.ts";
import { KeyRing } from "./key-ring.ts";
import type { Policy } from "./policy.ts";
import { type PolicyBundle, policyBundleSchema } from "./policy-bundle-schema.ts";
import { type LoadedPolicy, policyFrom } from "./policy-files.ts";

const MAX_BYTES = 16 * 1024 * 1024;
const TIMEOUT_MS = 10_000;
/** A time further ahead than clocks differ would keep out every later bundle. */
const MAX_AHEAD_MS = 3_600_000;

/** Which policy was taken last, and when it was signed at the latest; ms since the epoch. */
interface Stamp {
  readonly version: string;
  readonly signedAt: number | null;
}

type Machine = Pick<
  Runtime,
  | "httpClient"
  | "readFile"
  | "stat"
  | "monotonic"
  | "now"
  | "sha256"
  | "hmacSha256"
  | "writeNew"
  | "rename"
  | "remove"
  | "makeDirectory"
  | "pid"
>;

/** A policy whose source may have something new without being told. */
export interface FetchedPolicy extends Policy {
  close(): void;
}

/** Rejects with Fault `policy_invalid` when it can neither be fetched nor was kept: a gateway does not start on no policy. */
export async function openBundlePolicy(
  runtime: Machine,
  config: PolicyBundleConfig & Pick<Config, "hmacKey" | "signingKey">,
): Promise<FetchedPolicy> {
  const { plane } = config;
  const client = runtime.httpClient({
    maxSockets: 2,
    ...(plane.ca === null ? {} : { ca: plane.ca }),
    ...(plane.cert === null ? {} : { cert: plane.cert }),
    ...(plane.key === null ? {} : { key: plane.key }),
  });
  const ring = plane.jwks === null ? null : new KeyRing(runtime, plane.jwks, client);
  const mark = ring === null ? null : marking(runtime, config.hmacKey ?? config.signingKey);
  let current: LoadedPolicy | null = null;
  let etag: string | null = null;
  let last: Stamp | null = null;
  /** Why the policy in force was not fetched but kept; null when it was fetched. */
  let kept: string | null = null;

  async function load(): Promise<LoadedPolicy> {
    try {
      current = await fetched();
      kept = null;
      return current;
    } catch (thrown) {
      if (current !== null) throw thrown;
      const problem = messageOf(thrown);
      current = await fromCache(problem);
      kept = problem;
      return current;
    }
  }

  async function fetched(): Promise<LoadedPolicy> {
    const headers: Record<string, string> = { accept: "application/json" };
    if (plane.token !== null) headers.authorization = `Bearer ${plane.token}`;
    if (etag !== null && current !== null) headers["if-none-match"] = etag;
    let reply: HttpReply;
    try {
      reply = await client.send(config.url, "GET", headers, null, MAX_BYTES, AbortSignal.timeout(TIMEOUT_MS));
    } catch (thrown) {
      throw unfetched(`cannot be fetched: ${messageOf(thrown)}`);
    }
    if (reply.status === 304 && current !== null) return current;
    if (reply.status !== 200) throw unfetched(`was answered ${whyNoBundle(reply.status)}`);
    const bundle = read(reply.body);
    if (ring !== null) {
      own(bundle);
      const problem = await bundleProblem(bundle, bundle.signature, (kid) => ring.find(kid));
      if (problem !== null) throw refusal(problem);
    }
    const stamp = await notOlder(bundle);
    const loaded = await compiled(bundle);
    etag = reply.headers.etag ?? null;
    // The same policy signed earlier, by another replica: what is kept says the later time.
    if (stamp !== last) await keep(bundle);
    last = stamp;
    return loaded;
  }

  /** What a plane signs for another tenant is as true, and no policy of this gateway. */
  function own({ tenant }: PolicyBundle): void {
    if (tenant === config.tenant) return;
    throw refusal(`is that of tenant ${quote(tenant)}, and EVE_PROXY_ORG_ID is ${quote(config.tenant)}`);
  }

  /**
   * What was signed is true for ever, also when it is served again: another policy than the last one must have been signed
   * after it. Without keys no time can be believed.
   */
  async function notOlder({ version, signature }: PolicyBundle): Promise<Stamp> {
    const signedAt = ring === null ? null : bundleSignedAt(signature);
    if (signedAt !== null && signedAt > runtime.now() + MAX_AHEAD_MS) throw refusal("was signed in the future");
    last ??= await keptStamp();
    const before = last?.signedAt ?? null;
    if (ring === null || last === null || before === null || (signedAt !== null && signedAt >= before))
      return { version, signedAt };
    if (version === last.version) return last;
    const of = signedAt === null ? "says no time" : `was signed ${new Date(signedAt).toISOString()}`;
    throw refusal(`is an older one: it ${of}, the last one was signed ${new Date(before).toISOString()}`);
  }

  async function keptStamp(): Promise<Stamp | null> {
    const { cachePath } = config;
    try {
      const info = await runtime.stat(cachePath);
      if (info === null || info.directory || info.size > MAX_BYTES) return null;
      const { tenant, version, signature } = readKept(await runtime.readFile(cachePath)).bundle;
      if (tenant !== config.tenant) return null;
      return { version, signedAt: bundleSignedAt(signature) };
    } catch {
      // What cannot be read is not started on either, and a good one takes its place.
      return null;
    }
  }

  async function fromCache(unreachable: string): Promise<LoadedPolicy> {
    const { cachePath } = config;
    try {
      const info = await runtime.stat(cachePath);
      if (info === null) throw invalid(`${unreachable}; no bundle is kept at ${quote(cachePath)}`);
      if (info.directory || info.size > MAX_BYTES) throw refusal(`${quote(cachePath)} is no kept bundle`);
      const { bundle, kept: said } = readKept(await runtime.readFile(cachePath));
      if (ring !== null) {
        own(bundle);
        const problem = await bundleProblem(bundle, bundle.signature, (kid) => ring.find(kid));
        const where = `the one kept at ${quote(cachePath)}`;
        if (problem !== null && ring.problem === null) throw refusal(`${where} ${problem}`);
        // Keys that cannot be had now say nothing against it; that it was verified when it was kept is to be shown.
        if (problem !== null && (mark === null || said === null || !constantTimeEqual(said, mark(bundle))))
          throw refusal(`${unreachable}; and ${where} cannot be verified without the plane's keys: ${ring.problem}`);
      }
      return await compiled(bundle);
    } catch (thrown) {
      if (thrown instanceof Fault) throw thrown;
      throw invalid(`${unreachable}; and ${quote(cachePath)} ${whyUnreadable(thrown)}`);
    }
  }

  /** Whole or not at all; several processes may keep the same one. A disk that is full does not keep a policy from being in force. */
  async function keep(bundle: PolicyBundle): Promise<void> {
    const { cachePath } = config;
    const slash = cachePath.lastIndexOf("/");
    const fresh = `${cachePath}.${runtime.pid}`;
    try {
      if (slash > 0) await runtime.makeDirectory(cachePath.slice(0, slash));
      await runtime.remove(fresh).catch(() => {});
      const kept = mark === null ? bundle : { ...bundle, kept: mark(bundle) };
      await runtime.writeNew(fresh, JSON.stringify(kept), 0o600);
      runtime.rename(fresh, cachePath);
    } catch {
      await runtime.remove(fresh).catch(() => {});
    }
  }

  try {
    const policy = await policyFrom(load);
    return {
      get version() {
        return policy.version;
      },
      get sources() {
        return policy.sources;
      },
      get engine() {
        return policy.engine;
      },
      get problem() {
        return policy.problem ?? kept;
      },
      get sequences() {
        return policy.sequences;
      },
      get cache() {
        return policy.cache;
      },
      limits: () => policy.limits(),
      judge: (destination) => policy.judge(destination),
      deniedAddress: (address, port) => policy.deniedAddress(address, port),
      opaque: (host, port) => policy.opaque(host, port),
      engineOnly: () => policy.engineOnly(),
      reload: () => policy.reload(),
      close: () => client.close(),
    };
  } catch (thrown) {
    client.close();
    throw thrown;
  }
}

/** By a key that whoever may only write the file does not have. Null without a secret to derive it from. */
function marking({ hmacSha256 }: Machine, secret: string | null): ((bundle: PolicyBundle) => string) | null {
  if (secret === null) return null;
  const bytes = new TextEncoder();
  const hmac = hmacSha256(bytes.encode(hmacSha256(bytes.encode(secret))("sallyport kept bundle 1")));
  return ({ tenant, version, files, signature }) => hmac(canonicalize({ tenant, version, files, signature }));
}

/** `kept`: the mark it was kept with; null when there is none. */
function readKept(bytes: Uint8Array): { readonly bundle: PolicyBundle; readonly kept: string | null } {
  const json = parsed(bytes);
  if (typeof json !== "object" || json === null || !("kept" in json)) return { bundle: checked(json), kept: null };
  const { kept, ...rest } = json;
  return { bundle: checked(rest), kept: typeof kept === "string" ? kept : null };
}

function read(bytes: Uint8Array): PolicyBundle {
  return checked(parsed(bytes));
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw refusal("is not JSON");
  }
}

function checked(json: unknown): PolicyBundle {
  const checked = policyBundleSchema.safeParse(json);
  if (checked.success) return checked.data;
  throw refusal(`is malformed: ${checked.error.issues[0]?.path.join(".") || "bundle"}`);
}

/** The version is computed here: a plane that calls a policy something else does not serve what it says. */
async function compiled({ version, files }: PolicyBundle): Promise<LoadedPolicy> {
  await loadEngines(files);
  const program = compilePolicy(files);
  if (program.version !== version) throw refusal("does not have the version it says");
  return { program, sources: files };
}

function whyNoBundle(status: number): string {
  if (status === 401 || status === 403) return `${status}: see EVE_PROXY_GOVERNANCE_TOKEN`;
  if (status === 404) return "404: give its whole URL (…/v1/bundle); a tenant without a policy of files has none";
  return `with status ${status}`;
}

/** Of what was fetched. */
function refusal(why: string): Fault {
  return invalid(`the policy bundle ${why}`);
}

/** Of what could not be. */
function unfetched(why: string): Fault {
  return invalid(`EVE_PROXY_POLICY_BUNDLE_URL ${why}`);
}

function invalid(message: string): Fault {
  return new Fault("policy_invalid", message);
}
