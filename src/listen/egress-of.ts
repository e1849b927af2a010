import type { Conn } from "../model/conn.ts";
import type { Destination, Door, Egress, Principal } from "../model/egress.ts";
import type { FieldBlock, HeaderList } from "../model/headers.ts";
import { formatAuthority } from "../wire/authority.ts";
import type { RequestHead } from "../wire/http1.ts";
import type { TunnelInside } from "./door.ts";
import type { Redirected } from "./redirected.ts";

/** Who a request came from, and what its connection says of where it goes. */
interface Came {
  readonly conn: Pick<Conn, "remoteAddress" | "remotePort">;
  readonly inside: TunnelInside | null;
  readonly redirected: Redirected | null;
}

/**
 * The egress a request head asks for. Inside a tunnel the destination is the tunnel's, whatever the request says; on a redirected
 * connection a request in origin-form goes where its Host says. Asked as a proxy, the gateway is one on any connection.
 */
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

  constructor(head: RequestHead, { conn, inside, redirected }: Came) {
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
    this.parent = null;
    if (redirected !== null && head.form === "origin") {
      this.door = "transparent";
      this.phase = "request";
      this.caller = "sidecar.transparent.egress";
      this.destination = redirected.destination(head.to);
      this.conflict = redirected.conflict(head.to, null);
      return;
    }
    const connect = head.form === "authority";
    this.door = connect ? "connect" : "forward";
    this.phase = connect ? "tunnel" : "request";
    this.caller = connect ? "sidecar.connect.egress" : "sidecar.forward_proxy.egress";
    this.destination = head.to.destination;
    this.conflict = null;
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
