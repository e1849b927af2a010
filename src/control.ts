/** What a parent and its workers say to each other: JSON, one object a line, over a Unix socket of their own. */
import type { Conn, ConnHandler } from "./model/conn.ts";
import type { HealthSnapshot } from "./observe/health.ts";
import type { MetricsSnapshot } from "./observe/metrics.ts";

export type Message =
  /** A worker is ready to be asked; `token` proves that the parent started it. */
  | { readonly kind: "hello"; readonly worker: number; readonly token: string }
  | { readonly kind: "reload" }
  | { readonly kind: "drain" }
  /** To a worker: of itself. To the parent: of all. */
  | { readonly kind: "ask"; readonly id: number; readonly what: "health" | "metrics" }
  | { readonly kind: "health"; readonly id: number; readonly all: readonly HealthSnapshot[] }
  | { readonly kind: "metrics"; readonly id: number; readonly all: readonly MetricsSnapshot[] };

/** A line is at most this long: the metrics of 256 workers fit. */
const MAX_LINE = 64 * 1024 * 1024;
const ASK_MS = 2_000;

/** One end of the control socket. */
export class ControlLink implements ConnHandler {
  readonly #conn: Conn;
  readonly #receive: (message: Message, link: ControlLink) => void;
  readonly #lost: () => void;
  readonly #decoder = new TextDecoder();
  readonly #encoder = new TextEncoder();
  readonly #waiting = new Map<number, (answer: Message | null) => void>();
  #text = "";
  #nextId = 1;

  constructor(conn: Conn, receive: (message: Message, link: ControlLink) => void, lost: () => void) {
    this.#conn = conn;
    this.#receive = receive;
    this.#lost = lost;
    conn.handler = this;
  }

  send(message: Message): void {
    this.#conn.write(this.#encoder.encode(`${JSON.stringify(message)}\n`));
  }

  /** Null when the other side does not answer in time. */
  ask(what: "health" | "metrics"): Promise<Message | null> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#answer(id, null), ASK_MS);
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.send({ kind: "ask", id, what });
    });
  }

  hangUp(): void {
    this.#conn.destroy();
  }

  data(bytes: Uint8Array): void {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    if (this.#text.length > MAX_LINE) {
      this.#conn.destroy();
      return;
    }
    for (let end = this.#text.indexOf("\n"); end >= 0; end = this.#text.indexOf("\n")) {
      const message = JSON.parse(this.#text.slice(0, end)) as Message;
      this.#text = this.#text.slice(end + 1);
      if (message.kind === "health" || message.kind === "metrics") this.#answer(message.id, message);
      else this.#receive(message, this);
    }
  }

  end(): void {
    this.#conn.destroy();
  }

  drain(): void {}

  close(): void {
    for (const id of [...this.#waiting.keys()]) this.#answer(id, null);
    this.#lost();
  }

  #answer(id: number, answer: Message | null): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.(answer);
  }
}
