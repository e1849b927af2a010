/** A WebSocket between two connections, each message decided before it leaves, in both directions. */
import type { Conn } from "../model/conn.ts";
import type { Egress } from "../model/egress.ts";
import type { Taken } from "../model/exchange.ts";
import type { MessageGate, MessageVeto } from "../model/message.ts";
import { type Agreement, CLOSE, closePayload, type WebSocketFault, writeFrame } from "../wire/websocket.ts";
import { type MessagesOf, MessagesOneWay } from "./_messages-one-way.ts";
import type { MessagesEnv } from "./_one-way.ts";
import { Between, type RelayEnd, type RelayEnv, started } from "./between.ts";
import { type Ended, endedBy } from "./ended.ts";
import type { Live } from "./live.ts";

export interface WebSocketEnv extends RelayEnv, MessagesEnv {}

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

/** Passes messages both ways until both sides are done; `ended` is called exactly once. Never throws. */
export function relayMessages(env: WebSocketEnv, switched: Switched, ended: (end: RelayEnd) => void): Live {
  const made = new MessageRelay(env, switched, ended);
  return started(made, () => made.start(switched));
}

class MessageRelay extends Between<MessagesOneWay, WebSocketEnv> implements MessagesOf {
  readonly gate: MessageGate;
  protected readonly up: MessagesOneWay;
  protected readonly down: MessagesOneWay;
  /** Nothing passes any more; what is still written is said by the gateway. */
  #stopped = false;

  constructor(env: WebSocketEnv, switched: Switched, ended: (end: RelayEnd) => void) {
    const { agreed, client, upstream } = switched;
    super(env, switched.egress, { done: client.done, address: upstream.address, ended });
    this.gate = switched.gate;
    const deflate = agreed.kind === "deflate" ? agreed : { client: null, server: null };
    this.up = new MessagesOneWay(this, "up", deflate.client, client.conn, upstream.conn);
    this.down = new MessagesOneWay(this, "down", deflate.server, upstream.conn, client.conn);
    this.up.peer = this.down;
    this.down.peer = this.up;
  }

  start(switched: Switched): void {
    this.take(switched);
    this.up.begin();
    this.down.begin();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  override moved(): void {
    if (!this.#stopped && !this.#said) super.moved();
  }

  /** A close frame has passed. */
  said(): void {
    this.moved();
    if (this.#said) this.deadline = this.env.deadlines.now + Math.min(CLOSED_MS, this.env.idleMs);
  }

  /** The closing handshake is complete: what is left is the end of the connections. */
  get #said(): boolean {
    return this.up.closed && this.down.closed;
  }

  override expired(): void {
    if (this.#stopped || this.#said) this.reset();
    else super.expired();
  }

  vetoed({ decision, certificate }: MessageVeto, code: number): void {
    if (this.#stopped) return;
    const vector = endedBy(decision.vector);
    this.#shut(vector, code, { client: `${vector} ${certificate.id}`, upstream: "" });
  }

  /** `way` carried what no reader may be given. It is no veto: nothing was judged. */
  broken(way: MessagesOneWay, fault: WebSocketFault): void {
    if (this.#stopped) return;
    const side = way === this.up ? "client" : "upstream";
    const said = { client: "", upstream: "", [side]: fault.code };
    this.#shut(`${side}_websocket_${fault.code}`, fault.close, said);
  }

  protected override finish(): void {
    this.#stop();
    super.finish();
  }

  #stop(): void {
    this.#stopped = true;
    this.up.stop();
    this.down.stop();
  }

  /** Says why to both, ends both, and resets whoever has not gone shortly after. */
  #shut(error: Ended["error"], code: number, said: { readonly client: string; readonly upstream: string }): void {
    this.#stop();
    this.error = error;
    this.severed = true;
    this.deadline = this.env.deadlines.now + LINGER_MS;
    // Whoever was passed a close already may be told nothing behind it.
    if (!this.down.closed) this.down.to.write(writeFrame(CLOSE, closePayload(code, said.client), false));
    if (!this.up.closed) this.up.to.write(writeFrame(CLOSE, closePayload(code, said.upstream), true));
    this.up.to.end();
    this.down.to.end();
  }

  protected override cut(error: Ended["error"]): void {
    // Why it was stopped stands.
    const why = this.#stopped ? this.error : error;
    this.#stop();
    super.cut(why);
  }
}
