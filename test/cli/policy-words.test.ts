import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Glob } from "bun";
import { wordsOf } from "../../src/cli/_policy-words.ts";
import { ASSEMBLED, VECTORS as ATTACKS } from "../../src/detect/vectors.ts";
import { VECTORS as DATA } from "../../src/dlp/finding.ts";
import { classifyAddress } from "../../src/wire/address-class.ts";

const CODE = "[a-z]+(?:_[a-z]+)*";
const WITH_BAR = "[a-z]+(?:_[a-z]+)+";
const LITERALS = new RegExp(`(?<!(?:[=!]==|verdict:|kind:|mode:|pillar:)\\s*)"(${CODE})"`, "g");

/** How the source says with which code a decision is made; the first group holds literals, of which all are codes. */
const MADE: readonly RegExp[] = [
  /\b(?:block|failClosed)\(([^;]{0,300}?)\)[;,\s)]/g,
  new RegExp(`\\bnew Stop\\(\\s*("${CODE}")`, "g"),
  new RegExp(`\\b(?:matched_)?vector(?:: | \\?\\? )((?:"${CODE}"(?:\\s*\\|\\s*)?)+)`, "g"),
  // Tables of codes with what is said of them, either way round.
  new RegExp(`\\["[^"]* [^"]*", ("${WITH_BAR}")\\]`, "g"),
  new RegExp(`\\[("${WITH_BAR}"), "[^"]* [^"]*"\\]`, "g"),
  /\bconst VECTOR = \{([^}]*)\}/g,
  // Faults of evidence become decisions of their own code.
  /\bnew Fault\(("evidence_unwritable")/g,
];

/** Codes that decisions are made with, read from the source: a new one needs words. */
function vectors(): string[] {
  const found = new Set<string>([...Object.keys(ATTACKS), ASSEMBLED, ...Object.values(DATA)]);
  for (const path of new Glob("src/**/*.ts").scanSync(".")) {
    if (path.startsWith("src/detect/")) continue;
    const text = readFileSync(path, "utf8");
    for (const made of MADE) {
      for (const [, literals = ""] of text.matchAll(made)) {
        for (const [, code = ""] of literals.matchAll(LITERALS)) found.add(code);
      }
    }
  }
  return [...found].sort();
}

const UNKNOWN = wordsOf("a_code_nobody_has");

describe("every code of a veto", () => {
  const all = vectors();

  test("is found in the source, whichever room makes it and however it is written", () => {
    const known = {
      called: ["policy_deny", "rate_limited", "loop", "decision_timeout", "sequence", "body_bomb"],
      "at the top": ["kill_switch", "host_mismatch", "connect_blocked", "held_exhausted", "pipeline_crashed"],
      "in a union": ["sni_mismatch", "payment_each", "payment_unreadable", "payment_currency", "price_unknown"],
      "as one of two": ["payment_ceiling", "budget_exceeded"],
      "in a table": ["plane_unreachable", "breaker_open", "plane_deny", "opa_sanitize", "policy_sanitize"],
      "of a finding": ["ssrf_url", "dlp_secret", "701", "706", "712"],
      "of the library": ["target_unsupported", "signer_failed", "call_failed", "call_timeout", "input_too_large"],
      otherwise: ["sanitized", "evidence_unwritable", "evidence_recovery", "limits_unavailable"],
    };
    for (const [how, codes] of Object.entries(known))
      expect([how, codes.filter((code) => !all.includes(code))]).toEqual([how, []]);
  });

  test.each(all)("%s is explained in words of its own", (code) => {
    expect(wordsOf(code)).not.toBe(UNKNOWN);
    expect(wordsOf(code).help).not.toBe("");
  });

  test("a number that no detector has, or a code that begins like another, is not explained as one", () => {
    for (const code of ["799", "dlp_new", "policy_new", "tunnel_new", "payment_new", "toString", null])
      expect(wordsOf(code)).toBe(UNKNOWN);
  });

  test("each class of addresses is explained, that of metadata apart", () => {
    const found = classifyAddress({ family: 4, bytes: Uint8Array.of(10, 0, 0, 1) });
    expect(wordsOf(`address_${found}`).help).toContain("EVE_PROXY_ALLOW_ADDRESSES");
    expect(wordsOf("address_metadata").what).toContain("metadata");
    expect(wordsOf("address_none").what).toContain("no address");
  });
});
