/** What a parent and its workers say to each other: JSON, one object a line, over a Unix socket of their own. */
import type { Endpoint } from "./decide/host.ts";
import type { Adjustment, Need, Taken } from "./limits/store.ts";
import type { Conn, ConnHandler } from "./model/conn.ts";
import type { KillOrder } from "./model/kill-order.ts";
import type { HealthSnapshot } from "./observe/health.ts";
import type { MetricsSnapshot } from "./observe/metrics.ts";
import type { ProcessStatus } from "./observe/status.ts";

export type Message =
  /** A worker that has opened nothing yet; `token` proves that the parent started it. */
  | { readonly kind: "hello"; readonly worker: number; readonly token: string }
  /** The answer to it: what must be known before the first connection. */
  | { readonly kind: "welcome"; readonly order: KillOrder; readonly admin: Endpoint | null }
  /** The worker listens. */
  | { readonly kind: "ready" }
  | { readonly kind: "reload" }
  | { readonly kind: "drain" }
  /** To a worker: of itself. To the parent: of all. */
  | { readonly kind: "ask"; readonly id: number; readonly what: Question }
  | { readonly kind: "kill"; readonly id: number; readonly order: KillOrder }
  /** To the parent, which holds the counters of limits for all: what a LimitStore is asked. */
  | { readonly kind: "take"; readonly id: number; readonly holder: string; readonly needs: readonly Need[] }
  | { readonly kind: "adjust"; readonly holder: string; readonly adjustments: readonly Adjustment[] }
  | { readonly kind: "renew"; readonly places: readonly Place[]; readonly leaseMs: number }
  /** Null: the counters cannot be had. */
  | { readonly kind: "taken"; readonly id: number; readonly taken: Taken | null }
  | { readonly kind: "health"; readonly id: number; readonly all: readonly HealthSnapshot[] }
  | { readonly kind: "metrics"; readonly id: number; readonly all: readonly MetricsSnapshot[] }
  | { readonly kind: "status"; readonly id: number; readonly all: readonly ProcessStatus[] }
  | { readonly kind: "reloaded"; readonly id: number; readonly ok: boolean; readonly message: string }
  | { readonly kind: "killed"; readonly id: number; readonly severed: number };

interface Place {
  readonly holder: string;
  readonly key: string;
}

/** `reload` is one that wants to be told how it went. */
export type Question = "health" | "metrics" | "status" | "reload";

type Answer = Extract<Message, { readonly kind: "health" | "metrics" | "status" | "reloaded" | "killed" | "taken" }>;

/** A line is at most this long: the metrics of 256 workers fit. */
const MAX_LINE = 64 * 1024 * 1024;
/** Before the other side has said who it is. */
const MAX_HELLO = 1024;
const ASK_MS = 2_000;
/** A timer that comes later than this was kept back: this process stood still, and has not heard what was said meanwhile. */
const STOOD_MS = 100;
/** The most that is given back for that, once a question. */
const GIVEN_BACK_MS = 500;
/** Reading and compiling a large policy takes longer than telling a number. */
const RELOAD_MS = 30_000;

/** One end of the control socket. */
export class ControlLink implements ConnHandler {
  readonly #conn: Conn;
  readonly #receive: (message: Message, link: ControlLink) => void;
  readonly #lost: () => void;
  readonly #decoder = new TextDecoder();
  readonly #encoder = new TextEncoder();
  readonly #waiting = new Map<number, (answer: Answer | null) => void>();
  #text = "";
  #nextId = 1;
  #heard = 0;
  #maxLine: number;

  /** `stranger`: whoever opens the connection has yet to prove who it is; see `trust`. */
  constructor(conn: Conn, receive: (message: Message, link: ControlLink) => void, lost: () => void, stranger = false) {
    this.#conn = conn;
    this.#receive = receive;
    this.#lost = lost;
    this.#maxLine = stranger ? MAX_HELLO : MAX_LINE;
    conn.handler = this;
  }

  trust(): void {
    this.#maxLine = MAX_LINE;
  }

  /** How many messages have come: who says anything at all runs. */
  get heard(): number {
    return this.#heard;
  }

  send(message: Message): void {
    this.#conn.write(this.#encoder.encode(`${JSON.stringify(message)}\n`));
  }

  /** Null when the other side does not answer in time. */
  ask(what: Question): Promise<Answer | null> {
    return this.#request((id) => ({ kind: "ask", id, what }), what === "reload" ? RELOAD_MS : ASK_MS);
  }

  /** Null when the other side does not say in time that it obeys. */
  kill(order: KillOrder): Promise<Answer | null> {
    return this.#request((id) => ({ kind: "kill", id, order }), ASK_MS);
  }

  /** Null when the other side does not answer within `limitMs`. */
  take(holder: string, needs: readonly Need[], limitMs: number): Promise<Answer | null> {
    return this.#request((id) => ({ kind: "take", id, holder, needs }), limitMs);
  }

  #request(make: (id: number) => Message, limitMs: number): Promise<Answer | null> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      let due = performance.now() + limitMs;
      let given = false;
      const over = (): void => {
        const stood = performance.now() - due;
        if (given || stood <= STOOD_MS) {
          this.#answer(id, null);
          return;
        }
        given = true;
        const more = Math.min(stood, GIVEN_BACK_MS);
        due = performance.now() + more;
        timer = setTimeout(over, more);
      };
      let timer = setTimeout(over, limitMs);
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.send(make(id));
    });
  }

  hangUp(): void {
    this.#conn.destroy();
  }

  data(bytes: Uint8Array): void {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    for (let end = this.#text.indexOf("\n"); end >= 0; end = this.#text.indexOf("\n")) {
      const message = end > this.#maxLine ? null : messageOf(this.#text.slice(0, end));
      this.#text = this.#text.slice(end + 1);
      if (message === null) {
        this.hangUp();
        return;
      }
      this.#heard += 1;
      if (isAnswer(message)) this.#answer(message.id, message);
      else this.#receive(message, this);
      if (this.#conn.closed) return;
    }
    if (this.#text.length > this.#maxLine) this.hangUp();
  }

  end(): void {
    this.#conn.destroy();
  }

  drain(): void {}

  close(): void {
    for (const id of [...this.#waiting.keys()]) this.#answer(id, null);
    this.#lost();
  }

  #answer(id: number, answer: Answer | null): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.(answer);
  }
}

const ANSWERS: ReadonlySet<string> = new Set<Answer["kind"]>([
  "health",
  "metrics",
  "status",
  "reloaded",
  "killed",
  "taken",
]);

/** Null for what this program does not say. Beyond that its own processes are believed. */
function messageOf(line: string): Message | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "kind" in value ? (value as Message) : null;
  } catch {
    return null;
  }
}

function isAnswer(message: Message): message is Answer {
  return ANSWERS.has(message.kind);
}
