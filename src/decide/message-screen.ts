/** What comes down a stream is an answer, message by message: the same looks at it, here, whoever decides requests. */
import { looksProtobuf, protobufTexts } from "../content/protobuf-texts.ts";
import { type Decision, failClosed, permits } from "../model/decision.ts";
import type { Egress } from "../model/egress.ts";
import type { HeaderList } from "../model/headers.ts";
import type { Message } from "../model/message.ts";
import type { AnswerGuard, ScreenStep } from "../model/screen.ts";
import type { Runtime } from "../runtime/contract.ts";
import type { Decider } from "./decider.ts";

export class MessageScreen {
  readonly #decider: Decider;
  readonly #runtime: Pick<Runtime, "afterTurn">;
  readonly #message: Egress;
  readonly #type: HeaderList;

  /** `message`: one of the stream as an egress. `type`: the Content-Type field of its messages, or nothing. */
  constructor(decider: Decider, runtime: Pick<Runtime, "afterTurn">, message: Egress, type: HeaderList) {
    this.#decider = decider;
    this.#runtime = runtime;
    this.#message = message;
    this.#type = type;
  }

  /** Null: nothing in it is looked at. */
  look({ bytes, protocol }: Message): Decision | null | Promise<Decision | null> {
    const seen = this.#looked(bytes, bytes.length);
    if (seen === null || protocol === "websocket" || !looksProtobuf(bytes)) return seen;
    return this.#deeper(bytes, seen);
  }

  /** Somebody acts on what messages say. */
  get acts(): boolean {
    // As of an answer in a coding that nobody knows: it is a veto where somebody acts on what answers say.
    const guard = this.#guard([...this.#type, "content-encoding", "unknown"], -1);
    guard?.close();
    return (guard?.atHead ?? null) !== null;
  }

  #guard(headers: HeaderList, contentLength: number): AnswerGuard | null {
    return this.#decider.screen?.(this.#message, { status: 200, headers, contentLength }) ?? null;
  }

  #looked(bytes: Uint8Array, length: number): Decision | null | Promise<Decision> {
    const guard = this.#guard(this.#type, length);
    if (guard === null) return null;
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
      if (level === null) await new Promise<void>((resolve) => this.#runtime.afterTurn(resolve));
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
        await new Promise<void>((resolve) => this.#runtime.afterTurn(resolve));
        step = guard.more();
      }
      if (step.veto !== null) return step.veto;
    }
    return guard.allowed;
  }
}
