/** Listeners over node:net. */
import { chmodSync, unlinkSync } from "node:fs";
import net from "node:net";
import { Fault, messageOf } from "../errors.ts";
import { canonicalAddress, deaf, KEEPALIVE_DELAY_MS, type OwnedSocket, SocketConn } from "./_conn.ts";
import type { Conn, Listener, ListenOptions } from "./contract.ts";

const BACKLOG = 4096;

function adopt(server: net.Server, accept: (conn: Conn) => void): void {
  server.on("connection", (socket: OwnedSocket) => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_DELAY_MS);
    const conn = new SocketConn(socket, deaf, null);
    try {
      accept(conn);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  });
}

export function listening(server: net.Server, start: () => void, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        new Fault("listen_failed", `cannot listen on ${what}: ${error.code ?? messageOf(error)}`, { cause: error }),
      );
    });
    server.once("listening", () => {
      server.removeAllListeners("error");
      // An accept that fails later (EMFILE) must not end the process; the connection is simply not there.
      server.on("error", () => {});
      resolve();
    });
    start();
  });
}

export function closing(server: net.Server): () => Promise<void> {
  let closed: Promise<void> | null = null;
  return () => {
    // `server.close` calls back only when the last connection has gone; not accepting any more is at once.
    closed ??= new Promise((resolve) => {
      server.close();
      resolve();
    });
    return closed;
  };
}

export async function listen(options: ListenOptions, accept: (conn: Conn) => void): Promise<Listener> {
  const server = net.createServer({ allowHalfOpen: true });
  adopt(server, accept);
  const what = `${options.host.includes(":") ? `[${options.host}]` : options.host}:${options.port}`;
  const request: net.ListenOptions = { host: options.host, port: options.port, backlog: BACKLOG };
  if (options.reusePort === true) request.reusePort = true;
  else request.exclusive = true;
  await listening(server, () => server.listen(request), what);
  const bound = server.address() as net.AddressInfo;
  return { address: canonicalAddress(bound.address), port: bound.port, close: closing(server) };
}

export async function listenUnix(path: string, accept: (conn: Conn) => void): Promise<Listener> {
  const server = net.createServer({ allowHalfOpen: true });
  adopt(server, accept);
  // bind(2) happens inside listen(), so the file is 0600 from its first moment and never open to others.
  const mask = process.umask(0o177);
  const bound = listening(
    server,
    () => {
      try {
        server.listen(path);
      } finally {
        process.umask(mask);
      }
    },
    path,
  );
  await bound;
  chmodSync(path, 0o600);
  const close = closing(server);
  return {
    address: "",
    port: 0,
    async close() {
      await close();
      try {
        unlinkSync(path);
      } catch {
        // The runtime has removed it.
      }
    },
  };
}
