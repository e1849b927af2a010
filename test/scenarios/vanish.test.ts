import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { allow, type Decision } from "../../src/model/decision.ts";
import { get, ok, post, Rig, settled, Upstream, until } from "./_rig.ts";

/** A client may leave at any moment of an exchange. Nothing may stay behind, and nothing may leave for it afterwards. */

let rig: Rig;
let upstream: Upstream;
let at: string;

beforeEach(async () => {
  rig = await Rig.start({ names: { "slow.test": ["127.0.0.1"] } });
  upstream = await Upstream.start();
  at = upstream.at;
});
afterEach(async () => {
  await rig.stop();
  upstream.stop();
});

const leave = {
  fin: (client: { socket: { destroy(): void } }) => client.socket.destroy(),
  reset: (client: { socket: { resetAndDestroy(): void } }) => client.socket.resetAndDestroy(),
} as const;

function gate(): { open: () => void; wait: Promise<void> } {
  let open = () => {};
  const wait = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, wait };
}

const connect = (to: string) => `CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`;

for (const how of ["fin", "reset"] as const) {
  describe(`the client leaves by ${how}`, () => {
    test("in the middle of its head", async () => {
      const client = await rig.client();
      client.send("GET http://a");
      await until(() => rig.door.open === 1, "accepted");
      await settled();
      leave[how](client);
      await rig.clean();
    });

    test("in the middle of its body: nothing is decided", async () => {
      const client = await rig.client();
      client.send(`POST http://${at}/ HTTP/1.1\r\nHost: ${at}\r\nContent-Length: 9\r\n\r\nhalf`);
      await until(() => rig.door.budget.used > 0, "held");
      leave[how](client);
      await rig.clean();
      expect(rig.asked.length).toBe(0);
      expect(upstream.all.length).toBe(0);
    });

    for (const [what, request] of [
      ["request", () => post(at, "body")],
      ["CONNECT", () => connect(at)],
    ] as const) {
      /** It leaves while a step is held up; then the step goes on, for nobody. */
      const leaves = async (hold: { open: () => void }, asked: string, underWay: () => boolean): Promise<void> => {
        const client = await rig.client();
        client.send(asked);
        await until(underWay, "under way");
        client.socket.resetAndDestroy();
        await until(() => rig.door.open === 0, "gone");
        hold.open();
        await settled();
        await rig.clean();
        expect(upstream.all.length).toBe(0);
      };

      test(`while its ${what} is decided`, async () => {
        const hold = gate();
        rig.decide = () => hold.wait.then((): Decision => allow("late"));
        await leaves(hold, request(), () => rig.asked.length === 1);
      });

      test(`while the name of its ${what} is looked up`, async () => {
        const hold = gate();
        rig.resolving = hold.wait;
        await leaves(hold, request().replaceAll("127.0.0.1", "slow.test"), () => rig.asked.length === 1);
      });

      test(`while the evidence of its ${what} is written`, async () => {
        const hold = gate();
        rig.evidence.gate = hold.wait;
        await leaves(hold, request(), () => rig.evidence.proofs.length === 1);
        expect(rig.evidence.outcomes.map(({ error }) => error)).toEqual(["client_gone"]);
      });
    }

    test("while its request waits for an answer", async () => {
      const client = await rig.client();
      client.send(post(at, "body"));
      const far = await upstream.connection(0);
      await far.heads(1);
      client.socket.resetAndDestroy();
      await far.gone();
      await rig.clean();
      expect(rig.evidence.outcomes[0]?.error).toBe("client_gone");
    });

    test("in the middle of an answer", async () => {
      const client = await rig.client();
      client.send(get(at));
      const far = await upstream.connection(0);
      await far.heads(1);
      far.send("HTTP/1.1 200 OK\r\n\r\nevent");
      await client.wait((text) => text.includes("event"), "the first");
      leave[how](client);
      await settled();
      far.send("event");
      await settled();
      far.send("event");
      await far.gone();
      await rig.clean();
    });

    test("in the middle of an answer it did not read", async () => {
      const client = await rig.client();
      client.socket.pause();
      client.send(get(at));
      const far = await upstream.connection(0);
      await far.heads(1);
      far.send("HTTP/1.1 200 OK\r\n\r\n");
      far.send(Buffer.alloc(30_000_000));
      await settled(100);
      leave[how](client);
      await far.gone();
      await rig.clean();
    });

    test("in a tunnel that has said nothing", async () => {
      const client = await rig.client();
      client.send(connect(at));
      await client.head();
      leave[how](client);
      await (await upstream.connection(0)).gone();
      await rig.clean();
    });

    test("with pipelined requests waiting", async () => {
      upstream.answers(() => ok("x"));
      const client = await rig.client();
      client.send(get(at).repeat(500));
      await until(() => rig.asked.length > 3, "under way");
      leave[how](client);
      await rig.clean();
    });
  });
}

