/**
 * The whole road from door to upstream over real loopback sockets, with the three parts a test wants a say in (verdict,
 * names, evidence) replaced, a clock that can be put forward, and every counter that must return to zero in reach.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Config, UpstreamProxy } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { addressGuard } from "../../src/decide/address.ts";
import { VetoDamper } from "../../src/decide/damper.ts";
import { hostGate, selfAddresses } from "../../src/decide/host.ts";
import { Limiter } from "../../src/decide/limits.ts";
import { MemoryLimits } from "../../src/decide/limits-memory.ts";
import type { TlsFor } from "../../src/enforce/dial.ts";
import type { Interceptor } from "../../src/enforce/intercept.ts";
import { LiveSet } from "../../src/enforce/live.ts";
import { Pool } from "../../src/enforce/pool.ts";
import { directRoute, proxyRoute } from "../../src/enforce/route.ts";
import { Fault } from "../../src/errors.ts";
import type { Committed, Evidence, Waiting } from "../../src/evidence/evidence.ts";
import { ForwardDoor } from "../../src/listen/forward.ts";
import type { CertificateDraft, Outcome } from "../../src/model/certificate.ts";
import type { Conn, Original } from "../../src/model/conn.ts";
import { Deadlines } from "../../src/model/deadlines.ts";
import { allow, type Decision } from "../../src/model/decision.ts";
import type { Egress, HeldBody } from "../../src/model/egress.ts";
import type { Responder } from "../../src/model/exchange.ts";
import type { Finding } from "../../src/model/finding.ts";
import { Outgoing } from "../../src/model/outgoing.ts";
import type { AnswerGuard, ScreenedHead } from "../../src/model/screen.ts";
import type { Passage } from "../../src/passage.ts";
import { Pipeline } from "../../src/pipeline.ts";
import { runtime as bun } from "../../src/runtime/bun.ts";
import type { Runtime } from "../../src/runtime/contract.ts";
import { RawClient } from "../e2e/_raw.ts";

export { RawClient };

/** Waits for a condition, never for a time. */
export async function until(holds: () => boolean, what: string, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not ${what} after ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Lets everything that is already on its way through loopback and event loop arrive. */
export async function settled(turns = 20): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setTimeout(resolve, 5));
}

export interface Proof extends CertificateDraft {
  readonly id: string;
  readonly written: boolean;
}

/** Evidence in memory. `fail` makes every commit throw; `gate` is waited for before it is answered. */
export class FakeEvidence implements Evidence {
  readonly proofs: Proof[] = [];
  readonly outcomes: Outcome[] = [];
  fail = false;
  gate: Promise<void> | null = null;
  /** Called inside a commit, before it is answered. */
  onCommit: (draft: CertificateDraft) => void = () => {};
  readonly problem = null;

  get writable(): boolean {
    return !this.fail;
  }

  submit(draft: CertificateDraft, waiting: Waiting): void {
    this.onCommit(draft);
    const full = new Fault("evidence_unwritable", "disk is full");
    if (this.fail) {
      waiting.unwritable(full);
      return;
    }
    const committed = this.#note(draft, true);
    if (this.gate === null) waiting.written(committed);
    else void this.gate.then(() => (this.fail ? waiting.unwritable(full) : waiting.written(committed)));
  }

  commit(draft: CertificateDraft): Promise<Committed> {
    return new Promise((resolve, reject) => this.submit(draft, { written: resolve, unwritable: reject }));
  }

  async unwritten(draft: CertificateDraft): Promise<Committed> {
    return this.#note(draft, false);
  }

  settle(outcome: Outcome): void {
    this.outcomes.push(outcome);
  }

  async flush(): Promise<void> {}
  async close(): Promise<void> {}

  #note(draft: CertificateDraft, written: boolean): Committed {
    const id = `cert_${this.proofs.length}`;
    this.proofs.push({ ...draft, id, written });
    const json = JSON.stringify({ certificate_id: id, verdict: draft.verdict, chain: written ? {} : null });
    const line = new TextEncoder().encode(`X-EVE-Decision-Cert: ${json}\r\n`);
    return { id, json, header: json, size: line.length, copyTo: (target, at) => target.set(line, at) };
  }
}

/** The gateway's pseudonym. */
export const VIA = "1.1 sallyport-test";

