/** What clients of every common runtime read to learn the way out and whom to trust on it. */

/** Each in both cases: curl reads only the lower-case http_proxy, others only upper case. */
export const PROXY_VARIABLES = [
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "ALL_PROXY",
  "WS_PROXY",
  "WSS_PROXY",
  "GRPC_PROXY",
] as const;

export const NO_PROXY_VARIABLES = ["NO_PROXY", "no_proxy"] as const;

/** They replace the roots a client has: all of them and ours in one PEM file. */
export const BUNDLE_VARIABLES = [
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

/** They add to the roots a client has: ours alone. */
export const EXTRA_ROOT_VARIABLES = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"] as const;

/** What a user gave, with ours behind it. */
export function joinedOptions(before: string | undefined, more: string): string {
  return before ? `${before} ${more}` : more;
}

/** `store`: a PKCS #12 file, or null where nothing but the way is to be told; `noProxy`: hosts between commas. */
export function javaOptions(
  port: number,
  {
    store,
    noProxy,
    host = "127.0.0.1",
  }: { readonly store: string | null; readonly noProxy: string; readonly host?: string },
): string {
  // Java writes a suffix as *.suffix; loopback is not excepted unless asked for.
  const hosts = noProxy.split(",").flatMap((one) => (one === "" ? [] : [one.replace(/^\./, "*.")]));
  const options = [
    ...["http", "https"].flatMap((scheme) => [`-D${scheme}.proxyHost=${host}`, `-D${scheme}.proxyPort=${port}`]),
    `-Dhttp.nonProxyHosts=${hosts.join("|")}`,
    ...(store === null ? [] : [`-Djavax.net.ssl.trustStore=${store}`, "-Djavax.net.ssl.trustStoreType=PKCS12"]),
  ];
  // The JVM splits at blanks outside quotes of either kind, and has no escapes.
  return options.map((option) => (/[\s|]/.test(option) ? `"${option}"` : option)).join(" ");
}
