/** The messages of a stream that was let go by its head, each of them a decision of its own. */
import { hashInTurns } from "../crypto/hash-in-turns.ts";
import type { Fault } from "../errors.ts";
import type { Certified } from "../model/certificate.ts";
import { block, type Decision, failClosed, permits } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import { type HeaderList, headerValue } from "../model/headers.ts";
import type { Direction, Message, MessageAnswer, MessageGate, MessageVeto } from "../model/message.ts";
import type { Observer } from "../observe/observer.ts";
import type { Hasher, Runtime } from "../runtime/contract.ts";
import type { Decider } from "./decider.ts";
import { MessageBody, MessageEgress } from "./message-egress.ts";
import { MessageScreen } from "./message-screen.ts";

export interface GateParts {
  readonly runtime: Pick<Runtime, "monotonic" | "sha256" | "hasher" | "afterTurn">;
  readonly decider: Decider;
  readonly observer: Pick<Observer, "fault">;
  /** Certifies what was decided of a message, begun at `from` (monotonic ms). Never rejects: what is vetoed stays so without its line. */
  certify(decision: Decision, message: HeldBody, from: number): Promise<Certified>;
  /**
   * Certifies a message that is to leave; `forwarded`: sha-256 in hex of what leaves in its place, or null. Resolves with what
   * keeps the evidence from being written, which keeps the message from leaving, or null. Never rejects.
   */
  prove(decision: Decision, message: HeldBody, about: Proving): Promise<Fault | null>;
}

export interface Proving {
  readonly forwarded: string | null;
  readonly from: number;
}

const PASS: MessageAnswer = { kind: "pass" };
const NO_HEADERS: HeaderList = [];
const NOTHING = new Uint8Array(0);

/** `sent`: what leaves instead of the message; null: it leaves itself. */
interface Leaving {
  readonly sent: Uint8Array | null;
  readonly from: number;
}

type Judged = Pick<Message, "bytes">;

/** Of what could not be read there is nothing to hash. */
const NOT_READ: Judged = { bytes: new Uint8Array(0) };

/** The messages of one stream, each of them asked about before it leaves. */
export class DecidingGate implements MessageGate {
  readonly #parts: GateParts;
  readonly #message: Egress;
  readonly #screen: MessageScreen;
  /** What the request said its messages are; those of the answer are of the same type. */
  readonly #type: HeaderList;
  #passed: Hasher | null = null;

  /** `parent`: certificate_id of the stream's exchange. */
  constructor(parts: GateParts, egress: Egress, parent: string) {
    this.#parts = parts;
    this.#message = new MessageEgress(egress, parent);
    const type = egress.upgrade === null ? headerValue(egress.headers, "content-type") : null;
    this.#type = type === null ? NO_HEADERS : ["content-type", type];
    this.#screen = new MessageScreen(parts.decider, parts.runtime, this.#message, this.#type);
  }

  judge(message: Message): MessageAnswer | Promise<MessageAnswer> {
    const from = this.#parts.runtime.monotonic();
    try {
      const decided = message.direction === "up" ? this.#asked(message) : this.#screen.look(message);
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
    return this.#parts.decider.decide(this.#message, new MessageBody(bytes, this.#parts.runtime));
  }

  #answer(message: Message, decision: Decision | null, from: number): MessageAnswer | Promise<MessageAnswer> {
    if (decision === null || permits(decision)) {
      const replacement = decision?.replacement ?? null;
      if (replacement !== null && message.protocol === "grpc" && !this.#json) {
        return this.#vetoed(unredactable(decision as Decision), message, from);
      }
      if (decision === null || (replacement === null && decision.would === null)) {
        this.#roll(message, message.bytes);
        return PASS;
      }
      // A control frame means the same without what it carried.
      const sent = replacement !== null && message.control ? NOTHING : replacement;
      if (message.direction === "up")
        return this.#proven(message, decision, { sent, from }).catch((thrown) => this.#crashed(message, thrown, from));
      // An answer that is only watched passes whatever becomes of what is told of it.
      this.#roll(message, message.bytes);
      return this.#certified(decision, message, from).then(() => PASS);
    }
    return this.#vetoed(decision, message, from);
  }

  /** What leaves with a certificate of its own leaves behind it. */
  async #proven(message: Message, decision: Decision, { sent, from }: Leaving): Promise<MessageAnswer> {
    const { runtime } = this.#parts;
    const forwarded = sent === null ? null : await hashInTurns(runtime, sent);
    const fault = await this.#parts.prove(decision, new MessageBody(message.bytes, runtime), { forwarded, from });
    if (fault !== null) {
      const { mode } = decision;
      const unproven = failClosed("the decision's evidence could not be written", fault.code, { mode });
      return this.#vetoed(unproven, message, from);
    }
    this.#roll(message, sent ?? message.bytes);
    return sent === null ? PASS : { kind: "replace", bytes: sent };
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
    return direction === "up" || this.#screen.acts;
  }

  async #vetoed(decision: Decision, message: Judged, from: number): Promise<MessageVeto> {
    const certificate = await this.#certified(decision, message, from);
    return { kind: "veto", decision, certificate };
  }

  #certified(decision: Decision, { bytes }: Judged, from: number): Promise<Certified> {
    return this.#parts.certify(decision, new MessageBody(bytes, this.#parts.runtime), from);
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

function unredactable(sanitize: Decision): Decision {
  const { pillar, rule, policyVersion, attestationHash, mode, findings } = sanitize;
  const reason = "what has to be removed cannot be taken out without changing the message's meaning";
  const detail = { pillar, rule, policyVersion, attestationHash, mode, findings };
  return block(reason, "sanitize_unredactable", detail);
}
