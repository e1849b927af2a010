/** Dials over node:net and node:tls. */
import net from "node:net";
import tls from "node:tls";
import { Fault } from "../errors.ts";
import { KEEPALIVE_DELAY_MS, type OwnedSocket, SocketConn } from "./_conn.ts";
import { namesOnly } from "./_peer-names.ts";
import { trust } from "./_trust.ts";
import type { Conn, ConnHandler, Dialing, DialTarget, TlsClientOptions } from "./contract.ts";

let repairTls: (socket: tls.TLSSocket) => void = () => {};
/** Called for every dialled TLS socket once it is secure. */
export function setTlsRepair(repair: (socket: tls.TLSSocket) => void): void {
  repairTls = repair;
}

function tlsSocket(address: string, port: number, options: TlsClientOptions): tls.TLSSocket {
  const request: tls.ConnectionOptions & { allowHalfOpen?: boolean } = {
    ...trust(options.extraRoots ?? "", options.identity),
    host: address,
    port,
    allowHalfOpen: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.2",
    // SNI carries names only; an IP literal is checked against the certificate all the same.
    servername: net.isIP(options.serverName) === 0 ? options.serverName : "",
    checkServerIdentity: namesOnly(options.serverName),
  };
  if (options.alpn !== undefined) request.ALPNProtocols = [...options.alpn];
  return tls.connect(request);
}

function causeOf(error: NodeJS.ErrnoException): string {
  return error.code === undefined ? error.message : `${error.code} ${error.message.replace(`${error.code}: `, "")}`;
}

export function dial(target: DialTarget, handler: ConnHandler): Dialing {
  const secure = "path" in target ? undefined : target.tls;
  const where =
    "path" in target
      ? target.path
      : net.isIPv6(target.address)
        ? `[${target.address}]:${target.port}`
        : `${target.address}:${target.port}`;
  let cancelled = false;
  let settled = false;
  let socket: OwnedSocket | null = null;
  const conn = new Promise<Conn>((resolve, reject) => {
    let reached = false;
    const fail = (error: NodeJS.ErrnoException): void => {
      if (settled) return;
      settled = true;
      socket?.destroy();
      if (reached && secure !== undefined && !cancelled) {
        reject(
          new Fault("tls_failed", `TLS with "${secure.serverName}" at ${where} failed: ${causeOf(error)}`, {
            cause: error,
          }),
        );
      } else {
        reject(new Fault("dial_failed", `dial ${where} failed: ${causeOf(error)}`, { cause: error }));
      }
    };
    try {
      if ("path" in target) socket = net.connect({ path: target.path, allowHalfOpen: true });
      else if (secure !== undefined) socket = tlsSocket(target.address, target.port, secure);
      else socket = net.connect({ host: target.address, port: target.port, allowHalfOpen: true });
    } catch (error) {
      fail(error as NodeJS.ErrnoException);
      return;
    }
    const opened = socket;
    const onFail = (error: NodeJS.ErrnoException): void => fail(error);
    const onGone = (): void => fail(new Error(cancelled ? "cancelled" : "closed before it was established"));
    opened.on("error", onFail);
    opened.on("close", onGone);
    opened.once("connect", () => {
      reached = true;
      opened.setNoDelay(true);
      opened.setKeepAlive(true, KEEPALIVE_DELAY_MS);
      if (secure === undefined) ready();
    });
    if (secure !== undefined) {
      opened.once("secureConnect", () => {
        if ((opened as tls.TLSSocket).authorized) {
          repairTls(opened as tls.TLSSocket);
          ready();
        } else fail(new Error("the certificate is not authorised"));
      });
    }
    const ready = (): void => {
      if (settled) {
        opened.destroy();
        return;
      }
      settled = true;
      opened.off("error", onFail);
      opened.off("close", onGone);
      const alpn = secure === undefined ? null : (opened as tls.TLSSocket).alpnProtocol;
      resolve(new SocketConn(opened, handler, typeof alpn === "string" ? alpn : null));
    };
  });
  return {
    conn,
    cancel() {
      if (settled) return;
      cancelled = true;
      if (socket !== null) socket.destroy(new Error("cancelled"));
    },
  };
}
