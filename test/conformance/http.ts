/** The client for the gateway's own services. */
import http from "node:http";
import https from "node:https";
import net from "node:net";
import type { HttpClientOptions, HttpReply, Runtime } from "../../src/runtime/contract.ts";
import { authority, type Check, expect, faultOf, same, sharedAuthority, until } from "./kit.ts";

type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void;

async function up(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return (server.address() as net.AddressInfo).port;
}

async function ask(
  runtime: Runtime,
  url: string,
  options: Partial<HttpClientOptions> & {
    method?: string;
    body?: string;
    maxBytes?: number;
    signal?: AbortSignal;
  } = {},
): Promise<HttpReply> {
  const { method = "POST", body = "{}", maxBytes = 10_000, signal = new AbortController().signal, ...rest } = options;
  const client = runtime.httpClient({ maxSockets: 2, ...rest });
  try {
    return await client.send(url, method, { "content-type": "application/json" }, body, maxBytes, signal);
  } finally {
    client.close();
  }
}

const echo: Answer = (request, response) => {
  let seen = "";
  request.setEncoding("utf8");
  request.on("data", (text) => {
    seen += text;
  });
  request.on("end", () => {
    const { method, url, headers } = request;
    response.setHeader("x-one", ["a", "b"]);
    response.end(
      JSON.stringify({ method, url, type: headers["content-type"], length: headers["content-length"], seen }),
    );
  });
};

export const httpSendsAndReads: Check = async (runtime) => {
  const server = http.createServer(echo);
  const port = await up(server);
  const reply = await ask(runtime, `http://127.0.0.1:${port}/v1/decisions?x=1`, { body: "é" });
  same(reply.status, 200, "status");
  same(reply.headers["x-one"], "a, b", "folded header");
  const text = new TextDecoder().decode(reply.body);
  const wanted = { method: "POST", url: "/v1/decisions?x=1", type: "application/json", length: "2", seen: "é" };
  same(text, JSON.stringify(wanted), "echo");
  same(reply.body.constructor, Uint8Array, "body type");
  server.close();
};

export const httpFollowsNoRedirect: Check = async (runtime) => {
  let asked = 0;
  const server = http.createServer((_request, response) => {
    asked++;
    response.writeHead(302, { location: "/elsewhere" }).end();
  });
  const port = await up(server);
  same((await ask(runtime, `http://127.0.0.1:${port}/`)).status, 302, "status");
  same(asked, 1, "requests");
  server.close();
};

/** run.ts starts every check with HTTP_PROXY, http_proxy, HTTPS_PROXY, https_proxy and ALL_PROXY naming a closed port. */
export const httpIgnoresProxyVariables: Check = async (runtime) => {
  for (const name of ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"]) {
    expect(runtime.env[name] === "http://127.0.0.1:9", `${name} is not set: this check would prove nothing`);
  }
  const server = http.createServer(echo);
  same((await ask(runtime, `http://127.0.0.1:${await up(server)}/`)).status, 200, "http");
  const root = sharedAuthority();
  const secure = https.createServer(root.issue("plane.test", "IP:127.0.0.1"), echo);
  same((await ask(runtime, `https://127.0.0.1:${await up(secure)}/`, { ca: root.pem })).status, 200, "https");
  server.close();
  secure.close();
};

export const httpKeepsConnectionsAndBoundsThem: Check = async (runtime) => {
  let open = 0;
  let connections = 0;
  let peak = 0;
  const server = http.createServer((_request, response) => {
    setImmediate(() => response.end("ok"));
  });
  server.on("connection", (socket) => {
    connections++;
    open++;
    peak = Math.max(peak, open);
    socket.on("close", () => {
      open--;
    });
  });
  const port = await up(server);
  const client = runtime.httpClient({ maxSockets: 2 });
  const signal = new AbortController().signal;
  const send = () => client.send(`http://127.0.0.1:${port}/`, "POST", {}, "x", 100, signal);
  await Promise.all(Array.from({ length: 20 }, send));
  for (let round = 0; round < 10; round++) await send();
  expect(peak <= 2, `${peak} connections at once`);
  expect(connections <= 2, `${connections} connections for 30 requests`);
  client.close();
  await until(() => open === 0, "idle connections closed by close()");
  server.close();
};

export const httpStaleKeptConnectionIsReplaced: Check = async (runtime) => {
  const sockets = new Set<net.Socket>();
  let asked = 0;
  const server = http.createServer((_request, response) => {
    asked++;
    response.end("ok");
  });
  server.on("connection", (socket) => sockets.add(socket));
  const port = await up(server);
  const client = runtime.httpClient({ maxSockets: 1 });
  const signal = new AbortController().signal;
  const send = () => client.send(`http://127.0.0.1:${port}/`, "POST", {}, "x", 100, signal);
  for (let round = 0; round < 20; round++) {
    same((await send()).status, 200, `status in round ${round}`);
    // Sent at once, so that the next request can be under way on the connection that this ends.
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  }
  same(asked, 20, "requests that reached the server");
  client.close();
  server.close();
};

