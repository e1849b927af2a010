/** A door and the forwarding behind it over real sockets, with a gate that a test answers for. */
import { connect, createServer, type Server } from "node:net";
import type { Config } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { mintPermit } from "../../src/decide/permit.ts";
import type { Ended } from "../../src/enforce/ended.ts";
import { type Carried, type ForwardEnv, forward } from "../../src/enforce/forward.ts";
import { LiveSet } from "../../src/enforce/live.ts";
import { Pool } from "../../src/enforce/pool.ts";
import { directRoute } from "../../src/enforce/route.ts";
import { ForwardDoor } from "../../src/listen/forward.ts";
import type { Certified } from "../../src/model/certificate.ts";
import type { Conn } from "../../src/model/conn.ts";
import { Deadlines } from "../../src/model/deadlines.ts";
import { allow, block } from "../../src/model/decision.ts";
import type { Exchange } from "../../src/model/exchange.ts";
import type { Message, MessageAnswer, MessageGate, MessageVeto } from "../../src/model/message.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { RawClient, until } from "../scenarios/_rig.ts";

export { RawClient, until };
export const PASS: MessageAnswer = { kind: "pass" };
/** A certificate without its text. */
function certified(id: string): Certified {
  return { id, json: "{}", header: "{}", size: 0, copyTo() {} };
}
export function vetoOf(vector: string, id = "cert_00"): MessageVeto {
  return { kind: "veto", decision: block("an attack", vector), certificate: certified(id) };
}
export const VETO = vetoOf("706");

/** What was judged; the bytes are a copy, since they are written over behind the answer. */
export interface Judged extends Omit<Message, "bytes"> {
  readonly bytes: Uint8Array;
  readonly said: string;
}

export class WebSocketRig {
  readonly judged: Judged[] = [];
  readonly tooLarge: string[] = [];
  readonly ends: Ended[] = [];
  readonly faults: unknown[] = [];
  readonly live = new LiveSet();
  readonly deadlines: Deadlines;
  judge: (message: Judged) => MessageAnswer | Promise<MessageAnswer> = () => PASS;
  answerTooLarge: () => MessageVeto | Promise<MessageVeto> = () => vetoOf("message_too_large");
  /** Connections of clients in the order they came, and whether each is not read on at present. */
  readonly accepted: { paused: boolean }[] = [];
  /** Calls for one direction that overlapped. */
  overlaps = 0;
  port = 0;
  #skew = 0;
  readonly #door: ForwardDoor;
  readonly #pool: Pool;
  readonly #judging = new Set<string>();

