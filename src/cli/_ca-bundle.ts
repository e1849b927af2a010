/** `ca bundle`: what clients are to trust, as one file. */
import { type Certificate, nameText, pemOf, readCertificates, selfIssued } from "../crypto/certificate.ts";
import { messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { type CommandSpec, EXIT, readArgs, wrong } from "./_args.ts";
import { placeIn, placeOfSettings, replaceFile, textOf } from "./_ca-place.ts";
import { bundleOf, systemRoots } from "./_roots.ts";

const BUNDLE: CommandSpec = {
  name: "ca bundle",
  summary: "print the roots of this system and the CA, for clients",
  usage: "[--dir DIR] [--out FILE]",
  options: [
    { name: "dir", value: "DIR", doc: "where ca.crt is; default: what EVE_PROXY_CA_CERT names" },
    { name: "out", value: "FILE", doc: "write there, in one step, instead of the standard output" },
  ],
  operands: [0, 0],
  notes: `
Most variables that name roots (SSL_CERT_FILE, REQUESTS_CA_BUNDLE, …) replace those a client has, so a client needs both
in one file. The system's are those of SSL_CERT_FILE and SSL_CERT_DIR where they are set, else of the well-known places of
Debian, Red Hat, SUSE, Alpine, FreeBSD and macOS. Our CA stands last; no certificate is in it twice.`,
};

export async function bundle(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, BUNDLE, args);
  if (typeof parsed === "number") return parsed;
  const directory = parsed.value("dir");
  const cert = (directory ? placeIn(directory) : placeOfSettings(runtime))?.cert;
  if (cert === undefined)
    return wrong(runtime, BUNDLE, "say which: --dir DIR, or EVE_PROXY_CA_CERT in the environment");
  const say = (text: string): void => runtime.stderr(`sallyport ca bundle: ${text}\n`);
  const found = await textOf(runtime, cert);
  if ("problem" in found) {
    say(`${quote(cert, 512)} ${found.problem}`);
    return EXIT.failed;
  }
  let text: string;
  try {
    const anchor = readCertificates(found.text).at(-1) as Certificate;
    if (!anchor.ca) throw new TypeError(`${quote(cert, 512)} is not a CA`);
    if (!selfIssued(anchor))
      say(`${nameText(anchor.subject)} is not a root: clients need its root, or must trust it as it stands`);
    const now = runtime.now();
    if (now > anchor.notAfter || now < anchor.notBefore) {
      const [what, when] = now > anchor.notAfter ? ["ended on", anchor.notAfter] : ["begins on", anchor.notBefore];
      say(
        `${quote(cert, 512)} ${what} ${new Date(when).toISOString().slice(0, 10)}: run refuses it, and so do clients`,
      );
    }
    const roots = await systemRoots(runtime);
    if (!roots.system) say(`this system has no store of roots: ${roots.from} are taken`);
    text = await bundleOf(roots, pemOf(anchor));
  } catch (thrown) {
    say(messageOf(thrown));
    return EXIT.failed;
  }
  const out = parsed.value("out");
  if (out === null) {
    runtime.stdout(text);
    return EXIT.ok;
  }
  try {
    await replaceFile(runtime, out, { data: text, mode: 0o644 });
    return EXIT.ok;
  } catch (thrown) {
    say(`cannot write ${quote(out, 512)}: ${messageOf(thrown)}`);
    return EXIT.failed;
  }
}
