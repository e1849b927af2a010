import { createCa, DAY_MS } from "../crypto/ca.ts";
import { fingerprint, nameText, readCertificates } from "../crypto/certificate.ts";
import { messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { whyUnreadable } from "../words/unreadable.ts";
import { type CommandSpec, columns, EXIT, readArgs, wrong } from "./_args.ts";
import { bundle } from "./_ca-bundle.ts";
import { placeIn } from "./_ca-place.ts";
import { show } from "./_ca-show.ts";
import { stage } from "./_ca-stage.ts";
import { runVerb } from "./_verbs.ts";

const GROUP: CommandSpec = {
  name: "ca",
  summary: "make and look at the CA of TLS interception",
  usage: "init|show|bundle|stage [options]",
  options: [],
  operands: [0, 0],
  notes:
    "init makes a CA, show says what one is, bundle prints the roots of this system and ours, stage puts one into a pod. Each has --help.",
};

const DEFAULT_DAYS = 3650;
const MOST_DAYS = 7300;
const PREFIX = "sallyport CA ";
const MAX_NAME = 64 - PREFIX.length;

const INIT: CommandSpec = {
  name: "ca init",
  summary: "make the CA of a deployment",
  usage: "--dir DIR [--name NAME] [--days N] [--rsa]",
  options: [
    { name: "dir", value: "DIR", doc: "where ca.crt and ca.key are written; made when it does not exist" },
    { name: "name", value: "NAME", doc: `what tells it from others, up to ${MAX_NAME} characters; default: random` },
    { name: "days", value: "N", doc: `how long it is valid, 1 to ${MOST_DAYS}; default ${DEFAULT_DAYS}` },
    { name: "rsa", doc: "an RSA key of 3072 bits, for clients that cannot do P-256" },
  ],
  operands: [0, 0],
  notes: `
Writes DIR/ca.crt (for everybody) and DIR/ca.key (mode 0600, for the gateway alone): whoever reads the key can be any
server to every client that trusts the CA. Nothing is ever overwritten. Use it with EVE_PROXY_CA_CERT=DIR/ca.crt and
EVE_PROXY_CA_KEY=DIR/ca.key; clients get what "ca bundle" prints.`,
};

export function runCa(runtime: Runtime, args: readonly string[]): Promise<number> {
  return runVerb(runtime, { group: GROUP, verbs: { init, show, bundle, stage } }, args);
}

async function init(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, INIT, args);
  if (typeof parsed === "number") return parsed;
  const directory = parsed.value("dir");
  if (!directory) return wrong(runtime, INIT, "--dir is needed: where the two files are written");
  const name = parsed.value("name") ?? runtime.randomHex(4);
  if (!/^[^\p{Cc}\p{Cs}]+$/u.test(name) || [...name].length > MAX_NAME) {
    return wrong(runtime, INIT, `--name takes 1 to ${MAX_NAME} printable characters`);
  }
  const given = parsed.value("days") ?? String(DEFAULT_DAYS);
  const days = /^[0-9]{1,5}$/.test(given) ? Number(given) : 0;
  if (days < 1 || days > MOST_DAYS) return wrong(runtime, INIT, `--days takes a whole number, 1 to ${MOST_DAYS}`);
  const { cert, key } = placeIn(directory);
  try {
    for (const taken of [cert, key]) {
      if (!(await runtime.hasName(taken))) continue;
      runtime.stderr(
        `sallyport ca init: ${quote(taken, 512)} exists, and a CA is never overwritten; give another --dir\n`,
      );
      return EXIT.failed;
    }
    await runtime.makeDirectory(directory);
  } catch (thrown) {
    runtime.stderr(`sallyport ca init: ${quote(directory, 512)} ${whyUnreadable(thrown)}\n`);
    return EXIT.failed;
  }
  const now = runtime.now();
  const made = await createCa({ commonName: `${PREFIX}${name}`, days, key: parsed.has("rsa") ? "RSA" : "P-256" }, now);
  // The key first: a certificate without its key would be given to clients for nothing.
  const problem =
    (await write(runtime, key, { text: made.keyPem, mode: 0o600 })) ??
    (await write(runtime, cert, { text: made.certPem, mode: 0o644 }, key));
  if (problem !== null) {
    runtime.stderr(`sallyport ca init: cannot write the CA: ${problem}\n`);
    return EXIT.failed;
  }
  const [certificate] = readCertificates(made.certPem);
  if (certificate === undefined) return EXIT.software;
  const rows: [string, string][] = [
    ["subject", nameText(certificate.subject)],
    ["sha256", await fingerprint(certificate)],
    ["valid until", new Date(now + days * DAY_MS).toISOString().slice(0, 10)],
    ["certificate", cert],
    ["key", key],
  ];
  runtime.stdout(columns(rows));
  return EXIT.ok;
}

/** What went wrong, or null. Nothing of a CA that could not be written whole is left, `behind` neither. */
async function write(
  runtime: Runtime,
  path: string,
  { text, mode }: { readonly text: string; readonly mode: number },
  behind?: string,
): Promise<string | null> {
  try {
    await runtime.writeNew(path, text, mode);
    return null;
  } catch (thrown) {
    // Somebody else's, come to be since it was looked for.
    const theirs = thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST";
    for (const mine of [...(theirs ? [] : [path]), ...(behind === undefined ? [] : [behind])]) {
      await runtime.remove(mine).catch(() => {});
    }
    return messageOf(thrown);
  }
}
