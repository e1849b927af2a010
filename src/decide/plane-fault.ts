/** What went wrong with a plane, in words for an operator. Of a client only the kind is told, and a status. */
import { Fault, messageOf } from "../errors.ts";

/** An answer with a status that no decision has: three digits, so a client may be told of it. */
export class PlaneStatus extends Fault {
  readonly status: number;

  constructor(status: number) {
    super("governance_malformed", `the governance plane's answer is malformed: status ${status}`);
    this.status = status;
  }
}

/** "status 401: it does not know EVE_PROXY_GOVERNANCE_TOKEN". `token`: whether one is sent. */
export function whyStatus(status: number, token: boolean): string {
  return `status ${status}${hintOf(status, token)}`;
}

function hintOf(status: number, token: boolean): string {
  if (status === 401 || status === 403)
    return token
      ? ": it does not know EVE_PROXY_GOVERNANCE_TOKEN"
      : ": it wants a token, and EVE_PROXY_GOVERNANCE_TOKEN is not set";
  if (status === 404 || status === 405)
    return ": there is no /v1/decisions below EVE_PROXY_GOVERNANCE_URL; give the URL without that path";
  if (status >= 300 && status < 400) return ": redirects are not followed; give the URL that they lead to";
  return "";
}

/** A malformed answer may quote names that the plane has made up. */
const MAX_CAUSE = 300;
const CLOCKS = "compare the clocks of plane and relay";
const KEYS = "EVE_PROXY_GOVERNANCE_JWKS has no such key";

export function latePlane(): Fault {
  return new Fault("governance_timeout", "the governance plane did not answer in time");
}

export function unattested(why: string): Fault {
  return new Fault("governance_unattested", `the governance plane's attestation ${why}`);
}

interface Watched {
  readonly url: string;
  /** Whether a token is sent; never the token. */
  readonly token: boolean;
  readonly timeoutMs: number;
  /** Why the plane's keys cannot be had, or null. */
  readonly keys: () => string | null;
  /** Told of every question that got no decision: "plane http://127.0.0.1:3129: status 401: …". */
  readonly told: (cause: string) => void;
}

/** Why a plane gives no decision: where it is and what was wrong, without a word of token or question. */
export class Troubles {
  readonly #watched: Watched;
  /** Of the last question; null when it got its decision. */
  last: string | null = null;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  tell(thrown: unknown): void {
    const cause = causeOf(thrown, this.#watched).replace(/[^\x20-\x7e…]/g, "?");
    const cut = cause.length > MAX_CAUSE ? `${cause.slice(0, MAX_CAUSE - 1)}…` : cause;
    this.last = `plane ${this.#watched.url}: ${cut}`;
    this.#watched.told(this.last);
  }
}

/** The client of a service says where it asked; so does whoever tells of it, with the whole URL. */
export function withoutPlace(cause: string): string {
  return cause.replace(/^\S+ cannot be asked: /, "");
}

function causeOf(thrown: unknown, { token, timeoutMs, keys }: Watched): string {
  if (thrown instanceof PlaneStatus) return whyStatus(thrown.status, token);
  const message = withoutPlace(messageOf(thrown).replace(/^the governance plane(?: failed:|'s)? /, ""));
  if (!(thrown instanceof Fault)) return message;
  if (thrown.code === "governance_timeout") return `no answer within ${timeoutMs / 1000} s (EVE_PROXY_ENFORCE_TIMEOUT)`;
  if (thrown.code !== "governance_unattested") return message;
  if (message.endsWith("is missing")) return `${message}: it has no EVE_PROXY_SIGNING_KEY`;
  if (message.endsWith("unknown key")) {
    const problem = keys();
    return `${message}: ${problem === null ? KEYS : `EVE_PROXY_GOVERNANCE_JWKS cannot be had: ${problem}`}`;
  }
  return /has expired|has no right (?:iat|exp|nbf)/.test(message) ? `${message}: ${CLOCKS}` : message;
}
