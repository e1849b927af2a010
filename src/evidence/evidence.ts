import type { Config } from "../config/config.ts";
import type { Signer } from "../crypto/signature.ts";
import { Fault } from "../errors.ts";
import type { CertificateDraft, Certified, Outcome } from "../model/certificate.ts";
import type { Runtime } from "../runtime/contract.ts";
import { AuditLog } from "./audit-log.ts";
import { auditLink, type ChainPoint, outcomeLink, ZERO_HASH } from "./chain.ts";
import { JournalFile, outcomesPath, type Sink, splitPath } from "./journal.ts";
import { OutcomeLog } from "./outcomes.ts";
import { stdoutSink } from "./stdout-sink.ts";

/** Whoever waits for a certificate's line: exactly one of the two is called, once, in a later turn or at once. Neither throws. */
export interface Waiting {
  written(made: Committed): void;
  /** Nothing may leave. */
  unwritable(fault: Fault): void;
}

/** A certificate that is in the log. */
export type Committed = Certified;

export interface Evidence {
  /**
   * Assigns id, timestamp and place in the chain, signs, writes, and tells `waiting` when the line is written as the sync
   * policy says, or Fault `evidence_unwritable`. What one turn of the event loop submits goes out in one write.
   */
  submit(draft: CertificateDraft, waiting: Waiting): void;
  /** As `submit`; rejects with the fault. */
  commit(draft: CertificateDraft): Promise<Committed>;
  /** For the 503 given when commit failed: signed, `chain` null, kept (up to 1024) and appended on recovery. Never rejects. */
  unwritten(draft: CertificateDraft): Promise<Committed>;
  /** How an allowed egress ended. Batched; never throws and never blocks. */
  settle(outcome: Outcome): void;
  readonly writable: boolean;
  /** What is wrong with the logs, or null. Set without `writable` false when only outcomes cannot be written. */
  readonly problem: string | null;
  /** Resolves when everything handed in so far is written or has failed. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** The parts of the configuration that evidence reads. */
export type EvidenceConfig = Pick<Config, "auditPath" | "auditSync" | "auditRotateBytes" | "orgId">;

/**
 * Opens the audit log at `auditPath` ("-" is standard output, which has no outcome log) and the outcome log beside it,
 * and continues both. Rejects with Fault `evidence_locked` when another process writes one of them, `evidence_unwritable`
 * when one cannot be opened.
 */
export async function openEvidence(runtime: Runtime, config: EvidenceConfig, signer: Signer): Promise<Evidence> {
  const path = config.auditPath;
  const rotateBytes = config.auditRotateBytes;
  const sync = config.auditSync;
  const outcomes = path === "-" ? null : openOutcomes(runtime, config);
  const sink: Sink<ChainPoint> =
    path === "-"
      ? stdoutSink(runtime)
      : new JournalFile<ChainPoint>(runtime, {
          path,
          rotateBytes,
          read: (text) => auditLink(runtime, text),
          lock: true,
          durable: sync !== "none",
        });
  const outcomesHead = outcomes === null ? () => ZERO_HASH : () => outcomes.head;
  const audit = new AuditLog({ runtime, signer, orgId: config.orgId, sync, sink, outcomesHead });
  // The audit log first: its lock decides which process may touch either file.
  await audit
    .start(outcomes === null ? null : () => outcomes.start())
    .catch((thrown) => withRemedy(runtime, path, thrown));
  return {
    submit: (draft, waiting) => audit.submit(draft, waiting),
    commit: (draft) => audit.commit(draft),
    unwritten: (draft) => audit.unwritten(draft),
    settle: (outcome) => outcomes?.settle(outcome),
    get writable() {
      return audit.problem === null;
    },
    get problem() {
      return audit.problem ?? outcomes?.problem ?? null;
    },
    async flush() {
      await Promise.all([audit.flush(), outcomes?.flush()]);
    },
    async close() {
      await outcomes?.close();
      await audit.close();
    },
  };
}

async function withRemedy(runtime: Runtime, path: string, thrown: unknown): Promise<never> {
  if (!(thrown instanceof Fault)) throw thrown;
  const remedy =
    thrown.code === "evidence_locked"
      ? "sallyport doctor names it; give each gateway its own EVE_PROXY_AUDIT_PATH"
      : /\b(?:EACCES|EPERM)\b/.test(thrown.message)
        ? `${await ownUser(runtime)} must be able to write in "${splitPath(path).directory}"; EVE_PROXY_AUDIT_PATH names another place`
        : null;
  if (remedy === null) throw thrown;
  throw new Fault(thrown.code, `${thrown.message} (${remedy})`, { cause: thrown });
}

/** As the file system knows it; Linux alone tells. */
async function ownUser(runtime: Runtime): Promise<string> {
  const status = await runtime.readFile("/proc/self/status").catch(() => new Uint8Array());
  const uid = /^Uid:\t\d+\t(\d+)/m.exec(new TextDecoder().decode(status))?.[1];
  return uid === undefined ? "this user" : `user ${uid}`;
}

function openOutcomes(runtime: Runtime, config: EvidenceConfig): OutcomeLog {
  const sink = new JournalFile<ChainPoint>(runtime, {
    path: outcomesPath(config.auditPath),
    rotateBytes: config.auditRotateBytes,
    read: (text) => outcomeLink(runtime, text),
    lock: false,
    durable: config.auditSync !== "none",
  });
  return new OutcomeLog({ runtime, sync: config.auditSync, sink });
}