  private constructor(config: Config, maxMessage: number) {
    const clock = () => performance.now() + this.#skew;
    this.deadlines = new Deadlines(clock);
    const limits = { maxHeaderBytes: config.maxHeaderBytes, maxHeaders: config.maxHeaders };
    this.#pool = new Pool(this.deadlines, {
      limit: config.poolIdle,
      idleMs: config.poolIdleTimeoutMs,
      maxUnread: config.maxHeld,
    });
    const env: ForwardEnv = {
      deadlines: this.deadlines,
      limits,
      pool: this.#pool,
      route: directRoute({
        runtime,
        timeoutMs: config.upstreamTimeoutMs,
        tls: (serverName, alpn) => ({ serverName, alpn }),
      }),
      afterTurn: runtime.afterTurn,
      live: this.live,
      crashed: (thrown) => void this.faults.push(thrown),
      settle: (carried, ended) => {
        carried.exchange.release();
        this.ends.push(ended);
      },
      firstByteMs: config.firstByteTimeoutMs,
      gapMs: config.upstreamTimeoutMs,
      idleMs: config.idleTimeoutMs,
      maxMessage,
      room: (egress) => this.#door.room(egress),
    };
    this.#door = new ForwardDoor({
      runtime: {
        ...runtime,
        listen: (asked, accept) =>
          runtime.listen(asked, (conn, from) => {
            this.#watch(conn);
            accept(conn, from);
          }),
      },
      config,
      deadlines: this.deadlines,
      wireLimits: limits,
      handle: (exchange) => forward(env, this.#carried(exchange)),
      local: () => {},
      notice: () => {},
      opaque: () => false,
      loops: () => false,
    });
  }

  static async start(maxMessage = 1 << 20): Promise<WebSocketRig> {
    const rig = new WebSocketRig(await configured(), maxMessage);
    rig.port = (await rig.#door.listen(false)).port;
    return rig;
  }

  get proxy(): { host: string; port: number } {
    return { host: "127.0.0.1", port: this.port };
  }

  advance(ms: number): void {
    this.#skew += ms;
    this.deadlines.sweep();
  }

  /** Waits until everything has ended, and fails when something stays behind. */
  async clean(): Promise<void> {
    await until(() => this.live.size === 0 && this.#door.connections.size === 0 && this.#door.open === 0, "clean");
    this.#pool.clear();
    await until(() => this.deadlines.size === 0, "without deadlines");
    if (this.overlaps > 0) throw new Error("the gate was asked twice at once for one direction");
    if (this.faults.length > 0) throw this.faults[0];
  }

  async stop(): Promise<void> {
    await this.#door.drain();
    this.#door.sever();
    for (const live of this.live.all()) live.sever("drained");
    this.#pool.clear();
  }

  #watch(conn: Conn): void {
    const seen = { paused: false };
    this.accepted.push(seen);
    const [pause, resume] = [conn.pause.bind(conn), conn.resume.bind(conn)];
    conn.pause = () => {
      seen.paused = true;
      pause();
    };
    conn.resume = () => {
      seen.paused = false;
      resume();
    };
  }

  #carried(exchange: Exchange): Carried {
    const { egress } = exchange;
    const bytes = new TextEncoder().encode("X-EVE-Decision-Cert: {}\r\n");
    return {
      exchange,
      permit: mintPermit(allow("test"), egress.destination, ["127.0.0.1"], false),
      payload: null,
      fields: egress.block ?? egress.headers,
      certificateId: "cert_a",
      certificate: {
        id: "cert_a",
        json: "{}",
        header: "{}",
        size: bytes.length,
        copyTo: (target, at) => target.set(bytes, at),
      },
      draft: {} as Carried["draft"],
      reservation: null,
      within: {
        screen: () => null,
        vetoed: () => Promise.reject(new Error("no answer is screened here")),
        watched() {},
        messages: () => this.#gate(),
      },
    };
  }

  #gate(): MessageGate {
    return {
      judge: (message) => {
        const bytes = message.bytes.slice();
        const judged = { ...message, bytes, said: Buffer.from(bytes).toString("latin1") };
        this.judged.push(judged);
        if (this.#judging.has(message.direction)) this.overlaps++;
        const answer = this.judge(judged);
        if (!(answer instanceof Promise)) return answer;
        this.#judging.add(message.direction);
        return answer.finally(() => this.#judging.delete(message.direction));
      },
      tooLarge: (direction) => {
        this.tooLarge.push(direction);
        return this.answerTooLarge();
      },
      refuse: () => VETO,
      looksAt: () => true,
      transcript: () => null,
    };
  }
}

async function configured(): Promise<Config> {
  const env = {
    EVE_PROXY_HOST: "127.0.0.1",
    EVE_PROXY_PORT: "0",
    EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8",
    JWT_SECRET_KEY: "a-test-key-that-is-long-enough-for-hmac",
  };
  const loaded = await loadConfig({ ...runtime, env });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config;
}

/** A port that WebSocket clients which know no proxy can be pointed at: what they ask goes through `rig` to `to`. */
export async function through(rig: { readonly port: number }, to: string): Promise<Server> {
  const server = createServer((near) => {
    const far = connect(rig.port, "127.0.0.1");
    near.once("data", (first) => {
      const text = first.toString("latin1").replace(/^GET (\S+)/, `GET http://${to}$1`);
      far.write(Buffer.from(text.replace(/^host: .*$/im, `Host: ${to}`), "latin1"));
      near.pipe(far);
      far.pipe(near);
    });
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return server;
}
