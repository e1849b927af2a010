/** Streams through interception: answers of models arrive as they are made and end where a policy says so; messages of WebSockets are decided one by one. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { pythonWith, testUnless, tool } from "../_skip.ts";
import { github } from "../dlp/_secrets.ts";
import { until } from "./_gateway.ts";
import { ATTACK, ended, endToEnd, follow, inside, intercepting, NodeUpstream, type Place } from "./_inside.ts";

const noTools = tool("openssl") ?? tool("node");
let place: Place;
let upstream: NodeUpstream;

const POLICY = "version: 1\ndefault: allow\nresponses:\n  mode: enforce\n";

beforeAll(async () => {
  if (noTools !== null) return;
  place = await intercepting({}, POLICY);
  upstream = await NodeUpstream.start(place.authority);
}, 120_000);

afterAll(async () => {
  if (noTools === null) await ended(place, upstream);
}, 120_000);

type Line = Record<string, unknown>;

/** A client under way, and what it has told so far. */
class Client {
  readonly told: Line[] = [];
  readonly done: Promise<number>;

  constructor(command: readonly string[], proxy: string, requests: readonly unknown[]) {
    const [program = "", ...args] = command;
    const env = { PATH: process.env.PATH, HOME: "/nonexistent", LANG: "C.UTF-8" };
    const child = spawn(program, args, { env, stdio: ["pipe", "pipe", "inherit"] });
    follow(child, (line) => this.told.push(line));
    child.stdin.end(JSON.stringify({ proxy, base: upstream.url, ca: place.bundle, requests }));
    this.done = new Promise((resolve) => child.on("close", (status) => resolve(status ?? -1)));
  }

  async all(): Promise<readonly Line[]> {
    expect(await this.done).toBe(0);
    return this.told;
  }
}

const script = (name: string) => join(import.meta.dirname, "clients", name);
const node = (kind: string) => ["node", script("through.mjs"), kind];

/** Seeded, and real to its last character: what is made up by hand is no finding. */
const SECRET = github();

const PLANTED = [
  // Nothing behind its end leaves; its beginning may have.
  { what: "an attack", words: ATTACK.split(/(?= )/), vector: "701", passes: ATTACK },
  // Of a secret nothing leaves.
  {
    what: "a secret",
    words: ["The", " token", " is ", SECRET.slice(0, 9), SECRET.slice(9), " indeed"],
    vector: null,
    passes: "The token is ",
  },
];

for (const kind of ["openai", "anthropic"] as const) {
  describe(kind, () => {
    testUnless(
      noTools,
      `${kind} SDK: whole, as without the gateway`,
      async () => {
        const requests = [{ model: "m", content: "hello", stream: false }];
        upstream.forget();
        const direct = await new Client(node(kind), "", requests).all();
        const arrived = upstream.seen.map((one) => endToEnd(one));
        upstream.forget();
        expect(await new Client(node(kind), place.gateway.url, requests).all()).toEqual(direct);
        expect(direct).toEqual([{ whole: "The gate is guarded." }]);
        expect(upstream.seen.map((one) => endToEnd(one))).toEqual(arrived);
      },
      120_000,
    );

    testUnless(
      noTools,
      `${kind} SDK: an event arrives while the upstream holds the next ones back`,
      async () => {
        await upstream.says(["The ", "gate ", "is ", "guarded."]);
        const requests = [{ model: "m", content: "hello", stream: true }];
        upstream.forget();
        const client = new Client(node(kind), place.gateway.url, requests);
        await until(() => client.told.length > 0, "the first event at the client");
        expect(client.told).toEqual([{ text: "The " }]);
        expect(upstream.held).toBe(1);
        upstream.release();
        expect(await client.all()).toEqual([
          ...["The ", "gate ", "is ", "guarded."].map((text) => ({ text })),
          { ended: true },
        ]);
        expect(upstream.seen.map(({ version }) => version)).toEqual(["1.1"]);
      },
      120_000,
    );

    testUnless(
      noTools,
      `${kind} SDK: an attack in the prompt is an error with status 451, and does not arrive`,
      async () => {
        upstream.forget();
        const requests = [true, false].map((stream) => ({ model: "m", content: ATTACK, stream }));
        const told = await new Client(node(kind), place.gateway.url, requests).all();
        expect(told).toMatchObject([{ status: 451 }, { status: 451 }]);
        expect(upstream.seen).toEqual([]);
      },
      120_000,
    );

    for (const { what, words, vector, passes } of PLANTED) {
      testUnless(
        noTools,
        `${kind} SDK: ${what} in a streamed answer ends it with an error, and nothing later arrives`,
        async () => {
          await upstream.says([...words, " never seen"]);
          upstream.held = 0;
          const client = new Client(node(kind), place.gateway.url, [{ model: "m", content: "hello", stream: true }]);
          await until(() => upstream.held > 0, "the first event");
          upstream.release();
          const told = await client.all();
          const text = told.flatMap((line) => ("text" in line ? [String(line.text)] : [])).join("");
          expect(text).toBe(passes.slice(0, text.length));
          const cut = inside(place.gateway)
            .requests.filter(({ phase }) => phase === "response")
            .at(-1);
          expect(cut).toMatchObject({ verdict: "block" });
          if (vector !== null) expect(cut?.matched_vector).toBe(vector);
          // The error event is one both SDKs raise, and it says which certificate.
          const last = told.at(-1);
          expect(last?.ended).toBeUndefined();
          expect(String(last?.error)).toMatch(/Error$/);
          expect(`${last?.message} ${last?.body}`).toContain(cut?.certificate_id ?? "none");
        },
        120_000,
      );
    }
  });
}

