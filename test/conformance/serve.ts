/** The HTTP server of the gateway's own surfaces. */
import net from "node:net";
import type { Listener, Runtime, ServeHandler } from "../../src/runtime/contract.ts";
import { type Check, expect, faultOf, same, until } from "./kit.ts";

function up(runtime: Runtime, handler: ServeHandler): Promise<Listener> {
  return runtime.serve({ host: "127.0.0.1", port: 0 }, handler);
}

interface Raw {
  text: string;
  closed: boolean;
  readonly socket: net.Socket;
}

function raw(port: number, bytes: string): Raw {
  const socket = net.connect(port, "127.0.0.1");
  const seen: Raw = { text: "", closed: false, socket };
  socket.on("data", (chunk) => {
    seen.text += chunk;
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    seen.closed = true;
  });
  socket.write(bytes);
  return seen;
}

const echo: ServeHandler = async (request, peer) => {
  const { pathname, search } = new URL(request.url);
  const text = [request.method, pathname + search, request.headers.get("x-one"), peer, await request.text()].join("|");
  return new Response(text, { status: 418, headers: { "X-Two": "2" } });
};

export const serveHandsOverTheWholeRequest: Check = async (runtime) => {
  const listener = await up(runtime, echo);
  const body = "é".repeat(1000);
  const seen = raw(
    listener.port,
    `POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nConnection: close\r\nContent-Length: 2000\r\n\r\n${body}`,
  );
  await until(() => seen.closed, "the answer");
  expect(seen.text.startsWith("HTTP/1.1 418 "), `status: ${seen.text}`);
  expect(/^x-two: 2\r$/im.test(seen.text), `header: ${seen.text}`);
  same(seen.text.split("\r\n\r\n")[1], `POST|/a?b=c|1|127.0.0.1|${body}`, "body");
  await listener.close();
};

export const serveTakesNoAuthorityFromThePeer: Check = async (runtime) => {
  const listener = await up(runtime, (request) => new Response(request.url));
  for (const target of ["http://elsewhere.test/v1", "//elsewhere.test/v1"]) {
    const seen = raw(listener.port, `GET ${target} HTTP/1.1\r\nHost: elsewhere.test\r\nConnection: close\r\n\r\n`);
    await until(() => seen.closed, "the answer");
    same(new URL(seen.text.split("\r\n\r\n")[1] ?? "").host, "localhost", target);
  }
  await listener.close();
};

export const serveIsNotKeptFromTheNewestByTheIdle: Check = async (runtime) => {
  const waiting: (() => void)[] = [];
  const listener = await up(runtime, async (request) => {
    if (request.url.endsWith("/slow")) await new Promise<void>((resolve) => waiting.push(resolve));
    return new Response("served");
  });
  const slow = raw(listener.port, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  await until(() => waiting.length === 1, "the slow request");
  const idle: Raw[] = [];
  for (let i = 0; i < 300; i++) {
    idle.push(raw(listener.port, "GET / HTTP/1.1\r\nHost: x\r\nX-Endless: "));
    if (i % 50 === 49) await until(() => idle.every(({ socket }) => !socket.connecting), "connected");
  }
  const late = raw(listener.port, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  await until(() => late.closed, "the newest's answer");
  expect(late.text.endsWith("served"), `the newest: ${late.text}`);
  await until(() => idle.filter(({ closed }) => closed).length >= 45, "the longest idle to make room");
  same(idle.at(-1)?.closed, false, "one of the newest idle");
  for (const answer of waiting) answer();
  await until(() => slow.text.endsWith("served"), "the slow answer");
  for (const { socket } of [...idle, slow]) socket.destroy();
  await listener.close();
};

export const serveRefusesALongBody: Check = async (runtime) => {
  let called = 0;
  const listener = await up(runtime, () => {
    called++;
    return new Response("");
  });
  const long = "a".repeat(65_537);
  for (const [framing, body] of [
    ["Content-Length: 65537", long],
    ["Transfer-Encoding: chunked", `10001\r\n${long}\r\n0\r\n\r\n`],
  ]) {
    const seen = raw(listener.port, `POST / HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n${body}`);
    await until(() => seen.text.includes("\r\n\r\n") || seen.closed, "the refusal");
    expect(seen.text.startsWith("HTTP/1.1 413 "), `${framing}: ${seen.text}`);
    seen.socket.destroy();
  }
  same(called, 0, "calls of the handler");
  await listener.close();
};

export const serveHidesWhyAHandlerFailed: Check = async (runtime) => {
  const listener = await up(runtime, () => {
    throw new Error("a secret");
  });
  const seen = raw(listener.port, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  await until(() => seen.closed, "the answer");
  expect(seen.text.startsWith("HTTP/1.1 500 "), seen.text);
  expect(!seen.text.includes("secret"), seen.text);
  await listener.close();
};

export const serveOpensNoTunnel: Check = async (runtime) => {
  const listener = await up(runtime, () => new Response("yes"));
  const seen = raw(listener.port, "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n");
  await until(() => seen.closed, "the end");
  expect(!seen.text.startsWith("HTTP/1.1 2"), seen.text);
  await listener.close();
};

export const serveCutsWhoIsSlowOrIdle: Check = async (runtime) => {
  const listener = await up(runtime, echo);
  const seen = ["", "GET / HTTP/1.1\r\nHost", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"].map((bytes) =>
    raw(listener.port, bytes),
  );
  seen.push(raw(listener.port, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"));
  await until(() => seen.every((each) => each.closed), "the end of every one", 15_000);
  await listener.close();
};

export const servePortInUseIsAFault: Check = async (runtime) => {
  const first = await up(runtime, echo);
  same(await faultOf(runtime.serve({ host: "127.0.0.1", port: first.port }, echo)), "listen_failed", "code");
  await first.close();
  const again = await runtime.serve({ host: "127.0.0.1", port: first.port }, echo);
  same(again.port, first.port, "port");
  await again.close();
};
