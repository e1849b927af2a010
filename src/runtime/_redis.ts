/** The connection to a Redis or Valkey: @redis/client, loaded only where one is configured. */
import { createHash } from "node:crypto";
import { Fault, messageOf } from "../errors.ts";
import { publicRoots } from "./_trust.ts";
import type { RedisClient, RedisOptions, RedisReply } from "./contract.ts";

/** What is used of a client of @redis/client. */
interface Client {
  readonly isReady: boolean;
  evalSha(digest: string, call: Call): Promise<unknown>;
  eval(script: string, call: Call): Promise<unknown>;
  /** Waits for the replies that are due. */
  close(): Promise<unknown>;
  destroy(): void;
}

interface Call {
  keys: string[];
  arguments: string[];
}

/** Calls under way at once; more than a server that still answers ever has. */
const MAX_UNDER_WAY = 4096;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 2_000;
/** A server that hangs is noticed by its silence, and its connection made anew. */
const PING_MS = 5_000;
const SILENCE_MS = 15_000;
/** Calls go out and nothing comes back: then writing keeps the connection from ever being silent. */
const DEAF_MS = 5_000;
const LAST_WORDS_MS = 500;

export function redis(options: RedisOptions): RedisClient {
  const digests = new Map<string, string>();
  let client: Client | null = null;
  let problem: string | null = "connecting";
  let closed = false;
  const { promise: tried, resolve: settled } = Promise.withResolvers<void>();

  const digestOf = (script: string): string => {
    let digest = digests.get(script);
    if (digest === undefined) {
      digest = createHash("sha1").update(script).digest("hex");
      digests.set(script, digest);
    }
    return digest;
  };

  const open = async (): Promise<void> => {
    const { createClient } = await import("@redis/client");
    if (closed) return;
    const secure = options.url.startsWith("rediss:");
    const common = {
      connectTimeout: options.connectTimeoutMs,
      socketTimeout: SILENCE_MS,
      reconnectStrategy: (tries: number) => Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(tries, 10)),
    };
    const made = createClient({
      url: options.url,
      RESP: 2,
      // A command must never leave later than its caller waits for it.
      disableOfflineQueue: true,
      commandsQueueMaxLength: MAX_UNDER_WAY,
      pingInterval: PING_MS,
      disableClientInfo: true,
      socket: secure ? { ...common, tls: true, ca: options.ca ?? [...publicRoots()], minVersion: "TLSv1.2" } : common,
    });
    const mine = made as unknown as Client;
    client = mine;
    made.on("ready", () => {
      problem = null;
      settled();
    });
    made.on("error", (error: unknown) => {
      if (client !== mine) return;
      const why = messageOf(error);
      // Of a connection that is still up it is a reply that cannot be read: those behind it would answer the wrong calls.
      if (mine.isReady) renew(mine, why);
      // Who does not know what a handshake is says nothing to it.
      else problem = secure && /timeout/i.test(why) ? `${why}: does it speak TLS?` : why;
      settled();
    });
    await made.connect();
  };
  const begin = (): void =>
    void open().catch((thrown: unknown) => {
      problem = messageOf(thrown);
      settled();
    });
  begin();

  /** In a row, without a reply in between. */
  let spoilt = 0;
  const renew = (spent: Client, why: string): void => {
    client = null;
    problem = why;
    destroy(spent);
    spoilt += 1;
    setTimeout(
      () => {
        if (!closed && client === null) begin();
      },
      Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(spoilt, 10)),
    );
  };

  let underWay = 0;
  let heardAt = 0;
  /** The call, and when it or any other was answered. */
  const hearing = async (call: Promise<unknown>): Promise<unknown> => {
    if (underWay === 0) heardAt = performance.now();
    underWay += 1;
    try {
      const reply = await call;
      spoilt = 0;
      return reply;
    } finally {
      underWay -= 1;
      heardAt = performance.now();
    }
  };

  return {
    async eval(script, keys, args) {
      const live = client;
      if (live === null || !live.isReady) throw new Fault("redis_failed", `not connected: ${problem ?? "closed"}`);
      if (underWay > 0 && performance.now() - heardAt > DEAF_MS) {
        renew(live, "it does not answer");
        throw new Fault("redis_failed", "not connected: it does not answer");
      }
      const call = { keys: [...keys], arguments: [...args] };
      try {
        return (await hearing(live.evalSha(digestOf(script), call)).catch((error: unknown) => {
          // It has been restarted, or its scripts were flushed: the text makes it known again.
          if (messageOf(error).startsWith("NOSCRIPT")) return hearing(live.eval(script, call));
          throw error;
        })) as RedisReply;
      } catch (thrown) {
        throw new Fault("redis_failed", messageOf(thrown), { cause: thrown });
      }
    },
    get up() {
      return client?.isReady ?? false;
    },
    get problem() {
      return client?.isReady === true ? null : problem;
    },
    tried,
    close() {
      closed = true;
      problem = "closed";
      settled();
      const last = client;
      client = null;
      if (last === null) return;
      if (!last.isReady) return destroy(last);
      // What has just been said of ended requests gets there.
      const timer = setTimeout(() => destroy(last), LAST_WORDS_MS);
      void last.close().then(
        () => clearTimeout(timer),
        () => destroy(last),
      );
    },
  };
}

function destroy(client: Client): void {
  try {
    client.destroy();
  } catch {
    // It had not been opened, or is closed already.
  }
}
