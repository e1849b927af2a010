import type { Conn } from "../model/conn.ts";
import type { Destination, Egress } from "../model/egress.ts";
import { formatAuthority } from "../wire/authority.ts";
import { endToEnd, type RequestHead } from "../wire/http1.ts";
import type { TunnelInside } from "./server-conn.ts";

/** The egress a request head asks for. Inside a tunnel the destination is the tunnel's, whatever the request says. */
export function egressOf(head: RequestHead, conn: Conn, inside: TunnelInside | null): Egress {
  const connect = head.form === "authority";
  return {
    door: inside !== null ? "tunnel" : connect ? "connect" : "forward",
    phase: connect ? "tunnel" : "request",
    caller:
      inside !== null ? "sidecar.tunnel.egress" : connect ? "sidecar.connect.egress" : "sidecar.forward_proxy.egress",
    method: head.method,
    destination: inside !== null ? inside.destination : destinationOf(head),
    target: head.target,
    path: head.path,
    headers: endToEnd(head.headers, head.connection, "request"),
    upgrade: head.upgrade === "websocket" ? "websocket" : null,
    conflict: inside === null ? null : conflictOf(head, inside.destination),
    principal: { address: conn.remoteAddress, port: conn.remotePort, agent: null },
    parent: inside === null ? null : inside.parent,
  };
}

function destinationOf(head: RequestHead): Destination {
  const scheme = head.form === "authority" ? "tcp" : (head.scheme ?? "http");
  return { scheme, host: head.host, port: head.port, literal: head.literal };
}

/** A request without a Host (HTTP/1.0) or without a port in it names nothing else than its tunnel. */
function conflictOf(head: RequestHead, tunnel: Destination): string | null {
  const sameHost = head.host === "" || head.host === tunnel.host;
  const samePort = head.port === 0 || head.port === tunnel.port;
  const sameScheme = head.scheme === null || head.scheme === tunnel.scheme;
  return sameHost && samePort && sameScheme ? null : formatAuthority(head.host, head.port === 0 ? null : head.port);
}
