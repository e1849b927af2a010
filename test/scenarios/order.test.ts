import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { seal } from "../../src/evidence/certificate.ts";
import type { CertificateDraft } from "../../src/model/certificate.ts";
import { allow, block, type Decision, failClosed } from "../../src/model/decision.ts";
import { get, ok, post, Rig, settled, Upstream, until } from "./_rig.ts";

/** The order of ARCHITECTURE.md, "The life of a request": name, body, verdict, addresses, evidence, and only then the dial. */

let rig: Rig;
let upstream: Upstream;
let at: string;

beforeEach(async () => {
  rig = await Rig.start({ names: { "a.test": ["127.0.0.1"] }, config: { blockedHosts: ["blocked.test"] } });
  upstream = await Upstream.start();
  upstream.answers(() => ok("x"));
  at = upstream.at;
});
afterEach(async () => {
  await rig.stop();
  upstream.stop();
});

const connect = (to: string) => `CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`;
const everything = () => [
  get(at),
  post(at, "b"),
  get("blocked.test"),
  connect(at),
  get("127.0.0.9:1"),
  get("nowhere.test"),
];

async function answered(request: string) {
  const client = await rig.client();
  client.send(request);
  const answer = await client.answer();
  client.close();
  return answer;
}

describe("evidence that cannot be written", () => {
  test("is 503 for everything, with chain null certificates, and nothing is dialled; then all is well again", async () => {
    rig.evidence.fail = true;
    for (const request of everything()) {
      const answer = await answered(request);
      expect(answer.status).toBe(503);
      expect(answer.header("X-EVE-Verdict")).toBe("FAIL_CLOSED");
      expect(answer.header("X-EVE-Pillar")).toBe("114");
      const body = JSON.parse(answer.body);
      expect(body.status).toBe("FAIL_CLOSED");
      expect(body.vector).toBe("evidence_unwritable");
      expect(body.certificate.chain).toBeNull();
    }
    expect(rig.dialled).toEqual([]);
    expect(upstream.all.length).toBe(0);
    rig.evidence.fail = false;
    expect((await answered(get(at))).status).toBe(200);
    await rig.clean();
  });

  test("asynchronously, between the decision and the dial: nothing is dialled", async () => {
    let open = () => {};
    rig.evidence.gate = new Promise((resolve) => {
      open = resolve;
    });
    const client = await rig.client();
    client.send(post(at, "body"));
    await until(() => rig.evidence.proofs.length === 1, "committing");
    await settled();
    expect(rig.dialled).toEqual([]);
    rig.evidence.fail = true;
    open();
    const answer = await client.answer();
    expect(answer.status).toBe(503);
    expect(rig.dialled).toEqual([]);
    client.close();
    await rig.clean();
  });

  test("at the moment of a commit, nothing has been dialled yet for it", async () => {
    const dialledThen: number[] = [];
    rig.evidence.onCommit = () => dialledThen.push(rig.dialled.length);
    for (const request of [get(at), connect(at), get("a.test:1")]) await answered(request).catch(() => null);
    expect(dialledThen).toEqual([0, 1, 2]);
  });
});

describe("a decision that fails", () => {
  const bad: [string, () => Decision | Promise<Decision>][] = [
    [
      "throws",
      () => {
        throw new Error("engine crashed");
      },
    ],
    ["rejects", () => Promise.reject(new Error("engine crashed"))],
    ["rejects with nothing", () => Promise.reject()],
    ["is fail_closed", () => failClosed("no", "test")],
    [
      "is an allow with no reason to mint a permit",
      () => ({ ...allow("x"), verdict: "hold" as const, status: 451 as const }),
    ],
  ];
  for (const [what, decide] of bad) {
    test(`${what}: refused with a certificate, nothing leaves, the counters return to zero`, async () => {
      rig.decide = decide;
      for (const request of [get(at), post(at, "b"), connect(at)]) {
        const answer = await answered(request);
        expect([503, 451]).toContain(answer.status);
        expect(answer.header("X-EVE-Decision-Cert")).not.toBeNull();
        expect(answer.body).not.toContain("engine crashed");
      }
      expect(rig.dialled).toEqual([]);
      rig.faults.length = 0;
      await rig.clean();
    });
  }

  test("crashing of engine and evidence together is still a 503", async () => {
    rig.decide = () => {
      throw new Error("engine crashed");
    };
    rig.evidence.fail = true;
    expect((await answered(get(at))).status).toBe(503);
    rig.faults.length = 0;
    await rig.clean();
  });
});

