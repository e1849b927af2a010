/** Dials with TLS, against node:tls servers whose certificates openssl made. */
import net from "node:net";
import tls from "node:tls";
import type { Conn, Runtime, TlsClientOptions } from "../../src/runtime/contract.ts";
import {
  authority,
  type Check,
  expect,
  faultOf,
  type Leaf,
  same,
  sharedAuthority,
  turns,
  until,
  Watch,
} from "./kit.ts";

interface Server {
  readonly port: number;
  readonly names: (string | false)[];
  close(): void;
}

async function serve(leaf: Leaf, onSocket: (socket: tls.TLSSocket) => void = (s) => s.end("hello")): Promise<Server> {
  const names: (string | false)[] = [];
  const options = { key: leaf.key, cert: leaf.cert, ALPNProtocols: ["http/1.1"], allowHalfOpen: true };
  const server = tls.createServer(options, (socket) => {
    socket.on("error", () => {});
    names.push((socket as unknown as { servername: string | false }).servername);
    onSocket(socket);
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return { port: (server.address() as net.AddressInfo).port, names, close: () => server.close() };
}

function open(runtime: Runtime, server: Server, options: TlsClientOptions, watch = new Watch()): Promise<Conn> {
  return runtime.dial({ address: "127.0.0.1", port: server.port, tls: options }, watch).conn;
}

export const tlsGoodCertificateIsAccepted: Check = async (runtime) => {
  const root = sharedAuthority();
  const server = await serve(root.issue("good.test", "DNS:good.test"));
  const watch = new Watch();
  const conn = await open(
    runtime,
    server,
    { serverName: "good.test", extraRoots: root.pem, alpn: ["http/1.1"] },
    watch,
  );
  same(conn.alpn, "http/1.1", "alpn");
  same(conn.remotePort, server.port, "port");
  await until(() => watch.ends === 1, "end");
  same(watch.text(), "hello", "data");
  same(server.names.join(), "good.test", "SNI");
  conn.end();
  await watch.closed();
  same(watch.error, null, "error");
  server.close();
};

export const tlsNoCommonAlpnIsNull: Check = async (runtime) => {
  const root = sharedAuthority();
  const server = await serve(root.issue("noalpn.test", "DNS:noalpn.test"));
  const conn = await open(runtime, server, { serverName: "noalpn.test", extraRoots: root.pem });
  same(conn.alpn, null, "alpn when none was offered");
  conn.destroy();
  server.close();
};

export const tlsWrongNameIsRefused: Check = async (runtime) => {
  const root = sharedAuthority();
  const server = await serve(root.issue("right.test", "DNS:right.test"));
  const watch = new Watch();
  const refused = open(runtime, server, { serverName: "wrong.test", extraRoots: root.pem }, watch);
  same(await faultOf(refused), "tls_failed", "code");
  same(watch.closes + watch.received, 0, "handler calls");
  server.close();
};

export const tlsCommonNameAloneIsRefused: Check = async (runtime) => {
  const root = sharedAuthority();
  const server = await serve(root.issue("cn.test", ""));
  same(await faultOf(open(runtime, server, { serverName: "cn.test", extraRoots: root.pem })), "tls_failed", "code");
  server.close();
};

/** Of a name that is no host's the issuer has looked at nothing that a host is known by. */
export const tlsNamesWithinOtherNamesAreRefused: Check = async (runtime) => {
  const root = sharedAuthority();
  const kinds = ["URI", "email", "DNS", "otherName"] as const;
  for (const [i, kind] of kinds.entries()) {
    const said = {
      URI: "http://evil.test/",
      email: "a@evil.test",
      DNS: "evil.test",
      otherName: "1.2.3.4;UTF8:evil.test",
    };
    const names = `${kind}.1=${said[kind]}, DNS:victim.test, IP Address:127.0.0.1\nDNS.2=own.test`;
    const leaf = root.certify(
      `within${i}.test`,
      `basicConstraints=CA:FALSE\nsubjectAltName=@names\n[names]\n${names}\n`,
    );
    const server = await serve(leaf);
    const as = (serverName: string) => open(runtime, server, { serverName, extraRoots: root.pem });
    for (const name of ["victim.test", "127.0.0.1"]) same(await faultOf(as(name)), "tls_failed", `${name} in ${kind}`);
    (await as("own.test")).destroy();
    server.close();
  }
};

export const tlsWildcardCoversOneLabel: Check = async (runtime) => {
  const root = sharedAuthority();
  const server = await serve(root.issue("wild.test", "DNS:*.wild.test"));
  const conn = await open(runtime, server, { serverName: "a.wild.test", extraRoots: root.pem });
  conn.destroy();
  same(
    await faultOf(open(runtime, server, { serverName: "a.b.wild.test", extraRoots: root.pem })),
    "tls_failed",
    "two labels",
  );
  same(
    await faultOf(open(runtime, server, { serverName: "wild.test", extraRoots: root.pem })),
    "tls_failed",
    "no label",
  );
  server.close();
};

export const tlsUnknownIssuerIsRefused: Check = async (runtime) => {
  const server = await serve(authority().issue("self.test", "DNS:self.test"));
  same(await faultOf(open(runtime, server, { serverName: "self.test" })), "tls_failed", "no extra roots");
  const other = sharedAuthority().pem;
  same(
    await faultOf(open(runtime, server, { serverName: "self.test", extraRoots: other })),
    "tls_failed",
    "another root",
  );
  server.close();
};

export const tlsRootsOfOneDialDoNotSpreadToAnother: Check = async (runtime) => {
  const [first, second] = [authority(), authority()];
  const server = await serve(first.issue("one.test", "DNS:one.test"));
  (await open(runtime, server, { serverName: "one.test", extraRoots: first.pem })).destroy();
  same(
    await faultOf(open(runtime, server, { serverName: "one.test", extraRoots: second.pem })),
    "tls_failed",
    "second",
  );
  (await open(runtime, server, { serverName: "one.test", extraRoots: first.pem + second.pem })).destroy();
  same(await faultOf(open(runtime, server, { serverName: "one.test" })), "tls_failed", "none");
  server.close();
};

export const tlsExpiredCertificateIsRefused: Check = async (runtime) => {
  const root = sharedAuthority();
  const server = await serve(root.issue("old.test", "DNS:old.test", -1));
  same(await faultOf(open(runtime, server, { serverName: "old.test", extraRoots: root.pem })), "tls_failed", "code");
  server.close();
};

export const tlsIpLiteralIsVerifiedAndSendsNoSni: Check = async (runtime) => {
  const root = sharedAuthority();
  const right = await serve(root.issue("ip.test", "IP:127.0.0.1"));
  const greeted = new Watch();
  const accepted = await open(runtime, right, { serverName: "127.0.0.1", extraRoots: root.pem }, greeted);
  await until(() => greeted.ends === 1, "the server's handshake");
  accepted.destroy();
  same(Boolean(right.names[0]), false, "SNI for a literal");
  same(
    await faultOf(open(runtime, right, { serverName: "127.0.0.2", extraRoots: root.pem })),
    "tls_failed",
    "other literal",
  );
  const nameOnly = await serve(root.issue("name.test", "DNS:name.test,DNS:127.0.0.1"));
  const literal = open(runtime, nameOnly, { serverName: "127.0.0.1", extraRoots: root.pem });
  same(await faultOf(literal), "tls_failed", "a name that looks like an address");
  const six = await serve(root.issue("six.test", "IP:2001:db8::1"));
  (await open(runtime, six, { serverName: "2001:db8::1", extraRoots: root.pem })).destroy();
  for (const server of [right, nameOnly, six]) server.close();
};

export const tlsPeerThatIsNoTlsIsRefused: Check = async (runtime) => {
  for (const speak of ["HTTP/1.1 400 Bad Request\r\n\r\n", ""]) {
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(speak));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    const port = (server.address() as net.AddressInfo).port;
    const dialing = runtime.dial({ address: "127.0.0.1", port, tls: { serverName: "x.test" } }, new Watch());
    same(await faultOf(dialing.conn), "tls_failed", `answer "${speak.slice(0, 8)}"`);
    server.close();
  }
};

export const tlsRefusedPortIsDialFailed: Check = async (runtime) => {
  const listener = await runtime.listen({ host: "127.0.0.1", port: 0 }, () => {});
  await listener.close();
  const dialing = runtime.dial(
    { address: "127.0.0.1", port: listener.port, tls: { serverName: "x.test" } },
    new Watch(),
  );
  same(await faultOf(dialing.conn), "dial_failed", "code");
};

export const tlsCancelDuringTheHandshake: Check = async (runtime) => {
  let closed = false;
  let connected = false;
  const server = net.createServer((socket) => {
    connected = true;
    socket.on("error", () => {});
    socket.on("close", () => {
      closed = true;
    });
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const port = (server.address() as net.AddressInfo).port;
  const dialing = runtime.dial({ address: "127.0.0.1", port, tls: { serverName: "x.test" } }, new Watch());
  const failure = faultOf(dialing.conn);
  await until(() => connected, "the connection");
  dialing.cancel();
  same(await failure, "dial_failed", "code");
  await until(() => closed, "the connection's close");
  server.close();
};

export const tlsHalfCloseOfTheServerLeavesWritingOpen: Check = async (runtime) => {
  const root = sharedAuthority();
  let seen = "";
  const server = await serve(root.issue("half.test", "DNS:half.test"), (socket) => {
    socket.on("data", (bytes) => {
      seen += bytes;
    });
    socket.end("first");
  });
  const watch = new Watch();
  const conn = await open(runtime, server, { serverName: "half.test", extraRoots: root.pem }, watch);
  await until(() => watch.ends === 1, "end");
  expect(!conn.closed, "closed though only the server has ended");
  conn.write("after the server's end");
  conn.end();
  await until(() => seen === "after the server's end", "data after the server's end");
  await watch.closed();
  server.close();
};

export const tlsEndThatCameWhilePausedIsDeliveredAfterTheBytes: Check = async (runtime) => {
  const root = sharedAuthority();
  for (const size of [0, 1, 10_000, 60_000, 300_000, 3_000_000]) {
    for (const eager of [false, true]) {
      const bytes = new Uint8Array(size).fill(size % 251);
      const server = await serve(root.issue("paused.test", "DNS:paused.test"), (socket) => socket.end(bytes));
      const watch = new Watch();
      const conn = await open(runtime, server, { serverName: "paused.test", extraRoots: root.pem }, watch);
      const held = (): void => {
        conn.pause();
        setTimeout(() => conn.resume(), 3);
      };
      if (eager) watch.onData = held;
      conn.pause();
      await turns(30);
      await new Promise((resolve) => setTimeout(resolve, 20));
      same(watch.received, 0, "bytes delivered while paused");
      conn.resume();
      await until(() => watch.ends === 1, `the end after ${size} bytes${eager ? ", paused after each" : ""}`);
      same(watch.received, size, "bytes before the end");
      conn.end();
      await watch.closed();
      server.close();
    }
  }
};

export const tlsHalfCloseOfOursLeavesReadingOpen: Check = async (runtime) => {
  const root = sharedAuthority();
  const server = await serve(root.issue("ours.test", "DNS:ours.test"), (socket) => {
    let seen = "";
    socket.on("data", (bytes) => {
      seen += bytes;
    });
    socket.on("end", () => socket.end(`got ${seen}`));
  });
  const watch = new Watch();
  const conn = await open(runtime, server, { serverName: "ours.test", extraRoots: root.pem }, watch);
  conn.write("question");
  conn.end();
  await watch.closed();
  same(watch.text(), "got question", "the answer after our end");
  same(watch.error, null, "error");
  server.close();
};

/** Deno has no way to a RST below TLS; there the server sees the stream end. */
export const tlsResetClosesOnceAndReachesTheServer: Check = async (runtime) => {
  const root = sharedAuthority();
  const events: string[] = [];
  const server = await serve(root.issue("reset.test", "DNS:reset.test"), (socket) => {
    socket.on("error", (error: NodeJS.ErrnoException) => events.push(error.code ?? error.message));
    socket.on("end", () => events.push("end"));
    socket.resume();
    socket.write("hello");
  });
  const watch = new Watch();
  const conn = await open(runtime, server, { serverName: "reset.test", extraRoots: root.pem }, watch);
  await until(() => watch.received === 5, "the server's handshake");
  conn.reset();
  expect(conn.closed, "closed is false after reset");
  await watch.closed();
  same(watch.error, null, "error of our own reset");
  await until(() => events.length > 0, "word of it at the server");
  same(events[0] ?? "", runtime.name === "bun" ? "ECONNRESET" : "end", "what the server saw");
  server.close();
};

export const tlsLargeTransferBothWaysWithBackPressure: Check = async (runtime) => {
  const root = sharedAuthority();
  const server = await serve(root.issue("bulk.test", "DNS:bulk.test"), (socket) => {
    // Not piped: Deno's TLS server loses an end that comes while its socket is paused.
    socket.on("data", (bytes) => socket.write(bytes));
    socket.on("end", () => socket.end());
  });
  const watch = new Watch();
  const hasher = runtime.hasher();
  watch.keep = false;
  watch.onData = (bytes) => hasher.update(bytes);
  const conn = await open(runtime, server, { serverName: "bulk.test", extraRoots: root.pem }, watch);
  const bytes = new Uint8Array(16 * 1024 * 1024);
  for (let at = 0; at < bytes.length; at += 1000) bytes[at] = at >> 10;
  let at = 0;
  const pump = (): void => {
    while (at < bytes.length) {
      const piece = bytes.subarray(at, at + 100_000);
      at += piece.length;
      if (!conn.write(piece)) return;
    }
    conn.end();
  };
  watch.onDrain = pump;
  pump();
  await until(() => watch.ends === 1, "end");
  same(watch.received, bytes.length, "length");
  same(hasher.hex(), runtime.sha256(bytes), "content");
  await watch.closed();
  server.close();
};

export const publicRootsArePemAndNotFew: Check = async (runtime) => {
  const roots = runtime.publicRoots();
  expect(roots.length > 50, `only ${roots.length} roots`);
  for (const root of roots) {
    expect(/^-----BEGIN CERTIFICATE-----\n[^-]+\n-----END CERTIFICATE-----$/.test(root.trim()), "a root is not PEM");
  }
};
