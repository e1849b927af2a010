/** What a client leaves behind when it has opened connections of HTTP/2 and gone: bounded as every idle connection is. */
import { afterEach, expect, test } from "bun:test";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { frame, HELLO, T } from "../wire/_h2.ts";
import { Rig, until } from "./_rig.ts";

let rig: Rig;
let server: Server;
let at: string;
/** Of the upstream, open at its end. */
const open = new Set<Socket>();

/** `silent`: it never sends its SETTINGS. `gone`: it hangs up on whoever comes. `leaving`: it takes nobody, and stays. */
async function start(upstream: "speaks" | "silent" | "gone" | "leaving", poolIdle: number): Promise<void> {
  rig = await Rig.start({ config: { poolIdle } });
  server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => open.delete(socket));
    if (upstream === "gone") socket.resetAndDestroy();
    if (upstream === "speaks" || upstream === "leaving") socket.write(Uint8Array.from(frame(T.SETTINGS, 0, 0, [])));
    if (upstream === "leaving") socket.write(Uint8Array.from(frame(T.GOAWAY, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0])));
    // A FIN is answered by none: who is only half gone goes on reading, and the rest answer this with a reset.
    socket.on("end", () => socket.write(Uint8Array.from(frame(T.PING, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]))));
    socket.resume();
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

afterEach(async () => {
  await rig.stop();
  for (const socket of open) socket.destroy();
  server.close();
});

/** A tunnel of HTTP/2 in which nothing is asked. */
async function visit(): Promise<void> {
  const client = await rig.client();
  client.send(`CONNECT ${at} HTTP/1.1\r\nHost: ${at}\r\n\r\n`);
  expect((await client.head()).status).toBe(200);
  const before = rig.evidence.outcomes.length;
  client.send(Uint8Array.from(HELLO));
  await until(() => rig.door.connections.size > 0, "the tunnel is not served");
  client.close();
  await until(() => rig.evidence.outcomes.length > before, "the tunnel does not end");
}

test.each(["speaks", "silent", "leaving"] as const)(
  "connections nobody uses are no more than may idle, whatever their upstream does: it %s",
  async (how) => {
    await start(how, 4);
    for (let i = 0; i < 16; i++) await visit();
    await until(() => open.size <= 5, "idle connections given up", 5_000);
    expect(rig.pool.size).toBeLessThanOrEqual(5);
  },
);

test("one that its upstream had closed before it was used leaves nothing behind", async () => {
  await start("gone", 4);
  for (let i = 0; i < 8; i++) {
    const client = await rig.client();
    client.send(`CONNECT ${at} HTTP/1.1\r\nHost: ${at}\r\n\r\n`);
    expect((await client.head()).status).toBe(200);
    await until(() => open.size === 0, "the upstream does not hang up");
    const before = rig.evidence.outcomes.length;
    client.send(Uint8Array.from(HELLO));
    client.close();
    await until(() => rig.evidence.outcomes.length > before, "the tunnel does not end");
  }
  expect(rig.pool.size).toBe(0);
});
