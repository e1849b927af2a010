/**
 * The governance engine: a question in, a ruling out. Pure, and linear in the question. It is the same object in the relay
 * (decide/embedded.ts) and behind the decision API (plane/), so a relay cannot tell the difference.
 *
 * Pillar 128 comes first and its veto ends the ruling; then secrets and personal data; then the rules, of which the most
 * severe wins. Whatever is only watched says what it would have done.
 */
import { calledInternalUrls } from "../content/called-urls.ts";
import { type Facts, factsOf } from "../content/facts.ts";
import { finish } from "../content/finish.ts";
import {
  type Budget,
  INSPECTORS,
  inspectSlices,
  inspectWhole,
  SliceSize,
  type Turn,
  WHOLE_BYTES,
} from "../detect/inspect.ts";
import type { Inspection } from "../detect/pillar128.ts";
import type { DlpFinding, Left } from "../dlp/dlp.ts";
import type { Finding } from "../model/finding.ts";
import type { Question } from "../model/question.ts";
import type { Program } from "../policy/program.ts";
import type { AnswerMetadata } from "./answer-kind.ts";
import { AnswerProfiles } from "./answer-profile.ts";
import { AnswerScreen } from "./answer-screen.ts";
import { holdsCall, kindOf, mayCallTools, mayHoldCall, namesTools } from "./body-kind.ts";
import { headTexts, readField, readFieldInSteps, type Unread } from "./head.ts";
import { inspectInside, mayHoldMore, onlyInside } from "./inside.ts";
import { OPAQUE } from "./opaque.ts";
import { type Profile, profileOf } from "./profile.ts";
import { type Ruling, ruling, UNRULED } from "./ruling.ts";
import { type Reason, Tally } from "./tally.ts";

/** "exhausted": the question asks for more work than any honest one. Never a pass. */
export type Ruled = Ruling | "exhausted";

export interface Asked {
  readonly question: Question;
  readonly budget: Budget;
  /** What of the head has to be read. The rest is as this engine has read it before, to no effect. */
  readonly unread: Unread;
  /** Other readings of the body's bytes, such as before its codings were undone. Inspected, never redacted. */
  readonly layers: readonly Uint8Array[];
}

export class Engine {
  readonly policyVersion: string | null;
  readonly program: Program | null;
  readonly #profile: Profile;
  #answers: AnswerProfiles | null = null;
  /** Most questions are answered with the same object as the one before. */
  #last: Ruling = UNRULED;

  /** Throws Fault `policy_invalid` for settings of inspection that cannot be obeyed. */
  constructor(program: Program | null) {
    this.program = program;
    this.policyVersion = program?.version ?? null;
    this.#profile = profileOf(program);
  }

  /** For the answer of one place. Null: nothing is looked for in it, nor is there any limit. */
  screen(place: Pick<Question, "host" | "port" | "literal">, head: AnswerMetadata): AnswerScreen | null {
    this.#answers ??= new AnswerProfiles(this.program);
    const profile = this.#answers.of(place, head.softened === true);
    const { allow, deny, maxBytes } = profile.terms;
    if (profile.idle && maxBytes === null && allow === null && deny.length === 0) return null;
    return new AnswerScreen({ profile, head, host: place.host });
  }

  /** Makes the tables that the first body would have to wait for: a millisecond or less a step. */
  prepare(): Generator<void, void> {
    return this.#profile.dlp.prepare();
  }

  /** Fields of a head have to be read even when none of them is longer than `SHORT_VALUE`. */
  get readsShort(): boolean {
    return this.#profile.short;
  }

  /** True when `rule` does it in one go without holding an event loop. */
  static isShort({ question, layers }: Pick<Asked, "question" | "layers">, most: number): boolean {
    if (layers.length > 0) return false;
    const { body } = question;
    return body === null || (body.length <= Math.min(most, WHOLE_BYTES) && !mayHoldMore(question, body));
  }

