/**
 * All the core asks of the machine it runs on. runtime/bun.ts and runtime/deno.ts implement it; nothing else in src/
 * names a runtime. Every comment below is an obligation that test/conformance checks on both, as real processes.
 */

import type { Conn, ConnHandler, Original } from "../model/conn.ts";

export type { Conn, ConnHandler, Original };

export interface Listener {
  readonly address: string;
  readonly port: number;
  /** Stops accepting; connections already accepted live on. */
  close(): Promise<void>;
}

/** A surface that is served. */
export interface Served extends Listener {
  /**
   * New handshakes are shown these; connections that stand keep what they have. Throws Fault `listen_failed` when they do
   * not go together or nothing is served over TLS, and then what was shown before is shown on.
   */
  secure(identity: TlsIdentity): void;
}

export interface ListenOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** SO_REUSEPORT; never set unless asked: with it another process of the same user could take connections. */
  readonly reusePort?: boolean;
  /** Asks the kernel of each connection whether it was redirected here (Linux); never asked unless set. */
  readonly redirected?: boolean;
  /**
   * Listens on this descriptor, which a parent opened (Linux), in the place of host and port; `reusePort` counts for nothing.
   * No child is given it. It is ours from here on: closing the listener closes it, and not what the parent still holds.
   */
  readonly fd?: number;
}

/** `original` is null for a connection that was made to this listener, or where nobody asked. */
export type Accept = (conn: Conn, original: Original | null) => void;

