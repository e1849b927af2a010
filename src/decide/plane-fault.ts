/** What a status of a plane that is no answer tells an operator: which setting it most likely comes from. */
import { Fault } from "../errors.ts";

/** An answer with a status that no decision has. The status is a number of three digits, so a client may be told of it. */
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
