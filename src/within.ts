/** Decides what happens inside an exchange that was let go: the answer, and message by message what a stream carries. */
import { looksProtobuf, protobufTexts } from "./content/protobuf-texts.ts";
import type { Decider } from "./decide/decider.ts";
import type { Drafts } from "./drafts.ts";
import { NOTHING } from "./enforce/ended.ts";
import type { Committed, Evidence } from "./evidence/evidence.ts";
import type { CertificateDraft } from "./model/certificate.ts";
import { block, type Decision, failClosed, permits } from "./model/decision.ts";
import type { Egress, HeldBody, Phase } from "./model/egress.ts";
import type { Exchange } from "./model/exchange.ts";
import { type HeaderList, headerValue } from "./model/headers.ts";
import type { Direction, Message, MessageAnswer, MessageGate, MessageVeto } from "./model/message.ts";
import type { AnsweredHead, AnswerGuard, ScreenStep } from "./model/screen.ts";
import type { Within } from "./model/within.ts";
import type { Observer } from "./observe/observer.ts";
import type { Hasher, Runtime } from "./runtime/contract.ts";

export interface WithinParts {
  readonly runtime: Pick<Runtime, "monotonic" | "sha256" | "hasher" | "afterTurn">;
  readonly decider: Decider;
  readonly evidence: Evidence;
  readonly observer: Observer;
}

const PASS: MessageAnswer = { kind: "pass" };
const NO_HEADERS: HeaderList = [];

type Judged = Pick<Message, "bytes">;

/** Of what could not be read there is nothing to hash. */
const NOT_READ: Judged = { bytes: new Uint8Array(0) };

export class Inside implements Within {
  readonly #parts: WithinParts;
  readonly #drafts: Drafts;
  readonly #exchange: Exchange;
  readonly parent: string;

  /** `parent`: certificate_id of the exchange. */
  constructor(parts: WithinParts, drafts: Drafts, exchange: Exchange, parent: string) {
    this.#parts = parts;
    this.#drafts = drafts;
    this.#exchange = exchange;
    this.parent = parent;
  }

  screen(head: AnsweredHead): AnswerGuard | null {
    return this.#parts.decider.screen?.(this.#exchange.egress, head) ?? null;
  }

  vetoed(decision: Decision): Promise<Committed> {
    return this.certify(decision, "response", null, this.#parts.runtime.monotonic());
  }

  watched(decision: Decision): void {
    void this.vetoed(decision);
  }

  messages(): MessageGate {
    return new Gate(this.#parts, this, this.#exchange.egress);
  }

  /** Never rejects: a veto stands without its line, and the certificate is kept until it can be written. */
  async certify(decision: Decision, phase: Phase, body: HeldBody | null, from: number): Promise<Committed> {
    const { runtime, evidence, observer } = this.#parts;
    const drafted = this.#drafts.draft(this.#exchange, decision, { body, way: null, forwarded: null });
    const latency_ms = runtime.monotonic() - from;
    const draft: CertificateDraft = { ...drafted, phase, parent: this.parent, latency_ms };
    let committed: Committed;
    try {
      committed = await evidence.commit(draft);
    } catch {
      committed = await evidence.unwritten(draft);
    }
    observer.decided(draft);
    observer.concluded(draft, committed.id, this.#exchange.egress.principal.address, NOTHING, latency_ms);
    return committed;
  }
}

/** The messages of one stream, each of them asked about before it leaves. */
class Gate implements MessageGate {
  readonly #parts: WithinParts;
  readonly #inside: Inside;
  readonly #up: Egress;
  readonly #down: Egress;
  /** What the request said its messages are; those of the answer are of the same type. */
  readonly #type: HeaderList;
  #passed: Hasher | null = null;

  constructor(parts: WithinParts, inside: Inside, egress: Egress) {
    this.#parts = parts;
    this.#inside = inside;
    this.#up = new MessageEgress(egress, "message", inside.parent);
    this.#down = new MessageEgress(egress, "response", inside.parent);
    const type = egress.upgrade === null ? headerValue(egress.headers, "content-type") : null;
    this.#type = type === null ? NO_HEADERS : ["content-type", type];
  }

  judge(message: Message): MessageAnswer | Promise<MessageAnswer> {
    const from = this.#parts.runtime.monotonic();
    try {
      const decided = message.direction === "up" ? this.#asked(message) : this.#screened(message);
      if (!(decided instanceof Promise)) return this.#answer(message, decided, from);
      return decided.then(
        (decision) => this.#answer(message, decision, from),
        (thrown) => this.#crashed(message, thrown, from),
      );
    } catch (thrown) {
      return this.#crashed(message, thrown, from);
    }
  }

  #asked({ bytes }: Message): Decision | Promise<Decision> {
    return this.#parts.decider.decide(this.#up, new MessageBody(bytes, this.#parts.runtime));
  }

  /** What comes down is an answer: the same looks at it, here, whoever decides requests. */
  #screened({ bytes, protocol }: Message): Decision | null | Promise<Decision | null> {
    const seen = this.#looked(bytes, bytes.length);
    if (seen === null || protocol === "websocket" || !looksProtobuf(bytes)) return seen;
    return this.#deeper(bytes, seen);
  }

  #looked(bytes: Uint8Array, length: number): Decision | null | Promise<Decision> {
    const guard = this.#parts.decider.screen?.(this.#down, { status: 200, headers: this.#type, length });
    if (guard === null || guard === undefined) return null;
    if (guard.atHead !== null) return guard.atHead;
    const step = guard.push(bytes);
    return step instanceof Promise || step.more ? this.#finish(guard, step) : this.#concluded(guard, step, guard.end());
  }

