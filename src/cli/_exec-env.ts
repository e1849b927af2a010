/** The environment that `exec` gives its command: the way out and whom to trust on it, for every common runtime. */
import {
  BUNDLE_VARIABLES,
  EXTRA_ROOT_VARIABLES,
  javaOptions,
  joinedOptions,
  NO_PROXY_VARIABLES,
  PROXY_VARIABLES,
} from "../config/client-variables.ts";
import { SETTING_NAMES } from "../config/schema.ts";

/** Files that were made for this run. */
export interface TrustFiles {
  /** PEM: the system's roots and ours. */
  readonly bundle: string;
  /** PEM: ours alone. */
  readonly ca: string;
  /** PKCS #12: as `bundle`. */
  readonly store: string;
  /** What Node loads first. */
  readonly preload: string;
  /** For wget; null: the user has one, which stays. */
  readonly wgetrc: string | null;
}

export interface Given {
  readonly env: Readonly<Record<string, string>>;
  /** What the user had set and does not hold for the command, for people. */
  readonly remarks: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** `noProxy`: hosts the command is told to reach without the gateway, comma-separated. */
export function environmentOf(given: Environment, port: number, files: TrustFiles, noProxy: string): Given {
  const remarks: string[] = [];
  const env: Record<string, string> = {};
  // What configures the gateway is none of the command's business, and its secrets least of all.
  const ours = new Set<string>(SETTING_NAMES.flatMap((name) => [name, `${name}_FILE`]));
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && !ours.has(name) && !name.startsWith("EVE_PROXY_")) env[name] = value;
  }
  const set = (name: string, value: string): void => {
    env[name] = value;
  };
  const url = `http://127.0.0.1:${port}`;
  const replaced = PROXY_VARIABLES.slice(0, 3)
    .flatMap((name) => [name, name.toLowerCase()])
    .filter((name) => given[name]);
  if (replaced.length > 0 && given.EVE_PROXY_UPSTREAM_PROXY === undefined) {
    const names = replaced.join(", ");
    remarks.push(`${names} set before: not used; EVE_PROXY_UPSTREAM_PROXY is for a proxy that lies behind the gateway`);
  }
  if (given.NO_PROXY || given.no_proxy) {
    remarks.push(
      "NO_PROXY set before: not used, those hosts go through the gateway too; --no-proxy LIST excepts hosts",
    );
  }
  for (const name of PROXY_VARIABLES) for (const one of [name, name.toLowerCase()]) set(one, url);
  for (const name of NO_PROXY_VARIABLES) set(name, noProxy);
  for (const name of BUNDLE_VARIABLES) set(name, files.bundle);
  for (const name of EXTRA_ROOT_VARIABLES) set(name, files.ca);
  set("NODE_USE_ENV_PROXY", "1");
  set("NODE_OPTIONS", joinedOptions(given.NODE_OPTIONS, `--require=${inNodeOptions(files.preload)}`));
  // npm's file of settings is weaker than its variables, whose case does not matter.
  // An empty one it takes for none at all, and obeys its file.
  const npm = { cafile: files.bundle, proxy: url, "https-proxy": url, noproxy: noProxy || "nobody.invalid" };
  for (const [name, value] of Object.entries(npm)) {
    const variable = `npm_config_${name.replace("-", "_")}`;
    for (const known of Object.keys(env)) if (known.toLowerCase() === variable) delete env[known];
    set(variable, value);
  }
  set("JAVA_TOOL_OPTIONS", joinedOptions(given.JAVA_TOOL_OPTIONS, javaOptions(port, { store: files.store, noProxy })));
  if (files.wgetrc !== null) set("WGETRC", files.wgetrc);
  return { env, remarks };
}

/** Node splits at blanks outside double quotes, in which a backslash escapes. */
function inNodeOptions(path: string): string {
  return /[\s"\\]/.test(path) ? `"${path.replace(/["\\]/g, "\\$&")}"` : path;
}
