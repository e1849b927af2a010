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
    client = made as unknown as Client;
    made.on("ready", () => {
      problem = null;
      settled();
    });
    made.on("error", (error: unknown) => {
      const why = messageOf(error);
      // Who does not know what a handshake is says nothing to it.
      problem = secure && /timeout/i.test(why) ? `${why}: does it speak TLS?` : why;
      settled();
    });
    await made.connect();
  };
  void open().catch((thrown: unknown) => {
    problem = messageOf(thrown);
    settled();
  });

  return {
    async eval(script, keys, args) {
      const live = client;
      if (live === null || !live.isReady) throw new Fault("redis_failed", `not connected: ${problem ?? "closed"}`);
      const call = { keys: [...keys], arguments: [...args] };
      try {
        return (await live.evalSha(digestOf(script), call).catch((error: unknown) => {
          // It has been restarted, or its scripts were flushed: the text makes it known again.
          if (messageOf(error).startsWith("NOSCRIPT")) return live.eval(script, call);
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
      const destroy = (): void => {
        try {
          last.destroy();
        } catch {
          // It had not been opened, or is closed already.
        }
      };
      if (!last.isReady) return destroy();
      // What has just been said of ended requests gets there.
      const timer = setTimeout(destroy, LAST_WORDS_MS);
      void last.close().then(() => clearTimeout(timer), destroy);
    },
  };
}