  /** Behind the bytes as they are, the texts in them. */
  async #deeper(bytes: Uint8Array, seen: Decision | Promise<Decision>): Promise<Decision> {
    const first = await seen;
    if (!permits(first)) return first;
    let watched = first;
    for (const level of protobufTexts(bytes)) {
      if (level === "bomb") return failClosed("the inspection ran out of its budget", "inspection_exhausted");
      if (level === null) await new Promise<void>((resolve) => this.#parts.runtime.afterTurn(resolve));
      else {
        const found = (await this.#looked(level, -1)) ?? first;
        if (!permits(found)) return found;
        if (watched.would === null) watched = found;
      }
    }
    return watched;
  }

  #concluded(
    guard: AnswerGuard,
    pushed: ScreenStep,
    ended: ScreenStep | Promise<ScreenStep>,
  ): Decision | Promise<Decision> {
    if (pushed.veto !== null) return pushed.veto;
    if (ended instanceof Promise || ended.more) return this.#finish(guard, ended);
    return ended.veto ?? guard.allowed;
  }

  async #finish(guard: AnswerGuard, begun: ScreenStep | Promise<ScreenStep>): Promise<Decision> {
    for (const next of [begun, null]) {
      let step = await (next ?? guard.end());
      while (step.more) {
        await new Promise<void>((resolve) => this.#parts.runtime.afterTurn(resolve));
        step = guard.more();
      }
      if (step.veto !== null) return step.veto;
    }
    return guard.allowed;
  }