describe("order", () => {
  test("a blocked name is vetoed before the body is read, the engine asked, or the name looked up", async () => {
    rig.resolving = new Promise(() => {});
    const client = await rig.client();
    client.send("POST http://a.blocked.test/ HTTP/1.1\r\nHost: a.blocked.test\r\nContent-Length: 1000\r\n\r\n");
    expect((await client.answer()).status).toBe(451);
    expect(rig.asked.length).toBe(0);
    client.close();
    await rig.clean();
  });

  test("the engine is asked once, on the whole body; a veto asks for no address", async () => {
    rig.decide = () => block("no", "test");
    rig.resolving = new Promise(() => {});
    const client = await rig.client();
    client.send("POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 6\r\n\r\nabc");
    await settled();
    expect(rig.asked.length).toBe(0);
    client.send("def");
    expect((await client.answer()).status).toBe(451);
    expect(rig.asked.map(({ body }) => new TextDecoder().decode(body?.bytes))).toEqual(["abcdef"]);
    client.close();
    await rig.clean();
  });

  test("the certificate names the path that is sent, which one target does not say alone", async () => {
    const sent: string[] = [];
    upstream.answers((head) => {
      sent.push(head.split(" ")[1] ?? "");
      return ok("x");
    });
    const bare = `http://${at}`;
    for (const method of ["GET", "OPTIONS", "OPTIONS", "GET"])
      expect((await answered(`${method} ${bare} HTTP/1.1\r\nHost: ${at}\r\n\r\n`)).status).toBe(200);
    expect(sent).toEqual(["/", "*", "*", "/"]);
    expect(rig.evidence.proofs.map(({ request }) => request?.path)).toEqual(sent);
    expect(new Set(rig.evidence.proofs.map(({ request }) => request?.target_hash)).size).toBe(1);
    await rig.clean();
  });

  test("what was hashed is what was sent, through every way a body can be cut", async () => {
    const bodies: string[] = [];
    upstream.onConnection = (far) => {
      let at = 0;
      far.socket.on("data", () => {
        const end = far.received.indexOf("\r\n\r\n", at);
        const length = Number(/content-length: (\d+)/i.exec(far.received.slice(at))?.[1] ?? 0);
        if (end < 0 || far.received.length < end + 4 + length) return;
        bodies.push(far.received.slice(end + 4, end + 4 + length));
        at = end + 4 + length;
        far.send(ok("x"));
      });
    };
    const body = "0123456789";
    const client = await rig.client();
    for (let cut = 1; cut < body.length; cut++) {
      const [a, b] = [body.slice(0, cut), body.slice(cut)];
      const chunked = `POST http://${at}/ HTTP/1.1\r\nHost: ${at}\r\nTransfer-Encoding: chunked\r\n\r\n${a.length}\r\n${a}\r\n`;
      client.send(chunked);
      await settled(3);
      client.send(`${b.length}\r\n${b}\r\n0\r\n\r\n`);
      expect((await client.answer()).status).toBe(200);
    }
    expect(bodies).toEqual(new Array(body.length - 1).fill(body));
    const hash = new Bun.CryptoHasher("sha256").update(body).digest("hex");
    expect(new Set(rig.evidence.proofs.map(({ content_hash }) => content_hash))).toEqual(new Set([`sha256-${hash}`]));
    client.close();
    await rig.clean();
  });

  test("sanitize sends the replacement and its length, and the certificate names both hashes", async () => {
    const replacement = new TextEncoder().encode("clean!");
    rig.decide = () => ({ ...allow("sanitized"), verdict: "sanitize", replacement });
    expect((await answered(post(at, "dirty"))).status).toBe(200);
    expect(upstream.all[0]?.received).toEndWith("Content-Length: 6\r\n\r\nclean!");
    expect(rig.evidence.proofs[0]?.forwarded_hash).toBe(
      `sha256-${new Bun.CryptoHasher("sha256").update("clean!").digest("hex")}`,
    );
    await rig.clean();
  });

  test("sanitize drops what was said about the old body", async () => {
    const replacement = new TextEncoder().encode("clean!");
    rig.decide = () => ({ ...allow("sanitized"), verdict: "sanitize", replacement });
    const extra =
      "Content-Encoding: gzip\r\nContent-MD5: x\r\nDigest: sha-256=x\r\nContent-Digest: x\r\nRepr-Digest: x\r\nX-Keep: 1\r\n";
    expect((await answered(post(at, "dirty", "/", extra))).status).toBe(200);
    const sent = upstream.all[0]?.received ?? "";
    expect(sent).toContain("X-Keep: 1\r\n");
    expect(sent).not.toMatch(/content-encoding|digest|content-md5/i);
    await rig.clean();
  });
});

