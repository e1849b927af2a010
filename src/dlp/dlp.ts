/** The settings of data loss prevention, compiled: what is looked for, and what it leads to. */
import { portableDigest } from "../crypto/digest.ts";
import { Fault } from "../errors.ts";
import type { Question } from "../model/question.ts";
import { type BodyOptions, isQuiet, scanBody } from "./body.ts";
import { Canaries, MAX_CANARIES, MIN_CANARY } from "./canary.ts";
import type { BodyKind, DlpFinding, Mode } from "./finding.ts";
import { scanHead, type Unread } from "./head.ts";
import { loadPatternEngine, type PatternSetting, Patterns } from "./patterns.ts";
import { WIDE } from "./readings.ts";
import { redact } from "./redact.ts";
import type { DlpClass } from "./rule.ts";
import type { Scanner } from "./scanner.ts";
import { scannerOf } from "./scanners.ts";
import { scanTail, type Tail, type TailOptions } from "./tail.ts";
import { Dictionaries, type DictionarySetting } from "./words.ts";

export interface DlpSettings {
  /** What a class leads to; what is not named keeps `DEFAULT_MODES`. */
  readonly modes?: Partial<Readonly<Record<DlpClass, Mode>>>;
  /** Exact tokens, 8 bytes or more each. */
  readonly canaries?: readonly string[];
  readonly patterns?: readonly PatternSetting[];
  readonly dictionaries?: readonly DictionarySetting[];
  readonly allow?: {
    /** SHA-256 of a value, 64 hex digits: this very value is no finding. */
    readonly fingerprints?: readonly string[];
    /** Names of rules that are switched off: "email-address". */
    readonly names?: readonly string[];
  };
}

/** With no policy at all: secrets and canaries veto, personal data is told. */
export const DEFAULT_MODES: Readonly<Record<DlpClass, Mode>> = {
  secret: "enforce",
  canary: "enforce",
  personal: "shadow",
  health: "shadow",
  pattern: "enforce",
  dictionary: "enforce",
};

/** What one scan may cost. Running out is never a pass. */
export interface DlpBudget {
  /** Monotonic milliseconds. */
  readonly deadline: number;
  readonly clock: () => number;
}

/** What the rooms of a scan share. */
export interface Detectors {
  /** Made when a first text needs it: a start must not wait for its tables. */
  readonly scanner: () => Scanner;
  readonly canaries: Canaries | null;
  readonly dictionaries: Dictionaries | null;
  readonly patterns: Patterns | null;
  readonly modes: Readonly<Record<DlpClass, Mode>>;
  readonly allowedNames: ReadonlySet<string>;
  /** Hosts in whose names nothing was found. */
  readonly quietHosts: Set<string>;
  /** SHA-256 of a value is on the list. */
  readonly allowed: (value: Uint8Array) => boolean;
}

export interface Dlp {
  /** Makes the tables, a millisecond or less a step. Whoever scans before that waits for them. */
  prepare(): Generator<void, void>;
  /**
   * Trailers, these headers and, when it has not been seen before, the URL. Credentials are judged by their issuer; nothing
   * found here is redactable.
   */
  scanHead(question: Question, unread: Unread): DlpFinding[];
  /** True: a short body in which nothing is found; false: `scanBody` knows. */
  isQuiet(bytes: Uint8Array, options: BodyOptions): boolean;
  /** Yields after a millisecond or less. "exhausted" when the budget ran out. In the order of their starts. */
  scanBody(bytes: Uint8Array, options: BodyOptions): Generator<void, readonly DlpFinding[] | "exhausted">;
  /**
   * The end of a text that goes on: what it holds, and where what its end cuts may begin. At most `MAX_TAIL` bytes, in
   * one go. `whole`: nothing comes behind it.
   */
  tail(bytes: Uint8Array, options: TailOptions): Tail;
  /** Replaces what is wanted, or else findings of a mode of `sanitize`, until none is left. */
  sanitize(bytes: Uint8Array, options: SanitizeOptions): Generator<void, Sanitized | "exhausted">;
}

export interface SanitizeOptions extends BodyOptions {
  readonly wanted?: (finding: DlpFinding) => boolean;
}

