/** A defect of the gateway in the middle of carrying a permit out: nobody is left waiting, and its end is told once. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { RelayEnd } from "../../src/enforce/between.ts";
import { LiveSet } from "../../src/enforce/live.ts";
import { relay } from "../../src/enforce/relay.ts";
import { UpstreamConn } from "../../src/enforce/upstream-conn.ts";
import { Http1Responder } from "../../src/listen/responder.ts";
import { Deadlines } from "../../src/model/deadlines.ts";
import type { Egress } from "../../src/model/egress.ts";
import { get, type RawClient, Rig, Upstream, until } from "../scenarios/_rig.ts";
import { FakeConn } from "./_fake-conn.ts";
import { clientHello } from "./_hello.ts";

let rig: Rig;
let upstream: Upstream;
let to: string;
const { takeover } = Http1Responder.prototype;

beforeEach(async () => {
  rig = await Rig.start({ names: { "a.test": ["127.0.0.1"] } });
  upstream = await Upstream.start();
  to = `a.test:${upstream.port}`;
});
afterEach(async () => {
  Http1Responder.prototype.takeover = takeover;
  await rig.stop();
  upstream.stop();
});

function defect(): never {
  throw new Error("defect");
}

async function cut(client: RawClient, protocol: number | null): Promise<void> {
  await client.ended();
  await until(() => rig.evidence.outcomes.length > 0, "an outcome");
  expect(rig.evidence.outcomes.map(({ severed, error, status }) => [severed, error, status])).toEqual([
    [true, "enforce_crashed", protocol],
  ]);
  expect(rig.faults.map((thrown) => (thrown as Error).message)).toEqual(["defect"]);
  rig.faults.length = 0;
  for (const far of upstream.all) await far.gone();
  client.close();
  await rig.clean();
}

describe("a request", () => {
  test("while its fresh connection is taken", async () => {
    const add = rig.deadlines.add.bind(rig.deadlines);
    rig.deadlines.add = (member) => (member instanceof UpstreamConn ? defect() : add(member));
    const client = await rig.client();
    client.send(get(to));
    await cut(client, null);
  });

  test("before its dial", async () => {
    rig.pool.take = defect;
    const client = await rig.client();
    client.send(get(to));
    await cut(client, null);
  });

  test("while it switches protocols", async () => {
    Http1Responder.prototype.takeover = defect;
    upstream.answers(() => "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    const client = await rig.client();
    client.send(get(to, "/", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
    await cut(client, null);
  });
});

describe("a tunnel", () => {
  async function open(behind: string | Uint8Array): Promise<RawClient> {
    const client = await rig.client();
    client.send(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`);
    client.send(behind);
    return client;
  }

  test("while the client is taken over", async () => {
    Http1Responder.prototype.takeover = defect;
    await cut(await open(""), null);
  });

  for (const owned of [false, true]) {
    test(`while it is served inside, ${owned ? "after" : "before"} the client has a new owner`, async () => {
      const serve = rig.door.serveInside.bind(rig.door);
      rig.door.serveInside = (...given) => {
        if (owned) serve(...given);
        defect();
      };
      await cut(await open("GET "), 200);
    });
  }

  test("while its veto is signed", async () => {
    const client = await open("");
    await client.head();
    rig.evidence.fail = true;
    rig.evidence.unwritten = async () => defect();
    client.send(clientHello({ sni: "b.test" }));
    await cut(client, 200);
  });
});

test("a relay that cannot be set up is cut and told, also when one side had gone before", () => {
  class Broken extends FakeConn {
    override write(): boolean {
      return defect();
    }
  }
  const quiet = { data() {}, end() {}, drain() {}, close() {} };
  const live = new LiveSet();
  const deadlines = new Deadlines(() => 0);
  const ends: RelayEnd[] = [];
  const thrown: unknown[] = [];
  let done = 0;
  const [client, far] = [new FakeConn(quiet), new Broken(quiet)];
  relay(
    { deadlines, idleMs: 1, live, crashed: (error) => void thrown.push(error) },
    { egress: {} as Egress, opaque: false },
    { conn: client, leftover: new Uint8Array(1), ended: false, parked: null, done: () => void done++ },
    { conn: far, leftover: null, ended: false, parked: null, address: "192.0.2.1" },
    (end) => void ends.push(end),
  );
  far.handler.close(null);
  client.handler.close(null);
  expect(ends.map(({ severed, error }) => [severed, error])).toEqual([[true, "enforce_crashed"]]);
  expect([done, live.size, deadlines.size, thrown.length, client.closed, far.closed]).toEqual([1, 0, 0, 1, true, true]);
});
