import { unforeseen } from "../errors.ts";
import type { Conn } from "../model/conn.ts";
import type { Exchange } from "../model/exchange.ts";
import type { Arrival, Door } from "./door.ts";
import { H2Conn } from "./h2-conn.ts";
import { ServerConn } from "./server-conn.ts";

/** Who reads a connection that has come so: one for each protocol, and none that stands for the others. */
export function serverFor(
  protocol: Exchange["protocol"],
  conn: Conn,
  door: Door,
  arrival: Arrival,
): H2Conn | ServerConn {
  switch (protocol) {
    case "h2":
      return new H2Conn(conn, door, arrival);
    case "http/1.1":
      return new ServerConn(conn, door, arrival);
    default:
      return unforeseen(protocol);
  }
}