describe("a client that has said all (FIN behind its request) and waits", () => {
  const stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
  const event = "data: x\n\n";

  async function waiting() {
    const client = await rig.client();
    client.socket.end(get(at));
    const far = await upstream.connection(0);
    await far.heads(1);
    return { client, far };
  }

  test("has its answer, and is noticed to be gone in the middle of it", async () => {
    const { client, far } = await waiting();
    far.send(stream + event);
    await client.wait((text) => text.includes(event), "the first");
    await settled();
    far.send(event);
    await client.wait((text) => text.split(event).length === 3, "the second");
    client.socket.resetAndDestroy();
    await far.gone();
    await rig.clean();
    const { error, severed, status, bytes_down } = rig.evidence.outcomes[0] ?? {};
    expect([error, severed, status, bytes_down]).toEqual(["client_gone", true, 200, 2 * event.length]);
  });

  test("is noticed to be gone while the upstream says nothing", async () => {
    const { client, far } = await waiting();
    await settled();
    client.socket.resetAndDestroy();
    await far.gone();
    await rig.clean();
    expect(rig.evidence.outcomes[0]).toMatchObject({ error: "client_gone", severed: true, bytes_down: 0 });
  });

  test("and has closed both ways is noticed by what the upstream says next", async () => {
    const client = await rig.client();
    client.send(get(at));
    const far = await upstream.connection(0);
    await far.heads(1);
    client.socket.destroy();
    await settled();
    const more = setInterval(() => far.send(event), 1);
    far.send(stream);
    await far.gone();
    clearInterval(more);
    await rig.clean();
    expect(rig.evidence.outcomes[0]).toMatchObject({ error: "client_gone", severed: true });
  });

  test("but takes nothing holds the upstream back, and is given as long as any stream that stands still", async () => {
    const { client, far } = await waiting();
    client.socket.pause();
    far.send(stream);
    // Endless: what the kernels do not take stays with the upstream.
    let sent = 0;
    const pour = () => {
      while (sent < 200_000_000 && !far.socket.destroyed && far.socket.write(Buffer.alloc(1_000_000)))
        sent += 1_000_000;
    };
    far.socket.on("drain", pour);
    pour();
    let before = -1;
    while (before !== sent) {
      before = sent;
      await settled(100);
    }
    expect(sent).toBeLessThan(100_000_000);
    expect(rig.evidence.outcomes).toEqual([]);
    rig.advance(rig.config.idleTimeoutMs + 60_000);
    await until(() => rig.evidence.outcomes.length === 1, "ended");
    await far.gone();
    const { error, severed, bytes_down = 0 } = rig.evidence.outcomes[0] ?? {};
    expect([error, severed]).toEqual(["client_stalled", true]);
    expect(bytes_down).toBeLessThanOrEqual(sent + 2_000_000);
    client.socket.destroy();
    await rig.clean();
  });
});

for (const [what, request] of [
  ["request", () => post(at, "body")],
  ["CONNECT", () => connect(at)],
] as const) {
  test(`a dial that does not answer is given up when the client of the ${what} leaves`, async () => {
    rig.hang = true;
    const client = await rig.client();
    client.send(request());
    await until(() => rig.dialled.length === 1, "dialling");
    client.socket.resetAndDestroy();
    await rig.clean();
    expect(rig.cancelled).toBe(1);
    expect(rig.evidence.outcomes.length).toBe(1);
  });
}

describe("a permit is revoked", () => {
  test("while its tunnel is dialled: the client is cut and nothing is opened", async () => {
    rig.hang = true;
    const client = await rig.client();
    client.send(connect(at));
    await until(() => rig.live.size === 1, "live");
    for (const live of rig.live.all()) live.sever("revoked");
    expect(await client.ended()).toBe("reset");
    await rig.clean();
    expect(rig.cancelled).toBe(1);
    expect(rig.evidence.outcomes[0]).toMatchObject({ error: "revoked", severed: true });
  });

  test("while its tunnel has said nothing: both ends are cut", async () => {
    const client = await rig.client();
    client.send(connect(at));
    await client.head();
    await until(() => rig.live.size === 1, "live");
    for (const live of rig.live.all()) live.sever("revoked");
    expect(await client.ended()).toBe("reset");
    await (await upstream.connection(0)).gone();
    await rig.clean();
    expect(rig.evidence.outcomes[0]).toMatchObject({ error: "revoked", severed: true });
  });

  test("in the middle of an answer: the client is cut", async () => {
    const client = await rig.client();
    client.send(get(at));
    const far = await upstream.connection(0);
    await far.heads(1);
    far.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    await client.wait((text) => text.endsWith("half"), "half");
    for (const live of rig.live.all()) live.sever("revoked");
    expect(await client.ended()).toBe("reset");
    await far.gone();
    await rig.clean();
  });
});
