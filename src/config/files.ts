/** The files that settings name: read once, so that a path that is no good is a problem like any other. */
import { loadPrivate } from "../crypto/keys.ts";
import { messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { whyUnreadable } from "../words/unreadable.ts";
import type { Problem } from "./config.ts";
import type { SettingName, Settings } from "./schema.ts";

/** Contents; null where none is named or it was no good. */
export interface Files {
  readonly signingKey: string | null;
  readonly upstreamRoots: string | null;
  readonly redisCa: string | null;
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  /** Of the plane this process is. */
  readonly planeCert: string | null;
  readonly planeKey: string | null;
  readonly planeClientCa: string | null;
}

/** No key and no certificate bundle is larger; bounds what a wrong path (a log, a device) can cost. */
const MAX_FILE_BYTES = 4_194_304;
export const MAX_PATH = 512;
export const HINT = "give the path of a file this user can read; a relative one begins at the working directory";
export const CERTIFICATE = "-----BEGIN CERTIFICATE";

export async function readFiles(runtime: Runtime, settings: Settings, problems: Problem[]): Promise<Files> {
  const at = async (name: SettingName, path: string | undefined, marker: string | null): Promise<string | null> => {
    if (path === undefined) return null;
    // Said of the variable that was set, which may be the other spelling of it.
    const variable = runtime.env[name] === undefined ? `${name}_FILE` : name;
    const found = await readText(runtime, path);
    if (typeof found !== "string") {
      problems.push({ variable, problem: `${quote(path, MAX_PATH)} ${found.problem}`, hint: HINT });
      return null;
    }
    if (marker !== null && !found.includes(marker)) {
      const problem = `${quote(path, MAX_PATH)} has no "${marker}" in it`;
      problems.push({ variable, problem, hint: "give a PEM file" });
      return null;
    }
    return found;
  };
  const policy = settings.EVE_PROXY_POLICY;
  if (policy !== undefined) {
    const why = await runtime.stat(policy).then((info) => (info === null ? "does not exist" : null), whyUnreadable);
    const hint = "give the path of a policy file, or of a directory of them";
    if (why !== null) {
      problems.push({ variable: "EVE_PROXY_POLICY", problem: `${quote(policy, MAX_PATH)} ${why}`, hint });
    }
  }
  const kill = settings.EVE_PROXY_KILL_FILE;
  if (kill !== undefined) {
    // Of a directory that is not there nobody could say that the file is not in it, and a typo would be a switch that is not.
    const directory = kill.slice(0, kill.lastIndexOf("/") + 1) || ".";
    const why = await runtime
      .stat(directory)
      .then((info) => (info?.directory === true ? null : "is in no directory"), whyUnreadable);
    const hint = "give the path of a file that may come to be, in a directory that exists";
    if (why !== null) {
      problems.push({ variable: "EVE_PROXY_KILL_FILE", problem: `${quote(kill, MAX_PATH)} ${why}`, hint });
    }
  }
  const audit = settings.EVE_PROXY_AUDIT_PATH;
  const log = audit === "-" ? null : await runtime.stat(audit).catch(() => null);
  if (log?.directory === true) {
    const problem = `${quote(audit, MAX_PATH)} is a directory`;
    problems.push({ variable: "EVE_PROXY_AUDIT_PATH", problem, hint: "give the path of a file in it" });
  } else if (log?.regular === false) {
    const problem = `${quote(audit, MAX_PATH)} is a pipe or a device, which keeps no evidence`;
    const hint = 'give the path of a file, or "-" for the standard output';
    problems.push({ variable: "EVE_PROXY_AUDIT_PATH", problem, hint });
  }
  return {
    signingKey: await signingKey(runtime, await at("EVE_PROXY_SIGNING_KEY", settings.EVE_PROXY_SIGNING_KEY, null), {
      path: settings.EVE_PROXY_SIGNING_KEY ?? "",
      problems,
    }),
    upstreamRoots: await at("EVE_PROXY_UPSTREAM_CA", settings.EVE_PROXY_UPSTREAM_CA, CERTIFICATE),
    redisCa: await at("EVE_PROXY_REDIS_CA", settings.EVE_PROXY_REDIS_CA, CERTIFICATE),
    ca: await at("EVE_PROXY_GOVERNANCE_CA", settings.EVE_PROXY_GOVERNANCE_CA, CERTIFICATE),
    cert: await at("EVE_PROXY_GOVERNANCE_CERT", settings.EVE_PROXY_GOVERNANCE_CERT, CERTIFICATE),
    key: await at("EVE_PROXY_GOVERNANCE_KEY", settings.EVE_PROXY_GOVERNANCE_KEY, "-----BEGIN"),
    planeCert: await at("EVE_PROXY_GOVERNANCE_TLS_CERT", settings.EVE_PROXY_GOVERNANCE_TLS_CERT, CERTIFICATE),
    planeKey: await at("EVE_PROXY_GOVERNANCE_TLS_KEY", settings.EVE_PROXY_GOVERNANCE_TLS_KEY, "-----BEGIN"),
    planeClientCa: await at("EVE_PROXY_GOVERNANCE_CLIENT_CA", settings.EVE_PROXY_GOVERNANCE_CLIENT_CA, CERTIFICATE),
  };
}

/**
 * The plane's keys, where they are a file: read at the start, because a relay without them would refuse everything. It is
 * read again later, so that keys can be changed in it.
 */
export async function readPlaneKeys(runtime: Runtime, settings: Settings, problems: Problem[]): Promise<void> {
  const variable = "EVE_PROXY_GOVERNANCE_JWKS";
  const path = settings[variable];
  if (path === undefined || /^https?:\/\//.test(path)) return;
  const hint =
    "give the plane's URL …/.well-known/jwks.json, or a file made by sallyport keys jwks (a relative path begins at the working directory)";
  const found = await readText(runtime, path);
  if (typeof found !== "string") {
    problems.push({ variable, problem: `${quote(path, MAX_PATH)} ${found.problem}`, hint });
    return;
  }
  // What checks signatures takes longer to load than all the rest.
  const { attestationKeys } = await import("../crypto/attestation.ts");
  try {
    await attestationKeys(found, runtime);
  } catch (thrown) {
    problems.push({ variable, problem: `${quote(path, MAX_PATH)} holds no usable key: ${messageOf(thrown)}`, hint });
  }
}

/** The text of a file that holds a secret, or null with a problem added. */
export async function readSecret(
  runtime: Runtime,
  variable: string,
  path: string,
  problems: Problem[],
): Promise<string | null> {
  const found = await readText(runtime, path);
  if (typeof found === "string") return found;
  // Somebody may have put the secret itself where its path belongs: only what can hardly be one is repeated.
  const shown = /^(?:\.{0,2}\/[a-z._-]{2,24}(?:\/|$)|[\w-]{1,32}(?:\/[\w-]{1,32}){0,8}\.[a-z]{2,6}$)/.test(path);
  const problem = shown ? `${quote(path, MAX_PATH)} ${found.problem}` : `names a file that ${found.problem}`;
  const hint = shown ? HINT : "give the path of a file, not the secret itself (what was given is not repeated here)";
  problems.push({ variable, problem, hint });
  return null;
}

async function signingKey(
  runtime: Runtime,
  text: string | null,
  { path, problems }: { readonly path: string; readonly problems: Problem[] },
): Promise<string | null> {
  try {
    if (text !== null) await loadPrivate(text, runtime);
  } catch (thrown) {
    const variable =
      runtime.env.EVE_PROXY_SIGNING_KEY === undefined ? "EVE_PROXY_SIGNING_KEY_FILE" : "EVE_PROXY_SIGNING_KEY";
    const problem = `${quote(path, MAX_PATH)} holds no usable key: ${messageOf(thrown)}`;
    const hint =
      "give a PEM (PKCS#8) or JWK file with an Ed25519 or P-256 private key; sallyport keys generate makes one";
    problems.push({ variable, problem, hint });
  }
  return text;
}

/** The text of a file, or what is wrong with the path. */
export async function readText(runtime: Runtime, path: string): Promise<string | { readonly problem: string }> {
  try {
    const info = await runtime.stat(path);
    if (info === null) return { problem: "does not exist" };
    if (info.directory) return { problem: "is a directory" };
    if (info.size > MAX_FILE_BYTES) return { problem: `is larger than ${MAX_FILE_BYTES} bytes` };
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await runtime.readFile(path));
  } catch (thrown) {
    return { problem: whyUnreadable(thrown) };
  }
}
