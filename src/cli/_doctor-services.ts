/**
 * What the gateway needs others for: asked as `run` would ask, within a time of its own, and nothing is changed there or
 * here. No token and no password is ever part of what is said.
 */
import type { Config, GovernanceConfig, OpaConfig, PolicyBundleConfig, RedisConfig } from "../config/config.ts";
import { isRefused } from "../config/kinds.ts";
import { environment } from "../config/schema.ts";
import { redisEndpoint } from "../decide/host.ts";
import { KeyRing } from "../decide/key-ring.ts";
import { whyStatus, withoutPlace } from "../decide/plane-fault.ts";
import { messageOf } from "../errors.ts";
import type { HttpClient, HttpReply, Runtime } from "../runtime/contract.ts";
import { formatAuthority } from "../wire/authority.ts";
import { quote } from "../words/quote.ts";
import type { Finding } from "./_doctor-needs.ts";

/** All that is asked of one service is over after this. */
const ASK_MS = 2_000;
/** Shorter, so that a client of Redis has the time to say why. */
const CONNECT_MS = 1_000;
const MAX_PATH = 512;
const MAX_REPLY = 64 * 1024;

/** Null when it takes longer; `late` gets what comes all the same. */
function within<T>(asked: Promise<T>, late: (come: T) => void = () => {}): Promise<T | null> {
  return new Promise((resolve, reject) => {
    let over = false;
    const timer = setTimeout(() => {
      over = true;
      resolve(null);
    }, ASK_MS);
    asked.then(
      (come) => {
        clearTimeout(timer);
        if (over) late(come);
        resolve(come);
      },
      (thrown: unknown) => {
        clearTimeout(timer);
        reject(thrown);
      },
    );
  });
}

const SLOW = `did not come within ${ASK_MS / 1000} s; run waits longer, and does not start without it`;

/** The policy that is no file of EVE_PROXY_POLICY, opened as at a start. */
export async function fetchedPolicy(
  runtime: Runtime,
  config: Pick<Config, "opa" | "policyBundle" | "maxBody" | "hmacKey" | "signingKey">,
): Promise<Finding | null> {
  const about = "policy";
  const { opa, policyBundle, maxBody, hmacKey, signingKey } = config;
  try {
    if (opa !== null) return { about, ...(await opaBundle(runtime, opa, maxBody)) };
    if (policyBundle !== null)
      return { about, ...(await servedBundle(runtime, { ...policyBundle, hmacKey, signingKey })) };
    return null;
  } catch (thrown) {
    return { state: "fail", about, detail: messageOf(thrown).replaceAll("\n", "; ") };
  }
}

type Said = Pick<Finding, "state" | "detail">;

async function opaBundle(runtime: Runtime, opa: OpaConfig, maxBody: number): Promise<Said> {
  const { openOpaPolicy } = await import("../decide/opa-policy.ts");
  const opened = await within(openOpaPolicy(runtime, opa, { maxBody, fault() {} }), (late) => late.close());
  const named = `OPA bundle ${quote(opa.bundle, MAX_PATH)}`;
  if (opened === null) return { state: "warn", detail: `${named} ${SLOW}` };
  opened.close();
  return { state: "ok", detail: `${named} decides, version ${opened.version}` };
}

async function servedBundle(
  runtime: Runtime,
  config: PolicyBundleConfig & Pick<Config, "hmacKey" | "signingKey">,
): Promise<Said> {
  const { openBundlePolicy } = await import("../decide/policy-bundle.ts");
  const { httpClient, readFile, stat, monotonic, now, sha256, hmacSha256, pid } = runtime;
  const looking = {
    ...{ httpClient, readFile, stat, monotonic, now, sha256, hmacSha256, pid },
    // What it fetches it would keep; that is for `run` to do.
    makeDirectory: async () => {},
    remove: async () => {},
    writeNew: () => Promise.reject(new Error("nothing is written")),
    rename() {},
  };
  const kept = (await runtime.stat(config.cachePath).catch(() => null)) !== null;
  const opened = await within(openBundlePolicy(looking, config), (late) => late.close());
  if (opened === null)
    return { state: "warn", detail: `the policy bundle of ${config.url} ${SLOW}; kept one: ${kept ? "yes" : "no"}` };
  opened.close();
  const { problem, version } = opened;
  const place = quote(config.cachePath, MAX_PATH);
  if (problem !== null)
    return { state: "warn", detail: `${problem}; the bundle kept at ${place} decides, version ${version}` };
  const one = kept ? `one is kept at ${place}` : `none is kept at ${place} yet: run does that`;
  return { state: "ok", detail: `the policy bundle of ${config.url} decides, version ${version}; ${one}` };
}

