/** The HTTP server of the gateway's own surfaces. */
import net from "node:net";
import type { Runtime, Served, ServeHandler } from "../../src/runtime/contract.ts";
import { authority, type Check, expect, faultOf, type Leaf, same, sharedAuthority, until, Watch } from "./kit.ts";

function up(runtime: Runtime, handler: ServeHandler): Promise<Served> {
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

export const serveTakesABodyAsLongAsItIsAllowed: Check = async (runtime) => {
  const options = { host: "127.0.0.1", port: 0, maxBody: 3_000_000 };
  const listener = await runtime.serve(options, async (request, _peer, { body }) => {
    const beside = (await request.arrayBuffer()).byteLength;
    return new Response(`${body.length} ${runtime.sha256(body)} ${beside}`);
  });
  const client = runtime.httpClient({ maxSockets: 1 });
  for (const length of [0, 1, 65_536, 65_537, 3_000_000, 3_000_001]) {
    const sent = new Uint8Array(length).map((_, at) => at % 251);
    const url = `http://127.0.0.1:${listener.port}/`;
    const signal = AbortSignal.timeout(60_000);
    // A refusal may come before all is sent, and the connection end with it.
    const reply = await client.send(url, "POST", {}, sent, 1000, signal).catch(() => null);
    if (length > 3_000_000) {
      expect(reply === null || reply.status === 413, `status of a body too long: ${reply?.status}`);
      continue;
    }
    const beside = length <= 65_536 ? length : 0;
    const wanted = `${length} ${runtime.sha256(sent)} ${beside}`;
    same(new TextDecoder().decode(reply?.body ?? new Uint8Array()), wanted, `${length} bytes`);
  }
  client.close();
  await listener.close();
};

export const serveBoundsAllBodiesTogether: Check = async (runtime) => {
  const waiting: (() => void)[] = [];
  const options = { host: "127.0.0.1", port: 0, maxBody: 1000, maxBodies: 1500 };
  const listener = await runtime.serve(options, async () => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return new Response("served");
  });
  const post = `POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n${"a".repeat(1000)}`;
  const first = raw(listener.port, post);
  await until(() => waiting.length === 1, "the first");
  const second = raw(listener.port, post);
  await until(() => second.text.includes("\r\n\r\n"), "the refusal");
  expect(second.text.startsWith("HTTP/1.1 503 "), second.text);
  second.socket.destroy();
  for (const go of waiting.splice(0)) go();
  await until(() => first.closed, "the first's answer");
  expect(first.text.endsWith("served"), first.text);
  const third = raw(listener.port, post);
  await until(() => waiting.length === 1, "room for the third");
  for (const go of waiting.splice(0)) go();
  await until(() => third.closed, "the third's answer");
  expect(third.text.endsWith("served"), third.text);
  await listener.close();
};

export const serveStreamsAnAnswerWhoseLengthIsStated: Check = async (runtime) => {
  const listener = await up(runtime, () => {
    let left = 40;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(65_536).fill(left));
        if (--left === 0) controller.close();
      },
    });
    return new Response(stream, { headers: { "Content-Length": String(40 * 65_536) } });
  });
  const client = runtime.httpClient({ maxSockets: 1 });
  const url = `http://127.0.0.1:${listener.port}/`;
  const reply = await client.send(url, "GET", {}, null, 1e7, AbortSignal.timeout(60_000));
  same(reply.body.length, 40 * 65_536, "length");
  same(reply.body.at(-1), 1, "last byte");
  client.close();
  await listener.close();
};

