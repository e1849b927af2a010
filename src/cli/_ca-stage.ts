/** `ca stage`: a CA as a cluster keeps it, put where the gateway of a pod may use it, and for clients what they trust. */
import { loadCa } from "../crypto/ca.ts";
import { type Certificate, pemOf, readCertificates } from "../crypto/certificate.ts";
import { trustStore } from "../crypto/trust-store.ts";
import { messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { type CommandSpec, EXIT, readArgs, wrong } from "./_args.ts";
import { placeIn, replaceFile, textOf } from "./_ca-place.ts";
import { bundleOf, systemRoots } from "./_roots.ts";

const STAGE: CommandSpec = {
  name: "ca stage",
  summary: "put a mounted CA where only the gateway reads its key, and what clients trust where they do",
  usage: "--from DIR --dir DIR --trust DIR",
  options: [
    { name: "from", value: "DIR", doc: "where ca.crt and ca.key are now, such as a mounted Secret" },
    { name: "dir", value: "DIR", doc: "where they are written for the gateway, the key with mode 0600" },
    { name: "trust", value: "DIR", doc: "where bundle.pem, ca.crt and trust.p12 are written for clients" },
  ],
  operands: [0, 0],
  notes: `
A key that others than its owner can read is not used, and a Secret that is mounted belongs to root: run by the gateway's
user before the gateway, this makes a copy that is its own. What is there from before is replaced, each file in one step.`,
};

export async function stage(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, STAGE, args);
  if (typeof parsed === "number") return parsed;
  const [from, dir, trust] = ["from", "dir", "trust"].map((name) => parsed.value(name));
  if (!from || !dir || !trust) return wrong(runtime, STAGE, "--from, --dir and --trust are needed");
  const say = (text: string): number => {
    runtime.stderr(`sallyport ca stage: ${text}\n`);
    return EXIT.failed;
  };
  const source = placeIn(from);
  const [cert, key] = [await textOf(runtime, source.cert), await textOf(runtime, source.key)];
  if ("problem" in cert) return say(`${quote(source.cert, 512)} ${cert.problem}`);
  if ("problem" in key) return say(`${quote(source.key, 512)} ${key.problem}`);
  try {
    await loadCa({ certPem: cert.text, keyPem: key.text }, runtime.now());
    const anchor = pemOf(readCertificates(cert.text).at(-1) as Certificate);
    const roots = await systemRoots(runtime);
    const target = placeIn(dir);
    const shared = trust.endsWith("/") ? trust : `${trust}/`;
    await replaceFile(runtime, target.key, { data: key.text, mode: 0o600 });
    await replaceFile(runtime, target.cert, { data: cert.text, mode: 0o644 });
    await replaceFile(runtime, `${shared}ca.crt`, { data: anchor, mode: 0o644 });
    await replaceFile(runtime, `${shared}bundle.pem`, { data: await bundleOf(roots, anchor), mode: 0o644 });
    await replaceFile(runtime, `${shared}trust.p12`, { data: trustStore([...roots.pems, anchor]), mode: 0o644 });
  } catch (thrown) {
    return say(messageOf(thrown));
  }
  return EXIT.ok;
}