describe("what only looks allowed", () => {
  for (const [what, request] of [
    ["a method with a space", "GE T http://AT/ HTTP/1.1\r\nHost: AT\r\n\r\n"],
    ["userinfo", "GET http://a@AT/ HTTP/1.1\r\nHost: AT\r\n\r\n"],
    ["two Hosts", "GET http://AT/ HTTP/1.1\r\nHost: AT\r\nHost: AT\r\n\r\n"],
    ["an octal address", "GET http://0177.0.0.1:PORT/ HTTP/1.1\r\nHost: 0177.0.0.1:PORT\r\n\r\n"],
    ["a dword address", "GET http://2130706433:PORT/ HTTP/1.1\r\nHost: 2130706433:PORT\r\n\r\n"],
    ["obs-fold", "GET http://AT/ HTTP/1.1\r\nHost: AT\r\nX: a\r\n b\r\n\r\n"],
    ["bare LF", "GET http://AT/ HTTP/1.1\nHost: AT\n\n"],
    ["a CONNECT with a body", "CONNECT AT HTTP/1.1\r\nHost: AT\r\nContent-Length: 3\r\n\r\nabc"],
    [
      "a bad chunk size",
      "POST http://AT/ HTTP/1.1\r\nHost: AT\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    ],
    [
      "Transfer-Encoding: gzip, chunked",
      "POST http://AT/ HTTP/1.1\r\nHost: AT\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ],
  ] as const) {
    test(`${what}: nothing is decided, nothing is dialled, what hides behind it is not read`, async () => {
      const client = await rig.client();
      client.send(request.replaceAll("AT", at).replaceAll("PORT", String(upstream.port)) + get(at, "/smuggled"));
      const answer = await client.answer();
      expect(answer.status).toBeGreaterThanOrEqual(400);
      await until(() => client.ending !== "open", "cut");
      expect(rig.dialled).toEqual([]);
      expect(rig.asked.length).toBe(0);
      client.close();
      await rig.clean();
    });
  }
});

test("of forty vetted addresses those that are dialled are those that the certificate names", async () => {
  // Nobody listens at any of them: all that may be dialled are.
  rig.names["many.test"] = Array.from({ length: 40 }, (_, i) => `127.0.9.${i + 1}`);
  const client = await rig.client();
  client.send(get(`many.test:${upstream.port}`));
  expect((await client.answer()).status).toBe(502);
  const addresses = rig.evidence.proofs[0]?.addresses ?? [];
  expect(addresses).toHaveLength(16);
  expect(rig.dialled).toEqual(addresses.map((address) => `${address}:${upstream.port}`));
  const assigned = { id: "cert_1", orgId: "acme", timestamp: "", kid: "", algorithm: "Ed25519", chain: null } as const;
  const sealed = JSON.parse(seal(rig.evidence.proofs[0] as CertificateDraft, assigned).text);
  expect(sealed.addresses).toEqual(addresses);
  client.close();
  await rig.clean();
});

describe("a defect of ours behind the proof", () => {
  test("ends the egress and leaves one certificate, with the outcome that says so", async () => {
    rig.live.add = () => {
      throw new Error("a defect");
    };
    const client = await rig.client();
    client.send(post(at, "b"));
    await until(() => client.ending !== "open", "cut");
    expect(rig.evidence.proofs.map((proof) => proof.verdict)).toEqual(["allow"]);
    expect(rig.evidence.outcomes.length).toBe(1);
    expect(rig.evidence.outcomes[0]?.severed).toBe(true);
    expect(rig.faults.length).toBe(1);
    expect(upstream.all.length).toBe(0);
  });
});