export const serveOverTlsKnowsItsClients: Check = async (runtime) => {
  const root = sharedAuthority();
  const other = authority();
  const leaf = root.issue("served.test", "IP:127.0.0.1");
  const tls = { cert: leaf.cert, key: leaf.key, clientCa: root.pem };
  const seen: (string | null)[] = [];
  const listener = await runtime.serve({ host: "127.0.0.1", port: 0, tls }, (_request, peer, { clientName }) => {
    seen.push(clientName);
    return new Response(peer);
  });
  const ask = async (client: Leaf | null): Promise<string> => {
    const identity = client === null ? {} : { cert: client.cert, key: client.key };
    const http = runtime.httpClient({ maxSockets: 1, ca: root.pem, ...identity });
    try {
      const url = `https://127.0.0.1:${listener.port}/`;
      // Twice on one connection: what is known of a client is known of all its requests.
      await http.send(url, "GET", {}, null, 100, AbortSignal.timeout(60_000));
      const { body } = await http.send(url, "GET", {}, null, 100, AbortSignal.timeout(60_000));
      return new TextDecoder().decode(body);
    } finally {
      http.close();
    }
  };
  same(await ask(root.issue("relay-one", "")), "127.0.0.1", "peer");
  same(seen.join(), "relay-one,relay-one", "names");
  for (const stranger of [null, other.issue("relay-one", "")]) {
    same(await faultOf(ask(stranger)), "dial_failed", "a client without a certificate of this root");
  }
  same(seen.length, 2, "requests of strangers");
  await listener.close();
  const open = { host: "127.0.0.1", port: 0, tls: { cert: leaf.cert, key: leaf.key } };
  const anybody = await runtime.serve(open, (_request, _peer, { clientName }) => new Response(String(clientName)));
  const http = runtime.httpClient({ maxSockets: 1, ca: root.pem });
  const url = `https://127.0.0.1:${anybody.port}/`;
  const { body } = await http.send(url, "GET", {}, null, 100, AbortSignal.timeout(60_000));
  same(new TextDecoder().decode(body), "null", "nobody's name");
  http.close();
  await anybody.close();
  const broken = runtime.serve({ ...open, tls: { cert: "nonsense", key: "nonsense" } }, () => new Response());
  same(await faultOf(broken), "listen_failed", "a certificate that is none");
};

export const serveShowsANewCertificateWithoutAnEnd: Check = async (runtime) => {
  const [first, second] = [authority(), authority()];
  const [before, after] = [first, second].map((root) => root.issue("served.test", "DNS:served.test"));
  if (before === undefined || after === undefined) throw new Error("no certificates");
  const identity = ({ cert, key }: Leaf) => ({ cert, key });
  const asked: (() => void)[] = [];
  const listener = await runtime.serve({ host: "127.0.0.1", port: 0, tls: identity(before) }, async () => {
    await new Promise<void>((resolve) => asked.push(resolve));
    return new Response("yes");
  });
  const open = async (extraRoots: string) => {
    const watch = new Watch();
    const tls = { serverName: "served.test", extraRoots };
    const conn = await runtime.dial({ address: "127.0.0.1", port: listener.port, tls }, watch).conn;
    return { conn, watch };
  };
  const ask = async (extraRoots: string) => {
    const one = await open(extraRoots);
    const before = asked.length;
    one.conn.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => asked.length > before, "the request");
    return { ...one, answered: () => until(() => one.watch.text().endsWith("yes"), "the answer") };
  };
  const standing = await ask(first.pem);
  for (const wrong of [
    { cert: after.cert, key: before.key },
    { cert: "nonsense", key: "nonsense" },
  ]) {
    same(await faultOf(Promise.resolve().then(() => listener.secure(wrong))), "listen_failed", "no pair");
  }
  const still = await ask(first.pem);
  listener.secure(identity(after));
  const fresh = await ask(second.pem);
  same(await faultOf(open(first.pem)), "tls_failed", "who trusts the old one alone");
  for (const answer of asked) answer();
  for (const { conn, watch, answered } of [standing, still, fresh]) {
    await answered();
    conn.destroy();
    await watch.closed();
  }
  await listener.close();
  const plain = await up(runtime, echo);
  same(await faultOf(Promise.resolve().then(() => plain.secure(identity(after)))), "listen_failed", "without TLS");
  await plain.close();
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
  await until(() => seen.every((each) => each.closed), "the end of every one");
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