export const httpBodyOverTheLimitIsRefused: Check = async (runtime) => {
  let sent = 0;
  const server = http.createServer((_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(new Uint8Array(65_536))) sent += 65_536;
    };
    response.on("drain", more);
    response.on("error", () => {});
    more();
  });
  const url = `http://127.0.0.1:${await up(server)}/`;
  same(await faultOf(ask(runtime, url, { maxBytes: 100_000 })), "upstream_malformed", "code");
  expect(sent < 64 * 1024 * 1024, "an endless answer was read on");
  server.closeAllConnections();
  server.close();
  const exact = http.createServer((_request, response) => response.end("12345"));
  const port = await up(exact);
  same(
    (await ask(runtime, `http://127.0.0.1:${port}/`, { maxBytes: 5 })).body.length,
    5,
    "a body of exactly the limit",
  );
  same(
    await faultOf(ask(runtime, `http://127.0.0.1:${port}/`, { maxBytes: 4 })),
    "upstream_malformed",
    "one byte over",
  );
  exact.close();
};

export const httpAbortRejectsAndClosesTheConnection: Check = async (runtime) => {
  let gone = 0;
  let asked = 0;
  const server = http.createServer((request, response) => {
    asked++;
    request.socket.on("close", () => gone++);
    if (request.url === "/half") response.write("half");
  });
  const port = await up(server);
  for (const path of ["/silent", "/half"]) {
    const before = gone;
    const abort = new AbortController();
    const failure = faultOf(ask(runtime, `http://127.0.0.1:${port}${path}`, { signal: abort.signal }));
    const wanted = asked + 1;
    await until(() => asked === wanted, "the request");
    abort.abort();
    same(await failure, "upstream_timeout", path);
    await until(() => gone > before, "the connection's close");
  }
  const aborted = AbortSignal.abort();
  same(
    await faultOf(ask(runtime, `http://127.0.0.1:${port}/`, { signal: aborted })),
    "upstream_timeout",
    "before sending",
  );
  same(asked, 2, "requests");
  server.close();
};

export const httpBrokenAnswersReject: Check = async (runtime) => {
  const answers = [
    "",
    "garbage\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n",
  ];
  for (const answer of answers) {
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(answer));
    });
    const url = `http://127.0.0.1:${await up(server)}/`;
    const code = await faultOf(ask(runtime, url));
    expect(code === "dial_failed" || code === "upstream_closed", `${JSON.stringify(answer)}: ${code}`);
    server.close();
  }
  const refused = net.createServer();
  const port = await up(refused);
  await new Promise((resolve) => refused.close(resolve));
  same(await faultOf(ask(runtime, `http://127.0.0.1:${port}/`)), "dial_failed", "refused");
};

export const httpsVerifiesTheServer: Check = async (runtime) => {
  const root = sharedAuthority();
  const server = https.createServer(root.issue("svc.test", "DNS:svc.test"), echo);
  const port = await up(server);
  const right = https.createServer(root.issue("local.test", "IP:127.0.0.1"), echo);
  const rightPort = await up(right);
  same((await ask(runtime, `https://127.0.0.1:${rightPort}/`, { ca: root.pem })).status, 200, "right");
  same(await faultOf(ask(runtime, `https://127.0.0.1:${port}/`, { ca: root.pem })), "dial_failed", "wrong name");
  same(await faultOf(ask(runtime, `https://127.0.0.1:${rightPort}/`)), "dial_failed", "unknown root");
  const other = authority().pem;
  same(await faultOf(ask(runtime, `https://127.0.0.1:${rightPort}/`, { ca: other })), "dial_failed", "another root");
  server.close();
  right.close();
};

export const httpsShowsItsOwnCertificate: Check = async (runtime) => {
  const root = sharedAuthority();
  const leaf = root.issue("mtls.test", "IP:127.0.0.1");
  const server = https.createServer({ ...leaf, ca: root.pem, requestCert: true, rejectUnauthorized: true }, echo);
  const port = await up(server);
  const own = root.issue("client.test", "DNS:client.test");
  const url = `https://127.0.0.1:${port}/`;
  same((await ask(runtime, url, { ca: root.pem, cert: own.cert, key: own.key })).status, 200, "with a certificate");
  const without = await faultOf(ask(runtime, url, { ca: root.pem }));
  expect(without === "dial_failed" || without === "upstream_closed", `without one: ${without}`);
  server.close();
};
