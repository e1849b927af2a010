/** A process of its own that takes as often as it is told, all at once, and prints how often it was given. */
import { runtime } from "#runtime";
import { RedisLimits } from "../../src/decide/limits-redis.ts";
import { budget } from "./_needs.ts";

const [url = "", name = "", times = ""] = runtime.args;
const client = runtime.redis({ url, connectTimeoutMs: 5_000 });
await client.tried;
const store = new RedisLimits(client, runtime.sha256, { timeoutMs: 10_000 });
const all = await Promise.all(
  Array.from({ length: Number(times) }, (_, i) => store.take(`${name}${i}`, [budget({ key: "two processes" })])),
);
runtime.stdout(String(all.filter(({ taken }) => taken).length));
runtime.exit(0);
