/**
 * Every setting there is. This table is the manual: docs/configuration.md is printed from it, unknown names are judged
 * against it, and what it produces is what load.ts turns into a `Config`.
 */
import { clientCerts, hostReasons } from "./_host-lists.ts";
import {
  bytes,
  choice,
  cidrs,
  count,
  flag,
  host,
  hosts,
  type Kind,
  listen,
  listenAnywhere,
  path,
  port,
  proxyUrl,
  type Refused,
  redisUrl,
  seconds,
  secret,
  serviceUrl,
  text,
  urlOrPath,
} from "./kinds.ts";

export interface Manual {
  readonly kind: string;
  /** As the environment would spell it; null when there is none. */
  readonly fallback: string | null;
  readonly doc: string;
  /** What `<NAME>_FILE` is: the path of a file with the value, another name of a setting that is a path, or nothing. */
  readonly file: "content" | "alias" | null;
}

/** One setting: how its text is read, and what the manual says of it. A plain table, because a start reads it every time. */
export interface Setting<T> {
  readonly manual: Manual;
  /** undefined: it is not set. */
  read(given: string | undefined): T | Refused;
}

/** A setting with a default, which goes through the same reading as a given value. */
function setting<T>(kind: Kind<T>, fallback: string, doc: string): Setting<T> {
  return {
    manual: { kind: kind.name, fallback, doc, file: null },
    read: (given) => kind.read(given ?? fallback),
  };
}

/** A setting that may be absent: undefined. */
function optional<T>(kind: Kind<T>, doc: string, file: Manual["file"] = null): Setting<T | undefined> {
  return {
    manual: { kind: kind.name, fallback: null, doc, file },
    read: (given) => (given === undefined ? undefined : kind.read(given)),
  };
}

const GIB = 1_073_741_824;

const listening = {
  EVE_PROXY_HOST: setting(host, "0.0.0.0", "Address the proxy listens on, or a name of this host such as `localhost`."),
  EVE_PROXY_PORT: setting(port, "3128", "Port the proxy listens on; 0 picks a free one."),
  EVE_PROXY_CLIENTS: optional(
    cidrs,
    "Addresses that may use the proxy; others get health only. Unset: loopback, own and private addresses.",
  ),
  EVE_PROXY_TRANSPARENT: setting(
    flag,
    "1",
    "1 asks the kernel (Linux) whether a connection was redirected here, and serves what was as if it had not been. 0: every connection was made to the gateway; needed where an address of its own is translated on the way to it.",
  ),
  EVE_PROXY_WORKERS: setting(count(1, 256), "1", "Processes that share the port, each with its own audit chain."),
  EVE_PROXY_MAX_CONNECTIONS: setting(count(1, 1_000_000), "16384", "Client connections held at once by one process."),
  EVE_PROXY_H2_SEVER: setting(
    choice("stream", "connection"),
    "stream",
    "What a refusal over HTTP/2 ends besides its answer: its stream, or the client's connection with everything else on it.",
  ),
  EVE_PROXY_ADMIN_LISTEN: optional(listen, "Address and port of the admin surface; unset: there is none."),
  EVE_PROXY_ADMIN_TOKEN: optional(
    secret(16, true),
    "Bearer token of the admin surface, 16 bytes or more; needed with `EVE_PROXY_ADMIN_LISTEN`.",
    "content",
  ),
};

