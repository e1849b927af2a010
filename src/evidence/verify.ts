import type { Verifier } from "../crypto/signature.ts";
import type { Certificate } from "../model/certificate.ts";
import type { Runtime } from "../runtime/contract.ts";
import { ZERO_HASH } from "./chain.ts";
import { ChainBook, type ChainEnd, MAX_CHAINS } from "./chain-book.ts";
import { type Damaged, readLines } from "./lines.ts";
import { type LineFacts, type ReadLine, readLine } from "./quick-certificate.ts";
import type { Finding, FindingCode, Report, Severity } from "./report.ts";
import { TornRegion } from "./torn-region.ts";
import { type LogSource, OutcomeWalk } from "./verify-outcomes.ts";

/** Keys by `kid`; null: signatures are not checked. */
export type Keys = ReadonlyMap<string, Verifier> | null;

export type SignatureProblem = {
  readonly code: "bad_signature" | "unknown_key" | "wrong_algorithm";
  readonly detail: string;
};

/** Null when the signature is the key's. The key is chosen by `kid`, the algorithm is the key's own. */
export function checkSignature(read: ReadLine, keys: Keys): SignatureProblem | null | Promise<SignatureProblem | null> {
  if (keys === null) return null;
  const { kid, algorithm, signature } = read.certificate;
  const key = keys.get(kid);
  if (key === undefined)
    return { code: "unknown_key", detail: `no key with kid ${JSON.stringify(kid.slice(0, 64))} was given` };
  if (algorithm !== key.algorithm) {
    return {
      code: "wrong_algorithm",
      detail: `it claims ${JSON.stringify(algorithm.slice(0, 32))}, its key is for ${key.algorithm}`,
    };
  }
  const good = key.verify(read.signedText, signature);
  return typeof good === "boolean" ? verdictOf(good) : good.then(verdictOf);
}

const BAD_SIGNATURE: SignatureProblem = { code: "bad_signature", detail: "the signature does not fit what it says" };

function verdictOf(good: boolean): SignatureProblem | null {
  return good ? null : BAD_SIGNATURE;
}

export interface LogVerification {
  readonly runtime: Pick<Runtime, "sha256" | "hasher">;
  readonly keys: Keys;
  /** The files of one log in the order they were written. */
  readonly files: readonly LogSource[];
  /** The files of its outcome log likewise, or null when there is none to compare. */
  readonly outcomes: readonly LogSource[] | null;
  /** Certificates that name an outcome log are an error when there is none, and not only a warning. */
  readonly outcomesExpected?: boolean;
  /** A log that does not begin at its first line is an error, and not only a warning. */
  readonly complete?: boolean;
  /** The chains of all logs verified together; a chain may stand in only one of them. */
  readonly chains?: ChainBook;
  readonly report: Report;
  /** Called now and then with the bytes read since the last call. */
  readonly progress?: (bytes: number) => void;
}

/** Verifies a whole log as a stream: memory depends neither on its length nor on what is wrong with it. */
export async function verifyLog(options: LogVerification): Promise<void> {
  await new LogVerifier(options).run();
}

