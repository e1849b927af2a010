/** What TLS interception needs of the disk: the CA, and the certificates shown to upstreams. */
import type { CaFiles } from "../crypto/ca.ts";
import { messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { modeText, othersCan } from "../words/file-mode.ts";
import { quote } from "../words/quote.ts";
import type { Problem, UpstreamClientCert } from "./config.ts";
import { CERTIFICATE, HINT, MAX_PATH, readText } from "./files.ts";
import type { Settings } from "./schema.ts";

export interface Interception {
  readonly interceptCa: CaFiles | null;
  readonly clientCerts: readonly UpstreamClientCert[];
  readonly warnings: readonly string[];
}

/** A CA that could not be used is a problem: without it everything would pass uninspected. */
export async function readInterception(
  runtime: Runtime,
  settings: Settings,
  problems: Problem[],
): Promise<Interception> {
  const { EVE_PROXY_CA_CERT: cert, EVE_PROXY_CA_KEY: key, EVE_PROXY_UPSTREAM_CLIENT_CERTS: listed } = settings;
  const warnings: string[] = [];
  let interceptCa: CaFiles | null = null;
  const clientCerts: UpstreamClientCert[] = [];
  if ((cert === undefined || key === undefined) && listed.length === 0) return { interceptCa, clientCerts, warnings };
  // Loaded by nobody who has neither: a start pays for what it uses.
  const { loadCa, pairOf, daysLeft, WARN_DAYS } = await import("../crypto/ca.ts");
  const soon = (what: string, notAfter: number): void => {
    const days = daysLeft(notAfter, runtime.now());
    if (days < WARN_DAYS) warnings.push(days < 0 ? `${what} has expired` : `${what} expires in ${days} days`);
  };
  if (cert !== undefined && key !== undefined) {
    const keyVariable = runtime.env.EVE_PROXY_CA_KEY === undefined ? "EVE_PROXY_CA_KEY_FILE" : "EVE_PROXY_CA_KEY";
    const certPem = await certOf(runtime, { variable: "EVE_PROXY_CA_CERT", path: cert }, problems);
    const keyPem = await keyOf(runtime, { variable: keyVariable, path: key }, problems);
    if (certPem !== null && keyPem !== null) {
      try {
        const { notAfter } = await loadCa({ certPem, keyPem }, runtime.now());
        interceptCa = { certPem, keyPem };
        soon(`the CA ${quote(cert, MAX_PATH)}`, notAfter);
      } catch (thrown) {
        const problem = `${quote(cert, MAX_PATH)} cannot be used with its key: ${messageOf(thrown)}`;
        const hint = "look at it with sallyport ca show; sallyport ca init makes a CA";
        problems.push({ variable: "EVE_PROXY_CA_CERT", problem, hint });
      }
    }
  }
  const variable = "EVE_PROXY_UPSTREAM_CLIENT_CERTS";
  for (const { host, cert, key } of listed) {
    const certPem = await certOf(runtime, { variable, path: cert }, problems);
    const keyPem = await keyOf(runtime, { variable, path: key }, problems);
    if (certPem === null || keyPem === null) continue;
    try {
      const { notAfter } = await pairOf({ certPem, keyPem });
      clientCerts.push({ host, cert: certPem, key: keyPem });
      soon(`the client certificate for ${quote(host)}`, notAfter);
    } catch (thrown) {
      const problem = `${quote(cert, MAX_PATH)} cannot be used with its key: ${messageOf(thrown)}`;
      problems.push({ variable, problem, hint: "give a PEM certificate and its unencrypted private key" });
    }
  }
  return { interceptCa, clientCerts, warnings };
}

/** How the end of a private key's first line reads, whatever its format. */
const KEY = "PRIVATE KEY-----";

interface Named {
  readonly variable: string;
  readonly path: string;
}

async function fileOf(runtime: Runtime, { variable, path }: Named, problems: Problem[]): Promise<string | null> {
  const found = await readText(runtime, path);
  if (typeof found === "string") return found;
  problems.push({ variable, problem: `${quote(path, MAX_PATH)} ${found.problem}`, hint: HINT });
  return null;
}

const SWAPPED = "are the certificate and the key swapped?";

async function certOf(runtime: Runtime, named: Named, problems: Problem[]): Promise<string | null> {
  const text = await fileOf(runtime, named, problems);
  if (text === null || text.includes(CERTIFICATE) || !text.includes(KEY)) return text;
  const problem = `${quote(named.path, MAX_PATH)} is a private key, not a certificate`;
  problems.push({ variable: named.variable, problem, hint: SWAPPED });
  return null;
}

/** A key that others than its owner can read is theirs, too. */
async function keyOf(runtime: Runtime, named: Named, problems: Problem[]): Promise<string | null> {
  const { variable, path } = named;
  const text = await fileOf(runtime, named, problems);
  if (text === null) return null;
  // Before its mode: of a certificate that is as it should be.
  if (text.includes(CERTIFICATE) && !text.includes(KEY)) {
    problems.push({ variable, problem: `${quote(path, MAX_PATH)} is a certificate, not a key`, hint: SWAPPED });
    return null;
  }
  // Gone since it was read: nobody can say whose it was.
  const mode = (await runtime.stat(path).catch(() => null))?.mode ?? 0o777;
  if (!othersCan(mode)) return text;
  const problem = `${quote(path, MAX_PATH)} has mode ${modeText(mode)}: others than its owner can use the key`;
  problems.push({ variable, problem, hint: `chmod 600 ${path.length > MAX_PATH ? "the file" : path}` });
  return null;
}
