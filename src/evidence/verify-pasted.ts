import { hasDuplicateKey, readCertificate } from "./read-certificate.ts";
import type { Report } from "./report.ts";
import { checkSignature, type Keys } from "./verify.ts";

/**
 * Verifies a certificate that came alone: as printed, pretty-printed, copied with its header name, or inside the body of
 * a refusal. False when the bytes are something else (a log, for one), and then nothing was reported.
 */
export async function verifyPasted(bytes: Uint8Array, keys: Keys, report: Report, file: string): Promise<boolean> {
  const found = pastedObject(bytes);
  if (found === null) return false;
  const { json, inside } = found;
  const add = (code: Parameters<Report["add"]>[0]["code"], detail: string) =>
    report.add({ severity: "error", code, file, line: 1, detail });
  if (inside && hasDuplicateKey(found.whole)) {
    add("duplicate_key", "a member stands twice in it, so it has two readings");
    return true;
  }
  const read = readCertificate(json);
  if ("code" in read) {
    add(read.code, read.detail);
    return true;
  }
  report.certificates++;
  if (read.certificate.phase === "recovery") report.recoveries++;
  else report.verdicts[read.certificate.verdict]++;
  const problem = await checkSignature(read, keys);
  if (problem !== null) add(problem.code, problem.detail);
  const detail = "one certificate by itself: its place in a log was not looked at";
  report.add({ severity: "info", code: "place_unchecked", file, line: 1, detail });
  return true;
}

function pastedObject(bytes: Uint8Array): { json: string; whole: string; inside: boolean } | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes).trim();
    const whole = text.replace(/^x-eve-decision-cert:\s{0,8}/i, "");
    const value = JSON.parse(whole) as Record<string, unknown> | null;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    const inside = !("certificate_id" in value) && typeof value.certificate === "object" && value.certificate !== null;
    return { json: inside ? JSON.stringify(value.certificate) : whole, whole, inside };
  } catch {
    return null;
  }
}
