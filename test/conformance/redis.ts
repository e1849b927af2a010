/** The connection to a Redis, against a real redis-server. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../_free-port.ts";
import { killEveryRedis, startRedis } from "../_redis-server.ts";
import { type Check, expect, faultOf, same, sharedAuthority, until } from "./kit.ts";

function cleanly(check: Check): Check {
  return async (runtime) => {
    try {
      await check(runtime);
    } finally {
      killEveryRedis();
    }
  };
}

export const redisRunsScripts: Check = cleanly(async (runtime) => {
  const server = await startRedis();
  const client = runtime.redis({ url: server.url, connectTimeoutMs: 2_000 });
  await client.tried;
  same(client.up, true, "up");
  same(client.problem, null, "problem");
  const script = 'return {KEYS[1], ARGV[2], 7, {"in", false}}';
  for (let round = 0; round < 3; round++) {
    same(JSON.stringify(await client.eval(script, ["k"], ["a", "b"])), '["k","b",7,["in",null]]', `round ${round}`);
    // The text is sent again to a server that has forgotten it.
    await client.eval('return redis.call("SCRIPT", "FLUSH")', [], []).catch(() => null);
  }
  same(await faultOf(client.eval('return redis.call("NOSUCH")', [], [])), "redis_failed", "an error of the server");
  const many = await Promise.all(
    Array.from({ length: 500 }, () => client.eval('return redis.call("INCR", KEYS[1])', ["n"], [])),
  );
  same(new Set(many).size, 500, "replies");
  const other = runtime.redis({ url: server.url, connectTimeoutMs: 2_000 });
  await other.tried;
  const last = Array.from({ length: 100 }, () => client.eval('return redis.call("INCR", KEYS[1])', ["last"], []));
  client.close();
  same(await faultOf(client.eval("return 1", [], [])), "redis_failed", "closed");
  same(new Set(await Promise.all(last)).size, 100, "calls made before");
  same(await other.eval('return redis.call("GET", KEYS[1])', ["last"], []), "100", "calls that arrived");
  other.close();
  await server.kill();
});

export const redisQueuesNothingWhileItIsAway: Check = cleanly(async (runtime) => {
  const port = await freePort();
  const client = runtime.redis({ url: `redis://127.0.0.1:${port}`, connectTimeoutMs: 500 });
  await client.tried;
  same(client.up, false, "up");
  expect(client.problem !== null, "no problem is told");
  same(await faultOf(client.eval('return redis.call("INCR", "n")', [], [])), "redis_failed", "refused");
  const server = await startRedis([], port);
  await until(() => client.up, "connected");
  same(await client.eval('return redis.call("INCR", "n")', [], []), 1, "calls that arrived");
  const waiting = faultOf(client.eval("while true do end", [], []));
  await server.kill();
  same(await waiting, "redis_failed", "a call under way");
  await until(() => !client.up, "noticed");
  client.close();
});

/** Answers every script with the number of its connection, but for what is put in between once. */
async function spoiling(): Promise<{ url: string; spoil(reply: string): void; stop(): void }> {
  let next: string | null = null;
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const number = ++connections;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (data) => {
      const text = data.toString("latin1");
      for (const [call] of text.matchAll(/EVALSHA|PING|CLIENT|SELECT/gi)) {
        if (call.toUpperCase() !== "EVALSHA") socket.write(call.toUpperCase() === "PING" ? "+PONG\r\n" : "+OK\r\n");
        else if (next === null) socket.write(`:${number}\r\n`);
        else {
          socket.write(Buffer.from(next, "latin1"));
          next = null;
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spoil: (reply) => {
      next = reply;
    },
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

export const redisIsConnectedToAnewAfterAReplyThatCannotBeRead: Check = async (runtime) => {
  const server = await spoiling();
  const client = runtime.redis({ url: server.url, connectTimeoutMs: 2_000 });
  await client.tried;
  const call = () => client.eval("return 1", [], []);
  let connection = 1;
  // The second is a text of which most never comes: it swallows every reply behind it.
  for (const reply of ["\x00\xff garbage\r\n", "$99999999999\r\n"]) {
    same(await call(), connection, "before");
    server.spoil(reply);
    const lost = faultOf(call());
    const answers: unknown[] = [];
    await until(() => {
      if (client.up)
        call().then(
          (answer) => void answers.push(answer),
          () => {},
        );
      return answers.length > 0;
    }, "an answer");
    connection += 1;
    same(answers[0], connection, "who answered");
    same(await lost, "redis_failed", "the call that had no readable answer");
  }
  client.close();
  server.stop();
};

export const redisTlsVerifiesTheServer: Check = cleanly(async (runtime) => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-redis-"));
  const root = sharedAuthority();
  const own = root.issue("redis.test", "IP:127.0.0.1");
  writeFileSync(join(folder, "cert"), own.cert);
  writeFileSync(join(folder, "key"), own.key);
  writeFileSync(join(folder, "ca"), root.pem);
  const port = await freePort();
  const file = (name: string): string => join(folder, name);
  const tls = ["--tls-cert-file", file("cert"), "--tls-key-file", file("key"), "--tls-ca-cert-file", file("ca")];
  const ports = ["--port", "0", "--tls-port", String(port), "--tls-auth-clients", "no"];
  const server = await startRedis([...ports, ...tls], port);
  const url = `rediss://127.0.0.1:${port}`;
  const right = runtime.redis({ url, ca: root.pem, connectTimeoutMs: 5_000 });
  await right.tried;
  same(await right.eval("return 1", [], []), 1, "with its root");
  right.close();
  const wrong = runtime.redis({ url, connectTimeoutMs: 5_000 });
  await wrong.tried;
  same(wrong.up, false, "with the public roots");
  wrong.close();
  const elsewhere = runtime.redis({ url: `rediss://localhost:${port}`, ca: root.pem, connectTimeoutMs: 5_000 });
  await elsewhere.tried;
  same(elsewhere.up, false, "under another name");
  elsewhere.close();
  await server.kill();
  rmSync(folder, { recursive: true });
});
