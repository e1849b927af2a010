import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { Gateway } from "../../src/gateway.ts";
import { Log } from "../../src/observe/log.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { Runtime } from "../../src/runtime/contract.ts";
import { exchange, proxied } from "../e2e/_raw.ts";

test("the plane is not reached by the address its name has, nor under another name for it", async () => {
  const agents: string[] = [];
  const plane = http.createServer((request, response) => {
    if (request.headers["x-agent"] !== undefined) agents.push(request.url ?? "");
    request.resume().on("end", () => {
      response.setHeader("content-type", "application/json").end('{"decision":"allow"}');
    });
  });
  await new Promise<void>((resolve) => plane.listen(0, "127.0.0.5", resolve));
  const { port } = plane.address() as AddressInfo;
  const folder = mkdtempSync(join(tmpdir(), "sallyport-plane-"));
  const machine: Runtime = {
    ...runtime,
    env: {
      EVE_PROXY_HOST: "127.0.0.1",
      EVE_PROXY_PORT: "0",
      EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8",
      EVE_PROXY_AUDIT_PATH: join(folder, "events.jsonl"),
      EVE_PROXY_GOVERNANCE_URL: `http://plane.test:${port}`,
      // The plane's client does not find it either: were decisions not let pass, nothing would come as far as the guard.
      EVE_PROXY_FAIL_CLOSED: "0",
      JWT_SECRET_KEY: "e2e-only-hmac-key-of-more-than-32-bytes",
    },
    // Everything that is not the plane's own name is an agent's spelling of the same place.
    resolve: async () => [{ address: "127.0.0.5", family: 4 }],
  };
  const loaded = await loadConfig(machine);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const { config } = loaded;
  const log = new Log({ ...machine, stderr() {} }, { level: "error", format: "json", decisions: false });
  const gateway = new Gateway(machine, config, log);
  try {
    const listener = await gateway.start({ reusePort: false, instance: null, vitals: null, admin: null });
    for (const host of ["127.0.0.5", "plane.test", "another.test"]) {
      const answer = await exchange(listener.port, proxied("GET", `http://${host}:${port}/v1/x`, "", ["X-Agent: y"]));
      expect([host, answer.status, answer.head.includes('"matched_vector":"gateway_service"')]).toEqual([
        host,
        451,
        true,
      ]);
    }
    expect(agents).toEqual([]);
  } finally {
    await gateway.drain();
    plane.close();
    rmSync(folder, { recursive: true });
  }
});
