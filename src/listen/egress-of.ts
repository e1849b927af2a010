import type { Conn } from "../model/conn.ts";
import type { Destination, Door, Egress, Principal } from "../model/egress.ts";
import type { FieldBlock, HeaderList } from "../model/headers.ts";
import { formatAuthority } from "../wire/authority.ts";
import type { RequestHead } from "../wire/http1.ts";
import type { TunnelInside } from "./door.ts";

/** The egress a request head asks for. Inside a tunnel the destination is the tunnel's, whatever the request says. */
export class HttpEgress implements Egress {
  readonly door: Door;
  readonly phase: "request" | "tunnel";
  readonly caller: string;
  readonly destination: Destination;
  readonly upgrade: "websocket" | null;
  readonly conflict: string | null;
  readonly principal: Principal;
  readonly parent: string | null;
  readonly #head: RequestHead;

  constructor(head: RequestHead, conn: Conn, inside: TunnelInside | null) {
    this.#head = head;
    const { agent, parentAgent } = head;
    this.principal = { address: conn.remoteAddress, port: conn.remotePort, agent, parentAgent };
    this.upgrade = head.upgrade === "websocket" ? "websocket" : null;
    if (inside !== null) {
      this.door = "tunnel";
      this.phase = "request";
      this.caller = "sidecar.tunnel.egress";
      this.destination = inside.destination;
      this.conflict = conflictOf(head, inside.destination);
      this.parent = inside.parent;
      return;
    }
    const connect = head.form === "authority";
    this.door = connect ? "connect" : "forward";
    this.phase = connect ? "tunnel" : "request";
    this.caller = connect ? "sidecar.connect.egress" : "sidecar.forward_proxy.egress";
    this.destination = head.to.destination;
    this.conflict = null;
    this.parent = null;
  }

  get method(): string {
    return this.#head.method;
  }

  get target(): string {
    return this.#head.target;
  }

  get path(): string {
    return this.#head.path;
  }

  get coded(): boolean {
    return this.#head.coded;
  }

  get wordy(): boolean {
    return this.#head.wordy;
  }

  get headers(): HeaderList {
    return this.#head.fields.list;
  }

  get block(): FieldBlock | null {
    return this.#head.fields.block;
  }
}

/** A request without a Host (HTTP/1.0) or without a port in it names nothing else than its tunnel. */
function conflictOf(head: RequestHead, tunnel: Destination): string | null {
  const sameHost = head.host === "" || head.host === tunnel.host;
  const samePort = head.port === 0 || head.port === tunnel.port;
  const sameScheme = head.scheme === null || head.scheme === tunnel.scheme;
  return sameHost && samePort && sameScheme ? null : formatAuthority(head.host, head.port === 0 ? null : head.port);
}
