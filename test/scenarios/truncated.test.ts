/** An upstream of HTTP/1.1 behind TLS ends in the middle of an answer: the client is told at once, and never of a whole one. */
import { afterEach, beforeAll, describe, expect } from "bun:test";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import net, { type AddressInfo } from "node:net";
import tls from "node:tls";
import { testUnless, tool } from "../_skip.ts";
import { HOST, Intercepted, NAMED, type Roots, roots } from "./_intercepted.ts";
import { until } from "./_rig.ts";

const missing = tool("openssl");
const LENGTH = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
const CLOSE = "HTTP/1.1 200 OK\r\n\r\nhalf";
/** Less than any deadline of the gateway's, and more than a loaded machine takes. */
const AT_ONCE = 5_000;

/** `alert`: close_notify, then FIN. The others end the connection below TLS. */
type How = "alert" | "fin" | "reset";

describe("an upstream that ends in the middle of an answer", () => {
  let known: Roots;
  let made: Intercepted;
  const closing: (() => void)[] = [];

  beforeAll(() => {
    if (missing === null) known = roots();
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) close();
    await made.stop();
  });

  /** TLS with `answer` to whatever is said, behind a relay that can be cut. Answers its port, and what ends it. */
  async function upstream(answer: string, port = 0): Promise<{ port: number; end(how: How): void }> {
    const { key, cert } = known.theirs.issue("upstream", NAMED);
    const spoken: tls.TLSSocket[] = [];
    const relayed: net.Socket[] = [];
    const inner = tls.createServer({ key, cert, ALPNProtocols: ["http/1.1"] }, (socket) => {
      spoken.push(socket);
      socket.on("error", () => {});
      socket.once("data", () => socket.write(answer));
    });
    await new Promise<void>((resolve) => inner.listen(0, "127.0.0.1", () => resolve()));
    const outer = net.createServer({ allowHalfOpen: true }, (near) => {
      const far = net.connect((inner.address() as AddressInfo).port, "127.0.0.1");
      relayed.push(near);
      for (const socket of [near, far]) socket.on("error", () => {});
      near.on("data", (bytes) => far.write(bytes));
      far.on("data", (bytes) => near.write(bytes));
      far.on("end", () => near.end());
      near.on("end", () => far.end());
    });
    await new Promise<void>((resolve) => outer.listen(port, "127.0.0.1", () => resolve()));
    closing.push(() => {
      for (const socket of [...spoken, ...relayed]) socket.destroy();
      inner.close();
      outer.close();
    });
    return {
      port: (outer.address() as AddressInfo).port,
      end(how) {
        if (how === "alert") spoken.at(-1)?.end();
        else if (how === "fin") relayed.at(-1)?.end();
        else relayed.at(-1)?.resetAndDestroy();
      },
    };
  }

  async function inside(port: number): Promise<{ socket: tls.TLSSocket; text: () => string; over: () => boolean }> {
    const raw = net.connect(made.rig.port, "127.0.0.1");
    raw.on("error", () => {});
    raw.write(`CONNECT ${HOST}:${port} HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`);
    await new Promise((resolve) => raw.once("data", resolve));
    const socket = await new Promise<tls.TLSSocket>((resolve, reject) => {
      const options = { socket: raw, servername: HOST, ca: known.ours.pem, ALPNProtocols: ["http/1.1"] };
      const secured = tls.connect(options, () => resolve(secured));
      secured.on("error", reject);
    });
    let text = "";
    let over = false;
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      text += bytes;
    });
    raw.on("close", () => {
      over = true;
    });
    closing.push(() => raw.destroy());
    return { socket, text: () => text, over: () => over };
  }

  for (const how of ["alert", "fin", "reset"] as const) {
    for (const [what, answer] of [
      ["Content-Length", LENGTH],
      ["chunked", CHUNKED],
      ["neither, which ends with the connection", CLOSE],
    ] as const) {
      // An end of TLS is whole here, and so is FIN without one: node:tls does not tell them apart.
      if (answer === CLOSE && how !== "reset") continue;
      testUnless(missing, `${what}, ended by ${how}: a client of HTTP/1.1`, async () => {
        const far = await upstream(answer);
        made = await Intercepted.start(known, far.port);
        const client = await inside(far.port);
        client.socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}:${far.port}\r\n\r\n`);
        await until(() => client.text().includes("half"), "the half");
        far.end(how);
        await until(client.over, "the client cut", AT_ONCE);
        expect(client.text()).not.toContain("0\r\n\r\n");
        await until(() => made.rig.evidence.outcomes.length === 2, "outcomes", AT_ONCE);
        const outcome = made.rig.evidence.outcomes.find(
          ({ status, protocol }) => status === 200 && protocol === "http",
        );
        expect(outcome).toMatchObject({ severed: true, error: "upstream_closed" });
      });
    }
  }

  for (const how of ["alert", "fin", "reset"] as const) {
    for (const [what, answer] of [
      ["Content-Length", LENGTH],
      ["chunked", CHUNKED],
    ] as const) {
      testUnless(missing, `${what}, ended by ${how}: a client of HTTP/2`, async () => {
        // The place speaks HTTP/2 first, so the client does; then it is another one.
        const first: Http2SecureServer = createSecureServer(known.theirs.issue("upstream", NAMED));
        await new Promise<void>((resolve) => first.listen(0, "127.0.0.1", () => resolve()));
        const { port } = first.address() as AddressInfo;
        made = await Intercepted.start(known, port);
        const session = await made.session();
        made.rig.pool.clear();
        first.close();
        const far = await upstream(answer, port);
        const stream = session.request({ ":path": "/" });
        let text = "";
        const told: unknown[] = [];
        stream.on("data", (bytes) => {
          text += bytes;
        });
        stream.on("end", () => told.push("end"));
        stream.on("error", (error) => told.push(error.message));
        await until(() => text === "half", "the half");
        far.end(how);
        await until(() => told.length > 0, "the client told", AT_ONCE);
        expect([stream.rstCode, told[0]]).toEqual([2, expect.stringContaining("NGHTTP2_INTERNAL_ERROR")]);
        expect(made.rig.evidence.outcomes.at(-1)).toMatchObject({
          ...{ severed: true, error: "upstream_closed", protocol: "http" },
        });
      });
    }
  }
});
