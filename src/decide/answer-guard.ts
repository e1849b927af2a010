/** The embedded engine's screen over one answer, with its codings undone for looking only, and rulings as decisions. */

import { answerEnding } from "../engine/answer-ending.ts";
import type { AnswerScreen, ScreenStep as EngineStep } from "../engine/answer-screen.ts";
import type { Engine, Ruled } from "../engine/engine.ts";
import type { Ruling } from "../engine/ruling.ts";
import { mostUnfolded } from "../model/bounds.ts";
import { allow, block, type Decision, failClosed, type Mode } from "../model/decision.ts";
import type { Destination } from "../model/egress.ts";
import { headerValue } from "../model/headers.ts";
import type { AnswerGuard, ScreenedHead, ScreenStep } from "../model/screen.ts";
import type { ContentCoding, Runtime, StreamDecoder } from "../runtime/contract.ts";
import { bodyCodings, isVeto } from "./decode.ts";

/** Coded bytes that are decoded at a time, and the most that may come out of them. */
const CODED_STEP = 4096;
const MOST_A_STEP = 8 * 1024 * 1024;
/**
 * Coded bytes that may wait for what comes of them to leave: the most that a message may have. More are made of what decodes
 * to nothing (empty blocks of DEFLATE and brotli, frames of zstd to be skipped), which never ends a message.
 */
const MOST_WAITING = 8 * 1024 * 1024;
/** Ends that are remembered apart. Behind them the newest stands for those before it, and what they have leaves later. */
const MOST_ENDS = 1024;

interface End {
  coded: number;
  decoded: number;
}

export interface Guarding {
  readonly runtime: Pick<Runtime, "decoder">;
  readonly engine: Engine;
  readonly mode: Mode;
}

const NO_CODINGS: readonly ContentCoding[] = [];
const NO_DECODERS: readonly StreamDecoder[] = [];

/** Null: nothing is looked for in this answer. */
export function answerGuard(
  { runtime, engine, mode }: Guarding,
  place: Destination,
  head: ScreenedHead,
): AnswerGuard | null {
  const { status, contentLength: length } = head;
  const plain = head.plainJson === true;
  const contentType = plain ? "application/json" : headerValue(head.headers, "content-type");
  const screen = engine.screen(place, { status, contentType, length, softened: mode === "shadow" });
  if (screen === null) return null;
  const { policyVersion } = engine;
  const codings = plain ? NO_CODINGS : bodyCodings(head.headers);
  if (isVeto(codings)) {
    const veto = screen.unreadable("response_undecodable", codings.reason);
    // Nobody minds what is in it.
    return veto === null ? null : new Guard(screen, [], { mode, policyVersion });
  }
  const decoders = codings.length === 0 ? NO_DECODERS : [...codings].reverse().map((coding) => runtime.decoder(coding));
  return new Guard(screen, decoders, { mode, policyVersion });
}

interface Said {
  readonly mode: Mode;
  readonly policyVersion: string | null;
}

/** Of most answers nothing is to be said but that, with the same object. */
let lastRuling: Ruling | null = null;
let lastAllowed: Decision = allow("");

class Guard implements AnswerGuard {
  readonly #screen: AnswerScreen;
  readonly #decoders: readonly StreamDecoder[];
  readonly #said: Said;
  #veto: Decision | null = null;
  /** Of a coded answer: bytes given, and what they came to; where both have left, and pairs of ends in between. */
  #coded = 0;
  #decoded = 0;
  #leftCoded = 0;
  #leftDecoded = 0;
  #ends: End[] = [];
  /** So many coded bytes may have left. */
  #free = 0;
  /** It cannot be decoded, and nobody minds. */
  #blind = false;

  constructor(screen: AnswerScreen, decoders: readonly StreamDecoder[], said: Said) {
    this.#screen = screen;
    this.#decoders = decoders;
    this.#said = said;
    this.#veto = screen.veto === null ? null : this.#decision(screen.veto);
  }

  get holdWhole(): boolean {
    return this.#screen.holdWhole;
  }

  get watchesOnly(): boolean {
    return this.#decoders.length === 0 && this.#screen.watchesOnly;
  }

  get atHead(): Decision | null {
    return this.#coded === 0 ? this.#veto : null;
  }