const decisions = {
  EVE_PROXY_MODE: setting(
    choice("enforce", "shadow"),
    "enforce",
    "`shadow` records the verdict of policy and plane without acting on it; blocked hosts, the address guard and evidence still enforce.",
  ),
  EVE_PROXY_BLOCKED_HOSTS: setting(
    hosts,
    "",
    "Hosts that are never reached: suffixes on label boundaries, so `evil.com` matches `a.evil.com` and never `notevil.com`.",
  ),
  EVE_PROXY_ALLOW_ADDRESSES: setting(
    cidrs,
    "",
    "Addresses the destination guard lets through; without it loopback, private, link-local and metadata addresses are vetoed.",
  ),
  EVE_PROXY_POLICY: optional(path, "Policy file or directory of the embedded engine; read again on SIGHUP."),
  EVE_PROXY_POLICY_CANDIDATE: optional(
    path,
    "Policy file or directory that rules beside the one in force and changes nothing: differences are counted and written to `candidate.jsonl` beside the audit log.",
  ),
  EVE_PROXY_DECISION_CACHE: setting(
    count(0, 1_000_000),
    "1024",
    "Decisions remembered at most; 0: none. Only plain reads, only allows, and only for the seconds that plane or rule give (`ttl_s`); without them nothing is remembered.",
  ),
  EVE_PROXY_DEGRADED: setting(
    choice("off", "reads", "all"),
    "off",
    "While the plane is down: `reads` lets plain GET and HEAD requests to places pass that it allowed before and the embedded engine has nothing against; `all` also writes and tunnels.",
  ),
  EVE_PROXY_DEGRADED_TTL: setting(seconds, "3600", "How long an allow of the plane counts for `EVE_PROXY_DEGRADED`."),
  EVE_PROXY_FAIL_CLOSED: setting(
    flag,
    "1",
    "0 lets a request pass when its decision crashes, times out or is garbage. For development; marked in every certificate.",
  ),
  EVE_PROXY_CONNECT_PASSTHROUGH: setting(flag, "1", "0 blocks every HTTPS tunnel that is not intercepted."),
  EVE_PROXY_ENFORCE_TIMEOUT: setting(seconds, "2", "Time a decision may take; over it the request fails closed."),
  EVE_PROXY_GOVERNANCE_URL: optional(serviceUrl, "Hosted governance plane; unset: the embedded engine decides."),
  EVE_PROXY_GOVERNANCE_TOKEN: optional(
    secret(1, true),
    "Bearer token sent to the governance plane. Of the plane itself the token that relays must send: 16 bytes or more.",
    "content",
  ),
  EVE_PROXY_GOVERNANCE_CA: optional(path, "PEM file of the roots the plane's certificate must chain to."),
  EVE_PROXY_GOVERNANCE_CERT: optional(path, "PEM file of the client certificate shown to the plane."),
  EVE_PROXY_GOVERNANCE_KEY: optional(path, "PEM file of the key of that certificate.", "alias"),
  EVE_PROXY_REDIS_URL: optional(
    redisUrl,
    "Redis or Valkey that holds the counters of a policy's limits for several gateways, or for the replicas of a plane: `redis://` or `rediss://`, with `user:password@` and `/database` where needed. Unset: each process counts for itself.",
    "content",
  ),
  EVE_PROXY_REDIS_CA: optional(path, "PEM file of the roots that Redis's certificate must chain to."),
  EVE_PROXY_GOVERNANCE_JWKS: optional(
    urlOrPath,
    "Keys of the plane, a URL or a file; set: every answer must carry an attestation that one of them verifies.",
  ),
  EVE_PROXY_POLICY_BUNDLE_URL: optional(
    serviceUrl,
    "Where the embedded engine's policy is fetched from, such as `https://plane.example:3129/v1/bundle`; in the place of `EVE_PROXY_POLICY`.",
  ),
  EVE_PROXY_POLICY_BUNDLE_CACHE: setting(
    path,
    "data/governance/policy-bundle.json",
    "File that keeps the last good policy bundle, for a start while its URL cannot be reached.",
  ),
  EVE_PROXY_POLICY_BUNDLE_INTERVAL: setting(
    seconds,
    "30",
    "How often bundles are asked for; up to a fifth more by chance.",
  ),
  EVE_PROXY_OPA_BUNDLE: optional(
    urlOrPath,
    "OPA bundle (`bundle.tar.gz`, compiled to Wasm) that decides after the embedded engine's inspections: a file or a URL.",
  ),
  EVE_PROXY_OPA_ENTRYPOINT: setting(text, "sallyport/decision", "Entrypoint of that bundle."),
  EVE_PROXY_ORG_ID: setting(text, "default", "Organisation named in certificates, and the tenant of bundles."),
};

/** Of `sallyport governance`; `sallyport run` passes over them. */
const plane = {
  EVE_PROXY_GOVERNANCE_LISTEN: setting(
    listenAnywhere,
    "127.0.0.1:3129",
    "Address and port the plane listens on; port 0 picks a free one.",
  ),
  EVE_PROXY_GOVERNANCE_TENANTS: optional(
    path,
    "YAML file of the tenants; unset: one tenant with `EVE_PROXY_GOVERNANCE_TOKEN` and `EVE_PROXY_POLICY`. Read again on SIGHUP.",
  ),
  EVE_PROXY_GOVERNANCE_TLS_CERT: optional(path, "PEM file of the plane's certificate chain; unset: plain HTTP."),
  EVE_PROXY_GOVERNANCE_TLS_KEY: optional(path, "PEM file of the key of that certificate.", "alias"),
  EVE_PROXY_GOVERNANCE_CLIENT_CA: optional(
    path,
    "PEM file of the roots a relay's certificate must chain to; set: every connection needs one.",
  ),
};

