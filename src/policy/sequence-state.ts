/**
 * Rules over several requests of a session: a secret is read, and something is posted elsewhere. Deterministic: what is
 * said of a request depends on the requests recorded before it and on their times, and on nothing else.
 */
import type { Asked } from "./asked.ts";

export type Per = "tenant" | "agent" | "client" | "host";

export interface SequenceStep {
  readonly matches: (asked: Asked) => boolean;
  /** Only when it goes to another host than the request that made the first step. */
  readonly elsewhere: boolean;
}

export interface Sequence {
  readonly id: string;
  /** As in certificates: `sequences.secret-then-post`. */
  readonly rule: string;
  readonly windowMs: number;
  /** What makes two requests one session. */
  readonly per: readonly Per[];
  readonly steps: readonly SequenceStep[];
  readonly verdict: "deny" | "approval_needed";
  readonly shadow: boolean;
  readonly reason: string;
  readonly controls: readonly string[];
  /** Some step asks for what stands in a body: of a long one it is to be prepared. */
  readonly readsBody: boolean;
  /** Equal for sequences that say the same: what was seen under one holds for the other. */
  readonly definition: string;
}

/** Of all sequences and sessions together. */
const MAX_ENTRIES = 8192;
/** Hosts of the first step that a session is remembered with. */
const MAX_HOSTS = 8;

/** For each step but the last: by host of the first step, when the newest run that came so far began. */
type Reached = readonly Map<string, number>[];

interface Entry {
  readonly definition: string;
  readonly reached: Reached;
}

export interface Looked {
  /** Sequences that this request would complete, in their order. */
  readonly hits: readonly Sequence[];
  /** Remembers the request. To be called when it is let go, and only then: what did not leave was not done. */
  record(): void;
}

export class SequenceState {
  readonly #entries = new Map<string, Entry>();
  readonly #max: number;

  constructor(max = MAX_ENTRIES) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** `client`: the address the request came from, or null. */
  look(sequences: readonly Sequence[], asked: Asked, client: string | null): Looked {
    const hits: Sequence[] = [];
    const seen: { readonly sequence: Sequence; readonly key: string; readonly matched: readonly boolean[] }[] = [];
    for (const sequence of sequences) {
      const matched = sequence.steps.map(({ matches }) => matches(asked));
      if (!matched.includes(true)) continue;
      const key = keyOf(sequence, asked, client);
      const last = sequence.steps.length - 1;
      if (matched[last] === true && runs(sequence, last, { reached: this.#reached(key, sequence), asked }).length > 0) {
        hits.push(sequence);
      }
      seen.push({ sequence, key, matched });
    }
    return {
      hits,
      record: () => {
        for (const { sequence, key, matched } of seen) this.#record(sequence, key, { matched, asked });
      },
    };
  }

  #record(
    sequence: Sequence,
    key: string,
    { matched, asked }: { readonly matched: readonly boolean[]; readonly asked: Asked },
  ): void {
    let reached = this.#reached(key, sequence);
    const { host, at } = asked.question;
    const hostsMatter = sequence.steps.some(({ elsewhere }) => elsewhere);
    // From the end, so that one request is one step.
    for (let index = sequence.steps.length - 2; index >= 0; index--) {
      if (matched[index] !== true) continue;
      const begun: Run[] = index === 0 ? [[hostsMatter ? host : "", at]] : runs(sequence, index, { reached, asked });
      if (begun.length === 0) continue;
      reached ??= sequence.steps.slice(1).map(() => new Map());
      for (const [first, from] of begun) note(reached[index] as Map<string, number>, first, from);
    }
    if (reached !== null) this.#keep(key, { definition: sequence.definition, reached });
  }

  #reached(key: string, { definition }: Sequence): Reached | null {
    const entry = this.#entries.get(key);
    return entry === undefined || entry.definition !== definition ? null : entry.reached;
  }

  /** The session that was seen last is dropped last. */
  #keep(key: string, entry: Entry): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.#max) dropOldest(this.#entries);
    this.#entries.set(key, entry);
  }
}

/** Host of its first step, and the time of that. */
type Run = [host: string, from: number];

/** The runs that stand before step `index` and that this request carries on. */
function runs(
  { steps, windowMs }: Sequence,
  index: number,
  { reached, asked }: { readonly reached: Reached | null; readonly asked: Asked },
): Run[] {
  const before = reached?.[index - 1];
  if (before === undefined) return [];
  const { at, host } = asked.question;
  const elsewhere = steps[index]?.elsewhere === true;
  return [...before].filter(([first, from]) => at - from <= windowMs && !(elsewhere && first === host));
}

/** The newest run of a host outlives all older ones of it. */
function note(begun: Map<string, number>, host: string, from: number): void {
  const known = begun.get(host);
  begun.delete(host);
  if (begun.size >= MAX_HOSTS) dropOldest(begun);
  begun.set(host, known === undefined ? from : Math.max(known, from));
}

function dropOldest(map: Map<string, unknown>): void {
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/** What nobody states is one session of its own, not none. */
function keyOf({ id, per }: Sequence, { question }: Asked, client: string | null): string {
  const parts = { tenant: question.org, agent: question.agent, client, host: question.host };
  return JSON.stringify([id, ...per.map((part) => [part, parts[part]])]);
}
