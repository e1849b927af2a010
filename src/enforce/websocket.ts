/** A WebSocket between two connections, each message decided before it leaves, in both directions. */
import type { Conn } from "../model/conn.ts";
import type { Deadlined } from "../model/deadlines.ts";
import type { Egress } from "../model/egress.ts";
import type { Taken } from "../model/exchange.ts";
import type { MessageGate, MessageVeto } from "../model/message.ts";
import { type Agreement, CLOSE, closePayload, type WebSocketFault, writeFrame } from "../wire/websocket.ts";
import { type MessagesOf, MessagesOneWay } from "./_messages-one-way.ts";
import { CRASHED } from "./ended.ts";
import type { Live, SeverReason } from "./live.ts";
import type { RelayEnd, RelayEnv } from "./relay.ts";

export interface WebSocketEnv extends RelayEnv {
  /** As in the Runtime contract. */
  afterTurn(run: () => void): void;
  /** Bytes one message may come to, packed and unpacked. */
  readonly maxMessage: number;
}

/** One that was switched to. */
export interface Switched {
  readonly egress: Egress;
  readonly gate: MessageGate;
  readonly agreed: Exclude<Agreement, { kind: "refused" }>;
  readonly client: Taken;
  readonly upstream: { readonly conn: Conn; readonly leftover: Uint8Array | null; readonly address: string };
}

/** From the close that was written to the reset of whoever stays, ms. */
const LINGER_MS = 1000;
/** Both have said that it is over, and the server has not ended the connection, ms. */
const CLOSED_MS = 10_000;
const POLICY = 1008;

/** Passes messages both ways until both sides are done; `ended` is called exactly once. Never throws. */
export function relayMessages(env: WebSocketEnv, switched: Switched, ended: (end: RelayEnd) => void): Live {
  const made = new MessageRelay(env, switched, ended);
  try {
    made.start(switched);
  } catch (thrown) {
    made.crashed(thrown);
    made.abandoned();
  }
  return made;
}

class MessageRelay implements Deadlined, Live, MessagesOf {
  place = -1;
  deadline: number;
  readonly egress: Egress;
  readonly env: WebSocketEnv;
  readonly gate: MessageGate;
  readonly #up: MessagesOneWay;
  readonly #down: MessagesOneWay;
  readonly #done: () => void;
  readonly #address: string;
  readonly #ended: (end: RelayEnd) => void;
  /** Nothing passes any more; what is still written is said by the gateway. */
  #stopped = false;
  #error: string | null = null;
  #severed = false;
  #open = 2;

  constructor(env: WebSocketEnv, switched: Switched, ended: (end: RelayEnd) => void) {
    const { agreed, client, upstream } = switched;
    this.env = env;
    this.egress = switched.egress;
    this.gate = switched.gate;
    this.#done = client.done;
    this.#address = upstream.address;
    this.#ended = ended;
    this.deadline = env.deadlines.now + env.idleMs;
    const deflate = agreed.kind === "deflate" ? agreed : { client: null, server: null };
    this.#up = new MessagesOneWay(this, "up", deflate.client, client.conn, upstream.conn);
    this.#down = new MessagesOneWay(this, "down", deflate.server, upstream.conn, client.conn);
    this.#up.peer = this.#down;
    this.#down.peer = this.#up;
  }

  start({ client, upstream }: Switched): void {
    this.env.live.add(this);
    this.env.deadlines.add(this);
    // Both handlers first: what one side is told can close the other.
    client.conn.handler = this.#up;
    upstream.conn.handler = this.#down;
    if (client.leftover !== null) this.#up.data(client.leftover);
    if (upstream.leftover !== null) this.#down.data(upstream.leftover);
    if (client.ended) this.#up.end();
    this.#up.begin();
    this.#down.begin();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  moved(): void {
    if (!this.#stopped && !this.#said) this.deadline = this.env.deadlines.now + this.env.idleMs;
  }

  /** A close frame has passed. */
  said(): void {
    this.moved();
    if (this.#said) this.deadline = this.env.deadlines.now + Math.min(CLOSED_MS, this.env.idleMs);
  }

  /** The closing handshake is complete: what is left is the end of the connections. */
  get #said(): boolean {
    return this.#up.closed && this.#down.closed;
  }

  expired(): void {
    if (this.#stopped || this.#said) this.#reset();
    else this.#cut("idle_timeout");
  }

  sever(reason: SeverReason): void {
    this.#cut(reason);
  }

  vetoed(veto: MessageVeto, code = POLICY): void {
    if (this.#stopped) return;
    const said = veto.certificateId === null ? veto.vector : `${veto.vector} ${veto.certificateId}`;
    this.#shut(veto.vector, code, { client: said, upstream: "" });
  }

  /** `way` carried what no reader may be given. It is no veto: nothing was judged. */
  broken(way: MessagesOneWay, fault: WebSocketFault): void {
    if (this.#stopped) return;
    const side = way === this.#up ? "client" : "upstream";
    const said = { client: "", upstream: "", [side]: fault.code };
    this.#shut(`${side}_websocket_${fault.code}`, fault.close, said);
  }

  closed(error: Error | null, way: MessagesOneWay): void {
    if (error !== null) {
      this.#error ??= way === this.#up ? "client_reset" : "upstream_reset";
      way.to.reset();
    }
    this.#open--;
    if (this.#open === 0) this.#finish();
  }

  crashed(thrown: unknown): void {
    this.env.crashed(thrown);
    this.#cut(CRASHED);
  }

  /** Half set up: a side that was gone before will not tell its end any more, so none is waited for. */
  abandoned(): void {
    if (this.#open <= 0) return;
    this.#open = 0;
    this.#finish();
  }

  #finish(): void {
    this.#stop();
    this.env.live.delete(this);
    this.env.deadlines.remove(this);
    this.#done();
    this.#ended({
      bytesUp: this.#up.bytes,
      bytesDown: this.#down.bytes,
      address: this.#address,
      severed: this.#severed,
      error: this.#error,
    });
  }

  #stop(): void {
    this.#stopped = true;
    this.#up.stop();
    this.#down.stop();
  }

  /** Says why to both, ends both, and resets whoever has not gone shortly after. */
  #shut(error: string, code: number, said: { readonly client: string; readonly upstream: string }): void {
    this.#stop();
    this.#error = error;
    this.#severed = true;
    this.deadline = this.env.deadlines.now + LINGER_MS;
    // Whoever was passed a close already may be told nothing behind it.
    if (!this.#down.closed) this.#down.to.write(writeFrame(CLOSE, closePayload(code, said.client), false));
    if (!this.#up.closed) this.#up.to.write(writeFrame(CLOSE, closePayload(code, said.upstream), true));
    this.#up.to.end();
    this.#down.to.end();
  }

  #cut(error: string): void {
    // Why it was stopped stands.
    if (!this.#stopped) this.#error = error;
    this.#severed = true;
    this.#stop();
    this.#reset();
  }

  #reset(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    this.#up.from.reset();
    this.#down.from.reset();
  }
}