export interface ServeOptions extends Pick<ListenOptions, "host" | "port"> {
  /** Bytes of one request's body; more is answered 413. Default 64 KiB. */
  readonly maxBody?: number;
  /** Bytes of all bodies that are arriving or being answered; what finds no room is answered 503. Default: no bound of its own. */
  readonly maxBodies?: number;
  /**
   * Whether a head is of somebody who may send a body of that size, by its Authorization and the name in its client
   * certificate. A stranger's is bounded by the default: it must take no room from those who are known. Default: all are.
   */
  readonly known?: (authorization: string | undefined, clientName: string | null) => boolean;
  /** Open connections; the longest that is not being answered makes room for the newest. Default 256. */
  readonly maxConnections?: number;
  /** Milliseconds that a connection may be idle. Default 5,000. */
  readonly idleMs?: number;
  /** PEM texts. With `clientCa` a handshake without a certificate that chains to it fails. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string };
}

/** What is known of a request besides its head. */
export interface Arrived {
  /** The whole body; of one over 64 KiB `Request` has nothing, because it would copy it. */
  readonly body: Uint8Array;
  /** Common name of the client's certificate where one was asked for and verified, else null. */
  readonly clientName: string | null;
}

/** `peer` is the address the request came from. An answer that states its Content-Length is sent as its stream gives it. */
export type ServeHandler = (request: Request, peer: string, arrived: Arrived) => Response | Promise<Response>;

export interface TlsClientOptions {
  /** The name (or IP literal) the certificate must be valid for; also the SNI unless it is an IP literal. */
  readonly serverName: string;
  /** PEM roots in addition to the public ones. */
  readonly extraRoots?: string;
  readonly alpn?: readonly string[];
  /** Shown when the server asks for a client certificate. Equal objects share what a runtime makes of them. */
  readonly identity?: TlsIdentity;
}

/** What a TLS server shows. Equal objects share what a runtime makes of them, session tickets included. */
export interface TlsIdentity {
  /** PEM, the leaf first, then its issuers up to the root, which may be left out. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

export interface TlsServerOptions {
  readonly identity: TlsIdentity;
  /** The protocol that is chosen, which the client must have offered; null: none is. */
  readonly alpn: string | null;
}

/** A TLS handshake under way on a connection that is open already. */
export interface Securing {
  /**
   * Rejects with Fault `tls_failed`, and then the connection below is the caller's again, with an alert and a FIN written.
   * Until it is kept nobody may write to the connection below.
   */
  readonly conn: Promise<Conn>;
  /** To be made the handler of the connection below, at once, and given what that had said before. */
  readonly feed: ConnHandler;
  /** Gives up; `conn` rejects. */
  cancel(): void;
}

export type DialTarget =
  | { readonly address: string; readonly port: number; readonly tls?: TlsClientOptions }
  | { readonly path: string };

/** A dial under way. */
export interface Dialing {
  /** Rejects with Fault `dial_failed` or `tls_failed`; the message names the cause and no secret. */
  readonly conn: Promise<Conn>;
  /** Gives up; a connection that arrives all the same is closed. */
  cancel(): void;
}

export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

export interface HttpClientOptions {
  /** PEM roots that replace the public ones. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly maxSockets: number;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** A pooled keep-alive client for the gateway's own services. It ignores proxy environment variables. */
export interface HttpClient {
  /** Rejects on a transport fault, on `signal`, and when the answer's body is over `maxBytes`. Follows no redirect. */
  send(
    url: string,
    method: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array | string | null,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<HttpReply>;
  close(): void;
}

export interface RedisOptions {
  /** `redis://` or `rediss://`, with user, password and database number where they are needed. Secret. */
  readonly url: string;
  /** PEM roots that replace the public ones. */
  readonly ca?: string;
  readonly connectTimeoutMs: number;
}

export type RedisReply = number | string | null | readonly RedisReply[];

/** One connection to a Redis or Valkey, made at once and again whenever it is lost. */
export interface RedisClient {
  /**
   * Runs a script, by its digest where the server knows it. Rejects with Fault `redis_failed`: at once while there is no
   * connection (nothing is queued for a later one), when it is lost before the reply came (whether the script ran is then
   * unknown), and for an error of the server. How long a reply may take is the caller's to bound.
   */
  eval(script: string, keys: readonly string[], args: readonly string[]): Promise<RedisReply>;
  /** A connection stands and is authenticated. */
  readonly up: boolean;
  /** Why it is not; null while it is. No secret. */
  readonly problem: string | null;
  /** Resolves when the first connection stands or could not be made. Never rejects. */
  readonly tried: Promise<void>;
  /** Calls made before still reach the server, if it answers within half a second; later ones reject. */
  close(): void;
}

export interface Hasher {
  update(bytes: Uint8Array): void;
  /** 64 lower-case hex digits; the hasher is spent. */
  hex(): string;
}

/** A file opened for appending under an exclusive kernel lock that dies with the process. */
export interface AppendFile {
  readonly size: number;
  /** False for a pipe, a device, a socket: what is written to them is not kept. */
  readonly regular: boolean;
  /** Returns when write(2) has taken every byte; throws on any error, and then how much arrived is unknown. */
  append(data: string | Uint8Array): void;
  /** fdatasync. */
  sync(): Promise<void>;
  close(): void;
}

export interface FileInfo {
  readonly size: number;
  readonly mode: number;
  readonly directory: boolean;
  /** A file that keeps what is written; neither a directory nor a pipe, a device or a socket. */
  readonly regular: boolean;
  readonly inode: number;
  /** Of what is in it: milliseconds since the epoch. */
  readonly modified: number;
}

export type ContentCoding = "gzip" | "deflate" | "br" | "zstd";

/** What came out of some bytes of a coded body, and why nothing more will: what stands before that is good. */
export interface Decoded {
  readonly chunks: readonly Uint8Array[];
  readonly failed: "decode_failed" | "decode_too_large" | null;
}

/**
 * One body whose coding is undone while it comes. `push` resolves with all that can be told by now, and never rejects;
 * one at a time. `decode_failed`: it is not valid, or has bytes behind its end; `decode_too_large`: more than `maxBytes`
 * came out of one push. A body that is cut short is no failure: nobody can read on.
 */
export interface StreamDecoder {
  push(bytes: Uint8Array, maxBytes: number): Promise<Decoded>;
  close(): void;
}

export interface Child {
  readonly pid: number;
  /** Resolves when it has ended. */
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  /** Ignored once it has ended. */
  signal(name: "SIGTERM" | "SIGHUP" | "SIGKILL" | "SIGINT" | "SIGQUIT"): void;
}

/** Why a program was not started: there is none of that name, or it may not be executed. */
export type NotStarted = "not_found" | "not_executable";

export interface CaptureOptions {
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Its standard input, UTF-8. */
  readonly input: string;
  /** Of each stream; what is said beyond is read and dropped. */
  readonly maxBytes: number;
  /** Then it is killed. */
  readonly timeoutMs: number;
}

export interface Captured {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Runtime {
  readonly name: "bun" | "deno";
  readonly version: string;
  readonly platform: string;
  readonly arch: string;
  readonly pid: number;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;

