/** TLS interception: whether there is a CA, and how long it lasts. */
import type { Config } from "../config/config.ts";
import { daysLeft, keyText, loadCa, WARN_DAYS } from "../crypto/ca.ts";
import { nameText } from "../crypto/certificate.ts";
import { messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { modeText } from "../words/file-mode.ts";
import type { Finding } from "./_doctor-needs.ts";

const ABOUT = "CA";

export async function interceptionCa(runtime: Runtime, { interceptCa }: Config): Promise<Finding[]> {
  if (interceptCa === null) {
    return [{ state: "note", about: ABOUT, detail: "none: TLS is not intercepted; sallyport ca init makes one" }];
  }
  const now = runtime.now();
  try {
    const { certificate, notAfter } = await loadCa(interceptCa, now);
    const days = daysLeft(notAfter, now);
    const path = runtime.env.EVE_PROXY_CA_KEY ?? runtime.env.EVE_PROXY_CA_KEY_FILE ?? "";
    const info = await runtime.stat(path).catch(() => null);
    const mode = info === null ? "" : `, key mode ${modeText(info.mode)}`;
    const what = `${nameText(certificate.subject)}, ${keyText(certificate)}, ${days} days left${mode}`;
    const findings: Finding[] = [{ state: "ok", about: ABOUT, detail: what }];
    if (days < WARN_DAYS) {
      const detail = `it ends in ${days} days: make another, give it to the clients, then change to it`;
      findings.push({ state: "warn", about: ABOUT, detail });
    }
    if (certificate.nameConstraints) {
      const detail = "it has name constraints: clients refuse the certificates of hosts that it may not name";
      findings.push({ state: "note", about: ABOUT, detail });
    }
    return findings;
  } catch (thrown) {
    return [{ state: "fail", about: ABOUT, detail: messageOf(thrown) }];
  }
}