const websockets = pythonWith("websockets.asyncio.client");
const SOCKETS = {
  ws: { missing: null, command: () => node("ws") },
  "Python websockets": {
    missing: websockets.missing,
    command: () => [websockets.python ?? "", script("through.py"), "websockets"],
  },
};

for (const [name, { missing, command }] of Object.entries(SOCKETS)) {
  const said = ["one", "zwei 😀", "x".repeat(200_000), JSON.stringify({ role: "user", content: "hello" })];

  testUnless(
    noTools ?? missing,
    `${name}: messages both ways and the close, as without the gateway`,
    async () => {
      upstream.forget();
      const direct = await new Client(command(), "", said).all();
      await until(() => upstream.closes.length > 0, "the close at the upstream");
      const [arrived, messages, closes] = [
        upstream.seen.map((one) => endToEnd(one)),
        [...upstream.messages],
        [...upstream.closes],
      ];
      upstream.forget();
      const through = await new Client(command(), place.gateway.url, said).all();
      await until(() => upstream.closes.length > 0, "the close at the upstream");
      const fresh = (key: object) => JSON.stringify(key).replace(/sec-websocket-key: [^"]*/gi, "key");
      expect(upstream.seen.map((one) => fresh(endToEnd(one)))).toEqual(arrived.map(fresh));
      expect(upstream.messages).toEqual(messages);
      expect(upstream.closes).toEqual(closes);
      expect(messages).toEqual(said);
      expect(through.slice(1)).toEqual(direct.slice(1));
      expect(through.at(-1)).toMatchObject({ closed: 1000 });
      const extension = (lines: readonly Line[]) =>
        ((lines[0]?.headers ?? []) as string[]).find((text) => /permessage/.test(text));
      expect(extension(through)).toBe(extension(direct));
    },
    120_000,
  );

  testUnless(
    noTools ?? missing,
    `${name}: an attack in a message closes with 1008, and does not arrive`,
    async () => {
      upstream.forget();
      const told = await new Client(command(), place.gateway.url, ["good day", ATTACK, "never"]).all();
      expect(told.slice(1)).toMatchObject([{ message: "good day" }, { closed: 1008 }]);
      await until(() => upstream.closes.length > 0, "the close at the upstream");
      expect(upstream.messages).toEqual(["good day"]);
      expect(upstream.closes).toEqual([1008]);
      const { tunnels, requests } = inside(place.gateway);
      const veto = requests.filter(({ phase }) => phase === "message").at(-1);
      expect(veto).toMatchObject({ verdict: "block", matched_pillar: "128", matched_vector: "701" });
      expect(String(told.at(-1)?.reason)).toContain(veto?.certificate_id ?? "none");
      const asked = requests.find((one) => one.certificate_id === veto?.parent);
      expect(asked).toMatchObject({ verdict: "allow", phase: "request" });
      expect(tunnels.find((one) => one.certificate_id === asked?.parent)).toMatchObject({ verdict: "allow" });
    },
    120_000,
  );
}