export interface RigOptions {
  readonly config?: Partial<Config>;
  readonly names?: Readonly<Record<string, readonly string[]>>;
  readonly proxy?: UpstreamProxy;
  readonly interceptor?: Interceptor;
  /** PEM of more roots an upstream may chain to. */
  readonly roots?: string;
}

function tlsOf(roots: string | null): TlsFor {
  return (serverName, alpn) => (roots === null ? { serverName, alpn } : { serverName, alpn, extraRoots: roots });
}

export class Rig {
  readonly evidence = new FakeEvidence();
  readonly live = new LiveSet();
  readonly notices: string[] = [];
  readonly faults: unknown[] = [];
  /** What the observer was told of. */
  readonly told: string[] = [];
  certified: (passage: Passage, id: string) => void = () => {};
  found: (id: string, findings: readonly Finding[]) => void = () => {};
  /** Destinations a socket was really opened to: "address:port". */
  readonly dialled: string[] = [];
  readonly asked: { egress: Egress; body: HeldBody | null }[] = [];
  readonly deadlines: Deadlines;
  readonly config: Config;
  readonly door: ForwardDoor;
  readonly pool: Pool;
  readonly names: Record<string, readonly string[]>;
  decide: (egress: Egress, body: HeldBody | null) => Decision | Promise<Decision> = () => allow("test");
  local: (method: string, path: string, responder: Responder) => void = (_method, path, responder) =>
    responder.answer(200, "OK", [], `local ${path}\n`, false);
  opaque: (host: string, port: number) => boolean = () => false;
  screen: (egress: Egress, head: ScreenedHead) => AnswerGuard | null = () => null;
  /** Where connections of clients were going before they were redirected here; null: they were made to the gateway. */
  redirected: Original | null = null;
  readonly outgoing = new Outgoing();
  resolving: Promise<void> | null = null;
  /** How long each veto was kept, milliseconds. Time between vetoes is what the test says it is. */
  readonly delays: number[] = [];
  /** Dials never answer. */
  hang = false;
  cancelled = 0;
  /** So many dials give a connection that was closed before its owner got it. */
  stillborn = 0;
  port = 0;
  #skew = 0;

