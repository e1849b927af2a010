/** The admin surface of the real program: who gets in, what it says, and the kill switch. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../_free-port.ts";
import { type Env, Gateway, KEY, until } from "./_gateway.ts";
import { exchange, proxied, RawClient } from "./_raw.ts";
import { Counter, Upstream } from "./_upstream.ts";

const TOKEN = "admin-token-of-the-e2e-tests";

interface Status {
  readonly status: string;
  readonly kill_switch: { readonly on: boolean; readonly reason: string };
  readonly counts: { readonly decisions: Readonly<Record<string, number>> };
  readonly processes: readonly { readonly pid: number; readonly phase: string }[];
}

class Admin {
  readonly port: number;
  constructor(port: number) {
    this.port = port;
  }

  static async env(): Promise<{ admin: Admin; env: Env }> {
    const admin = new Admin(await freePort());
    return {
      admin,
      env: { EVE_PROXY_ADMIN_LISTEN: `127.0.0.1:${admin.port}`, EVE_PROXY_ADMIN_TOKEN: TOKEN },
    };
  }

  ask(method: string, path: string, authorization: string | null = `Bearer ${TOKEN}`, body?: string) {
    const headers: Record<string, string> = authorization === null ? {} : { Authorization: authorization };
    return fetch(`http://127.0.0.1:${this.port}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
  }

  async status(): Promise<Status> {
    return (await this.ask("GET", "/v1/status")).json() as Promise<Status>;
  }

  async kill(on: boolean, reason?: string): Promise<{ ok: boolean; severed: number }> {
    const answer = await this.ask("POST", "/v1/kill", undefined, JSON.stringify({ on, reason }));
    expect(answer.status).toBe(200);
    return answer.json() as Promise<{ ok: boolean; severed: number }>;
  }

  async metric(name: string): Promise<string | undefined> {
    const text = await (await this.ask("GET", "/metrics")).text();
    return text.split("\n").find((line) => line.startsWith(`${name} `));
  }
}

/** A TLS ClientHello for `localhost` that a tunnel takes for what it is. */
const HELLO = (() => {
  const name = Buffer.from("localhost");
  const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
  const entry = Buffer.concat([Buffer.from([0]), u16(name.length), name]);
  const sni = Buffer.concat([u16(0), u16(entry.length + 2), u16(entry.length), entry]);
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    Buffer.from([0, 0, 2, 0x13, 1, 1, 0]),
    u16(sni.length),
    sni,
  ]);
  const message = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
  return Buffer.concat([Buffer.from([0x16, 3, 1]), u16(message.length), message]);
})();

