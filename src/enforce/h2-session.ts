/** An upstream that speaks HTTP/2: one connection, as many exchanges at once as it takes. */
import type { FaultCode } from "../errors.ts";
import { Fault } from "../errors.ts";
import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Deadlined } from "../model/deadlines.ts";
import type { HeaderList } from "../model/headers.ts";
import { formatAuthority } from "../wire/authority.ts";
import { H2_LIMITS, H2Client, type H2ClientSink, type H2Fault, type H2ResponseHead } from "../wire/h2.ts";
import { H2_AT_ONCE, H2Pump, type Pumped } from "../wire/h2-pump.ts";
import type { WireFault } from "../wire/http1.ts";
import type { Dialled } from "./dial.ts";
import { Answer, type H2Upstream } from "./h2-upstream.ts";
import type { Sent } from "./upstream.ts";
import type { UpstreamEnv } from "./upstream-conn.ts";

/** How long an upstream may take to send its SETTINGS, which is the first thing it has to say. */
const SETTINGS_MS = 10_000;

/**
 * A connection is shared by clients that have nothing to do with each other, so its window must not be what a stream waits
 * for: it is as large as all the windows of its streams together (their number bounds those with bytes unread, too), and a
 * reader that stands still closes its own stream's window and nobody else's. Opening another connection instead when much is
 * unread would leave those to starve who are on the first already. What this lets stand here is bounded by `Unread`, over all
 * connections.
 */
const SHARED_WINDOWS = { connectionWindow: H2_LIMITS.maxStreams * H2_LIMITS.streamWindow };

export class H2Session implements ConnHandler, Deadlined, Pumped {
  readonly atOnce = H2_AT_ONCE;
  deadline: number;
  readonly conn: Conn;
  readonly address: string;
  readonly engine: H2Client;
  readonly env: UpstreamEnv;
  readonly #streams = new Streams();
  readonly #pump: H2Pump;
  #closed = false;
  /** Told once, when no exchange can be opened on it any more. */
  onEnd: ((session: H2Session) => void) | null = null;
  /** Kept when the upstream has said how many exchanges it takes, or can say nothing any more. Never rejects. */
  readonly told: Promise<void>;
  #tell: (() => void) | null = null;
  /** Places promised to exchanges that have not begun. */
  #promised = 0;

