/** Options checked where they are given, so that a mistake shows at start and not at the first attack. */
import type { SigningKey } from "./keys.ts";
import type { OutcomeHook } from "./outcome.ts";

export interface CommonOptions {
  /** Who acts, as certificates name it: `agent.tools.search`. */
  readonly caller: string;
  /** Default "default". */
  readonly orgId?: string | undefined;
  /** Milliseconds; default 2000. */
  readonly timeoutMs?: number | undefined;
  readonly signer: SigningKey;
  /** Told after all is settled; it cannot change or break the result. */
  readonly onOutcome?: OutcomeHook | undefined;
}

export interface CommonSettings {
  readonly caller: string;
  readonly orgId: string;
  readonly timeoutMs: number;
  readonly hook: OutcomeHook | undefined;
}

const DEFAULT_TIMEOUT_MS = 2000;
/** What a timer can hold; a longer one would fire at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Throws TypeError naming the option. */
export function commonSettings(options: CommonOptions): CommonSettings {
  const { caller, orgId = "default", timeoutMs = DEFAULT_TIMEOUT_MS, onOutcome } = options;
  if (typeof caller !== "string" || caller === "") throw new TypeError("caller must be a text that is not empty");
  if (typeof orgId !== "string" || orgId === "") throw new TypeError("orgId must be a text that is not empty");
  if (typeof timeoutMs !== "number" || !(timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS)) {
    throw new TypeError(`timeoutMs must be a number above 0 and at most ${MAX_TIMEOUT_MS}`);
  }
  if (onOutcome !== undefined && typeof onOutcome !== "function") throw new TypeError("onOutcome must be a function");
  return { caller, orgId, timeoutMs, hook: onOutcome };
}
