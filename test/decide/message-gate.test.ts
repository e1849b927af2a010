/** Each message of a stream is a decision of its own: what is asked, what is certified, what is answered. */
import { describe, expect, test } from "bun:test";
import { runtime } from "#runtime";
import type { Decider } from "../../src/decide/decider.ts";
import { DecidingGate, type GateParts } from "../../src/decide/message-gate.ts";
import { Fault } from "../../src/errors.ts";
import type { Certified } from "../../src/model/certificate.ts";
import { allow, block, type Decision } from "../../src/model/decision.ts";
import type { Egress, HeldBody } from "../../src/model/egress.ts";
import type { Message } from "../../src/model/message.ts";
import type { AnswerGuard, ScreenedHead, ScreenStep } from "../../src/model/screen.ts";
import { body, egress } from "./_egress.ts";

const VETO = block("no", "policy_deny");
const bytes = (text: string) => new TextEncoder().encode(text);
const up = (text: string, protocol: Message["protocol"] = "websocket"): Message => ({
  direction: "up",
  protocol,
  text: true,
  control: false,
  bytes: bytes(text),
});
const down = (text: string): Message => ({ ...up(text), direction: "down" });

interface Given {
  readonly stream?: Egress;
  readonly decide?: () => Decision | Promise<Decision>;
  readonly screen?: (head: ScreenedHead) => AnswerGuard | null;
  /** Evidence cannot be written. */
  readonly full?: boolean;
}

function gateOf({ stream = egress({ upgrade: "websocket" }), decide = () => allow("fine"), screen, full }: Given) {
  const asked: { egress: Egress; body: HeldBody | null }[] = [];
  const screened: { egress: Egress; head: ScreenedHead }[] = [];
  const certified: { decision: Decision; sha256: string }[] = [];
  const faults: string[] = [];
  const decider = {
    decide: (about: Egress, held: HeldBody | null) => {
      asked.push({ egress: about, body: held });
      return decide();
    },
    screen: (about: Egress, head: ScreenedHead) => {
      screened.push({ egress: about, head });
      return screen?.(head) ?? null;
    },
  } as unknown as Decider;
  const certify = async (decision: Decision, message: HeldBody): Promise<Certified> => {
    certified.push({ decision, sha256: message.sha256 });
    return { id: `cert_${certified.length}` } as Certified;
  };
  const proven: (string | null)[] = [];
  const prove: GateParts["prove"] = async (decision, message, { forwarded }) => {
    proven.push(forwarded);
    if (full) return new Fault("evidence_unwritable", "disk is full");
    await certify(decision, message);
    return null;
  };
  const observer = { fault: (code: string) => void faults.push(code) };
  const gate = new DecidingGate({ runtime, decider, observer, certify, prove }, stream, "cert_of_stream");
  return { gate, asked, screened, certified, proven, faults };
}

const DONE: ScreenStep = { release: 0, veto: null, more: false };

/** A guard whose steps are these, pushed and then ended. */
function guard(steps: { push?: ScreenStep; end?: ScreenStep; more?: ScreenStep[] }, allowed = allow("fine")) {
  const more = steps.more ?? [];
  return {
    holdWhole: false,
    watchesOnly: false,
    kept: 0,
    atHead: null,
    push: () => steps.push ?? DONE,
    more: () => more.shift() ?? DONE,
    end: () => steps.end ?? DONE,
    allowed,
    ending: () => null,
    close() {},
  } satisfies AnswerGuard;
}

describe("a message up", () => {
  test("that is vetoed is certified with its hash, and the veto names the certificate", async () => {
    const { gate, certified } = gateOf({ decide: () => VETO });
    expect(await gate.judge(up("attack"))).toMatchObject({
      kind: "veto",
      decision: VETO,
      certificate: { id: "cert_1" },
    });
    expect(certified).toEqual([{ decision: VETO, sha256: body("attack").sha256 }]);
    expect(gate.transcript()).toBeNull();
  });

  test.each([
    [
      "throws",
      () => {
        throw new Error("ours");
      },
    ],
    ["rejects", () => Promise.reject(new Error("ours"))],
  ] as const)("of which the decider %s is a veto", async (_, decide) => {
    const { gate, certified, faults } = gateOf({ decide });
    expect(await gate.judge(up("x"))).toMatchObject({ kind: "veto", decision: { vector: "pipeline_crashed" } });
    expect(certified.map(({ decision }) => decision.verdict)).toEqual(["fail_closed"]);
    expect(faults).toEqual(["message_crashed"]);
  });

  test("is asked about as a message of its stream, without the head's words, and passes uncertified", () => {
    const { gate, asked, certified } = gateOf({});
    expect(gate.judge(up("hello"))).toEqual({ kind: "pass" });
    expect(asked[0]?.egress).toMatchObject({ phase: "message", parent: "cert_of_stream", wordy: false, coded: false });
    expect(asked[0]?.body?.bytes).toEqual(bytes("hello"));
    expect(certified).toEqual([]);
  });

  test("that is replaced leaves as what replaces it, certified; of protobuf nothing can be taken out", async () => {
    const decide = () => ({ ...allow("cleaned"), replacement: bytes("h***o") });
    const text = gateOf({ decide });
    expect(await text.gate.judge(up("hello"))).toEqual({ kind: "replace", bytes: bytes("h***o") });
    expect(text.certified.length).toBe(1);
    expect(text.proven).toEqual([body("h***o").sha256]);
    const json = gateOf({ decide, stream: egress({ headers: ["content-type", "application/grpc+json"] }) });
    expect(await json.gate.judge(up("hello", "grpc"))).toMatchObject({ kind: "replace" });
    const proto = gateOf({ decide, stream: egress({ headers: ["content-type", "application/grpc"] }) });
    expect(await proto.gate.judge(up("hello", "grpc"))).toMatchObject({
      kind: "veto",
      decision: { vector: "sanitize_unredactable" },
    });
  });
});

