import { afterAll, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { probe } from "../../src/cli/_probe.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { emptyDirectory, sallyport } from "./_program.ts";

const directory = await emptyDirectory();
afterAll(() => rm(directory, { recursive: true }));

/** A server that answers every connection with `text` once it has been asked. */
function answering(text: string) {
  const asked: string[] = [];
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, bytes) {
        asked.push(bytes.toString());
        if (text === "") return;
        socket.write(text);
        socket.end();
      },
    },
  });
  return { port: server.port, asked, [Symbol.dispose]: () => server.stop(true) };
}

test("healthcheck exits 1 when nobody listens", async () => {
  let port = 0;
  {
    using server = answering("");
    port = server.port;
  }
  const { code, stderr } = await sallyport(directory, ["healthcheck"], { EVE_PROXY_PORT: String(port) });
  expect(code).toBe(1);
  expect(stderr).toContain("not ready");
});

test("healthcheck exits 1 for a 503", async () => {
  using server = answering("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
  const { code, stderr } = await sallyport(directory, ["healthcheck"], { EVE_PROXY_PORT: String(server.port) });
  expect(code).toBe(1);
  expect(stderr).toBe(`sallyport healthcheck: not ready: 503 (asked 127.0.0.1:${server.port})\n`);
});

test.each([
  ["another server", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"],
  ["what is not HTTP", `SSH-2.0-OpenSSH_9.9 ${"x".repeat(64)}\r\n`, "the answer is not HTTP"],
])("healthcheck of %s names the place it asked, and that no gateway is there", async (_, text, what) => {
  using server = answering(text);
  const { code, stderr } = await sallyport(directory, ["healthcheck"], { EVE_PROXY_PORT: String(server.port) });
  const where = `(asked 127.0.0.1:${server.port}, where no sallyport answers; EVE_PROXY_HOST and EVE_PROXY_PORT name`;
  expect([code, stderr]).toEqual([1, expect.stringContaining(`not ready: ${what} ${where}`)]);
});

test("healthcheck exits 0 for a 200 of /readyz, on the loopback when the host is a wildcard", async () => {
  using server = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  const env = { EVE_PROXY_HOST: "0.0.0.0", EVE_PROXY_PORT: String(server.port) };
  const { code, stdout, stderr } = await sallyport(directory, ["healthcheck"], env);
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: "" });
  expect(server.asked.join("")).toStartWith(`GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n`);
});

test.each([
  ["silence", "", /no answer within/],
  ["another protocol", `SSH-2.0-OpenSSH_9.9 ${"x".repeat(64)}\r\n`, /not HTTP/],
  ["a name that does not resolve", null, /cannot resolve/],
])("probe of %s has no status", async (_, text, expected) => {
  using server = answering(text ?? "");
  const host = text === null ? "no-such-host.invalid" : "127.0.0.1";
  const answer = await probe(runtime, host, server.port, "/readyz", text === "" ? 30 : 10_000);
  expect(answer.status).toBeNull();
  expect(answer.detail).toMatch(expected);
});