/** Of `sallyport webhook`; `sallyport run` passes over them. */
const webhook = {
  EVE_PROXY_WEBHOOK_LISTEN: setting(
    listenAnywhere,
    "0.0.0.0:9443",
    "Address and port the webhook listens on; port 0 picks a free one.",
  ),
  EVE_PROXY_WEBHOOK_TLS_CERT: optional(path, "PEM file of the webhook's certificate chain; needed, and followed."),
  EVE_PROXY_WEBHOOK_TLS_KEY: optional(path, "PEM file of the key of that certificate.", "alias"),
  EVE_PROXY_WEBHOOK_INJECTION: optional(path, "YAML file of what is put into pods; needed, and followed."),
  EVE_PROXY_WEBHOOK_RELOAD: setting(seconds, "10", "How often the webhook looks whether these files have changed."),
};

const evidence = {
  EVE_PROXY_SIGNING_KEY: optional(path, "PEM or JWK file of the signing key, Ed25519 or P-256.", "alias"),
  JWT_SECRET_KEY: optional(
    secret(16, false),
    "HMAC key that signs certificates when there is no signing key: 16 bytes or more, 32 recommended.",
    "content",
  ),
  EVE_PROXY_DEV: setting(
    flag,
    "0",
    "1 makes a development HMAC key when no key is given and keeps it, 0600, as `development.key` beside the audit log.",
  ),
  EVE_PROXY_AUDIT_PATH: setting(
    path,
    "data/governance/fail_closed/fail_closed_events.jsonl",
    "Audit log, appended and never truncated; `-` is the standard output.",
  ),
  EVE_PROXY_FINDINGS: optional(
    path,
    "File of what each decision found and where, for `policy explain` on this host; unset: `findings.jsonl` beside the audit log; `-` keeps none.",
  ),
  EVE_PROXY_AUDIT_SYNC: setting(
    choice("none", "batch", "each"),
    "none",
    "When a line counts as written: `none` survives the death of the process, `batch` and `each` also a loss of power.",
  ),
  EVE_PROXY_AUDIT_ROTATE: setting(bytes(1_048_576, 1024 * GIB), "268435456", "Size at which a new log file is begun."),
};

const upstreams = {
  EVE_PROXY_UPSTREAM_TIMEOUT: setting(seconds, "30", "Connect with TLS, and each gap between bytes of an answer."),
  EVE_PROXY_FIRST_BYTE_TIMEOUT: setting(
    seconds,
    "600",
    "Wait for the first byte of an answer; models think. Begins anew whenever more of a large request body has gone out.",
  ),
  EVE_PROXY_IDLE_TIMEOUT: setting(
    seconds,
    "300",
    "Silence after which an event stream, WebSocket, gRPC call or tunnel is ended, and how long a client may take nothing of an answer.",
  ),
  EVE_PROXY_UPSTREAM_CA: optional(path, "PEM file of extra roots an upstream's certificate may chain to."),
  EVE_PROXY_UPSTREAM_PROXY: optional(
    proxyUrl,
    "Proxy that everything leaves through: `http://` or `https://`, with `user:password@` if it asks for them.",
    "content",
  ),
  EVE_PROXY_POOL_IDLE: setting(count(0, 1_000_000), "1024", "Idle upstream connections kept for reuse."),
  EVE_PROXY_POOL_IDLE_TIMEOUT: setting(seconds, "30", "Age at which an idle upstream connection is closed."),
};

