import type { Egress, HeldBody } from "../model/egress.ts";
import type { Field, Question } from "../model/question.ts";
import { queryIn } from "../wire/target.ts";
import { type Fingerprint, headerFields, queryFields } from "./credential-fields.ts";
import type { HeadMemo } from "./head-memo.ts";

/** What every question of a relay says of it. */
export interface Asking {
  readonly org: string;
  readonly fingerprint: Fingerprint;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const NO_FIELDS: readonly Field[] = [];

/** An egress as a question. What most rulings never look at is made when it is asked for. */
export class EgressQuestion implements Question {
  readonly body: Uint8Array | null;
  readonly at: number;
  readonly #egress: Egress;
  readonly #held: HeldBody | null;
  readonly #asking: Asking;
  readonly #memo: HeadMemo;
  #query: readonly Field[] | null = null;
  #headers: readonly Field[] | null = null;

  /** `body`: of `held`, with its codings undone. */
  constructor(asking: Asking, egress: Egress, held: HeldBody | null, body: Uint8Array | null, memo: HeadMemo) {
    this.#asking = asking;
    this.#egress = egress;
    this.#held = held;
    this.body = body;
    this.#memo = memo;
    this.at = asking.now();
  }

  get org(): string {
    return this.#asking.org;
  }

  get caller(): string {
    return this.#egress.caller;
  }

  get agent(): string | null {
    return this.#egress.principal.agent;
  }

  get parentAgent(): string | null {
    return this.#egress.principal.parentAgent;
  }

  get phase(): Question["phase"] {
    return this.#egress.phase;
  }

  get door(): string {
    return this.#egress.door;
  }

  get method(): string {
    return this.#egress.method;
  }

  get scheme(): "http" | "https" | "tcp" {
    return this.#egress.destination.scheme;
  }

  get host(): string {
    return this.#egress.destination.host;
  }

  get port(): number {
    return this.#egress.destination.port;
  }

  get literal(): boolean {
    return this.#egress.destination.literal;
  }

  get path(): string {
    return this.#memo.pathOf(this.#egress.path);
  }

  get query(): readonly Field[] {
    if (this.#query === null) {
      const query = queryIn(this.#egress.path);
      this.#query = query === null ? NO_FIELDS : queryFields(query, this.#asking.fingerprint);
    }
    return this.#query;
  }

  get headers(): readonly Field[] {
    this.#headers ??= this.#memo.fieldsOf(this.#egress);
    return this.#headers;
  }

  get trailers(): readonly Field[] {
    const trailers = this.#held?.trailers ?? null;
    return trailers === null ? NO_FIELDS : headerFields(trailers, this.#asking.fingerprint);
  }

  get upgrade(): "websocket" | null {
    return this.#egress.upgrade;
  }
}
