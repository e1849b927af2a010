import { expect, test } from "bun:test";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { exchange, proxied } from "../e2e/_raw.ts";
import { startInProcess } from "./_in-process.ts";

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
  const inside = await startInProcess(
    {
      EVE_PROXY_GOVERNANCE_URL: `http://plane.test:${port}`,
      // The plane's client does not find it either: were decisions not let pass, nothing would come as far as the guard.
      EVE_PROXY_FAIL_CLOSED: "0",
    },
    // Everything that is not the plane's own name is an agent's spelling of the same place.
    { resolve: async () => [{ address: "127.0.0.5", family: 4 }] },
  );
  try {
    for (const host of ["127.0.0.5", "127.0.0.6", "plane.test", "another.test"]) {
      const answer = await exchange(inside.port, proxied("GET", `http://${host}:${port}/v1/x`, "", ["X-Agent: y"]));
      expect([host, answer.status, answer.head.includes('"matched_vector":"gateway_service"')]).toEqual([
        host,
        451,
        true,
      ]);
    }
    expect(agents).toEqual([]);
  } finally {
    await inside.stop();
    plane.close();
  }
});

/** What is asked for here has an agent's mark, so that it is told from what the gateway asks for itself. */
async function service(address: string): Promise<{ port: number; agents: string[]; close(): void }> {
  const agents: string[] = [];
  const server = http.createServer((request, response) => {
    if (request.headers["x-agent"] !== undefined) agents.push(request.url ?? "");
    request.resume().on("end", () => response.writeHead(503).end());
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port } = server.address() as AddressInfo;
  return { port, agents, close: () => void server.close() };
}

for (const [what, envOf] of [
  [
    "the plane's keys",
    (at: string) => ({
      EVE_PROXY_GOVERNANCE_URL: "http://127.0.0.4:1",
      EVE_PROXY_GOVERNANCE_JWKS: `http://${at}/jwks`,
      EVE_PROXY_FAIL_CLOSED: "0",
    }),
  ],
  ["the upstream proxy", (at: string) => ({ EVE_PROXY_UPSTREAM_PROXY: `http://${at}` })],
] as const) {
  test(`${what}: not reached by the address their name has, before anybody else asked for it`, async () => {
    const own = await service("127.0.0.5");
    const inside = await startInProcess(envOf(`own.test:${own.port}`), {
      resolve: async () => [{ address: "127.0.0.5", family: 4 }],
    });
    try {
      for (const host of ["127.0.0.5", "127.0.0.6", "own.test"]) {
        const answer = await exchange(
          inside.port,
          proxied("GET", `http://${host}:${own.port}/v1/x`, "", ["X-Agent: y"]),
        );
        const named = answer.head.includes('"matched_vector":"gateway_service"');
        expect([host, answer.status, named]).toEqual([host, 451, true]);
      }
      expect(own.agents).toEqual([]);
    } finally {
      await inside.stop();
      own.close();
    }
  });
}
