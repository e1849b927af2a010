/** TLS on connections that are open already, both roles, against openssl and node:tls. */
import net from "node:net";
import tls from "node:tls";
import type { Conn, ConnHandler, Runtime, Securing, TlsClientOptions } from "../../src/runtime/contract.ts";
import { authority, type Check, expect, faultOf, openssl, pair, same, sharedAuthority, until, Watch } from "./kit.ts";

interface Secured {
  readonly port: number;
  readonly conns: Conn[];
  readonly watches: Watch[];
  readonly faults: string[];
  close(): Promise<void>;
}

/** A server whose connections have said something before TLS begins, as in a tunnel that was looked at. */
async function serve(runtime: Runtime, name: string, alpn: string | null = null, keep = true): Promise<Secured> {
  const identity = sharedAuthority().issue(name, `DNS:${name}`);
  const conns: Conn[] = [];
  const watches: Watch[] = [];
  const faults: string[] = [];
  const listener = await runtime.listen({ host: "127.0.0.1", port: 0 }, (below) => {
    const secure = (first: Uint8Array): void => {
      const watch = new Watch();
      watch.keep = keep;
      watches.push(watch);
      const securing = runtime.secureServer(below, { identity, alpn }, watch);
      // The end may be told in the turn in which the handshake is done, before anybody who waits for that goes on.
      watch.onEnd = () => void securing.conn.then((conn) => conn.end());
      begin(below, securing, first);
      securing.conn.then(
        (conn) => {
          conns.push(conn);
        },
        (fault) => {
          faults.push(fault.code);
          below.handler = { data() {}, end: () => below.end(), drain() {}, close() {} };
        },
      );
    };
    below.handler = { data: secure, end: () => below.end(), drain() {}, close() {} };
  });
  return { port: listener.port, conns, watches, faults, close: () => listener.close() };
}

function begin(below: Conn, securing: Securing, first: Uint8Array | null): void {
  below.handler = securing.feed;
  if (first !== null) securing.feed.data(first);
}

function nodeClient(port: number, name: string, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const ca = sharedAuthority().pem;
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: "127.0.0.1", port, servername: name, ca, ...options }, () => resolve(socket));
    socket.on("error", reject);
  });
}

export const secureServerShowsTheLeafAndHandsOutPlainBytesOnly: Check = async (runtime) => {
  const server = await serve(runtime, "leaf.secure.test", "http/1.1");
  const client = await nodeClient(server.port, "leaf.secure.test", { ALPNProtocols: ["h2", "http/1.1"] });
  same(client.getPeerCertificate().subjectaltname ?? "", "DNS:leaf.secure.test", "the leaf");
  same(client.alpnProtocol || "", "http/1.1", "alpn at the client");
  let seen = "";
  client.on("data", (bytes) => {
    seen += bytes;
  });
  client.write("question");
  await until(() => server.watches[0]?.received === 8, "the question");
  same(server.watches[0]?.text() ?? "", "question", "what the server heard");
  const conn = server.conns[0] as Conn;
  same(conn.alpn, "http/1.1", "alpn at the server");
  same(conn.remoteAddress, "127.0.0.1", "address");
  conn.write("answer");
  await until(() => seen === "answer", "the answer");
  client.end();
  await server.watches[0]?.closed();
  await server.close();
};

/** The memory that `send` was given is used again at once, and what a handler was given stays as it is. */
export const secureSmallAndLargePiecesAreWhole: Check = async (runtime) => {
  const server = await serve(runtime, "pieces.secure.test");
  const client = await nodeClient(server.port, "pieces.secure.test");
  let seen = "";
  client.on("data", (bytes) => {
    seen += bytes;
  });
  let said = "";
  const memory = new Uint8Array(64 * 1024);
  for (const [index, length] of [1, 300, 1023, 1024, 1025, 9000].entries()) {
    const letter = String.fromCharCode(97 + index);
    said += letter.repeat(length);
    client.write(letter.repeat(length));
    await until(() => server.watches[0]?.received === said.length, `${length} bytes at the server`);
    memory.fill(97 + index);
    server.conns[0]?.send(memory, length);
    memory.fill(0);
    await until(() => seen.length === said.length, `${length} bytes at the client`);
  }
  same(server.watches[0]?.text() ?? "", said, "what the server heard");
  same(seen, said, "what the client heard");
  client.end();
  await server.watches[0]?.closed();
  await server.close();
};

export const secureServerWithoutAlpnChoosesNone: Check = async (runtime) => {
  const server = await serve(runtime, "none.secure.test");
  const client = await nodeClient(server.port, "none.secure.test");
  await until(() => server.conns.length === 1, "the handshake");
  same(server.conns[0]?.alpn ?? null, null, "alpn");
  client.end();
  await server.watches[0]?.closed();
  await server.close();
};

