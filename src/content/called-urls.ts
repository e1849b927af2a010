/** Internal URLs in what a model wants a tool to do: arguments of tool calls and of MCP. */
import type { Finding } from "../model/finding.ts";
import { decodeText, type SourceMap, sourceMap } from "./coding.ts";
import { findInternalUrls, internalUrlFinding } from "./internal-urls.ts";
import { JsonTape } from "./json.ts";
import type { Llm } from "./llm.ts";
import { textsBelow } from "./llm-read.ts";

const MAX_FINDINGS = 64;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * Findings of vector `ssrf_url`, in bytes of the body: about 64, and behind those only critical ones. `tape`: the body's,
 * that `llm` was read from.
 */
export function calledInternalUrls(tape: JsonTape, llm: Pick<Llm, "toolCalls">): Finding[] {
  const findings: Finding[] = [];
  for (const call of llm.toolCalls) {
    if (call.arguments === null) continue;
    for (const { start, end, escaped } of textsBelow(tape, call.arguments.node)) {
      const found: Finding[] = [];
      look(tape.bytes, { start, end, escaped }, found);
      for (const finding of found) {
        if (findings.length < MAX_FINDINGS) findings.push(finding);
        else if (isCritical(finding)) return [...findings, finding];
      }
      // A critical one vetoes; what else there is changes nothing.
      if (findings.length >= MAX_FINDINGS && findings.some(isCritical)) return findings;
    }
  }
  return findings;
}

function isCritical({ severity }: Finding): boolean {
  return severity === "critical";
}

interface Place {
  readonly start: number;
  readonly end: number;
  readonly escaped: boolean;
}

function look(bytes: Uint8Array, { start, end, escaped }: Place, findings: Finding[]): void {
  const coding = escaped ? "json" : "plain";
  const plain = decodeText(coding, bytes, start, end);
  const text = decoder.decode(plain);
  const found = findInternalUrls(text);
  let map: SourceMap | null = null;
  for (const url of found) {
    map ??= sourceMap(coding, bytes, start, end);
    const from = encoder.encode(text.slice(0, url.start)).length;
    const range = map.range(from, from + encoder.encode(text.slice(url.start, url.end)).length);
    findings.push(internalUrlFinding(url, { where: "body", ...range }));
  }
  if (!text.includes("\\") || findings.some(isCritical)) return;
  const inside = lookInside(plain, { start, end });
  if (inside !== null && (found.length === 0 || isCritical(inside))) findings.push(inside);
}

/** A text that is JSON once more, with escapes of its own; such a finding covers all of it. */
function lookInside(plain: Uint8Array, where: { start: number; end: number }): Finding | null {
  const tape = new JsonTape().read(plain);
  if (tape.outcome !== "ok") return null;
  let worst: Finding | null = null;
  for (const { start, end, escaped } of textsBelow(tape, 0)) {
    if (!escaped) continue;
    const found = findInternalUrls(decoder.decode(decodeText("json", plain, start, end)));
    const url = found.find((each) => each.found === "metadata") ?? found[0];
    if (url === undefined) continue;
    const finding: Finding = { ...internalUrlFinding(url, { where: "body", ...where }), view: "json" };
    if (isCritical(finding)) return finding;
    worst ??= finding;
  }
  return worst;
}
