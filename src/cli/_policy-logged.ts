/** One certificate out of an audit log. Its id stands in other lines too: those of what is inside it name it as their parent. */

import { Fault } from "../errors.ts";
import { readLines } from "../evidence/lines.ts";
import { readCertificate } from "../evidence/read-certificate.ts";
import type { Certificate } from "../model/certificate.ts";
import type { Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { whyUnreadable } from "../words/unreadable.ts";
import { directoryOf } from "./_policy-load.ts";
import { auditFilesIn } from "./_verify-target.ts";

const DEFAULT_AUDIT = "data/governance/fail_closed/fail_closed_events.jsonl";

export interface Logged {
  readonly certificate: Certificate;
  /** The file it stands in; `-` is standard input. */
  readonly file: string;
}

/**
 * The certificate `id` of a log, of all logs of a folder, or of what comes in for `-`; null: of those that the settings
 * name. Throws Fault `usage` when the id is none or there is no log, `evidence_corrupt` when no line of it is that one.
 */
export async function loggedCertificate(runtime: Runtime, id: string, from: string | null): Promise<Logged> {
  if (!/^cert_[0-9a-f]{16}$/.test(id)) {
    throw new Fault("usage", `--id ${quote(id)} is no id of a certificate, such as cert_0123456789abcdef`);
  }
  const place = from ?? placeOfSettings(runtime);
  const elsewhere = from === null ? "; say with --certificate which file or folder has the log" : "";
  try {
    const info = place === "-" ? null : await runtime.stat(place);
    if (place !== "-" && info === null)
      throw new Fault("usage", `there is no audit log ${quote(place, 512)}${elsewhere}`);
    const files = info?.directory === true ? (await auditFilesIn(runtime, place)).reverse() : [place];
    if (files.length === 0) throw new Fault("usage", `there is no audit log in ${quote(place, 512)}${elsewhere}`);
    for (const file of files) {
      const certificate = await inFile(file === "-" ? runtime.stdin() : runtime.readChunks(file), id);
      if (certificate !== null) return { certificate, file };
    }
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    throw new Fault("usage", `${quote(place, 512)} ${whyUnreadable(thrown)}`);
  }
  const looked = place === "-" ? "what was given" : quote(place, 512);
  throw new Fault("evidence_corrupt", `${id} is no certificate of ${looked}${elsewhere}`);
}

/** All that lies in one folder: rotated files and those of workers too. */
function placeOfSettings({ env }: Runtime): string {
  const path = env.EVE_PROXY_AUDIT_PATH ?? DEFAULT_AUDIT;
  if (path !== "-") return directoryOf(path);
  throw new Fault(
    "usage",
    "certificates go to the standard output here: give that with --certificate, - reads standard input",
  );
}

async function inFile(chunks: AsyncIterable<Uint8Array>, id: string): Promise<Certificate | null> {
  for await (const { lines } of readLines(chunks)) {
    for (const line of lines) {
      if (typeof line !== "string" || !line.includes(id)) continue;
      const read = readCertificate(line.trim());
      if ("certificate" in read && read.certificate.certificate_id === id) return read.certificate;
    }
  }
  return null;
}

/**
 * Where the findings of a certificate out of `log` are kept, as the settings say of their own log; of any other, such as one
 * that `exec` left, beside it, a worker's in the file of that worker.
 */
export function findingsBeside({ env }: Runtime, log: string | null): string {
  const own = directoryOf(env.EVE_PROXY_AUDIT_PATH ?? DEFAULT_AUDIT);
  const folder = log === null || log === "-" ? own : directoryOf(log);
  // A dash says that none are kept, which reads as a file that is not there.
  if (folder === own && env.EVE_PROXY_FINDINGS !== undefined) return env.EVE_PROXY_FINDINGS;
  const worker = /\.w[0-9]+(?=(?:\.[0-9]+)?\.jsonl$)/.exec(log ?? "")?.[0] ?? "";
  return `${folder}/findings${worker}.jsonl`;
}
