/** The roots that clients of this host trust, and the bundle that adds ours to them. */
import { fingerprint, nameText, readCertificates } from "../crypto/certificate.ts";
import { readPem, writePem } from "../crypto/pem.ts";
import { Fault, messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";

export interface Roots {
  /** PEM, one certificate each, none twice. */
  readonly pems: readonly string[];
  /** Where they were found, for people. */
  readonly from: string;
  /** False: there is no store of this system, and they are those the runtime carries. */
  readonly system: boolean;
}

/** In the order of preference; the first that has certificates is the system's store. */
const FILES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
  "/usr/local/share/certs/ca-root-nss.crt",
  "/opt/homebrew/etc/ca-certificates/cert.pem",
] as const;
const DIRECTORIES = ["/etc/ssl/certs", "/etc/pki/tls/certs"] as const;

/** No store is larger; bounds what a wrong path can cost. */
const MAX_FILE_BYTES = 16_777_216;
const MAX_FILES = 4096;

/**
 * What `SSL_CERT_FILE` and `SSL_CERT_DIR` name where one of them is set, as OpenSSL would; else the system's store; else the roots
 * of the runtime. Rejects with Fault `certificate_invalid` when a variable names nothing with a certificate in it: what a client
 * would take instead is not known. `files` and `directories` are for tests.
 */
export async function systemRoots(
  runtime: Runtime,
  { files, directories }: { readonly files: readonly string[]; readonly directories: readonly string[] } = {
    files: FILES,
    directories: DIRECTORIES,
  },
): Promise<Roots> {
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: directory } = runtime.env;
  if (file || directory) {
    const pems = new Set<string>();
    const from: string[] = [];
    for (const [variable, path] of [
      ["SSL_CERT_FILE", file],
      ["SSL_CERT_DIR", directory],
    ] as const) {
      if (!path) continue;
      const found = await (variable === "SSL_CERT_FILE"
        ? inFile(runtime, path)
        : inDirectories(runtime, path.split(":")));
      if (typeof found === "string" || found.length === 0) {
        const why = typeof found === "string" ? found : "there is no certificate in it";
        throw new Fault("certificate_invalid", `read the roots that ${variable} names, "${path}": ${why}`);
      }
      for (const pem of found) pems.add(pem);
      from.push(`${variable}=${path}`);
    }
    return { pems: [...pems], from: from.join(" and "), system: true };
  }
  for (const path of files) {
    const found = await inFile(runtime, path);
    if (typeof found !== "string" && found.length > 0) return { pems: found, from: path, system: true };
  }
  for (const path of directories) {
    const found = await inDirectories(runtime, [path]);
    if (found.length > 0) return { pems: found, from: path, system: true };
  }
  const own = new Set(runtime.publicRoots().flatMap(certificatesOf));
  return { pems: [...own], from: `the roots that ${runtime.name} ${runtime.version} carries`, system: false };
}

/** Why not, when it cannot be read. */
async function inFile(runtime: Runtime, path: string): Promise<readonly string[] | string> {
  try {
    const info = await runtime.stat(path);
    if (info === null) return "it does not exist";
    if (!info.regular || info.size > MAX_FILE_BYTES) return `it is no file of at most ${MAX_FILE_BYTES} bytes`;
    return [...new Set(certificatesOf(new TextDecoder().decode(await runtime.readFile(path))))];
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** Whatever has certificates in it; what cannot be read, OpenSSL passes over, too. */
async function inDirectories(runtime: Runtime, paths: readonly string[]): Promise<readonly string[]> {
  const pems = new Set<string>();
  for (const path of paths) {
    const names = await runtime.list(path).catch((): readonly string[] => []);
    for (const name of names.slice(0, MAX_FILES)) {
      const found = await inFile(runtime, `${path}/${name}`);
      if (typeof found !== "string") for (const pem of found) pems.add(pem);
    }
  }
  return [...pems];
}

/** In one spelling, so that the same certificate is the same text. Text between them is dropped. */
function certificatesOf(text: string): string[] {
  if (!text.includes("-----BEGIN CERTIFICATE-----")) return [];
  return readPem(text)
    .filter(({ label }) => label === "CERTIFICATE")
    .map(({ label, der }) => writePem(label, der));
}

/** `roots`, and last the certificate that clients have to trust (PEM) with a line that says whose it is. */
export async function bundleOf(roots: Roots, anchorPem: string): Promise<string> {
  const [anchor] = readCertificates(anchorPem);
  const [ours = ""] = certificatesOf(anchorPem);
  if (anchor === undefined) return roots.pems.join("");
  // Some readers take nothing but ASCII.
  const subject = nameText(anchor.subject).replace(/[^ -~]/g, "?");
  const line = `# The CA of sallyport: ${subject}, SHA-256 ${await fingerprint(anchor)}\n`;
  return `${roots.pems.filter((pem) => pem !== ours).join("")}${line}${ours}`;
}
