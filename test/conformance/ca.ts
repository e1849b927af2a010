/** Certificates of our own CA, presented by this runtime's TLS server and judged by its client and by openssl. */
import { writeFileSync } from "node:fs";
import type net from "node:net";
import { join } from "node:path";
import tls from "node:tls";
import { type CaFiles, createCa, loadCa } from "../../src/crypto/ca.ts";
import { pemOf, readCertificates } from "../../src/crypto/certificate.ts";
import { type Leaf, leafMinter } from "../../src/crypto/leaf.ts";
import { LeafCache } from "../../src/crypto/leaf-cache.ts";
import { authority, type Check, expect, openssl, same, scratch } from "./kit.ts";

interface Server {
  readonly port: number;
  readonly minted: () => number;
  close(): void;
}

/** A TLS server with a leaf for whatever name it is asked for; `fallback` for who names none. */
async function serve(files: CaFiles, fallback: string): Promise<Server> {
  const now = Date.now;
  const mint = await leafMinter(await loadCa(files, now()), { now });
  let minted = 0;
  const leaves = new LeafCache(
    (host) => {
      minted++;
      return mint(host);
    },
    { now },
  );
  const contexts = new WeakMap<Leaf, tls.SecureContext>();
  const contextOf = (leaf: Leaf): tls.SecureContext => {
    const kept = contexts.get(leaf);
    if (kept !== undefined) return kept;
    const made = tls.createSecureContext({ cert: leaf.cert, key: leaf.key });
    contexts.set(leaf, made);
    return made;
  };
  const first = await leaves.leafFor(fallback);
  const server = tls.createServer(
    {
      cert: first.cert,
      key: first.key,
      SNICallback: (name, done) => {
        // Deno calls it with an empty name when none was sent, Bun does not call it.
        leaves.leafFor(name || fallback).then(
          (leaf) => done(null, contextOf(leaf)),
          (thrown: Error) => done(thrown),
        );
      },
    },
    (socket) => {
      socket.on("error", () => {});
      socket.end("hello");
    },
  );
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return { port: (server.address() as net.AddressInfo).port, minted: () => minted, close: () => server.close() };
}

/** The names in the leaf that was presented, as a client that trusts only `anchor` sees it; rejects when it refuses it. */
function presented(port: number, host: string, anchor: string): Promise<string> {
  return new Promise((settle, reject) => {
    const named = /^[0-9.]+$|:/.test(host) ? {} : { servername: host };
    const socket = tls.connect({ host: "127.0.0.1", port, ca: anchor, checkServerIdentity: () => undefined, ...named });
    socket.on("error", reject);
    socket.on("secureConnect", () => {
      const certificate = socket.getPeerCertificate();
      const wrong = tls.checkServerIdentity(host, certificate);
      socket.destroy();
      if (wrong === undefined) settle(certificate.subjectaltname ?? "");
      else reject(wrong);
    });
  });
}

export const mintedLeavesAreAcceptedByName: Check = async () => {
  for (const key of ["P-256", "P-384", "RSA"] as const) {
    const files = await createCa({ commonName: `conformance ${key}`, days: 2, key }, Date.now());
    const server = await serve(files, "127.0.0.1");
    for (const host of ["a.test", "b.a.test", "xn--bcher-kva.example", "a.test"]) {
      same(await presented(server.port, host, files.certPem), `DNS:${host}`, `leaf for ${host} of ${key}`);
    }
    same(server.minted(), 4, "leaves minted");
    same(await presented(server.port, "127.0.0.1", files.certPem), "IP Address:127.0.0.1", "leaf without SNI");
    server.close();
  }
};

export const mintedLeafOfAnotherCaIsRefused: Check = async () => {
  const files = await createCa({ commonName: "twin", days: 2, key: "P-256" }, Date.now());
  const twin = await createCa({ commonName: "twin", days: 2, key: "P-256" }, Date.now());
  const server = await serve(files, "a.test");
  same(await presented(server.port, "a.test", files.certPem), "DNS:a.test", "leaf of the CA that is trusted");
  const refused = await presented(server.port, "a.test", twin.certPem).then(
    () => false,
    () => true,
  );
  expect(refused, "a leaf of a CA of the same name and another key was accepted");
  server.close();
};

/** A CA made by openssl below a root of openssl, and openssl as the client: what the runtime under test sends is whole. */
export const tlsMintedLeafBelowAnIntermediateIsAcceptedByOpenssl: Check = async () => {
  const root = authority();
  const below = root.certify(
    "intermediate",
    "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign",
  );
  const server = await serve({ certPem: below.cert, keyPem: below.key }, "other.test");
  const folder = scratch();
  writeFileSync(join(folder, "root.pem"), root.pem);
  for (const host of ["inner.test", "outer.test"]) {
    const client = ["s_client", "-connect", `127.0.0.1:${server.port}`, "-servername", host, "-verify_hostname", host];
    const trust = ["-CAfile", join(folder, "root.pem"), "-no-CApath", "-verify_return_error", "-showcerts"];
    const { code, said } = await openssl([...client, ...trust]);
    same(code, 0, `openssl's verdict on ${host}`);
    const sent = readCertificates(said);
    same(sent.length, 2, "certificates sent");
    same(sent[1] === undefined ? "" : pemOf(sent[1]).trim(), below.cert.trim(), "the one behind the leaf");
  }
  server.close();
};