  /** Data. Synchronous: it is with the kernel when this returns; EPIPE ends the process quietly. */
  stdout(data: string | Uint8Array): void;
  /** Diagnostics. As `stdout`; errors are ignored. */
  stderr(text: string): void;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  /** The standard input as chunks. */
  stdin(): AsyncIterable<Uint8Array>;
  /** SIGUSR1 is not to be had: Deno opens a debugger on the loopback interface when it comes, whoever else listens. */
  onSignal(
    name: "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGQUIT" | "SIGUSR2" | "SIGTSTP" | "SIGWINCH",
    run: () => void,
  ): void;
  /** Anything thrown that nobody caught; without a handler the process would end. */
  onUncaught(run: (thrown: unknown) => void): void;
  exit(code: number): never;

  /**
   * `accept` must set `conn.handler` before it returns. Rejects with Fault `listen_failed`, which a descriptor that is not a
   * listening TCP socket is too, and with `unsupported` when the kernel cannot be asked what `redirected` or `fd` want to know.
   */
  listen(options: ListenOptions, accept: Accept): Promise<Listener>;
  /** A Unix-domain listener (mode 0600) for the gateway's own processes. */
  listenUnix(path: string, accept: (conn: Conn) => void): Promise<Listener>;
  /**
   * HTTP/1.1 for the gateway's own surfaces, over TLS when asked. `handler` is called with the whole request; of its `url`
   * path and query are the peer's, and a body over the limit is answered 413 without it. A handler that fails is answered
   * 500 without a word of why. A slow head and a slow body are cut within 15 s, an idle connection 10 s after `idleMs`.
   * Rejects with Fault `listen_failed`.
   */
  serve(options: ServeOptions, handler: ServeHandler): Promise<Served>;
  /** `handler` gets every event of the connection from its first on; of a dial that fails it hears nothing. */
  dial(target: DialTarget, handler: ConnHandler): Dialing;
  /** TLS 1.2 or newer as the server on `below`. `handler` gets every event of the secured connection from its first on. */
  secureServer(below: Conn, options: TlsServerOptions, handler: ConnHandler): Securing;
  /** As `secureServer`, as the client: what it verifies is what a dial with `tls` does. */
  secureClient(below: Conn, options: TlsClientOptions, handler: ConnHandler): Securing;
  /** Every address of a name as the system resolver orders them (hosts file included). Rejects with `resolve_failed`. */
  resolve(name: string): Promise<readonly ResolvedAddress[]>;
  /** Addresses of this host's interfaces, canonical text. */
  localAddresses(): readonly string[];
  /** PEM of the roots a dial with TLS trusts without being told: the runtime's own and the system's. */
  publicRoots(): readonly string[];
  httpClient(options: HttpClientOptions): HttpClient;
  /** Never throws; what it needs is loaded when it is first called. Ignores proxy environment variables. */
  redis(options: RedisOptions): RedisClient;

