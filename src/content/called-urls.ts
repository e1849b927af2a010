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

/** Findings of vector `ssrf_url`, in bytes of the body. `tape`: the body's, that `llm` was read from. */
export function calledInternalUrls(tape: JsonTape, llm: Pick<Llm, "toolCalls">): Finding[] {
  const findings: Finding[] = [];
  for (const call of llm.toolCalls) {
    if (call.arguments === null) continue;
    for (const { start, end, escaped } of textsBelow(tape, call.arguments.node)) {
      look(tape.bytes, { start, end, escaped }, findings);
      if (findings.length >= MAX_FINDINGS) return findings;
    }
  }
  return findings;
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
  if (found.length === 0 && text.includes("\\")) lookInside(plain, { start, end }, findings);
}

/** A text that is JSON once more, with escapes of its own; such a finding covers all of it. */
function lookInside(plain: Uint8Array, where: { start: number; end: number }, findings: Finding[]): void {
  const tape = new JsonTape().read(plain);
  if (tape.outcome !== "ok") return;
  for (const { start, end, escaped } of textsBelow(tape, 0)) {
    if (!escaped) continue;
    const [url] = findInternalUrls(decoder.decode(decodeText("json", plain, start, end)));
    if (url === undefined) continue;
    findings.push({ ...internalUrlFinding(url, { where: "body", ...where }), view: "json" });
    return;
  }
}
