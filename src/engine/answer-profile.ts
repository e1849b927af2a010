/** What a policy makes of what is found in the answers of one place. */
import { ANSWER_VECTORS } from "../detect/answers.ts";
import { VECTORS } from "../detect/vectors.ts";
import { compileDlp, type Dlp, type DlpFinding } from "../dlp/dlp.ts";
import type { Finding } from "../model/finding.ts";
import type { Question } from "../model/question.ts";
import { dlpPolicyOf } from "../policy/dlp-settings.ts";
import type { Program } from "../policy/program.ts";
import { type ResponseMode, ResponsePolicy, type ResponseTerms, softenedTerms } from "../policy/responses.ts";
import { type Ruling, ruling } from "./ruling.ts";

export interface AnswerProfile {
  readonly terms: ResponseTerms;
  readonly policyVersion: string | null;
  /** Vectors that end an answer. */
  readonly acting: ReadonlySet<string>;
  /** Vectors that are told and do nothing. */
  readonly watched: ReadonlySet<string>;
  /** Both. */
  readonly wanted: ReadonlySet<string>;
  /** Null: no kind of data is looked for. */
  readonly dlp: Dlp | null;
  /** Some kind of data ends an answer, so what may become some is waited for; and numbers and addresses are. */
  readonly holds: boolean;
  readonly holdsPersonal: boolean;
  /** Disguises are undone. */
  readonly deep: boolean;
  /** Nothing is looked at; sizes and types may still be. */
  readonly idle: boolean;
  /** Of an answer in which nothing was found. */
  readonly quiet: Ruling;
  attack(finding: Finding): ResponseMode;
  /** Shadow too for what is not sure enough to act on; "off": not worth a word. */
  data(finding: DlpFinding): ResponseMode;
}

/** One a set of terms, kept as long as the program is. */
export class AnswerProfiles {
  readonly #program: Program | null;
  readonly #policy: ResponsePolicy;
  readonly #made = new Map<ResponseTerms, AnswerProfile>();
  readonly #softened = new Map<ResponseTerms, AnswerProfile>();

  constructor(program: Program | null) {
    this.#program = program;
    this.#policy = new ResponsePolicy(program?.responses ?? {});
  }

  of(place: Pick<Question, "host" | "port" | "literal">, softened: boolean): AnswerProfile {
    const terms = this.#policy.of(place.host, place.port, place.literal);
    const made = softened ? this.#softened : this.#made;
    let profile = made.get(terms);
    if (profile === undefined) {
      profile = profileOf(softened ? softenedTerms(terms) : terms, this.#program);
      made.set(terms, profile);
    }
    return profile;
  }
}

function profileOf(terms: ResponseTerms, program: Program | null): AnswerProfile {
  const policyVersion = program?.version ?? null;
  const acting = new Set<string>();
  const watched = new Set<string>();
  for (const vector of ANSWER_VECTORS) {
    const mode = terms.attack(vector, VECTORS[vector as keyof typeof VECTORS].name);
    if (mode === "enforce") acting.add(vector);
    else if (mode === "shadow") watched.add(vector);
  }
  const { classes } = terms;
  const modes = Object.values(classes);
  const dlp = modes.every((mode) => mode === "off")
    ? null
    : compileDlp({ ...dlpPolicyOf(program?.dlp ?? {}), modes: classes });
  return {
    terms,
    policyVersion,
    acting,
    watched,
    wanted: new Set([...acting, ...watched]),
    dlp,
    holds: modes.includes("enforce"),
    holdsPersonal: classes.personal === "enforce" || classes.health === "enforce",
    // A policy that acts on what texts say acts on it in disguise as well.
    deep: acting.size > 1,
    idle: acting.size + watched.size === 0 && dlp === null,
    quiet: ruling("allow", "nothing in the answer speaks against it", { policyVersion }),
    attack: ({ vector, name }) => terms.attack(vector, name),
    data({ class: kind, mode, confidence }) {
      if (mode === "enforce") return "enforce";
      return confidence === "low" || classes[kind] !== "shadow" ? "off" : "shadow";
    },
  };
}