  /** sha256 as 64 hex digits; a string is hashed as UTF-8. */
  sha256(data: string | Uint8Array): string;
  hasher(): Hasher;
  /** A keyed function: HMAC-SHA256 of bytes or of the UTF-8 of a string, as 64 hex digits. */
  hmacSha256(key: Uint8Array): (data: string | Uint8Array) => string;
  /**
   * Decodes one content coding. Rejects with Fault `decode_failed` when the input is not valid, is truncated or has
   * bytes after its end, `decode_too_large` when more than `maxBytes` would come out; never holds the event loop for long.
   */
  decode(coding: ContentCoding, bytes: Uint8Array, maxBytes: number): Promise<Uint8Array>;
  decoder(coding: ContentCoding): StreamDecoder;

  readFile(path: string): Promise<Uint8Array>;
  /** Reads in chunks; constant memory for a file of any size. */
  readChunks(path: string): AsyncIterable<Uint8Array>;
  /** The last `length` bytes (or fewer). */
  readTail(path: string, length: number): Promise<Uint8Array>;
  /** Creates with `mode`; fails when it exists. */
  writeNew(path: string, data: string | Uint8Array, mode: number): Promise<void>;
  stat(path: string): Promise<FileInfo | null>;
  /** Whether something of this name is there, a link that leads nowhere too. Rejects when nobody can tell. */
  hasName(path: string): Promise<boolean>;
  list(directory: string): Promise<readonly string[]>;
  makeDirectory(path: string): Promise<void>;
  /**
   * fsync of a directory: the names created, renamed or removed in it before the call outlive a loss of power. Rejects
   * when there is no such directory.
   */
  syncDirectory(path: string): Promise<void>;
  rename(from: string, to: string): void;
  remove(path: string): Promise<void>;
  makeTempDirectory(): Promise<string>;
  /** Creates (0600) or opens for appending, under the lock. Throws Fault `evidence_locked` when another process holds it. */
  openAppend(path: string): AppendFile;

  /** Runs `run` once, after the events that are ready now were handled and before new ones are waited for. */
  afterTurn(run: () => void): void;
  /** Monotonic milliseconds with fractions. */
  monotonic(): number;
  /** Milliseconds since the epoch. */
  now(): number;
  randomHex(bytes: number): string;
  /** This program again, with these arguments and additional environment; output is inherited. */
  spawnSelf(args: readonly string[], env: Readonly<Record<string, string>>): Child;
  /** Program and arguments that start this program again; what is appended is what it gets as `args`. */
  ownCommand(): readonly string[];
  /**
   * Another program with exactly this environment, looked for in its PATH. The standard streams are ours (of other open
   * files it may or may not get those we were started with), it is in our process group, and no signal is blocked or
   * ignored in it that was not when we were started. Rejects with Fault `spawn_failed`.
   */
  spawn(command: readonly [string, ...string[]], env: Readonly<Record<string, string>>): Promise<Child | NotStarted>;
  /** Another program to its end, with what it said. Rejects with Fault `spawn_failed`. */
  capture(command: readonly [string, ...string[]], options: CaptureOptions): Promise<Captured | NotStarted>;
  /**
   * A system call of this thread, as the kernel answers it: a value, or an errno negated. At most six arguments; bytes are
   * passed as their address. For `redirect check`, which must do as a program would that wants to get out, and for what
   * only the kernel can tell `doctor`; never on the way of an egress. Throws Fault `unsupported` where there is no C library to ask, or no leave to.
   */
  systemCall(number: number, ...args: readonly (number | Uint8Array)[]): number;
  /**
   * One datagram to the Unix socket at `path`, or to the abstract one when it begins with "@". Waits for nobody: throws Fault
   * `notify_failed` when it is not taken at once, `unsupported` where there is no way to send one.
   */
  sendDatagram(path: string, text: string): void;
  /** Of a name such as "SIGTERM", on this system; null when it has none of that name. */
  signalNumber(name: string): number | null;
  /** Resident memory of this process, bytes. */
  memory(): number;
  /** CPU time this process has used, microseconds. */
  cpuMicros(): number;
}