  constructor(dialled: Dialled, env: UpstreamEnv) {
    this.conn = dialled.conn;
    this.address = dialled.address;
    this.env = env;
    this.deadline = env.deadlines.now + SETTINGS_MS;
    this.told = new Promise((resolve) => {
      this.#tell = resolve;
    });
    this.engine = new H2Client({ ...H2_LIMITS, ...SHARED_WINDOWS, ...env.limits }, this.#streams);
    this.#pump = new H2Pump(this.engine, this.conn, this);
    env.deadlines.add(this);
    dialled.parked.handOver(dialled.conn, this);
    this.flush();
  }

  get alive(): boolean {
    return !this.#closed && !this.conn.closed && !this.engine.leaving;
  }

  /** Its connection has closed, and it was told so. */
  get gone(): boolean {
    return this.#closed;
  }

  /** An exchange could be opened now. */
  get open(): boolean {
    return this.alive && this.engine.room > this.#promised;
  }

  /** More may be opened when `told` is kept. */
  get untold(): boolean {
    return this.alive && !this.engine.peer.seen;
  }

  get busy(): boolean {
    return this.#streams.of.size > 0 || this.#promised > 0;
  }

  /** Keeps a place for an exchange that is about to begin. */
  promise(): void {
    this.#promised++;
    this.env.pool.woke(this);
  }

  /** It begins now, or never will. */
  redeem(): void {
    this.#promised--;
  }

  /** One that was promised a place has not begun. */
  spared(): void {
    if (!this.busy && !this.#closed) this.env.pool.rested(this);
  }

  /** Nobody is on it, and it is one too many. Whoever does not answer a FIN is not waited for. */
  dismiss(): void {
    this.leave();
    this.conn.destroy();
  }

  /** Takes no more exchanges and ends when those under way have. */
  leave(): void {
    if (this.#closed) return;
    this.engine.goaway();
    this.flush();
    if (!this.busy) this.conn.end();
  }

  // ── the socket ──

  data(bytes: Uint8Array): void {
    this.#pump.read(bytes, this.env.deadlines.now);
    this.#streams.turn();
    this.flush();
    if (this.#tell !== null && this.engine.peer.seen) {
      this.#say();
      this.deadline = this.busy ? Number.POSITIVE_INFINITY : this.env.deadlines.now + this.env.pool.idleMs;
    }
    if (this.engine.leaving) this.#retire();
  }

  end(): void {
    this.conn.destroy();
  }

  drain(): void {
    this.#pump.stuck = false;
    this.flush();
    this.#streams.uploaded();
  }

  close(error: Error | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pump.stop();
    this.env.deadlines.remove(this);
    this.env.pool.woke(this);
    this.#retire();
    this.#streams.fail("upstream_closed", error === null ? "connection closed" : "connection reset");
  }

  expired(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    if (!this.busy) this.leave();
    if (!this.busy || !this.engine.peer.seen) this.conn.destroy();
  }

  // ── what exchanges ask ──

  begin(stream: H2Upstream, sent: Sent): number {
    const { egress, body, fields, empty, streamed = false } = sent;
    const { method, path, destination } = egress;
    const { scheme, host, port } = destination;
    if (!Array.isArray(fields)) throw new Fault("unsupported", "fields as lines cannot go into HTTP/2");
    const list = body === null && !empty ? fields : [...fields, "content-length", String(body?.length ?? 0)];
    const authority = formatAuthority(host, port === (scheme === "https" ? 443 : 80) ? null : port);
    const to = { method, scheme: scheme === "http" ? "http" : "https", authority, path } as const;
    const id = this.engine.open(to, list, !streamed && (body === null || body.length === 0));
    if (id === 0) return 0;
    this.#streams.of.set(id, stream);
    if (this.engine.peer.seen) this.deadline = Number.POSITIVE_INFINITY;
    if (body !== null && body.length > 0) this.engine.data(id, body, true);
    this.flush();
    return id;
  }

  /** An exchange is over. */
  forget(id: number): void {
    if (!this.#streams.of.delete(id) || this.busy || this.#closed) return;
    if (this.engine.leaving) this.conn.end();
    if (this.engine.peer.seen) this.deadline = this.env.deadlines.now + this.env.pool.idleMs;
    this.env.pool.rested(this);
  }

  soon(): void {
    this.#pump.soon();
  }

  flush(): void {
    this.#pump.flush();
  }

  afterTurn(run: () => void): void {
    this.env.afterTurn(run);
  }

  pumped(): void {
    const { engine, conn } = this;
    if (engine.fault !== null) conn.end();
    else if (engine.unsent > H2_LIMITS.maxUnsent) {
      // It does not read. Not from inside of whoever wrote the last of it.
      this.afterTurn(() => {
        engine.giveUp();
        conn.reset();
      });
    }
  }

  #say(): void {
    this.#tell?.();
    this.#tell = null;
  }

  #retire(): void {
    this.#say();
    const told = this.onEnd;
    this.onEnd = null;
    told?.(this);
  }
}

/** What the engine reads, stream by stream. A class of its own: its methods would clash with the socket's. */
class Streams implements H2ClientSink {
  readonly of = new Map<number, H2Upstream>();
  /** Those that the last bytes were for. */
  readonly #touched = new Set<H2Upstream>();

  informational(id: number, head: H2ResponseHead): void {
    this.#touch(id)?.use?.informational(new Answer(head, false));
  }

  response(id: number, head: H2ResponseHead, ended: boolean): void {
    this.#touch(id)?.head(new Answer(head, ended));
  }

  data(id: number, bytes: Uint8Array): void {
    this.#touch(id)?.body(bytes);
  }

  end(id: number, trailers: HeaderList | null): void {
    this.#touch(id)?.end(trailers);
  }

  writable(id: number): void {
    this.of.get(id)?.use?.uploaded();
  }

  /** The answer is whole, and the request too. */
  closed(): void {}

  reset(id: number, code: number, fault: WireFault | null): void {
    const stream = this.of.get(id);
    if (stream !== undefined && fault === null) stream.resetBy = code;
    if (fault === null) stream?.fail("upstream_closed", `the stream was reset (${code})`, false);
    else stream?.fail("upstream_malformed", `malformed answer (${fault.code})`, false);
  }

  unprocessed(id: number): void {
    this.of.get(id)?.fail("upstream_closed", "the upstream did not take the request up", true);
  }

  goaway(): void {}

  failed({ reason }: H2Fault): void {
    this.fail("upstream_malformed", `HTTP/2 failed (${reason})`);
  }

  ready(): void {}

  fail(code: FaultCode, detail: string): void {
    for (const stream of [...this.of.values()]) stream.fail(code, detail, false);
  }

  turn(): void {
    for (const stream of this.#touched) stream.turn();
    this.#touched.clear();
  }

  uploaded(): void {
    for (const stream of [...this.of.values()]) stream.use?.uploaded();
  }

  #touch(id: number): H2Upstream | undefined {
    const stream = this.of.get(id);
    if (stream !== undefined) this.#touched.add(stream);
    return stream;
  }
}