/** The client's bytes one by one: records and messages are split everywhere. */
export const secureServerReadsAHandshakeSplitAtEveryByte: Check = async (runtime) => {
  const server = await serve(runtime, "split.secure.test");
  const between = net.createServer((near) => {
    const far = net.connect(server.port, "127.0.0.1");
    far.setNoDelay(true);
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
    far.pipe(near);
    near.on("close", () => far.end());
    const queue: number[] = [];
    let sending = false;
    const send = (): void => {
      const byte = queue.shift();
      sending = byte !== undefined;
      if (byte !== undefined) far.write(Uint8Array.of(byte), () => setImmediate(send));
    };
    near.on("data", (bytes) => {
      for (const byte of bytes as Buffer) queue.push(byte);
      if (!sending) send();
    });
  });
  await new Promise<void>((resolve) => between.listen(0, "127.0.0.1", () => resolve()));
  const client = await nodeClient((between.address() as net.AddressInfo).port, "split.secure.test");
  client.write("x");
  await until(() => server.watches[0]?.received === 1, "a byte through it");
  client.destroy();
  await server.watches[0]?.closed();
  between.close();
  await server.close();
};

export const secureServerRefusesWhatIsNoTlsAndOldTls: Check = async (runtime) => {
  const server = await serve(runtime, "old.secure.test");
  for (const garbage of [Uint8Array.of(22, 3, 1, 0, 5, 1, 2, 3, 4, 5), new Uint8Array(600).fill(0x41)]) {
    const before = server.faults.length;
    const peer = net.connect(server.port, "127.0.0.1");
    peer.on("error", () => {});
    let ended = false;
    peer.on("end", () => {
      ended = true;
    });
    peer.resume();
    peer.write(garbage);
    await until(() => server.faults.length > before, "the fault");
    await until(() => ended, "the end");
    peer.destroy();
  }
  const old = ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", "-servername", "old.secure.test"];
  const { code } = await openssl(["s_client", "-connect", `127.0.0.1:${server.port}`, ...old]);
  expect(code !== 0, "TLS 1.1 was accepted");
  await until(() => server.faults.length === 3, "the third fault");
  same(server.faults.join(), "tls_failed,tls_failed,tls_failed", "codes");
  same(server.conns.length, 0, "connections");
  same(
    server.watches.reduce((sum, watch) => sum + watch.received, 0),
    0,
    "bytes handed out",
  );
  await server.close();
};

export const secureServerClientThatLeavesDuringTheHandshake: Check = async (runtime) => {
  const server = await serve(runtime, "left.secure.test");
  for (const leave of ["end", "resetAndDestroy"] as const) {
    const before = server.faults.length;
    const peer = net.connect(server.port, "127.0.0.1");
    peer.on("error", () => {});
    peer.write(Uint8Array.of(22, 3, 1, 2, 0, 1));
    await until(() => server.watches.length > before, "the beginning");
    peer[leave]();
    await until(() => server.faults.length > before, `the fault after ${leave}`);
    peer.destroy();
  }
  same(server.faults.join(), "tls_failed,tls_failed", "codes");
  await server.close();
};

interface Both {
  readonly client: Conn;
  readonly clientWatch: Watch;
  readonly server: Conn;
  readonly serverWatch: Watch;
}

/** Both roles under test, over one connection. */
async function both(runtime: Runtime, name: string): Promise<Both> {
  const plain = await pair(runtime);
  const identity = sharedAuthority().issue(name, `DNS:${name}`);
  const serverWatch = new Watch();
  const clientWatch = new Watch();
  const atServer = runtime.secureServer(plain.server, { identity, alpn: null }, serverWatch);
  begin(plain.server, atServer, null);
  const options = { serverName: name, extraRoots: sharedAuthority().pem };
  const atClient = runtime.secureClient(plain.client, options, clientWatch);
  begin(plain.client, atClient, null);
  const [server, client] = await Promise.all([atServer.conn, atClient.conn]);
  return { client, clientWatch, server, serverWatch };
}

function sink(runtime: Runtime, watch: Watch): () => string {
  const hasher = runtime.hasher();
  watch.keep = false;
  watch.onData = (bytes) => hasher.update(bytes);
  return () => hasher.hex();
}

function pump(conn: Conn, watch: Watch, bytes: Uint8Array): void {
  let at = 0;
  const go = (): void => {
    while (at < bytes.length) {
      const piece = bytes.subarray(at, at + 100_000);
      at += piece.length;
      if (!conn.write(piece)) return;
    }
    conn.end();
  };
  watch.onDrain = go;
  go();
}

export const secureLargeTransferEachWayIsWhole: Check = async (runtime) => {
  const bytes = new Uint8Array(24 * 1024 * 1024);
  for (let at = 0; at < bytes.length; at += 1000) bytes[at] = at >> 10;
  const wanted = runtime.sha256(bytes);
  for (const way of ["up", "down"] as const) {
    const { client, clientWatch, server, serverWatch } = await both(runtime, `bulk-${way}.secure.test`);
    const [from, fromWatch, to] =
      way === "up" ? [client, clientWatch, serverWatch] : [server, serverWatch, clientWatch];
    const hash = sink(runtime, to);
    to.onEnd = () => (way === "up" ? server : client).end();
    pump(from, fromWatch, bytes);
    await until(() => to.ends === 1, `the end ${way}`);
    same(to.received, bytes.length, `length ${way}`);
    same(hash(), wanted, `content ${way}`);
    expect(fromWatch.drains > 0, `nothing ever had to wait ${way}`);
    await clientWatch.closed();
    await serverWatch.closed();
  }
};