  private constructor(config: Config, options: RigOptions) {
    this.config = config;
    this.names = { ...options.names };
    const clock = () => performance.now() + this.#skew;
    this.deadlines = new Deadlines(clock);
    const runtime: Runtime = {
      ...bun,
      monotonic: clock,
      listen: (asked, accept) => bun.listen(asked, (conn) => accept(conn, this.redirected)),
      dial: (target, handler) => {
        if ("address" in target) this.dialled.push(`${target.address}:${target.port}`);
        if (this.hang) {
          return {
            conn: new Promise(() => {}),
            cancel: () => {
              this.cancelled++;
            },
          };
        }
        const dialing = bun.dial(target, handler);
        if (this.stillborn === 0) return dialing;
        this.stillborn--;
        const closed = async (conn: Conn) => {
          conn.destroy();
          await settled();
          return conn;
        };
        return { conn: dialing.conn.then(closed), cancel: () => dialing.cancel() };
      },
    };
    const limits = { maxHeaderBytes: config.maxHeaderBytes, maxHeaders: config.maxHeaders };
    this.pool = new Pool(this.deadlines, {
      limit: config.poolIdle,
      idleMs: config.poolIdleTimeoutMs,
      maxUnread: config.maxHeld,
    });
    const dialled = (conn: Conn): void => this.outgoing.dialled(conn);
    const dialEnv = { runtime, dialled, timeoutMs: config.upstreamTimeoutMs, tls: tlsOf(options.roots ?? null) };
    const route =
      options.proxy === undefined
        ? directRoute(dialEnv)
        : proxyRoute(dialEnv, options.proxy, VIA, limits, (host) => this.#resolve(host));
    let pipeline: Pipeline | null = null;
    this.door = new ForwardDoor({
      runtime,
      config,
      deadlines: this.deadlines,
      wireLimits: limits,
      handle: (exchange) => pipeline?.handle(exchange),
      local: (method, path, responder) => this.local(method, path, responder),
      notice: (notice) => void this.notices.push(notice.code),
      opaque: (host, at) => this.opaque(host, at),
      loops: (conn, original) => this.outgoing.has(conn, original),
    });
    this.#build = (port) => {
      const bound = { listeners: [{ address: config.host, port }], localAddresses: bun.localAddresses() };
      const gate = hostGate(config.blockedHosts, selfAddresses(config, bound));
      pipeline = new Pipeline({
        runtime,
        config,
        gate,
        decider: {
          policyVersion: "test",
          reload: async () => ({ ok: true, message: "" }),
          opaque: (host, at) => this.opaque(host, at),
          screen: (egress, head) => this.screen(egress, head),
          decide: (egress, body) => {
            // What a message is decided on is written over when it has left.
            const kept = egress.phase === "message" && body !== null ? { ...body, bytes: body.bytes.slice() } : body;
            this.asked.push({ egress, body: kept });
            return this.decide(egress, body);
          },
        },
        limiter: new Limiter({
          runtime,
          program: () => null,
          store: new MemoryLimits(runtime),
          tenant: config.orgId,
          shadow: false,
          decode: async (bytes) => bytes,
          counted() {},
          failed() {},
        }),
        names: { resolve: (host) => this.#resolve(host) },
        guard: addressGuard({ allow: config.allowAddresses, gate, policy: { deniedAddress: () => null } }),
        evidence: this.evidence,
        enforce: {
          deadlines: this.deadlines,
          limits,
          pool: this.pool,
          route,
          afterTurn: runtime.afterTurn,
          live: this.live,
          crashed: (thrown) => void this.faults.push(thrown),
          settle: (carried, ended) => pipeline?.ends.settle(carried, ended),
          firstByteMs: config.firstByteTimeoutMs,
          gapMs: config.upstreamTimeoutMs,
          idleMs: config.idleTimeoutMs,
          interceptor: options.interceptor ?? null,
          maxMessage: config.maxBody,
          room: (egress) => this.door.room(egress),
          decode: runtime.decode,
          serveInside: (taken, parked, inside) => this.door.serveInside(taken, parked, inside),
        },
        observer: {
          decided() {},
          concluded: (draft) => void this.told.push(`${draft.phase} ${draft.verdict} concluded`),
          decidedInside: (draft) => void this.told.push(`${draft.phase} ${draft.verdict} inside`),
          noticed() {},
          fault: (_code, thrown) => void this.faults.push(thrown),
        },
        damper: this.#damper(),
        certified: (passage, id) => this.certified(passage, id),
        found: (id, findings) => this.found(id, findings),
        via: options.proxy === undefined ? null : VIA,
      });
    };
  }

  readonly #build: (port: number) => void;

  #damper(): VetoDamper {
    const delays = this.delays;
    class Told extends VetoDamper {
      override delay(...asked: Parameters<VetoDamper["delay"]>): number {
        const wait = super.delay(...asked);
        delays.push(wait);
        return wait;
      }
    }
    return new Told(() => this.#skew);
  }

  static async start(options: RigOptions = {}): Promise<Rig> {
    const env = {
      EVE_PROXY_HOST: "127.0.0.1",
      EVE_PROXY_PORT: "0",
      EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8",
      JWT_SECRET_KEY: "a-test-key-that-is-long-enough-for-hmac",
    };
    const loaded = await loadConfig({ ...bun, env });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const config: Config = { ...loaded.config, upstreamProxy: options.proxy ?? null, ...options.config };
    const rig = new Rig(config, options);
    rig.port = (await rig.door.listen(false)).port;
    rig.#build(rig.port);
    return rig;
  }

  /** Puts the clock forward and ends whatever is overdue. */
  advance(ms: number): void {
    this.#skew += ms;
    this.deadlines.sweep();
  }

  client(from?: string): Promise<RawClient> {
    return RawClient.open(this.port, from);
  }

  /** Everything a finished exchange must give back. Idle upstream connections are the pool's and are cleared first. */
  counts(): Record<string, number> {
    return {
      open: this.door.open,
      connections: this.door.connections.size,
      held: this.door.budget.used,
      live: this.live.size,
      deadlines: this.deadlines.size,
      pooled: this.pool.size,
    };
  }

  /** Fails unless every counter returns to zero by itself (the pool's idle connections are ended first). */
  async clean(): Promise<void> {
    const zero = () => Object.values(this.counts()).every((count) => count === 0);
    this.pool.clear();
    try {
      await until(() => {
        this.pool.clear();
        return zero();
      }, "clean");
    } catch {
      throw new Error(`something leaked: ${JSON.stringify(this.counts())}`);
    }
    if (this.faults.length > 0) throw this.faults[0];
  }

  async stop(): Promise<void> {
    await this.door.drain();
    this.door.sever();
    for (const live of this.live.all()) live.sever("revoked");
    this.pool.clear();
  }

  #resolve(host: string): readonly string[] | Promise<readonly string[]> {
    const found = this.names[host] ?? (/^[0-9.:]+$/.test(host) ? [host] : undefined);
    const answer = () => {
      if (found === undefined) throw new Fault("resolve_failed", `cannot resolve "${host}"`);
      return found;
    };
    if (this.resolving !== null) return this.resolving.then(answer);
    if (found === undefined) return Promise.reject(new Fault("resolve_failed", `cannot resolve "${host}"`));
    return found;
  }
}