  /** In one go; for what `isShort`. "exhausted" with the budget's share spent: `ruleInSteps` is to begin again. */
  rule(asked: Asked): Ruled {
    const { question, budget, unread } = asked;
    const tally = new Tally();
    if (this.#profile.detects) {
      for (const text of headTexts(question, unread)) {
        const veto = this.#attacked(readField(text.text, INSPECTORS, budget), text.where, tally);
        if (veto !== null) return veto;
      }
      const { body } = question;
      if (body !== null && body.length > 0) {
        const veto = this.#attacked(inspectWhole(body, INSPECTORS, budget), "body", tally);
        if (veto !== null) return veto;
      }
    }
    return this.#nothingElse(asked, tally) ?? finish(this.#afterAttacks(asked, tally));
  }

  /** The ruling on a short question in which there is nothing but text, as most are; null: `#afterAttacks` rules. */
  #nothingElse(asked: Asked, tally: Tally): Ruled | null {
    const { question, budget, unread } = asked;
    const { body, host } = question;
    const { dlp } = this.#profile;
    if (tally.findings.length > 0 || tally.enforced !== null || tally.every !== null) return null;
    if (dlp.scanHead(question, unread).length > 0) return null;
    if (body !== null && body.length > 0) {
      const kind = kindOf(question, body);
      if (!dlp.isQuiet(body, { kind, host, budget }) || (kind === "json" && namesTools(body) && holdsCall(body)))
        return null;
    }
    if (this.program === null) return UNRULED;
    const facts = factsOf(question);
    try {
      return this.#ruled(tally, this.#policy(this.program, question, facts, tally), null);
    } finally {
      facts.release();
    }
  }

  /** For a question of any length: yields after a millisecond or so of work, or what is to be awaited. `size` is asked before every slice. */
  *ruleInSteps(asked: Asked, size: SliceSize): Generator<Turn, Ruled> {
    const { question, budget, unread, layers } = asked;
    const tally = new Tally();
    if (this.#profile.detects) {
      for (const text of headTexts(question, unread)) {
        const found = yield* readFieldInSteps(text.text, INSPECTORS, budget);
        const veto = this.#attacked(found, text.where, tally);
        if (veto !== null) return veto;
        yield;
      }
      for (const bytes of question.body === null ? layers : [question.body, ...layers]) {
        if (bytes.length === 0) continue;
        const veto = this.#attacked(yield* inspectSlices(bytes, INSPECTORS, budget, size), "body", tally);
        if (veto !== null) return veto;
      }
    }
    const inside: DlpFinding[] = [];
    const veto = yield* this.#inside(asked, { tally, inside }, size);
    return veto ?? (yield* this.#afterAttacks(asked, tally, inside));
  }

  /** Texts that stand in the body in another form: an attack in one ends it, data found in them is added to `inside`. */
  *#inside(asked: Asked, { tally, inside }: InnerFindings, size: SliceSize): Generator<Turn, Ruled | null> {
    const { detects, dlp } = this.#profile;
    for (const found of inspectInside(asked, { attacks: detects, dlp, size })) {
      if (found === null) yield;
      else if (found instanceof Promise) yield found;
      else if (found === "exhausted") return found;
      else if (found === "bomb") return this.#bomb(tally);
      else if ("class" in found) {
        if (inside.length < MAX_INSIDE) inside.push(found);
      } else if (found.vector === OPAQUE) tally.note(found);
      else {
        const veto = this.#attacked(found, "body", tally);
        if (veto !== null) return veto;
      }
    }
    return null;
  }

  #bomb(tally: Tally): Ruled {
    const reason = "something packed in the body comes to more than any honest one";
    tally.add({ verdict: "deny", reason, pillar: "CoreGuard", vector: "body_bomb", rule: null, controls: [] }, false);
    return this.#ruled(tally, null, null);
  }

  /** The ruling on what Pillar 128 found where only the relay can look; null when the policy does not enforce it. */
  vetoed(found: Finding): Ruling | null {
    const tally = new Tally();
    const veto = this.#attacked(found, found.where, tally);
    return veto === "exhausted" ? null : veto;
  }

  /** Null: go on. */
  #attacked(found: Inspection, where: string, tally: Tally): Ruled | null {
    if (found === null || found === "exhausted") return found;
    const action = this.#profile.attack(found);
    if (action === "ignore") return null;
    const finding = found.where === where ? found : { ...found, where };
    tally.note(finding);
    if (action === "note") return null;
    const { pillar, vector, name, reason } = finding;
    tally.add(
      { verdict: "deny", reason, pillar, vector, rule: `detect.${vector} ${name}`, controls: [] },
      action === "watch",
    );
    return action === "watch" ? null : this.#ruled(tally, null, null);
  }

  *#afterAttacks(asked: Asked, tally: Tally, inside: readonly DlpFinding[] = NONE): Generator<void, Ruled> {
    const { question, budget, unread, layers } = asked;
    const { dlp } = this.#profile;
    const { body, host } = question;
    const inHead = dlp.scanHead(question, unread);
    if (inHead.length > 0) this.#data(inHead, tally);
    const bytes = body === null || body.length === 0 ? null : body;
    const kind = bytes === null ? "text" : kindOf(question, bytes);
    if (bytes !== null) {
      const found = yield* dlp.scanBody(bytes, { kind, host, budget });
      if (found === "exhausted") return found;
      if (found.length > 0) this.#data(found, tally);
      if (inside.length > 0) this.#data(onlyInside(inside, found), tally);
    }
    for (const layer of layers) {
      const found = yield* dlp.scanBody(layer, { kind: kindOf(question, layer), host, budget });
      if (found === "exhausted") return found;
      this.#data(
        found.map((finding) => ({ ...finding, redactable: false, where: "coded body" })),
        tally,
      );
    }
    const { program } = this;
    const tools = bytes !== null && kind === "json" && (yield* mayCallTools(bytes)) && (yield* mayHoldCall(bytes));
    const quiet = tally.findings.length === 0 && !tools;
    if (quiet && program === null) return UNRULED;
    const facts = factsOf(question);
    try {
      if (bytes !== null && bytes.length > WHOLE_BYTES && (tools || asksFacts(program))) yield* facts.prepare("llm");
      if (tools) this.#called(facts, tally);
      const policy = program === null ? null : this.#policy(program, question, facts, tally);
      if (tally.enforced?.verdict !== "sanitize" || bytes === null) return this.#ruled(tally, policy, null);
      return yield* this.#sanitized(asked, tally, policy);
    } finally {
      facts.release();
    }
  }

  /** Data on its way out, and what the policy makes of it. */
  #data(findings: readonly DlpFinding[], tally: Tally): void {
    for (const finding of findings) {
      const action = this.#profile.data(finding);
      if (action === "ignore") continue;
      tally.note(finding);
      if (action === "note") continue;
      const { pillar, vector, name, reason, redactable } = finding;
      const sanitize = action === "sanitize" && redactable;
      const verdict = sanitize ? "sanitize" : "deny";
      tally.add({ verdict, reason, pillar, vector, rule: `dlp.${name}`, controls: [] }, action === "watch");
    }
  }

  /** What a tool is asked to fetch. Metadata of a cloud is nobody's to fetch; the rest is told. */
  #called(facts: Facts, tally: Tally): void {
    const llm = facts.llm();
    const { tape } = facts.body();
    if (!llm.known || llm.value === null || tape === null) return;
    for (const finding of calledInternalUrls(tape, llm.value)) {
      tally.note(finding);
      if (finding.severity !== "critical") continue;
      const { pillar, vector, name, reason } = finding;
      tally.add({ verdict: "deny", reason, pillar, vector, rule: `detect.${name}`, controls: [] }, false);
    }
  }

  /** What the rules say. Allowing is no reason against anything, so it joins the tally only as the ruling's last word. */
  #policy(program: Program, question: Question, facts: Facts, tally: Tally): Allowed {
    const said = program.rule(question, facts, tally.findings);
    const { verdict, reason, rule, controls, would, ttlS, message } = said;
    const by = { pillar: "CoreGuard", vector: VECTOR[verdict], rule, controls };
    if (verdict !== "allow") tally.add({ ...by, verdict, reason: message ?? reason }, false);
    if (would !== null && would.verdict !== "allow") {
      const watched: Reason = {
        ...by,
        verdict: would.verdict,
        vector: VECTOR[would.verdict],
        reason: would.reason,
        rule: would.rule,
      };
      tally.add(watched, true);
    }
    return { rule, reason, controls, ttlS: ttlS ?? 0 };
  }

  *#sanitized(asked: Asked, tally: Tally, policy: Allowed | null): Generator<void, Ruled> {
    const { question, budget } = asked;
    const { host } = question;
    const body = question.body as Uint8Array;
    const kind = kindOf(question, body);
    const byRule = tally.enforced?.vector === VECTOR.sanitize;
    const { dlp } = this.#profile;
    const wanted = (finding: DlpFinding): boolean => {
      const action = this.#profile.data(finding);
      // A rule that has something redacted means all that was found in the body and is not too unsure to act on.
      return action === "sanitize" || (byRule && action !== "ignore" && finding.confidence !== "low");
    };
    const done = yield* dlp.sanitize(body, { kind, host, budget, wanted });
    if (done === "exhausted") return done;
    // What is found inside only stays there, whatever was taken out around it.
    const left = done.left ?? (yield* this.#leftInside(asked, done.bytes, wanted));
    if (left === "exhausted") return left;
    if (left !== null) {
      const reason = LEFT[left];
      const by = tally.enforced as Reason;
      tally.add({ ...by, verdict: "deny", vector: "sanitize_unredactable", reason }, false);
      return this.#ruled(tally, policy, null);
    }
    // Nothing was there to take out: what was decided is what is sent.
    if (done.bytes === body) tally.enforced = null;
    return this.#ruled(tally, policy, done.bytes === body ? null : done.bytes);
  }

  *#leftInside(
    asked: Asked,
    body: Uint8Array,
    wanted: (finding: DlpFinding) => boolean,
  ): Generator<void, Left | "exhausted" | null> {
    const { dlp } = this.#profile;
    const { host, headers } = asked.question;
    const { budget } = asked;
    for (const found of inspectInside(
      { question: { host, headers, body }, budget },
      { attacks: false, dlp, size: new SliceSize() },
    )) {
      if (found === null) yield;
      else if (found === "exhausted") return found;
      else if (found !== "bomb" && !(found instanceof Promise) && "class" in found && wanted(found)) return "structure";
    }
    return null;
  }

  #ruled({ enforced, every, findings }: Tally, policy: Allowed | null, replacement: Uint8Array | null): Ruling {
    const { policyVersion } = this;
    if (enforced !== null) {
      const { verdict, reason, pillar, vector, rule, controls } = enforced;
      const would = every === null || every.verdict === verdict ? null : every.verdict;
      return ruling(verdict, reason, { pillar, vector, rule, controls, would, policyVersion, replacement, findings });
    }
    const rule = policy?.rule ?? null;
    const reason = policy === null ? UNRULED.reason : policy.reason;
    if (every === null && findings.length === 0) {
      if (policy === null) return UNRULED;
      const { controls, ttlS } = policy;
      const last = this.#last;
      if (last.rule === rule && last.reason === reason && last.ttlS === ttlS && last.controls === controls) return last;
      this.#last = ruling("allow", reason, { rule, controls, ttlS, policyVersion });
      return this.#last;
    }
    if (every === null)
      return ruling("allow", reason, { rule, controls: policy?.controls ?? [], policyVersion, findings });
    // What was only watched is what the certificate tells.
    const { verdict: would, pillar, vector } = every;
    return ruling("allow", every.reason, {
      would,
      pillar,
      vector,
      rule: every.rule,
      controls: every.controls,
      policyVersion,
      findings,
    });
  }
}

const NONE: readonly DlpFinding[] = [];
/** Findings of data in texts inside, of which more say nothing more. */
const MAX_INSIDE = 2000;

interface InnerFindings {
  readonly tally: Tally;
  readonly inside: DlpFinding[];
}

/** What lets a request go when nothing speaks against it. */
interface Allowed {
  readonly rule: string | null;
  readonly reason: string;
  readonly controls: readonly string[];
  readonly ttlS: number;
}

const VECTOR = {
  allow: null,
  deny: "policy_deny",
  sanitize: "policy_sanitize",
  approval_needed: "approval_needed",
} as const;

/** Why what has to be removed is not. */
const LEFT = {
  structure: "what has to be removed cannot be taken out without changing the request's meaning",
  written: "what has to be removed is written in UTF-16 or UTF-32, of which nothing can be taken out",
  many: "more has to be removed than can be taken out of one request",
} as const;

function asksFacts(program: Program | null): boolean {
  return program !== null && program.rules.length > 0;
}
