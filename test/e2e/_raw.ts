/** A client that sends exactly the bytes it is told, and tells how the connection ended. */
import { connect, type Socket } from "node:net";

export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  header(name: string): string | null;
}

export type Ending = "fin" | "reset" | "open";

export class RawClient {
  readonly socket: Socket;
  received = "";
  ending: Ending = "open";

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes) => {
      this.received += bytes.toString("latin1");
    });
    socket.on("end", () => {
      if (this.ending === "open") this.ending = "fin";
    });
    socket.on("error", () => {
      this.ending = "reset";
    });
    // A peer that is gone for good: after "end" the FIN has been told already.
    socket.on("close", () => {
      if (this.ending === "open") this.ending = "reset";
    });
  }

  /** `from` is the loopback address to come from. */
  static open(port: number, from = "127.0.0.1"): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", localAddress: from, allowHalfOpen: true });
      socket.setNoDelay(true);
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new RawClient(socket));
      });
    });
  }

  send(data: string | Uint8Array): void {
    this.socket.write(typeof data === "string" ? Buffer.from(data, "latin1") : data);
  }

  /** Waits until what was received satisfies the condition; fails with what there is when the peer ends first. */
  async wait(holds: (received: string) => boolean, what: string, timeoutMs = 60_000): Promise<string> {
    const deadline = performance.now() + timeoutMs;
    while (!holds(this.received)) {
      if (this.ending !== "open") throw new Error(`${what}: ${this.ending} after ${JSON.stringify(this.received)}`);
      if (performance.now() > deadline)
        throw new Error(`${what}: only ${JSON.stringify(this.received.slice(0, 2000))}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return this.received;
  }

  /** The next whole answer (Content-Length, chunked, or none) is taken off what was received. */
  async answer(bodyless = false): Promise<Answer> {
    await this.wait((text) => takeAnswer(text, bodyless) !== null, "an answer");
    const taken = takeAnswer(this.received, bodyless);
    if (taken === null) throw new Error("no answer");
    this.received = this.received.slice(taken.length);
    return taken.answer;
  }

  async head(): Promise<Answer> {
    return this.answer(true);
  }

  /** Waits for the peer to end the connection. */
  async ended(timeoutMs = 60_000): Promise<Ending> {
    const deadline = performance.now() + timeoutMs;
    while (this.ending === "open") {
      if (performance.now() > deadline) throw new Error("the connection was not ended");
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return this.ending;
  }

  close(): void {
    this.socket.destroy();
  }
}

function takeAnswer(text: string, bodyless: boolean): { answer: Answer; length: number } | null {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const head = text.slice(0, headEnd);
  const status = Number(head.split(" ")[1]);
  const header = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, "im").exec(head)?.[1]?.trim() ?? null;
  const start = headEnd + 4;
  const make = (body: string, length: number) => ({ answer: { status, head, body, header }, length });
  if (bodyless || status < 200 || status === 204 || status === 304) return make("", start);
  if (/chunked/i.test(header("Transfer-Encoding") ?? "")) {
    let body = "";
    for (let at = start; ; ) {
      const lineEnd = text.indexOf("\r\n", at);
      if (lineEnd < 0) return null;
      const size = Number.parseInt(text.slice(at, lineEnd), 16);
      if (text.length < lineEnd + 2 + size + 2) return null;
      body += text.slice(lineEnd + 2, lineEnd + 2 + size);
      at = lineEnd + 2 + size + 2;
      if (size === 0) return make(body, at);
    }
  }
  const length = Number(header("Content-Length") ?? 0);
  return text.length < start + length ? null : make(text.slice(start, start + length), start + length);
}

/** One request on a connection of its own. */
export async function exchange(port: number, request: string | Uint8Array, bodyless = false): Promise<Answer> {
  const client = await RawClient.open(port);
  try {
    client.send(request);
    return await client.answer(bodyless);
  } finally {
    client.close();
  }
}

/** A request in absolute form, as clients send it to a proxy; one char a byte, the body being UTF-8. */
export function proxied(method: string, url: string, text = "", headers: readonly string[] = []): string {
  const host = new URL(url).host;
  const body = Buffer.from(text, "utf8").toString("latin1");
  const length = body === "" && method === "GET" ? [] : [`Content-Length: ${body.length}`];
  return `${[`${method} ${url} HTTP/1.1`, `Host: ${host}`, ...length, ...headers].join("\r\n")}\r\n\r\n${body}`;
}
