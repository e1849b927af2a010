/** The engine on real sockets: how an owner drives it, and a server that answers what it is asked for. */
import type { Conn, ConnHandler } from "../../src/model/conn.ts";
import { ErrorCode, H2_LIMITS, type H2Client, H2Server } from "../../src/wire/h2.ts";
import { OutBuffer } from "../../src/wire/out-buffer.ts";

const shared = new OutBuffer();

/** Writes once a turn, while the socket takes bytes. */
export class Driver implements ConnHandler {
  h2: H2Server | H2Client | null = null;
  conn: Conn | null = null;
  #blocked = false;
  #scheduled = false;

  ready(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  flush(): void {
    const { h2, conn } = this;
    if (h2 === null || conn === null) return;
    for (let more = true; more && !this.#blocked; ) {
      more = h2.fill(shared.clear());
      if (shared.length > 0) this.#blocked = !conn.send(shared.bytes, shared.length);
    }
    if (h2.over) conn.end();
  }

  data(bytes: Uint8Array): void {
    this.h2?.push(bytes, performance.now());
  }

  drain(): void {
    this.#blocked = false;
    this.flush();
  }

  end(): void {
    this.conn?.end();
  }

  close(): void {
    this.h2 = null;
  }
}

/** `/refused` is answered 451 before its body; `GET /n` with n bytes, anything with a body gets it back; `te: trailers` gets trailers too. */
export function answering(conn: Conn): Driver {
  const driver = new Driver();
  const bodies = new Map<number, { trailers: boolean; waiting: number }>();
  const h2: H2Server = new H2Server(H2_LIMITS, {
    request: (id, head) => {
      if (head.path === "/refused") {
        h2.respond(id, 451, [], false);
        h2.data(id, new Uint8Array([0x6e, 0x6f]), true);
        return;
      }
      bodies.set(id, { trailers: head.trailersWelcome, waiting: 0 });
      h2.respond(
        id,
        200,
        ["x-method", head.method, "content-type", "application/octet-stream"],
        head.method === "HEAD",
      );
      const size = Number(head.path.slice(1));
      if (head.method === "GET")
        h2.data(id, new Uint8Array(Number.isInteger(size) && size > 0 ? size : 32).fill(120), false);
    },
    malformed: (id) => void h2.respond(id, 400, [], true),
    data: (id, bytes) => {
      const body = bodies.get(id);
      // What is not taken yet is not consumed yet: the peer's window stays as it is.
      if (h2.data(id, bytes, false)) h2.consumed(id, bytes.length);
      else if (body !== undefined) body.waiting += bytes.length;
    },
    writable: (id) => {
      const body = bodies.get(id);
      if (body === undefined) return;
      h2.consumed(id, body.waiting);
      body.waiting = 0;
    },
    end: (id) => {
      if (bodies.get(id)?.trailers === true) h2.trailers(id, ["x-done", "1"]);
      else h2.data(id, new Uint8Array(0), true);
    },
    closed: (id) => void bodies.delete(id),
    reset: (id) => void bodies.delete(id),
    goaway: () => h2.goaway(ErrorCode.NO_ERROR),
    failed: () => bodies.clear(),
    ready: () => driver.ready(),
  });
  driver.h2 = h2;
  driver.conn = conn;
  conn.handler = driver;
  driver.ready();
  return driver;
}