class LogVerifier {
  readonly #o: LogVerification;
  readonly #outcomes: OutcomeWalk | null;
  readonly #chains: ChainBook;
  /** Name of the log: that of its newest file. */
  readonly #log: string;
  readonly #frontMissing: Severity;
  #file = "";
  #line = 0;
  /** The last link read. */
  #last: ChainEnd | null = null;
  /** The first certificate that names an outcome when there are none to compare. */
  #missesOutcomes: { readonly file: string; readonly line: number } | null = null;
  #torn: TornRegion | null = null;
  /** What the last recovery promised to follow it. */
  #unwritten: {
    left: number;
    read: number;
    readonly hash: string;
    readonly hasher: ReturnType<Runtime["hasher"]>;
    readonly line: number;
  } | null = null;
  /** Findings of the batch at hand: signatures answer out of order. */
  #found: Finding[] = [];
  #checks: Promise<void>[] = [];

  constructor(options: LogVerification) {
    this.#o = options;
    const { runtime, outcomes: files, report } = options;
    this.#frontMissing = options.complete ? "error" : "warning";
    this.#chains = options.chains ?? new ChainBook();
    this.#log = options.files.at(-1)?.name ?? "";
    this.#outcomes =
      files === null ? null : new OutcomeWalk({ runtime, files, report, frontMissing: this.#frontMissing });
  }

  async run(): Promise<void> {
    const { files, progress } = this.#o;
    for (const file of files) {
      this.#file = file.name;
      this.#line = 1;
      for await (const batch of readLines(file.chunks())) {
        for (let i = 0; i < batch.lines.length; i++) {
          const line = batch.lines[i] as string | Damaged;
          const slow = this.#take(line, batch.open && i === batch.lines.length - 1);
          if (slow !== null) await slow;
          if (typeof line === "string" || line.ends) this.#line++;
        }
        await this.#endBatch();
        progress?.(batch.bytes);
      }
    }
    this.#closeTorn(null, true);
    this.#closeUnwritten(null);
    if (this.#last !== null) this.#remember(this.#last);
    await this.#endBatch();
    await this.#closeOutcomes();
  }

  #take(line: string | Damaged, open: boolean): Promise<void> | null {
    const read = typeof line === "string" ? readLine(line) : UNREADABLE;
    if ("code" in read) {
      if (read.code === "malformed") return this.#tear(line, open, read.detail);
      // Whole but unacceptable: no recovery takes such a line for torn.
      this.#add("error", read.code, read.detail);
      return null;
    }
    const { certificate } = read;
    if (certificate.chain === null) {
      // Recovery takes everything after the first damage as torn, so the account has to be kept the same way.
      if (this.#torn !== null) return this.#tear(line, open, "");
      this.#unchained(line as string, certificate);
    }
    this.#o.report.certificates++;
    if (certificate.phase === "recovery") this.#o.report.recoveries++;
    else this.#o.report.verdicts[certificate.verdict]++;
    const problem = checkSignature(read, this.#o.keys);
    if (problem instanceof Promise) {
      const at = this.#line;
      this.#checks.push(problem.then((late) => this.#signature(late, at)));
    } else this.#signature(problem, this.#line);
    return certificate.chain === null ? null : this.#link(certificate, this.#o.runtime.sha256(read.signedText));
  }

  #signature(problem: SignatureProblem | null, line: number): void {
    if (problem !== null) this.#add("error", problem.code, problem.detail, line);
  }

  #link(certificate: LineFacts, hash: string): Promise<void> | null {
    const { chain, timestamp, recovered = null, phase } = certificate;
    if (chain === null) return null;
    const { id, seq, prev, outcomes } = chain;
    this.#closeTorn(phase === "recovery" ? recovered : null, false);
    this.#closeUnwritten(phase === "recovery" ? recovered : null);
    const last = this.#last?.id === id ? this.#last : this.#turnTo(id, seq, prev);
    let advance = true;
    if (last !== null) {
      if (seq <= last.seq) {
        this.#add("error", "duplicate", `seq ${seq} comes again after seq ${last.seq}`);
        advance = false;
      } else if (seq > last.seq + 1) {
        this.#add("error", "gap", `seq ${last.seq + 1} to ${seq - 1} are missing`);
      } else if (prev !== last.hash) {
        this.#add("error", "broken_link", "prev is not the hash of the certificate before");
      }
      if (advance && timestamp < last.timestamp) {
        this.#add("warning", "clock_step", `the clock went back from ${last.timestamp} to ${timestamp}`);
      }
    }
    // A chain that was turned to and begins with a repeated line still ends where it ended.
    this.#last = advance || last === null ? { id, seq, hash, timestamp, log: this.#log } : last;
    if (phase === "recovery" && recovered !== null) this.#recovered(recovered);
    return this.#compareOutcomes(certificate, outcomes);
  }

  /** Another chain than that of the line before: what is known of it, to be gone on with, or null when it begins here. */
  #turnTo(id: string, seq: number, prev: string): ChainEnd | null {
    const before = this.#last;
    if (before !== null) this.#remember(before);
    const known = this.#chains.find(id);
    if (known !== null) {
      if (known.log === this.#log) return known;
      const text = `chain ${id} stands in ${known.log} too, there up to seq ${known.seq}, here from ${seq}: one chain is one log`;
      this.#add("error", "chain_split", text);
    } else if (before === null) {
      if (seq > 0) {
        this.#o.report.beginsLate(this.#log, seq);
        const text = `the log begins at seq ${seq}: what came before is not here, and was not verified`;
        this.#add(this.#frontMissing, "continues_from", text);
      } else if (prev !== ZERO_HASH) this.#add("error", "broken_link", "the first line names a line before it");
    } else if (seq === 0 && prev === ZERO_HASH) {
      this.#add("warning", "new_chain", `chain ${before.id} ends, chain ${id} begins`);
    } else {
      const text = `it is seq ${seq} of chain ${id}, after seq ${before.seq} of chain ${before.id}`;
      this.#add("error", "chain_changed", text);
    }
    return null;
  }

  #remember(end: ChainEnd): void {
    if (this.#chains.keep(end)) return;
    const text = `more than ${MAX_CHAINS} chains: whether one of them comes back was not looked at`;
    this.#add("error", "chains_unchecked", text);
  }

  #recovered(recovered: NonNullable<Certificate["recovered"]>): void {
    const { unwritten = 0, unwritten_hash = "", lost = 0 } = recovered;
    if (unwritten > 0) {
      this.#unwritten = {
        left: unwritten,
        read: 0,
        hash: unwritten_hash,
        hasher: this.#o.runtime.hasher(),
        line: this.#line,
      };
    }
    if (lost > 0)
      this.#add("warning", "certificates_lost", `${lost} certificates made while the log failed were never written`);
  }

  #unchained(line: string, certificate: LineFacts): void {
    const expected = this.#unwritten;
    if (expected === null || certificate.verdict !== "fail_closed") {
      this.#add("error", "unchained", "it has no place in the chain and no recovery before it accounts for it");
      return;
    }
    expected.hasher.update(encoder.encode(`${line}\n`));
    expected.read++;
    if (--expected.left > 0) return;
    this.#unwritten = null;
    if (expected.hasher.hex() === expected.hash) return;
    this.#add("error", "unwritten_mismatch", "the late certificates are not those it names", expected.line);
  }

  #tear(line: string | Damaged, open: boolean, detail: string): null {
    this.#torn ??= new TornRegion(this.#o.runtime, { file: this.#file, line: this.#line, detail });
    this.#torn.add(line, open);
    return null;
  }

  #closeTorn(recovered: Certificate["recovered"] | null, atEnd: boolean): void {
    const torn = this.#torn;
    this.#torn = null;
    if (torn === null) {
      if (recovered && recovered.torn_bytes > 0) {
        this.#add("error", "malformed", `${recovered.torn_bytes} torn bytes it names are not before it`);
      }
      return;
    }
    const { file, line, lines, detail } = torn;
    const more = lines > 1 ? `, and ${lines - 1} lines after it` : "";
    if (recovered && torn.explainedBy(recovered)) {
      const text = `${recovered.torn_bytes} bytes were torn off by a crash or a failed write; a recovery accounts for them`;
      this.#found.push({ severity: "warning", code: "torn_recovered", file, line, detail: text });
    } else if (atEnd) {
      const text = `the log ends in bytes that are no certificate: ${detail}${more}`;
      this.#found.push({ severity: "error", code: "torn_tail", file, line, detail: text });
    } else this.#found.push({ severity: "error", code: "malformed", file, line, detail: detail + more });
  }

  #closeUnwritten(recovered: Certificate["recovered"] | null): void {
    const expected = this.#unwritten;
    this.#unwritten = null;
    if (expected === null) return;
    const { left, read, hasher, line } = expected;
    const detail = `${left} late certificates it names do not follow`;
    // Only what the next recovery says it found excuses the rest: else all of them could be taken out.
    if (recovered?.late === read && recovered.late_hash === hasher.hex()) {
      this.#add("warning", "recovery_interrupted", `${detail}: the next recovery found it so`, line);
    } else this.#add("error", "unwritten_mismatch", detail, line);
  }

  #compareOutcomes(certificate: LineFacts, head: string): Promise<void> | null {
    const walk = this.#outcomes;
    if (walk === null) {
      if (head !== ZERO_HASH) this.#missesOutcomes ??= { file: this.#file, line: this.#line };
      return null;
    }
    const agrees = walk.reaches(head);
    const { verdict, phase, certificate_id } = certificate;
    const settles = (verdict === "allow" || verdict === "sanitize") && (phase === "request" || phase === "tunnel");
    if (settles) walk.expect(certificate_id);
    if (agrees === true) return null;
    return Promise.resolve(agrees).then((good) => {
      if (!good) this.#add("error", "outcomes_mismatch", "chain.outcomes is no line of the outcome log from there on");
    });
  }

  async #closeOutcomes(): Promise<void> {
    if (this.#outcomes === null) return this.#reportNoOutcomes();
    const { count, example } = await this.#outcomes.finish();
    const at = { file: this.#file, line: 0 };
    if (this.#outcomes.gaveUp) {
      const detail = "too many certificates do not fit the outcome log: the rest was not compared";
      this.#o.report.add({ severity: "warning", code: "outcomes_unchecked", ...at, detail });
    } else if (count > 0) {
      const detail = `${count} allowed egresses have no outcome (how they ended is unknown), ${example ?? ""} among them`;
      this.#o.report.add({ severity: "info", code: "outcome_unknown", ...at, detail });
    }
  }

  #reportNoOutcomes(): void {
    if (this.#missesOutcomes === null) return;
    const { outcomesExpected, complete, report } = this.#o;
    const severity = outcomesExpected || complete ? "error" : "warning";
    const detail = outcomesExpected
      ? "certificates from here on name an outcome log, and there is none"
      : "certificates from here on name an outcome log that was not given: verify the folder that has both";
    report.add({ severity, code: "outcomes_missing", ...this.#missesOutcomes, detail });
  }

  async #endBatch(): Promise<void> {
    if (this.#checks.length > 0) await Promise.all(this.#checks);
    this.#checks = [];
    if (this.#found.length > 1) this.#found.sort((a, b) => (a.file === b.file ? a.line - b.line : 0));
    for (const finding of this.#found) this.#o.report.add(finding);
    this.#found = [];
  }

  #add(severity: Severity, code: FindingCode, detail: string, line = this.#line): void {
    this.#found.push({ severity, code, file: this.#file, line, detail });
  }
}

const encoder = new TextEncoder();
const UNREADABLE = { code: "malformed", detail: "it is not UTF-8, or longer than any certificate" } as const;