  push(bytes: Uint8Array): ScreenStep | Promise<ScreenStep> {
    if (this.#veto !== null) return { release: 0, veto: this.#veto, more: false };
    if (this.#decoders.length > 0) return this.#guarded(() => this.#decode(bytes));
    return this.#stepped(() => this.#screen.push(bytes));
  }

  more(): ScreenStep {
    return this.#stepped(() => this.#screen.more());
  }

  end(): ScreenStep | Promise<ScreenStep> {
    if (this.#veto !== null) return { release: 0, veto: this.#veto, more: false };
    if (this.#decoders.length > 0) return this.#guarded(() => this.#finish());
    return this.#stepped(() => this.#screen.end());
  }

  get allowed(): Decision {
    const { ruling } = this.#screen;
    if (ruling !== lastRuling || this.#said.mode !== lastAllowed.mode) {
      lastRuling = ruling;
      lastAllowed = this.#allow(ruling);
    }
    return lastAllowed;
  }

  #allow(ruling: Ruling): Decision {
    const { reason, pillar, vector, rule, policyVersion, would, findings } = ruling;
    const detail = { rule, policyVersion, findings, mode: this.#said.mode } as const;
    if (would === null) return allow(reason, detail);
    const { mode } = this.#said;
    return allow(reason, { ...detail, pillar, vector, would: "block", mode: mode === "enforce" ? "shadow" : mode });
  }

  get kept(): number {
    return this.#screen.kept;
  }

  ending(veto: Decision, certificateId: string): Uint8Array | null {
    // What is said in the clear is no part of a coded answer.
    if (this.#decoders.length > 0) return null;
    const { reason, pillar, vector } = veto;
    const status = veto.verdict === "fail_closed" ? "FAIL_CLOSED" : "BLOCK";
    const { kind, between } = this.#screen;
    return answerEnding(kind, between, { status, reason, pillar, vector, certificate_id: certificateId });
  }

  close(): void {
    for (const decoder of this.#decoders) decoder.close();
  }

  #stepped(run: () => EngineStep): ScreenStep {
    try {
      const { release, veto, more } = run();
      if (veto !== null) this.#veto = this.#decision(veto);
      return { release, veto: this.#veto, more };
    } catch {
      return this.#crashed();
    }
  }

  async #guarded(run: () => Promise<ScreenStep>): Promise<ScreenStep> {
    try {
      return await run();
    } catch {
      return this.#crashed();
    }
  }

  /** Even where faults of decisions are let go: what was not looked at is not a decision that failed, but none. */
  #crashed(): ScreenStep {
    const { policyVersion } = this.#said;
    this.#veto ??= failClosed("the screening of the answer crashed", "decision_crashed", { policyVersion });
    return { release: 0, veto: this.#veto, more: false };
  }

  async #decode(bytes: Uint8Array): Promise<ScreenStep> {
    const all = this.#coded + bytes.length;
    for (let at = 0; at < bytes.length && !this.#blind && this.#veto === null; ) {
      // Cut where the bytes alone say, so that the ratio is asked for at the same places however they come.
      const end = Math.min(bytes.length, at + CODED_STEP - (this.#coded % CODED_STEP));
      const failed = await this.#decodeThrough(bytes.subarray(at, end), 0);
      this.#coded += end - at;
      at = end;
      if (this.#veto !== null) break;
      const isBomb = this.#coded % CODED_STEP === 0 && this.#decoded > mostUnfolded(this.#coded);
      if (failed !== null || isBomb) this.#unreadable(failed === "decode_failed" ? "undecodable" : "bomb");
      else this.#reached();
    }
    if (this.#blind) this.#coded = all;
    return { release: this.#veto === null ? this.#left() : 0, veto: this.#veto, more: false };
  }

  async #decodeThrough(bytes: Uint8Array, depth: number): Promise<"decode_failed" | "decode_too_large" | null> {
    const decoder = this.#decoders[depth];
    if (decoder === undefined) {
      this.#decoded += bytes.length;
      await this.#drive(() => this.#screen.push(bytes));
      return null;
    }
    const { chunks, failed } = await decoder.push(bytes, MOST_A_STEP);
    for (const chunk of chunks) {
      const inner = await this.#decodeThrough(chunk, depth + 1);
      if (inner !== null || this.#veto !== null) return inner;
    }
    return failed;
  }

  async #drive(first: () => EngineStep): Promise<void> {
    for (let step = first(); ; step = this.#screen.more()) {
      this.#leftDecoded += step.release;
      if (step.veto !== null) this.#veto = this.#decision(step.veto);
      if (!step.more || this.#veto !== null) return;
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
    }
  }

  async #finish(): Promise<ScreenStep> {
    if (!this.#blind && this.#decoded > mostUnfolded(this.#coded)) this.#unreadable("bomb");
    if (this.#veto === null && !this.#blind) await this.#drive(() => this.#screen.end());
    this.close();
    if (this.#veto !== null) return { release: 0, veto: this.#veto, more: false };
    const release = this.#coded - this.#leftCoded;
    this.#leftCoded = this.#coded;
    return { release, veto: null, more: false };
  }

  /** What has been decoded of it has been looked at; of the rest nobody knows. */
  #unreadable(what: "undecodable" | "bomb"): void {
    const reason =
      what === "bomb" ? "the answer becomes too large when decoded" : "the answer's coding cannot be undone";
    const veto = this.#screen.unreadable(`response_${what}`, reason);
    if (veto === null) this.#blind = true;
    else this.#veto = this.#decision(veto);
  }

  /** A step was decoded. Coded bytes leave when all that came out of them has left the screen. */
  #reached(): void {
    const ends = this.#ends;
    const last = ends.at(-1);
    if (last !== undefined && (last.decoded === this.#decoded || ends.length >= MOST_ENDS)) {
      last.coded = this.#coded;
      last.decoded = this.#decoded;
    } else ends.push({ coded: this.#coded, decoded: this.#decoded });
    let n = 0;
    for (; n < ends.length; n++) {
      const { coded, decoded } = ends[n] as End;
      if (decoded > this.#leftDecoded) break;
      this.#free = coded;
    }
    if (n > 0) ends.splice(0, n);
    if (this.#coded % CODED_STEP === 0 && this.#coded - this.#free > MOST_WAITING)
      this.#veto = this.#decision("exhausted");
  }

  #left(): number {
    const to = this.#blind ? this.#coded : this.#free;
    const release = to - this.#leftCoded;
    this.#leftCoded = to;
    return release;
  }

  #decision(ruled: Ruled): Decision {
    const { policyVersion, mode } = this.#said;
    if (ruled === "exhausted")
      return failClosed("the inspection of the answer ran out of its budget", "inspection_exhausted", {
        policyVersion,
        mode,
      });
    const { reason, pillar, vector, rule, findings } = ruled;
    const detail = { rule, policyVersion: ruled.policyVersion, findings, mode } as const;
    return block(reason, vector ?? "policy_deny", pillar === null ? detail : { ...detail, pillar });
  }
}