describe("a message up that leaves with a certificate of its own", () => {
  const sanitized = () => ({ ...allow("cleaned"), replacement: bytes("h***o") });
  const watched = () => allow("fine", { would: "block", mode: "shadow" });

  test.each([
    ["is replaced", sanitized],
    ["is only watched", watched],
  ])("and %s is a veto where its evidence cannot be written, and no part of what passed", async (_, decide) => {
    const { gate, certified } = gateOf({ decide, full: true });
    expect(await gate.judge(up("hello"))).toMatchObject({
      kind: "veto",
      decision: { verdict: "fail_closed", vector: "evidence_unwritable" },
    });
    expect(certified.map(({ decision }) => decision.verdict)).toEqual(["fail_closed"]);
    expect(gate.transcript()).toBeNull();
  });

  test("names what leaves of a control frame, which is nothing", async () => {
    const { gate, proven } = gateOf({ decide: sanitized });
    expect(await gate.judge({ ...up("hello"), control: true })).toEqual({ kind: "replace", bytes: bytes("") });
    expect(proven).toEqual([body("").sha256]);
    const same = gateOf({ decide: () => ({ ...allow("cleaned"), replacement: bytes("") }) }).gate;
    await same.judge(up("hello"));
    expect(gate.transcript()).toBe(same.transcript() as string);
  });

  test("names nothing where it leaves as it came", async () => {
    const { gate, proven } = gateOf({ decide: watched });
    expect(await gate.judge(up("hello"))).toEqual({ kind: "pass" });
    expect(proven).toEqual([null]);
  });
});

describe("a message down", () => {
  test.each([
    ["at once", guard({ push: { ...DONE, veto: VETO } })],
    ["at its end", guard({ end: { ...DONE, veto: VETO } })],
    [
      "when the rest has been looked at",
      guard({
        push: { ...DONE, more: true },
        more: [
          { ...DONE, more: true },
          { ...DONE, veto: VETO },
        ],
      }),
    ],
    ["by its head", { ...guard({}), atHead: VETO }],
  ])("is vetoed %s", async (_, made) => {
    const { gate, certified } = gateOf({ screen: () => made });
    expect(await gate.judge(down("secret"))).toMatchObject({ kind: "veto", decision: { vector: "policy_deny" } });
    expect(certified.length).toBe(1);
  });

  test("is screened as the answer of its stream, by the type of the request's messages", () => {
    const stream = egress({ headers: ["content-type", "application/grpc+json"] });
    const { gate, screened, asked } = gateOf({ stream, screen: () => guard({}) });
    expect(gate.judge(down("hello"))).toEqual({ kind: "pass" });
    expect(screened[0]?.egress).toMatchObject({ phase: "message", parent: "cert_of_stream" });
    expect(screened[0]?.head).toEqual({
      status: 200,
      headers: ["content-type", "application/grpc+json"],
      contentLength: 5,
    });
    expect(asked).toEqual([]);
  });

  test("that passes only because nobody enforces is certified", async () => {
    const would = { ...allow("fine"), would: { verdict: "block" } } as unknown as Decision;
    const { gate, certified } = gateOf({ screen: () => guard({}, would) });
    expect(await gate.judge(down("hello"))).toEqual({ kind: "pass" });
    expect(certified.map(({ decision }) => decision)).toEqual([would]);
  });
});

describe("what cannot be read", () => {
  test("because it is too large is a certified veto over nothing", async () => {
    const { gate, certified } = gateOf({});
    expect(await gate.tooLarge("up")).toMatchObject({ kind: "veto", decision: { vector: "body_too_large" } });
    expect(certified.map(({ sha256 }) => sha256)).toEqual([body("").sha256]);
  });

  test("up is always of interest, down where an answer in an unknown coding is a veto", () => {
    expect(gateOf({}).gate.looksAt("up")).toBe(true);
    expect(gateOf({}).gate.looksAt("down")).toBe(false);
    expect(gateOf({ screen: () => guard({}) }).gate.looksAt("down")).toBe(false);
    const strict = gateOf({ screen: () => ({ ...guard({}), atHead: VETO }) });
    expect(strict.gate.looksAt("down")).toBe(true);
    expect(strict.screened[0]?.head.headers).toEqual(["content-encoding", "unknown"]);
  });
});

test("the transcript is of what passed, with its direction and length, and told once", () => {
  const transcript = (...messages: Message[]) => {
    const { gate } = gateOf({});
    for (const message of messages) expect(gate.judge(message)).toEqual({ kind: "pass" });
    const told = gate.transcript();
    expect(gate.transcript()).toBeNull();
    return told;
  };
  const all = [
    transcript(up("ab")),
    transcript(down("ab")),
    transcript(up("a"), up("b")),
    transcript(up("b"), up("a")),
  ];
  for (const one of all) expect(one).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(all).size).toBe(4);
  expect(transcript()).toBeNull();
});