async function openTunnel(port: number, target: string): Promise<RawClient> {
  const client = await RawClient.open(port);
  client.send(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  expect((await client.head()).status).toBe(200);
  return client;
}

async function answersKilled(gateway: Gateway, url: string): Promise<string> {
  const answer = await exchange(gateway.port, proxied("POST", url, "hello"));
  expect(answer.status).toBe(451);
  expect(JSON.parse(answer.body)).toMatchObject({ status: "BLOCK", pillar: "CoreGuard", vector: "kill_switch" });
  return answer.header("X-EVE-Decision-Cert") ?? "";
}

describe("admin surface", () => {
  let gateway: Gateway;
  let upstream: Upstream;
  let counter: Counter;
  let admin: Admin;
  beforeAll(async () => {
    const made = await Admin.env();
    admin = made.admin;
    gateway = await Gateway.start(made.env);
    upstream = await Upstream.start();
    counter = await Counter.start();
  });
  afterEach(async () => {
    await admin.kill(false);
    upstream.forget();
    counter.received = "";
  });
  afterAll(async () => {
    await gateway.stop();
    await upstream.stop();
    await counter.stop();
  });

  test("without the token everything but /healthz is 401 and says nothing", async () => {
    for (const authorization of [null, "Bearer wrong", `Bearer ${TOKEN}x`, `Basic ${TOKEN}`, TOKEN, "Bearer "]) {
      const answer = await admin.ask("GET", "/v1/status", authorization);
      expect(answer.status).toBe(401);
      expect(answer.headers.get("WWW-Authenticate")).toMatch(/^Bearer /);
      expect(await answer.text()).toBe("a bearer token is needed\n");
    }
    expect((await admin.ask("GET", "/healthz", null)).status).toBe(200);
  });

  test("repeated failures are 429, and who has the token is let in all the same", async () => {
    let status = 0;
    for (let tries = 0; tries < 20; tries++) {
      const answer = await admin.ask("POST", "/v1/kill", "Bearer guess", '{"on":true}');
      status = answer.status;
      expect([401, 429]).toContain(status);
    }
    expect(status).toBe(429);
    expect((await admin.ask("GET", "/nowhere", null)).headers.get("Retry-After")).toBe("60");
    expect((await admin.status()).kill_switch.on).toBe(false);
  });

  test("no page of a browser can read it, and nothing of it is cached", async () => {
    const preflight = await fetch(`http://127.0.0.1:${admin.port}/v1/kill`, {
      method: "OPTIONS",
      headers: { Origin: "http://evil.test", "Access-Control-Request-Method": "POST" },
    });
    expect(preflight.ok).toBe(false);
    for (const path of ["/healthz", "/readyz", "/metrics", "/v1/status", "/nowhere"]) {
      const { headers } = await admin.ask("GET", path);
      expect(headers.get("Cache-Control")).toBe("no-store");
      expect([...headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
  });

  test("a status has no secret in it", async () => {
    await exchange(gateway.port, proxied("GET", `${upstream.url}/`));
    const text = await (await admin.ask("GET", "/v1/status")).text();
    expect(text).not.toContain(TOKEN);
    expect(text).not.toContain(KEY);
    expect(JSON.parse(text)).toMatchObject({
      status: "ready",
      mode: "enforce",
      evidence: { writable: true, problem: null },
      processes: [{ pid: gateway.pid, phase: "ready" }],
    });
    expect((JSON.parse(text) as Status).counts.decisions.allow).toBeGreaterThan(0);
  });

  test("what is not understood changes nothing", async () => {
    const bodies = [
      "",
      "{",
      "null",
      '{"on":1}',
      '{"on":"true"}',
      '{"on":true,"why":"x"}',
      '{"on":true,"reason":"a\\nb"}',
    ];
    bodies.push(JSON.stringify({ on: true, reason: "x".repeat(201) }));
    for (const body of bodies) expect((await admin.ask("POST", "/v1/kill", undefined, body)).status).toBe(400);
    expect((await admin.ask("GET", "/v1/kill")).status).toBe(405);
    expect((await admin.ask("GET", "/nowhere")).status).toBe(404);
    expect((await admin.status()).kill_switch.on).toBe(false);
  });

  test("kill switch: every request is vetoed with a certificate that verifies, and nothing reaches the upstream", async () => {
    await admin.kill(true, "incident 7");
    const certificate = await answersKilled(gateway, `${upstream.url}/`);
    expect(JSON.parse(certificate)).toMatchObject({ reason: "the kill switch is on: incident 7", verdict: "block" });
    expect(gateway.verify({ text: certificate })).toMatchObject({ status: 0 });
    expect(gateway.auditLines()).toContainEqual(JSON.parse(certificate));
    const client = await RawClient.open(gateway.port);
    client.send(`CONNECT 127.0.0.1:${counter.port} HTTP/1.1\r\nHost: 127.0.0.1:${counter.port}\r\n\r\n`);
    expect((await client.answer()).status).toBe(451);
    expect(upstream.connections + counter.connections).toBe(0);
    expect(await admin.metric("sallyport_kill_switch")).toBe("sallyport_kill_switch 1");
    expect(gateway.verifyLogs()).toMatchObject({ status: 0 });

    await admin.kill(false);
    expect((await exchange(gateway.port, proxied("GET", `${upstream.url}/`))).status).toBe(200);
    expect(await admin.metric("sallyport_kill_switch")).toBe("sallyport_kill_switch 0");
  });

  test("kill switch: a live tunnel, one that has not spoken yet, and an answer under way are cut at once", async () => {
    const live = await openTunnel(gateway.port, `localhost:${counter.port}`);
    live.send(HELLO);
    await until(() => counter.received.length === HELLO.length, "the hello at the upstream");
    const silent = await openTunnel(gateway.port, `localhost:${counter.port}`);
    const stream = await RawClient.open(gateway.port);
    stream.send(proxied("GET", `${upstream.url}/sse`));
    await stream.wait((text) => text.includes("first"), "the first event");

    expect((await admin.kill(true)).severed).toBe(3);
    expect(await live.ended()).toBe("reset");
    expect(await silent.ended()).toBe("reset");
    expect(await stream.ended()).toBe("reset");
    expect(stream.received).not.toContain("second");
    const outcomes = () =>
      readFileSync(join(gateway.folder, "audit", "outcomes.jsonl"), "utf8").split('"killed"').length - 1;
    await until(() => outcomes() === 3, "three outcomes that say why");
    expect((await admin.status()).kill_switch.on).toBe(true);
  });

  test("kill switch: a request whose body was still coming is vetoed", async () => {
    const client = await RawClient.open(gateway.port);
    const head = proxied("POST", `${upstream.url}/half`, "12345678", ["Expect: 100-continue"]);
    client.send(head.slice(0, -8));
    // The 100 says that the name has passed and the body is waited for.
    await client.wait((text) => text.includes("100 Continue"), "100");
    client.received = "";
    client.send("half");
    await admin.kill(true);
    client.send("half");
    const answer = await client.answer();
    expect(answer.status).toBe(451);
    expect(JSON.parse(answer.body)).toMatchObject({ vector: "kill_switch" });
    expect(upstream.seen).toEqual([]);
  });

  test("kill switch: the next request inside a plaintext tunnel is vetoed", async () => {
    const client = await openTunnel(gateway.port, `127.0.0.1:${upstream.port}`);
    const request = `GET /in HTTP/1.1\r\nHost: 127.0.0.1:${upstream.port}\r\n\r\n`;
    client.send(request);
    expect((await client.answer()).status).toBe(200);
    await admin.kill(true);
    upstream.forget();
    client.send(request);
    expect((await client.answer()).status).toBe(451);
    expect(upstream.seen).toEqual([]);
  });

  test("the admin address is nobody's destination, whatever it is called", async () => {
    for (const host of ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]", "LOCALHOST."]) {
      const request = `GET http://${host}:${admin.port}/healthz HTTP/1.1\r\nHost: ${host}:${admin.port}\r\n\r\n`;
      const answer = await exchange(gateway.port, request);
      expect([host, answer.status]).toEqual([host, 451]);
    }
  });
});

describe("admin surface, started for one test", () => {
  test("on the wildcard address it is nobody's destination under any local address", async () => {
    const { admin, env } = await Admin.env();
    const gateway = await Gateway.start({ ...env, EVE_PROXY_ADMIN_LISTEN: `0.0.0.0:${admin.port}` });
    try {
      for (const host of ["127.0.0.1", "127.0.0.9", "localhost", "0.0.0.0"]) {
        const answer = await exchange(gateway.port, proxied("GET", `http://${host}:${admin.port}/healthz`));
        expect(answer.status).toBe(451);
        expect(JSON.parse(answer.body)).toMatchObject({ vector: "gateway_service" });
      }
      await until(() => gateway.stderr.includes("can be reached from other hosts"), "told");
    } finally {
      await gateway.stop();
    }
  });

  test("given by a name it is nobody's destination under its address either", async () => {
    const { admin, env } = await Admin.env();
    const gateway = await Gateway.start({ ...env, EVE_PROXY_ADMIN_LISTEN: `localhost:${admin.port}` });
    try {
      await until(() => gateway.stderr.includes('"admin listening"'), "told");
      const address = /"admin listening","host":"([^"]+)"/.exec(gateway.stderr)?.[1] ?? "";
      for (const host of ["localhost", address.includes(":") ? `[${address}]` : address]) {
        const answer = await exchange(gateway.port, proxied("GET", `http://${host}:${admin.port}/healthz`));
        expect([host, answer.status]).toEqual([host, 451]);
      }
    } finally {
      await gateway.stop();
    }
  });

  test("without a configured address nothing listens but the proxy", async () => {
    const port = await freePort();
    const gateway = await Gateway.start();
    try {
      expect(gateway.stderr).not.toContain("admin");
      await expect(new Admin(port).status()).rejects.toThrow();
    } finally {
      await gateway.stop();
    }
  });

  test("an address in use keeps the gateway from starting", async () => {
    const { admin, env } = await Admin.env();
    const taken = await Counter.start();
    try {
      const starting = Gateway.start({ ...env, EVE_PROXY_ADMIN_LISTEN: `127.0.0.1:${taken.port}` });
      await expect(starting).rejects.toThrow(/cannot listen on 127\.0\.0\.1:\d+: EADDRINUSE/);
      expect(admin.port).toBeGreaterThan(0);
    } finally {
      await taken.stop();
    }
  });

  test("a reload tells what came of it; the kill switch stays on over it and is off after a restart", async () => {
    const { admin, env } = await Admin.env();
    const upstream = await Upstream.start();
    const policy = join("/tmp", `sallyport-admin-${process.pid}-${admin.port}.yaml`);
    writeFileSync(policy, "version: 1\ndefault: allow\n");
    const gateway = await Gateway.start({ ...env, EVE_PROXY_POLICY: policy });
    try {
      await admin.kill(true, "over a reload");
      writeFileSync(policy, "version: 1\ndefault: maybe\n");
      const bad = await admin.ask("POST", "/v1/reload");
      expect(bad.status).toBe(422);
      expect(await bad.json()).toMatchObject({ ok: false });
      writeFileSync(policy, "version: 1\ndefault: allow\nhosts:\n  deny: [denied.test]\n");
      const good = await admin.ask("POST", "/v1/reload");
      expect(await good.json()).toMatchObject({ ok: true });
      expect((await admin.status()).kill_switch).toMatchObject({ on: true, reason: "over a reload" });
      await answersKilled(gateway, `${upstream.url}/`);

      await gateway.end();
      await gateway.begin();
      expect((await admin.status()).kill_switch.on).toBe(false);
      expect((await exchange(gateway.port, proxied("GET", `${upstream.url}/`))).status).toBe(200);
    } finally {
      await gateway.stop();
      await upstream.stop();
      rmSync(policy, { force: true });
    }
  });

  test("a drain is answered, and ends the program in order", async () => {
    const { admin, env } = await Admin.env();
    const gateway = await Gateway.start(env);
    try {
      const ended = gateway.exited();
      expect((await admin.ask("POST", "/v1/drain")).status).toBe(202);
      expect(await ended).toBe(0);
    } finally {
      gateway.remove();
    }
  });
});

describe("admin surface of a parent with two workers", () => {
  let gateway: Gateway;
  let upstream: Upstream;
  let admin: Admin;
  beforeAll(async () => {
    const made = await Admin.env();
    admin = made.admin;
    const port = String(await freePort());
    gateway = await Gateway.start({ ...made.env, EVE_PROXY_WORKERS: "2", EVE_PROXY_PORT: port });
    upstream = await Upstream.start();
  });
  afterAll(async () => {
    await gateway.stop();
    await upstream.stop();
  });

  /** Chains that vetoed by kill switch since `from`: each worker has one of its own. */
  const vetoing = (from: number) =>
    new Set(
      gateway
        .auditLines()
        .filter((line) => line.matched_vector === "kill_switch")
        .filter((line) => Date.parse((line as unknown as { timestamp: string }).timestamp) >= from)
        .map((line) => (line.chain as unknown as { id: string }).id),
    );

  const everyWorkerVetoes = async (): Promise<void> => {
    const from = Date.now();
    await until(async () => {
      await answersKilled(gateway, `${upstream.url}/`);
      return vetoing(from).size === 2;
    }, "a veto by each of two workers");
  };

  const pids = async (): Promise<readonly number[]> => (await admin.status()).processes.map((one) => one.pid);

  /** Waits until `gone` was replaced and everything is ready again. */
  const replaced = (gone: number) =>
    until(async () => {
      const status = await admin.status();
      return status.status === "ready" && !status.processes.some((one) => one.pid === gone);
    }, "a new worker");

  test("the status is of both, and neither listens to the admin port", async () => {
    const status = await admin.status();
    expect(status).toMatchObject({ status: "ready", processes: [{ phase: "ready" }, { phase: "ready" }] });
    expect(new Set([...(await pids()), gateway.pid]).size).toBe(3);
    expect(gateway.stderr.split("admin listening").length).toBe(2);
    expect(await (await admin.ask("POST", "/v1/reload")).json()).toMatchObject({ ok: true });
  });

  test("the kill switch reaches every worker, cuts what each carries, and a worker that comes back knows it", async () => {
    const streams = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const stream = await RawClient.open(gateway.port);
        stream.send(proxied("GET", `${upstream.url}/sse`));
        await stream.wait((text) => text.includes("first"), "the first event");
        return stream;
      }),
    );
    expect((await admin.kill(true, "all of them")).severed).toBe(12);
    for (const stream of streams) expect(await stream.ended()).toBe("reset");
    upstream.forget();
    await everyWorkerVetoes();
    expect(await admin.metric("sallyport_kill_switch")).toBe("sallyport_kill_switch 1");

    const [victim = 0] = await pids();
    process.kill(victim, "SIGKILL");
    await replaced(victim);
    await everyWorkerVetoes();
    expect(upstream.connections).toBe(0);
    await admin.kill(false);
    expect((await exchange(gateway.port, proxied("GET", `${upstream.url}/`))).status).toBe(200);
  }, 120_000);

  test("a worker that does not obey is ended, and comes back obeying", async () => {
    const [victim = 0] = await pids();
    process.kill(victim, "SIGSTOP");
    await admin.kill(true);
    await replaced(victim);
    upstream.forget();
    await everyWorkerVetoes();
    expect(upstream.connections).toBe(0);
    await until(() => gateway.stderr.includes("does not obey"), "told");
    await admin.kill(false);
    expect(gateway.verifyLogs()).toMatchObject({ status: 0 });
  }, 120_000);
});