export interface Sanitized {
  readonly bytes: Uint8Array;
  /** Null: nothing that was wanted out is left. Otherwise a reason to veto, and `bytes` are not to be sent. */
  readonly left: Left | null;
}

/** `structure`: it cannot be taken out without changing what is meant. `written`: nor without knowing how it is written. `many`: more than 100,000. */
export type Left = "structure" | "written" | "many";

/** A replacement changes what stands side by side; after this many rounds what is left is told as left. */
const MAX_ROUNDS = 4;

/** `loadPatternEngine` goes before it where there are patterns. @throws Fault `policy_invalid` for settings that cannot be obeyed. */
export function compileDlp(settings: DlpSettings = {}): Dlp {
  const detectors = detectorsOf(settings);
  return {
    *prepare() {
      const scanner = detectors.scanner();
      while (!scanner.prepare()) yield;
    },
    tail: (bytes, options) => scanTail(bytes, options, detectors),
    scanHead: (question, unread) => scanHead(question, unread, detectors),
    isQuiet: (bytes, options) => isQuiet(bytes, options, detectors),
    *scanBody(bytes, options) {
      const found = yield* scanBody(bytes, options, detectors);
      return found === "full" ? "exhausted" : found;
    },
    *sanitize(bytes, { wanted = isForSanitizing, ...options }) {
      let current = bytes;
      for (let round = 0; ; round++) {
        const findings = yield* scanBody(current, { ...options, wanted }, detectors);
        if (findings === "exhausted") return "exhausted";
        if (findings === "full") return { bytes: current, left: "many" };
        const next = round < MAX_ROUNDS ? yield* redact(current, findings, options.kind) : current;
        if (next === current) return { bytes: current, left: findings.length === 0 ? null : whyLeft(findings) };
        current = next;
        yield;
      }
    },
  };
}

function whyLeft(findings: readonly DlpFinding[]): Left {
  return findings.some(({ view }) => view.includes(WIDE)) ? "written" : "structure";
}

function isForSanitizing({ mode }: DlpFinding): boolean {
  return mode === "sanitize";
}

function detectorsOf(settings: DlpSettings): Detectors {
  const modes = { ...DEFAULT_MODES, ...settings.modes };
  const { canaries = [], patterns = [], dictionaries = [] } = settings;
  if (canaries.length > MAX_CANARIES) throw new Fault("policy_invalid", `more than ${MAX_CANARIES} canaries`);
  for (const token of canaries) {
    if (new TextEncoder().encode(token).length < MIN_CANARY)
      throw new Fault("policy_invalid", `a canary is shorter than ${MIN_CANARY} bytes`);
  }
  const names = [...patterns, ...dictionaries].map(({ name }) => name);
  for (const name of names)
    if (!/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name)) throw new Fault("policy_invalid", `"${name}" is no kebab-case name`);
  const personal = modes.personal !== "off" || modes.health !== "off";
  const fingerprints = new Set(
    (settings.allow?.fingerprints ?? []).map((print) => print.toLowerCase().replace(/^sha256[:-]/, "")),
  );
  for (const print of fingerprints)
    if (!/^[0-9a-f]{64}$/.test(print)) throw new Fault("policy_invalid", "a fingerprint is 64 hex digits");
  return {
    scanner: () => scannerOf({ secrets: modes.secret !== "off", personal }),
    canaries: modes.canary === "off" || canaries.length === 0 ? null : new Canaries(canaries),
    dictionaries: modes.dictionary === "off" || dictionaries.length === 0 ? null : new Dictionaries(dictionaries),
    patterns: modes.pattern === "off" || patterns.length === 0 ? null : new Patterns(patterns),
    modes,
    allowedNames: new Set(settings.allow?.names ?? []),
    quietHosts: new Set(),
    allowed: (value) => fingerprints.size > 0 && fingerprints.has(portableDigest.sha256(value)),
  };
}

export { MAX_TAIL, type Tail, type TailOptions } from "./tail.ts";
export type { BodyKind, BodyOptions, DlpFinding, Mode, Unread };
export { loadPatternEngine };