const interception = {
  EVE_PROXY_CA_CERT: optional(
    path,
    "PEM file of the CA that TLS is intercepted with, made by `sallyport ca init`; of an intermediate with its chain behind it. Set with `EVE_PROXY_CA_KEY`: TLS is intercepted.",
  ),
  EVE_PROXY_CA_KEY: optional(
    path,
    "PEM file of the CA's private key (P-256, P-384 or RSA), which only its owner may read.",
    "alias",
  ),
  EVE_PROXY_INTERCEPT_EXCEPT: setting(
    hostReasons,
    "",
    "Hosts whose TLS is not intercepted: suffixes like those of `EVE_PROXY_BLOCKED_HOSTS`, each with a reason for the certificate if wanted, such as `pinned.example=certificate pinning`. They pass only if `EVE_PROXY_CONNECT_PASSTHROUGH` is 1.",
  ),
  EVE_PROXY_UPSTREAM_CLIENT_CERTS: setting(
    clientCerts,
    "",
    "Client certificates for upstreams that ask for one, by exact host: `api.bank.example=/run/bank.crt:/run/bank.key`. PEM; only its owner may read a key.",
  ),
};

const limits = {
  EVE_PROXY_MAX_BODY: setting(bytes(0, 2_147_483_647), "10485760", "Largest request body; more is answered 413."),
  EVE_PROXY_MAX_HELD: setting(
    bytes(0, 64 * GIB),
    "268435456",
    "Bytes held together: bodies, messages of WebSocket and gRPC both ways, and what waits for clients of HTTP/2; one client address gets at most eight times what is still free. As much again of what HTTP/2 upstreams have sent and clients do not take.",
  ),
  EVE_PROXY_MAX_HEADER_BYTES: setting(bytes(1024, 1_048_576), "65536", "Largest message head, start line included."),
  EVE_PROXY_MAX_HEADERS: setting(count(8, 10_000), "128", "Most header fields of a message."),
  EVE_PROXY_HEADER_TIMEOUT: setting(seconds, "10", "From the first byte of a request's head to its last."),
  EVE_PROXY_BODY_TIMEOUT: setting(seconds, "30", "Longest gap between bytes of a request's body."),
  EVE_PROXY_BODY_MIN_RATE: setting(
    bytes(0, GIB),
    "8192",
    "Bytes a second that a request's body must come to on average, once it is behind by more than `EVE_PROXY_BODY_TIMEOUT`; 0: none.",
  ),
  EVE_PROXY_KEEPALIVE_TIMEOUT: setting(seconds, "75", "Life of a client connection between two requests."),
};

const operations = {
  EVE_PROXY_DRAIN_TIMEOUT: setting(seconds, "10", "Time running requests get after SIGTERM before they are severed."),
  EVE_PROXY_KILL_FILE: optional(
    path,
    "While there is a file at this path, everything is vetoed and what runs is severed; its first line is the reason given. Its directory must exist.",
  ),
  EVE_PROXY_READY_STRICT: setting(
    flag,
    "0",
    "1 makes `/readyz` 503 for a stale policy, a plane that is down, or a Redis that cannot be asked.",
  ),
  EVE_PROXY_LOG_LEVEL: setting(choice("error", "warn", "info", "debug"), "info", "Least severity that is logged."),
  EVE_PROXY_LOG_FORMAT: setting(
    choice("auto", "json", "text"),
    "auto",
    "Form of log lines on the standard error; `auto` is text on a terminal and json elsewhere.",
  ),
  EVE_PROXY_DECISION_LOG: setting(choice("on", "off"), "on", "Whether each request writes its decision line."),
};

export const environment = {
  ...listening,
  ...decisions,
  ...plane,
  ...webhook,
  ...evidence,
  ...upstreams,
  ...interception,
  ...limits,
  ...operations,
};

/** The settings in the order the manual prints them. */
export const SECTIONS: Readonly<Record<string, readonly SettingName[]>> = {
  Listening: names(listening),
  Decisions: names(decisions),
  "Governance plane (`sallyport governance`)": names(plane),
  "Injection webhook (`sallyport webhook`)": names(webhook),
  Evidence: names(evidence),
  Upstreams: names(upstreams),
  "TLS interception": names(interception),
  "Limits on clients": names(limits),
  Operations: names(operations),
};

function names<T extends object>(group: T): (keyof T)[] {
  return Object.keys(group) as (keyof T)[];
}

export type SettingName = keyof typeof environment;
type Read<S> = S extends Setting<infer T> ? T : never;
export type Settings = { readonly [Name in SettingName]: Read<(typeof environment)[Name]> };

export function manualOf(name: SettingName): Manual {
  return environment[name].manual;
}

export const SETTING_NAMES: readonly SettingName[] = names(environment);

/** Names kept for later versions: refused, because what they ask for would not be enforced. */
export const RESERVED_NAMES: readonly string[] = ["EVE_PROXY_EXT_AUTHZ_LISTEN"];
