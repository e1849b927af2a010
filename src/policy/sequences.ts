/**
 * Rules over several requests of a session: a secret is read, and something is posted elsewhere. Deterministic: what is
 * said of a request depends on the requests recorded before it and on their times, and on nothing else.
 */
import type { Finding } from "../model/finding.ts";
import type { Question } from "../model/question.ts";
import { HostSet, parseHostPattern } from "./host-set.ts";
import { compileGlob } from "./path-glob.ts";
import type { SequenceSection, SequenceWhen } from "./sequence-schema.ts";

/** What a step looks at. */
export type Matches = (question: SequenceFacts, findings: readonly Finding[]) => boolean;

export type SequenceFacts = Pick<Question, "host" | "port" | "literal" | "method" | "path" | "agent" | "org" | "at">;

export interface Sequence {
  readonly id: string;
  /** As in certificates: `sequences[0] secret-then-post`. */
  readonly rule: string;
  readonly windowMs: number;
  readonly by: SequenceSection["by"];
  readonly steps: readonly { readonly matches: Matches; readonly elsewhere: boolean }[];
  readonly verdict: SequenceSection["verdict"];
  readonly shadow: boolean;
  readonly reason: string;
  readonly controls: readonly string[];
  /** Equal for sequences that say the same: what was seen under one holds for the other. */
  readonly definition: string;
}

export function compileSequence(
  section: SequenceSection,
  rule: string,
  compileWhen: (when: SequenceWhen) => Matches = simpleWhen,
): Sequence {
  const { id, by, verdict, mode, controls, reason = `the request completes the sequence "${id}"` } = section;
  return {
    id,
    rule,
    windowMs: section.window,
    by,
    steps: section.steps.map(({ when, not_hosts_of_first: elsewhere }) => ({ matches: compileWhen(when), elsewhere })),
    verdict,
    shadow: mode === "shadow",
    reason,
    controls,
    definition: JSON.stringify(section),
  };
}

function simpleWhen({ hosts, methods, paths, findings }: SequenceWhen): Matches {
  const places = new HostSet();
  for (const text of hosts ?? []) {
    const pattern = parseHostPattern(text);
    if (typeof pattern !== "string") places.add(pattern, text);
  }
  const globs = paths?.map(compileGlob);
  return (question, found) => {
    if (methods !== undefined && !methods.includes(question.method)) return false;
    if (hosts !== undefined && places.match(question.host, question.port, question.literal) === null) return false;
    if (globs !== undefined && !globs.some((glob) => glob(question.path))) return false;
    return (
      findings === undefined || found.some(({ vector, name }) => findings.includes(vector) || findings.includes(name))
    );
  };
}

/** Of all sequences and sessions together. */
const MAX_ENTRIES = 8192;
/** Hosts of the first step that a session is remembered with. */
const MAX_HOSTS = 8;

/** For each step but the last: by host of the first step, when the newest run that came so far began. */
type Reached = readonly Map<string, number>[];

export interface Looked {
  /** Sequences that this request would complete, in their order. */
  readonly hits: readonly Sequence[];
  /** Remembers the request. To be called when it is let go, and only then: what did not leave was not done. */
  record(): void;
}

export class SequenceState {
  readonly #entries = new Map<string, { readonly definition: string; readonly reached: Reached }>();
  readonly #max: number;

  constructor(max = MAX_ENTRIES) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** `client`: the address the request came from, or null. */
  look(
    sequences: readonly Sequence[],
    question: SequenceFacts,
    about: { readonly findings: readonly Finding[]; readonly client: string | null },
  ): Looked {
    const hits: Sequence[] = [];
    const steps: { readonly sequence: Sequence; readonly key: string; readonly matched: readonly boolean[] }[] = [];
    for (const sequence of sequences) {
      const matched = sequence.steps.map(({ matches }) => matches(question, about.findings));
      if (!matched.includes(true)) continue;
      const key = keyOf(sequence, question, about.client);
      const reached = this.#reached(key, sequence);
      const last = sequence.steps.length - 1;
      if (matched[last] === true && this.#runs(sequence, last, { reached, question }).length > 0) hits.push(sequence);
      steps.push({ sequence, key, matched });
    }
    return {
      hits,
      record: () => {
        for (const { sequence, key, matched } of steps) this.#record(sequence, key, { matched, question });
      },
    };
  }

  /** The runs that stand before step `index` and that this request carries on: host of their first step, and its time. */
  #runs(
    { steps, windowMs }: Sequence,
    index: number,
    { reached, question }: { readonly reached: Reached | null; readonly question: SequenceFacts },
  ): [string, number][] {
    const elsewhere = steps[index]?.elsewhere === true;
    const before = reached?.[index - 1];
    if (before === undefined) return [];
    return [...before].filter(
      ([host, from]) => question.at - from <= windowMs && !(elsewhere && host === question.host),
    );
  }

  #record(
    sequence: Sequence,
    key: string,
    { matched, question }: { readonly matched: readonly boolean[]; readonly question: SequenceFacts },
  ): void {
    let reached = this.#reached(key, sequence);
    // From the end, so that one request is one step.
    for (let index = sequence.steps.length - 2; index >= 0; index--) {
      if (matched[index] !== true) continue;
      const runs: [string, number][] =
        index === 0
          ? [[this.#hostsMatter(sequence) ? question.host : "", question.at]]
          : this.#runs(sequence, index, { reached, question });
      if (runs.length === 0) continue;
      reached ??= sequence.steps.slice(1).map(() => new Map());
      for (const [host, from] of runs) note(reached[index] as Map<string, number>, host, from);
    }
    if (reached !== null) this.#keep(key, { definition: sequence.definition, reached });
  }

  #hostsMatter({ steps }: Sequence): boolean {
    return steps.some(({ elsewhere }) => elsewhere);
  }

  #reached(key: string, { definition }: Sequence): Reached | null {
    const entry = this.#entries.get(key);
    return entry === undefined || entry.definition !== definition ? null : entry.reached;
  }

  /** The session that was seen last is dropped last. */
  #keep(key: string, entry: { readonly definition: string; readonly reached: Reached }): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.#max) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(key, entry);
  }
}

/** The newest run of a host outlives all older ones of it. */
function note(runs: Map<string, number>, host: string, from: number): void {
  const known = runs.get(host);
  runs.delete(host);
  if (runs.size >= MAX_HOSTS) {
    for (const oldest of runs.keys()) {
      runs.delete(oldest);
      break;
    }
  }
  runs.set(host, known === undefined ? from : Math.max(known, from));
}

/** What nobody states is one session of its own, not none. */
function keyOf({ id, by }: Sequence, { org, agent }: SequenceFacts, client: string | null): string {
  const parts = { agent, tenant: org, client };
  return JSON.stringify([id, ...by.map((part) => [part, parts[part]])]);
}