/** One connection an upstream was given, driven byte by byte. */
export class Far {
  readonly socket: Socket;
  received = "";
  bytes = 0;
  ending: "open" | "fin" | "reset" = "open";
  closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes) => {
      this.bytes += bytes.length;
      if (this.received.length < 1_000_000) this.received += bytes.toString("latin1");
    });
    socket.on("end", () => {
      if (this.ending === "open") this.ending = "fin";
    });
    socket.on("error", () => {
      this.ending = "reset";
    });
    socket.on("close", () => {
      this.closed = true;
    });
  }

  send(text: string | Uint8Array): void {
    this.socket.write(typeof text === "string" ? Buffer.from(text, "latin1") : text);
  }

  async wait(holds: (received: string) => boolean, what: string): Promise<string> {
    await until(() => holds(this.received), `${what} (${JSON.stringify(this.received.slice(0, 500))})`);
    return this.received;
  }

  /** Waits until this many requests without a body (or heads) have arrived. */
  heads(count: number): Promise<string> {
    return this.wait((text) => text.split("\r\n\r\n").length > count, `${count} heads`);
  }

  async gone(): Promise<void> {
    await until(() => this.closed || this.ending !== "open", "the upstream connection ended");
  }
}

/** An upstream that does nothing by itself: a test takes its connections one after the other. */
export class Upstream {
  readonly all: Far[] = [];
  readonly #server: Server;
  /** Called for each connection, e.g. to answer by itself. */
  onConnection: (far: Far) => void = () => {};
  port = 0;

  private constructor(host: string, port: number, ready: () => void) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      const far = new Far(socket);
      this.all.push(far);
      this.onConnection(far);
    });
    this.#server.listen(port, host, ready);
  }

  static async start(host = "127.0.0.1", port = 0): Promise<Upstream> {
    const made: { upstream?: Upstream } = {};
    await new Promise<void>((resolve) => {
      made.upstream = new Upstream(host, port, resolve);
    });
    const upstream = made.upstream as Upstream;
    upstream.port = (upstream.#server.address() as { port: number }).port;
    return upstream;
  }

  get at(): string {
    return `127.0.0.1:${this.port}`;
  }

  async connection(index: number): Promise<Far> {
    await until(() => this.all.length > index, `connection ${index} at the upstream`);
    return this.all[index] as Far;
  }

  /** Answers every request without a body by `reply(head)`. */
  answers(reply: (head: string, far: Far) => string): void {
    this.onConnection = (far) => {
      let at = 0;
      far.socket.on("data", () => {
        for (let end = far.received.indexOf("\r\n\r\n", at); end >= 0; end = far.received.indexOf("\r\n\r\n", at)) {
          const head = far.received.slice(at, end + 4);
          const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
          if (far.received.length < end + 4 + length) return;
          at = end + 4 + length;
          far.send(reply(head, far));
        }
      });
    };
  }

  stop(): void {
    for (const far of this.all) far.socket.destroy();
    this.#server.close();
  }
}

export function ok(body: string, extra = ""): string {
  return `HTTP/1.1 200 OK\r\n${extra}Content-Length: ${body.length}\r\n\r\n${body}`;
}

export function get(at: string, path = "/", extra = ""): string {
  return `GET http://${at}${path} HTTP/1.1\r\nHost: ${at}\r\n${extra}\r\n`;
}

export function post(at: string, body: string, path = "/", extra = ""): string {
  return `POST http://${at}${path} HTTP/1.1\r\nHost: ${at}\r\n${extra}Content-Length: ${body.length}\r\n\r\n${body}`;
}