/** Asked something that is no question: whoever knows the token says so, and nothing is decided or counted. */
export async function plane(runtime: Runtime, governance: GovernanceConfig | null): Promise<Finding[]> {
  if (governance === null) return [];
  const { ca, cert, key, jwks, token } = governance;
  const client = runtime.httpClient({
    maxSockets: 2,
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
  });
  try {
    const answer = asked(client, governance).then(
      (reply) => said(reply, token !== null),
      (thrown: unknown): Said => ({
        state: "warn",
        detail: `cannot be reached: ${withoutPlace(messageOf(thrown))}`,
      }),
    );
    const keys = jwks === null ? null : keysProblem(runtime, jwks, client);
    const { state, detail } = await answer;
    const findings: Finding[] = [{ state, about: "plane", detail: `${governance.url} ${detail}` }];
    const problem = await keys;
    if (problem !== null)
      findings.push({
        state: "warn",
        about: "plane",
        detail: `EVE_PROXY_GOVERNANCE_JWKS gives no keys, and no answer will be believed: ${problem}`,
      });
    return findings;
  } finally {
    client.close();
  }
}

function asked(client: HttpClient, { url, token }: GovernanceConfig): Promise<HttpReply> {
  const headers: Record<string, string> = { "content-type": "application/json", accept: "application/json" };
  if (token !== null) headers.authorization = `Bearer ${token}`;
  const signal = AbortSignal.timeout(ASK_MS);
  return client.send(`${url}/v1/decisions`, "POST", headers, "{}", MAX_REPLY, signal).catch((thrown: unknown) => {
    throw signal.aborted ? new Error(`no answer within ${ASK_MS / 1000} s`) : thrown;
  });
}

function said({ status, headers }: HttpReply, token: boolean): Said {
  const json = /^application\/json *(?:;|$)/i.test(headers["content-type"] ?? "");
  if ((status === 400 || status === 422) && json)
    return { state: "ok", detail: token ? "answers, and knows the token" : "answers, and asks for no token" };
  if (status === 200 || !json) return { state: "warn", detail: `answers ${whyStatus(status, token)}; is it a plane?` };
  return { state: "warn", detail: `answers ${whyStatus(status, token)}` };
}

async function keysProblem(runtime: Runtime, jwks: string, client: HttpClient): Promise<string | null> {
  const ring = new KeyRing(runtime, jwks, client);
  // No key has this name; looking for it fetches them.
  await within(ring.find(""));
  return ring.problem;
}

/** Connected to and asked for a number: what stands there may take connections and say nothing. */
export async function redis(runtime: Runtime, config: RedisConfig | null): Promise<Finding[]> {
  if (config === null) return [];
  const endpoint = redisEndpoint({ redis: config });
  const where = endpoint === null ? "" : formatAuthority(endpoint.host, endpoint.port);
  const { url, ca } = config;
  const client = runtime.redis({ url, connectTimeoutMs: CONNECT_MS, ...(ca === null ? {} : { ca }) });
  const about = "redis";
  const closed = "limits refuse what they match, but those with on_outage: open";
  try {
    const answer = await within(client.tried.then(() => client.eval("return 1", [], [])));
    if (answer === 1) return [{ state: "ok", about, detail: `${where} answers` }];
    const handshake = !client.up && url.startsWith("rediss:") ? ": does it speak TLS?" : "";
    const why = answer === null ? `no answer within ${ASK_MS / 1000} s${handshake}` : "the answer is not Redis's";
    return [{ state: "warn", about, detail: `${where}: ${why}: ${closed}` }];
  } catch (thrown) {
    const why = messageOf(thrown).replace(/^not connected: /, "");
    return [{ state: "warn", about, detail: `${where} cannot be asked: ${why}: ${closed}` }];
  } finally {
    client.close();
  }
}

/** Settings that only `sallyport governance` obeys: whoever has them here asks the wrong one. */
export function planesOwn({ env }: Pick<Runtime, "env">): Finding[] {
  const has = (name: string): boolean => env[name] !== undefined || env[`${name}_FILE`] !== undefined;
  const relays = has("EVE_PROXY_GOVERNANCE_URL") || has("EVE_PROXY_POLICY_BUNDLE_URL");
  const own = ["LISTEN", "TENANTS", "TLS_CERT", "TLS_KEY", "CLIENT_CA"].map((name) => `EVE_PROXY_GOVERNANCE_${name}`);
  if (!own.some(has) && (relays || !has("EVE_PROXY_GOVERNANCE_TOKEN"))) return [];
  const listen = environment.EVE_PROXY_GOVERNANCE_LISTEN.read(env.EVE_PROXY_GOVERNANCE_LISTEN);
  const { host, port } = isRefused(listen) ? { host: "127.0.0.1", port: 3129 } : listen;
  const at = `${has("EVE_PROXY_GOVERNANCE_TLS_CERT") ? "https" : "http"}://${formatAuthority(host, port)}/readyz`;
  const detail = `settings of a plane are here, and doctor and healthcheck are for gateways; ask a plane with: curl -f ${at}`;
  return [{ state: "note", about: "plane", detail }];
}
