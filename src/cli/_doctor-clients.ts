/**
 * How each client is made to ask one URL of loopback, with the environment it has, and what makes it trust our CA. What
 * would lead elsewhere is taken away: proxies, retries, looking for updates, credentials.
 */

export interface Client {
  /** For people. */
  readonly name: string;
  /** Looked for on the PATH. */
  readonly program: string;
  /** `directory`: an empty one for what it wants to keep. */
  readonly args: (url: string, directory: string) => readonly string[];
  readonly env?: (url: string, directory: string) => Readonly<Record<string, string>>;
  /** What it is not, when it ends with this status and has asked nothing. */
  readonly absent?: number;
  readonly fix: string;
}

/** A file of `sallyport ca bundle --out`: the system's roots and ours. */
const bundle = (variable: string): string => `${variable}=BUNDLE (sallyport ca bundle --out BUNDLE)`;
const extra = (variable: string): string => `${variable}=ca.crt`;

const URLLIB = "import sys,urllib.request as u;u.build_opener(u.ProxyHandler({})).open(sys.argv[1],timeout=5).read(9)";
const REQUESTS = `import sys
try: import requests
except ImportError: sys.exit(3)
requests.get(sys.argv[1],timeout=5)`;
const FETCH = (url: string): string => `await fetch(${JSON.stringify(url)})`;

export const CLIENTS: readonly Client[] = [
  {
    name: "curl",
    program: "curl",
    args: (url) => ["-sS", "-o", "/dev/null", "--noproxy", "*", "--max-time", "5", "--retry", "0", url],
    fix: bundle("CURL_CA_BUNDLE"),
  },
  {
    name: "wget",
    program: "wget",
    args: (url) => ["-q", "--no-proxy", "--no-hsts", "-t", "1", "-T", "5", "-O", "/dev/null", url],
    fix: "ca_certificate = BUNDLE in the file that WGETRC names, or SSL_CERT_FILE where it is made with OpenSSL",
  },
  {
    name: "python ssl",
    program: "python3",
    args: (url) => ["-c", URLLIB, url],
    fix: bundle("SSL_CERT_FILE"),
  },
  {
    name: "python requests",
    program: "python3",
    args: (url) => ["-c", REQUESTS, url],
    absent: 3,
    fix: bundle("REQUESTS_CA_BUNDLE"),
  },
  {
    name: "node",
    program: "node",
    args: (url) => ["-e", `require("node:https").get(${JSON.stringify(url)},(r)=>r.resume())`],
    fix: extra("NODE_EXTRA_CA_CERTS"),
  },
  {
    name: "npm",
    program: "npm",
    args: (url, directory) => [
      ...["view", "sallyport-doctor", `--registry=${url}`, "--fetch-retries=0", "--fetch-timeout=5000"],
      ...["--proxy=", "--https-proxy=", "--noproxy=127.0.0.1", "--no-update-notifier", `--cache=${directory}`],
    ],
    fix: `${bundle("npm_config_cafile")}, or ${extra("NODE_EXTRA_CA_CERTS")}`,
  },
  {
    name: "deno",
    program: "deno",
    args: (url) => ["eval", "--no-config", FETCH(url)],
    env: (_, directory) => ({ DENO_NO_UPDATE_CHECK: "1", DENO_NO_PROMPT: "1", DENO_DIR: directory }),
    fix: extra("DENO_CERT"),
  },
  {
    name: "bun",
    program: "bun",
    args: (url) => ["-e", FETCH(url)],
    fix: extra("NODE_EXTRA_CA_CERTS"),
  },
  {
    name: "git",
    program: "git",
    args: (url) => ["-c", "http.proxy=", "-c", "credential.helper=", "ls-remote", `${url}doctor.git`],
    env: () => ({ GIT_TERMINAL_PROMPT: "0", GIT_ASKPASS: "true" }),
    fix: bundle("GIT_SSL_CAINFO"),
  },
  {
    name: "go",
    program: "go",
    args: () => ["list", "-m", "doctor.invalid/sallyport@latest"],
    env: (url, directory) => ({
      ...{ GOPROXY: url.slice(0, -1), GOSUMDB: "off", GONOSUMDB: "", GONOPROXY: "", GOPRIVATE: "", GOVCS: "*:off" },
      ...{ GOFLAGS: "-mod=readonly", GOWORK: "off", GO111MODULE: "on", GOTOOLCHAIN: "local" },
      ...{ GOMODCACHE: `${directory}/m`, GOCACHE: `${directory}/c`, GOPATH: `${directory}/p` },
    }),
    fix: bundle("SSL_CERT_FILE"),
  },
  {
    // keytool opens a URL as any program of its Java does, and needs no compiler.
    name: "java",
    program: "keytool",
    args: (url) => ["-J-Dhttps.proxyHost=", "-J-Dhttp.proxyHost=", "-J-DsocksProxyHost=", "-printcrl", "-file", url],
    fix: "keytool -importcert -cacerts -file ca.crt, or JAVA_TOOL_OPTIONS with -Djavax.net.ssl.trustStore and trustStorePassword",
  },
  {
    name: "aws",
    program: "aws",
    args: (url) => [
      ...["--endpoint-url", url, "--no-sign-request", "--region", "us-east-1"],
      ...["--cli-connect-timeout", "5", "--cli-read-timeout", "5", "s3api", "list-buckets"],
    ],
    env: () => ({ AWS_EC2_METADATA_DISABLED: "true", AWS_MAX_ATTEMPTS: "1", AWS_PAGER: "" }),
    fix: bundle("AWS_CA_BUNDLE"),
  },
];

const PROXIES = new Set(["http", "https", "all", "ftp", "ws", "wss", "grpc", "socks"].map((name) => `${name}_proxy`));

/** The environment as it is, but for what would lead away from loopback. */
export function withoutProxies(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const own: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    const lower = name.toLowerCase();
    // What configures the gateway is nobody else's, its secrets least of all.
    const ours = name.startsWith("EVE_PROXY_") || name.startsWith("JWT_SECRET_KEY");
    if (value === undefined || ours || PROXIES.has(lower) || /^npm_config_(?:https?_)?proxy$/.test(lower)) continue;
    own[name] = value;
  }
  return { ...own, NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" };
}
