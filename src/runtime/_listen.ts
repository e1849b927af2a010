/** Listeners over node:net. */
import { chmodSync, unlinkSync } from "node:fs";
import net from "node:net";
import { Fault, messageOf } from "../errors.ts";
import { canonicalAddress, deaf, KEEPALIVE_DELAY_MS, type OwnedSocket, SocketConn } from "./_conn.ts";
import { type GetSockOpt, originalOf } from "./_original.ts";
import type { Accept, Conn, Listener, ListenOptions, Original } from "./contract.ts";

const BACKLOG = 4096;

/** Reads an option of a socket of node:net; each runtime has its own way to the descriptor below. */
export type SocketAsks = (socket: net.Socket) => { readonly get: GetSockOpt; readonly fd: number; done(): void };

let askSocket: (() => SocketAsks) | null = null;
/** `load` throws Fault `unsupported` where it cannot be done. */
export function setSocketAsks(load: () => SocketAsks): void {
  askSocket = load;
}

function adopt(server: net.Server, asks: SocketAsks | null, accept: Accept): void {
  server.on("connection", (socket: OwnedSocket) => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_DELAY_MS);
    const conn = new SocketConn(socket, deaf, null);
    try {
      accept(conn, asks === null ? null : asked(asks, socket, conn));
    } catch (error) {
      socket.destroy();
      throw error;
    }
  });
}

function asked(asks: SocketAsks, socket: net.Socket, conn: Conn): Original | null {
  const { get, fd, done } = asks(socket);
  try {
    return originalOf(get, fd, conn);
  } finally {
    done();
  }
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

export async function listen(options: ListenOptions, accept: Accept): Promise<Listener> {
  const server = net.createServer({ allowHalfOpen: true });
  const asks = options.redirected === true && process.platform === "linux" ? (askSocket?.() ?? null) : null;
  adopt(server, asks, accept);
  const { fd, host, port } = options;
  const what = fd === undefined ? `${host.includes(":") ? `[${host}]` : host}:${port}` : `descriptor ${fd}`;
  const request: net.ListenOptions & { fd?: number } = { backlog: BACKLOG };
  if (fd === undefined) Object.assign(request, { host, port });
  else request.fd = fd;
  if (options.reusePort === true && fd === undefined) request.reusePort = true;
  else request.exclusive = true;
  await listening(server, () => server.listen(request), what);
  const bound = server.address() as net.AddressInfo;
  return { address: canonicalAddress(bound.address), port: bound.port, close: closing(server) };
}

export async function listenUnix(path: string, accept: (conn: Conn) => void): Promise<Listener> {
  const server = net.createServer({ allowHalfOpen: true });
  adopt(server, null, (conn) => accept(conn));
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