  #answer(message: Message, decision: Decision | null, from: number): MessageAnswer | Promise<MessageAnswer> {
    if (decision === null || permits(decision)) {
      const replacement = decision?.replacement ?? null;
      if (replacement !== null && message.protocol === "grpc" && !this.#json) {
        return this.#vetoed(unredactable(decision as Decision), message, from);
      }
      this.#roll(message, replacement ?? message.bytes);
      if (replacement === null && (decision === null || decision.would === null)) return PASS;
      return this.#certified(decision as Decision, message, from).then(() =>
        replacement === null ? PASS : { kind: "replace", bytes: replacement },
      );
    }
    return this.#vetoed(decision, message, from);
  }

  /** Its messages are texts, of which something can be taken out without lengths that say otherwise. */
  get #json(): boolean {
    return /^application\/grpc\+json\b/i.test(this.#type[1] ?? "");
  }

  #crashed(message: Message, thrown: unknown, from: number): Promise<MessageVeto> {
    this.#parts.observer.fault("message_crashed", thrown);
    return this.#vetoed(failClosed("the gateway failed while deciding", "pipeline_crashed"), message, from);
  }

  tooLarge(direction: Direction): Promise<MessageVeto> {
    const decision = block("message too large for inspection", "body_too_large", { status: 413 });
    return this.refuse(direction, decision);
  }

  refuse(_direction: Direction, decision: Decision): Promise<MessageVeto> {
    return this.#vetoed(decision, NOT_READ, this.#parts.runtime.monotonic());
  }

  looksAt(direction: Direction): boolean {
    if (direction === "up") return true;
    // As of an answer in a coding that nobody knows: it is a veto where somebody acts on what answers say.
    const headers = [...this.#type, "content-encoding", "unknown"];
    const guard = this.#parts.decider.screen?.(this.#down, { status: 200, headers, length: -1 }) ?? null;
    guard?.close();
    return (guard?.atHead ?? null) !== null;
  }

  async #vetoed(decision: Decision, message: Judged, from: number): Promise<MessageVeto> {
    const certificate = await this.#certified(decision, message, from);
    const { reason, vector } = decision;
    const refusal = { decision, certificate };
    return { kind: "veto", reason, vector: vector ?? "policy_deny", certificateId: certificate.id, refusal };
  }

  #certified(decision: Decision, { bytes }: Judged, from: number): Promise<Committed> {
    return this.#inside.certify(decision, "message", new MessageBody(bytes, this.#parts.runtime), from);
  }

  /** Direction and length first, so that no two streams of messages read the same. */
  #roll({ direction }: Message, bytes: Uint8Array): void {
    this.#passed ??= this.#parts.runtime.hasher();
    const head = new Uint8Array(9);
    head[0] = direction === "up" ? 0x75 : 0x64;
    new DataView(head.buffer).setBigUint64(1, BigInt(bytes.length));
    this.#passed.update(head);
    this.#passed.update(bytes);
  }

  transcript(): string | null {
    const passed = this.#passed;
    this.#passed = null;
    return passed === null ? null : passed.hex();
  }
}

/** A message as an egress of its own: where its stream goes, with nothing in its head that was not read with the stream's. */
class MessageEgress implements Egress {
  readonly phase: "message" | "response";
  readonly block = null;
  readonly coded = false;
  readonly wordy = false;
  readonly door: Egress["door"];
  readonly caller: string;
  readonly method: string;
  readonly destination: Egress["destination"];
  readonly target: string;
  readonly path: string;
  readonly headers: Egress["headers"];
  readonly upgrade: Egress["upgrade"];
  readonly conflict: string | null;
  readonly principal: Egress["principal"];
  readonly parent: string;

  constructor(stream: Egress, phase: "message" | "response", parent: string) {
    const { door, caller, method, destination, target, path, headers, upgrade, conflict, principal } = stream;
    this.phase = phase;
    this.door = door;
    this.caller = caller;
    this.method = method;
    this.destination = destination;
    this.target = target;
    this.path = path;
    this.headers = headers;
    this.upgrade = upgrade;
    this.conflict = conflict;
    this.principal = principal;
    this.parent = parent;
  }
}

function unredactable(sanitize: Decision): Decision {
  const { pillar, rule, policyVersion, attestationHash, mode, findings } = sanitize;
  const reason = "what has to be removed cannot be taken out without changing the message's meaning";
  const detail = { pillar, rule, policyVersion, attestationHash, mode, findings };
  return block(reason, "sanitize_unredactable", detail);
}

class MessageBody implements HeldBody {
  readonly bytes: Uint8Array;
  readonly trailers = null;
  readonly #runtime: Pick<Runtime, "sha256">;
  #sha256: string | null = null;

  constructor(bytes: Uint8Array, runtime: Pick<Runtime, "sha256">) {
    this.bytes = bytes;
    this.#runtime = runtime;
  }

  /** Most messages pass, and nobody asks for it. */
  get sha256(): string {
    this.#sha256 ??= this.#runtime.sha256(this.bytes);
    return this.#sha256;
  }
}
