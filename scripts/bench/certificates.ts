/** Certificates for measurements of interception. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { output } from "./process.ts";

/** In `base`, by openssl. Two authorities: the upstream's, which proxies trust, and the deployment's, which clients trust. */
export function certificates(base: string, name: string): void {
  const openssl = (...args: string[]): void => void output(["openssl", ...args], {}, base);
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const ca = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"];
  openssl(
    "req",
    "-x509",
    ...ec,
    "-keyout",
    "up.key",
    "-out",
    "up.crt",
    "-days",
    "2",
    "-subj",
    "/CN=upstream root",
    ...ca,
  );
  openssl("req", "-x509", ...ec, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=bench root", ...ca);
  const san = `subjectAltName=DNS:${name},IP:127.0.0.1`;
  openssl("req", ...ec, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", `/CN=${name}`, "-addext", san);
  const by = ["-CA", "up.crt", "-CAkey", "up.key", "-CAcreateserial", "-days", "2", "-copy_extensions", "copy"];
  openssl("x509", "-req", "-in", "leaf.csr", ...by, "-out", "leaf.crt");
  for (const one of ["ca", "up"]) {
    const pem = readFileSync(join(base, `${one}.key`), "utf8") + readFileSync(join(base, `${one}.crt`), "utf8");
    writeFileSync(join(base, `${one}.pem`), pem);
  }
  for (const one of ["ca.key", "leaf.key", "ca.pem"]) chmodSync(join(base, one), 0o600);
}