export const securePausedReaderHoldsTheWriterBack: Check = async (runtime) => {
  const { client, clientWatch, server, serverWatch } = await both(runtime, "paused.secure.test");
  serverWatch.keep = false;
  server.pause();
  const piece = new Uint8Array(256 * 1024);
  let sent = 0;
  let open = true;
  // Far more than kernel buffers hold: without back-pressure all of it would be taken.
  while (open && sent < 512 * 1024 * 1024) {
    open = client.write(piece);
    sent += piece.length;
    if (open) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(!open, "a paused reader took everything");
  same(serverWatch.received, 0, "bytes delivered while paused");
  server.resume();
  await until(() => serverWatch.received === sent, "what was sent");
  same(clientWatch.drains, 1, "drains");
  serverWatch.onEnd = () => server.end();
  client.destroy();
  await clientWatch.closed();
  await serverWatch.closed();
};

export const secureEndThatCameWhilePausedIsDeliveredAfterTheBytes: Check = async (runtime) => {
  for (const size of [0, 1, 10_000, 300_000]) {
    const { client, clientWatch, server, serverWatch } = await both(runtime, "later.secure.test");
    client.pause();
    server.write(new Uint8Array(size));
    server.end();
    await new Promise((resolve) => setTimeout(resolve, 30));
    same(clientWatch.received + clientWatch.ends, 0, "events while paused");
    client.resume();
    await until(() => clientWatch.ends === 1, `the end after ${size} bytes`);
    same(clientWatch.received, size, "bytes before the end");
    client.end();
    await clientWatch.closed();
    await serverWatch.closed();
  }
};

export const secureResetClosesBothOnce: Check = async (runtime) => {
  for (const who of ["client", "server"] as const) {
    const { client, clientWatch, server, serverWatch } = await both(runtime, "reset.secure.test");
    const one = who === "client" ? client : server;
    one.reset();
    expect(one.closed, "closed is false after reset");
    await clientWatch.closed();
    await serverWatch.closed();
    same((who === "client" ? clientWatch : serverWatch).error, null, "error of our own reset");
    expect((who === "client" ? serverWatch : clientWatch).error !== null, "the other side took it for an orderly end");
  }
};

export const secureClientVerifies: Check = async (runtime) => {
  const trusted = sharedAuthority();
  const other = authority();
  const cases: [string, string, string, number | undefined, Partial<TlsClientOptions>][] = [
    ["wrong name", "a.verify.test", "DNS:b.verify.test", undefined, {}],
    ["no alternative name", "a.verify.test", "", undefined, {}],
    ["expired", "a.verify.test", "DNS:a.verify.test", -1, {}],
    ["unknown issuer", "a.verify.test", "DNS:a.verify.test", undefined, { extraRoots: other.pem }],
  ];
  for (const [what, name, alternatives, days, more] of cases) {
    const plain = await pair(runtime);
    const identity = trusted.issue("verify.test", alternatives, days);
    const atServer = runtime.secureServer(plain.server, { identity, alpn: null }, new Watch());
    begin(plain.server, atServer, null);
    atServer.conn.catch(() => {});
    const watch = new Watch();
    const options = { serverName: name, extraRoots: trusted.pem, ...more };
    const atClient = runtime.secureClient(plain.client, options, watch);
    begin(plain.client, atClient, null);
    same(await faultOf(atClient.conn), "tls_failed", what);
    same(watch.received + watch.closes, 0, `${what}: handler calls`);
    plain.client.destroy();
  }
};

export const secureCancelGivesUp: Check = async (runtime) => {
  const plain = await pair(runtime);
  const silent: ConnHandler = { data() {}, end() {}, drain() {}, close() {} };
  plain.server.handler = silent;
  const securing = runtime.secureClient(plain.client, { serverName: "cancel.test" }, new Watch());
  begin(plain.client, securing, null);
  const fault = faultOf(securing.conn);
  securing.cancel();
  same(await fault, "tls_failed", "code");
  plain.client.destroy();
};

export const secureSessionsAreResumed: Check = async (runtime) => {
  const server = await serve(runtime, "again.secure.test");
  const first = await nodeClient(server.port, "again.secure.test", { maxVersion: "TLSv1.2" });
  const session = first.getSession();
  expect(session !== undefined, "no session");
  first.end();
  await server.watches[0]?.closed();
  // node:tls of Bun does not tell whether a session was resumed; openssl does.
  const args = ["s_client", "-connect", `127.0.0.1:${server.port}`, "-servername", "again.secure.test", "-tls1_2"];
  // It leaves by itself when it has come again often enough.
  const { said } = await openssl([...args, "-reconnect"]);
  expect(said.includes("Reused, TLSv1.2"), "no session was resumed");
  await server.close();
};
