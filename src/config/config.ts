/** The parsed configuration: what every room is handed. The schema in schema.ts produces exactly this. */
import type { CaFiles } from "../crypto/ca.ts";
import type { Cidr } from "../wire/ip.ts";

export interface UpstreamProxy {
  readonly tls: boolean;
  readonly host: string;
  readonly port: number;
  /** Value for Proxy-Authorization, or null. Secret. */
  readonly authorization: string | null;
}

export interface GovernanceConfig {
  readonly url: string;
  readonly token: string | null;
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  /** URL or path of the keys that attestations are verified with; null: none is asked for. */
  readonly jwks: string | null;
}

/** A policy that is fetched. */
export interface PolicyBundleConfig {
  readonly url: string;
  /** Whose policy it has to be, when it is signed. */
  readonly tenant: string;
  /** Where the last good one is kept. */
  readonly cachePath: string;
  readonly intervalMs: number;
  /** How the plane that serves it is asked. */
  readonly plane: Omit<GovernanceConfig, "url">;
}

/** An OPA bundle as a source of decisions. */
export interface OpaConfig {
  /** URL or path. */
  readonly bundle: string;
  readonly entrypoint: string;
  readonly intervalMs: number;
}

export interface RedisConfig {
  /** Secret. */
  readonly url: string;
  /** PEM text, or null. */
  readonly ca: string | null;
}

/** A host, with every name below it, whose TLS is passed on as it is. */
export interface InterceptException {
  /** Canonical. */
  readonly host: string;
  /** What the certificate of a tunnel to it says, or null. */
  readonly reason: string | null;
}

/** What one upstream is shown when it asks for a client certificate. */
export interface UpstreamClientCert {
  /** Canonical, and exact: names below it are not meant. */
  readonly host: string;
  /** PEM: the certificate, and what is above it. */
  readonly cert: string;
  /** PEM. Secret. */
  readonly key: string;
}

export type AuditSync = "none" | "batch" | "each";

export type LogLevel = "error" | "warn" | "info" | "debug";

/** `auto`: text on a terminal, else json. */
export type LogFormat = "auto" | "json" | "text";

export interface Config {
  readonly host: string;
  readonly port: number;
  /** Connect + TLS, and gaps between response bytes. */
  readonly upstreamTimeoutMs: number;
  readonly firstByteTimeoutMs: number;
  /** SSE, WebSocket and tunnels. */
  readonly idleTimeoutMs: number;
  /** From the first byte of a request head to its last. */
  readonly headerTimeoutMs: number;
  /** Gap between body bytes of a request. */
  readonly bodyTimeoutMs: number;
  /** Bytes a second; 0: none. A body may be behind it by `bodyTimeoutMs`. */
  readonly bodyMinRate: number;
  /** A client connection between requests. */
  readonly keepAliveTimeoutMs: number;
  readonly enforceTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly maxBody: number;
  readonly maxHeld: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  readonly maxConnections: number;
  readonly poolIdle: number;
  readonly poolIdleTimeoutMs: number;
  readonly blockedHosts: readonly string[];
  readonly orgId: string;
  readonly failClosed: boolean;
  readonly connectPassthrough: boolean;
  /** Connections the kernel redirected here are told from those made to the gateway. */
  readonly transparent: boolean;
  /** What a refusal over HTTP/2 ends. */
  readonly h2Sever: "stream" | "connection";
  readonly governance: GovernanceConfig | null;
  /** Null: counters of limits are kept in memory. */
  readonly redis: RedisConfig | null;
  readonly policyPath: string | null;
  /** A policy that is only compared with the one in force. */
  readonly candidatePath: string | null;
  /** Where its differences are written, or null: nowhere. */
  readonly candidateLog: string | null;
  /** Decisions remembered at most; 0: none. */
  readonly decisionCache: number;
  /** What may leave while the plane is down, if it allowed it before. */
  readonly degraded: "off" | "reads" | "all";
  readonly degradedTtlMs: number;
  readonly policyBundle: PolicyBundleConfig | null;
  readonly opa: OpaConfig | null;
  /** Secret. Raw HMAC key from JWT_SECRET_KEY, or null. */
  readonly hmacKey: string | null;
  /** Secret. Contents (PEM or JWK) of EVE_PROXY_SIGNING_KEY, or null. */
  readonly signingKey: string | null;
  readonly auditPath: string;
  readonly auditSync: AuditSync;
  readonly auditRotateBytes: number;
  /** Where findings are kept, or null: nowhere. */
  readonly findingsPath: string | null;
  readonly mode: "enforce" | "shadow";
  readonly dev: boolean;
  readonly allowAddresses: readonly Cidr[];
  /** Null: loopback, own and private addresses. */
  readonly clients: readonly Cidr[] | null;
  readonly adminListen: { readonly host: string; readonly port: number } | null;
  /** Secret. */
  readonly adminToken: string | null;
  /** While there is a file at this path, nothing leaves. */
  readonly killFile: string | null;
  readonly workers: number;
  readonly upstreamProxy: UpstreamProxy | null;
  /** PEM text of extra roots for upstream TLS, or null. */
  readonly upstreamRoots: string | null;
  /** The CA of interception, which `loadCa` has accepted; null: nothing is intercepted. Its key is secret. */
  readonly interceptCa: CaFiles | null;
  readonly interceptExcept: readonly InterceptException[];
  readonly upstreamClientCerts: readonly UpstreamClientCert[];
  readonly readyStrict: boolean;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** Whether each request writes its decision line. */
  readonly decisionLog: boolean;
}

/** `problem` is said of `variable` ("is empty"); `hint` says what to do. Neither quotes a secret. */
export interface Problem {
  readonly variable: string;
  readonly problem: string;
  readonly hint: string;
}
