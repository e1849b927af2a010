/** The environment that `exec` gives its command: the way out and whom to trust on it, for every common runtime. */
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

/** Each in both cases: curl reads only the lower-case http_proxy, others only upper case. */
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "WSS_PROXY", "GRPC_PROXY"] as const;

const BUNDLES = [
  "SSL_CERT_FILE",
  "REQUESTS_CA_BUNDLE",
  "CURL_CA_BUNDLE",
  "GIT_SSL_CAINFO",
  "AWS_CA_BUNDLE",
  "CARGO_HTTP_CAINFO",
  "PIP_CERT",
  "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
  "HTTPLIB2_CA_CERTS",
  "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
  "NIX_SSL_CERT_FILE",
  "HEX_CACERTS_PATH",
] as const;

/** Those that add to the roots a client has. */
const EXTRAS = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"] as const;

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
  const replaced = PROXIES.slice(0, 3)
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
  for (const name of PROXIES) for (const one of [name, name.toLowerCase()]) set(one, url);
  for (const name of ["NO_PROXY", "no_proxy"]) set(name, noProxy);
  for (const name of BUNDLES) set(name, files.bundle);
  for (const name of EXTRAS) set(name, files.ca);
  set("NODE_USE_ENV_PROXY", "1");
  set("NODE_OPTIONS", joined(given.NODE_OPTIONS, `--require=${inNodeOptions(files.preload)}`));
  // npm's file of settings is weaker than its variables, whose case does not matter.
  // An empty one it takes for none at all, and obeys its file.
  const npm = { cafile: files.bundle, proxy: url, "https-proxy": url, noproxy: noProxy || "nobody.invalid" };
  for (const [name, value] of Object.entries(npm)) {
    const variable = `npm_config_${name.replace("-", "_")}`;
    for (const known of Object.keys(env)) if (known.toLowerCase() === variable) delete env[known];
    set(variable, value);
  }
  set("JAVA_TOOL_OPTIONS", joined(given.JAVA_TOOL_OPTIONS, javaOptions(port, files.store, noProxy)));
  if (files.wgetrc !== null) set("WGETRC", files.wgetrc);
  return { env, remarks };
}

function joined(before: string | undefined, more: string): string {
  return before ? `${before} ${more}` : more;
}

/** Node splits at blanks outside double quotes, in which a backslash escapes. */
function inNodeOptions(path: string): string {
  return /[\s"\\]/.test(path) ? `"${path.replace(/["\\]/g, "\\$&")}"` : path;
}

/** The JVM splits at blanks outside quotes of either kind, and has no escapes. */
function javaOptions(port: number, store: string, noProxy: string): string {
  // Java writes a suffix as *.suffix; loopback is not excepted unless asked for.
  const hosts = noProxy.split(",").flatMap((host) => (host === "" ? [] : [host.replace(/^\./, "*.")]));
  const options = [
    ...["http", "https"].flatMap((scheme) => [`-D${scheme}.proxyHost=127.0.0.1`, `-D${scheme}.proxyPort=${port}`]),
    `-Dhttp.nonProxyHosts=${hosts.join("|")}`,
    `-Djavax.net.ssl.trustStore=${store}`,
    "-Djavax.net.ssl.trustStoreType=PKCS12",
  ];
  return options.map((option) => (/[\s|]/.test(option) ? `"${option}"` : option)).join(" ");
}
