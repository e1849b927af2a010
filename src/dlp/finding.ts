import type { Finding } from "../model/finding.ts";
import type { Confidence, DlpClass } from "./rule.ts";

/** What a class of findings leads to. `shadow` is told and does nothing. */
export type Mode = "enforce" | "sanitize" | "shadow" | "off";

export type BodyKind = "json" | "form" | "multipart" | "text";

export interface DlpFinding extends Finding {
  readonly class: DlpClass;
  /** What the settings say of it; `shadow` too when it is not sure enough. Never `off`. */
  readonly mode: Exclude<Mode, "off">;
  readonly confidence: Confidence;
  /** A row of issuers.ts, or null. */
  readonly issuer: string | null;
  /** False where a replacement would make another request of it: keys, head, URL, several fields at once. */
  readonly redactable: boolean;
}

export const VECTORS: Readonly<Record<DlpClass, string>> = {
  secret: "dlp_secret",
  personal: "dlp_personal",
  health: "dlp_health",
  canary: "dlp_canary",
  pattern: "dlp_pattern",
  dictionary: "dlp_dictionary",
};
