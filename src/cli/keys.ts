import { importPublic, jwks, type PublicJwk, publicPart, thumbprint } from "../crypto/jwk.ts";
import { generateKey, generateSecret, loadPrivate } from "../crypto/keys.ts";
import { algorithmOfDer, readPem } from "../crypto/pem.ts";
import { ASYMMETRIC, hmacKey } from "../crypto/signature.ts";
import { Fault, messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { type CommandSpec, columns, EXIT, readArgs, wrong } from "./_args.ts";
import { runVerb } from "./_verbs.ts";

const GROUP: CommandSpec = {
  name: "keys",
  summary: "make and publish signing keys",
  usage: "generate|jwks [options]",
  options: [],
  operands: [0, 0],
  notes: "generate makes a key, jwks prints public keys. Each has --help.",
};

const GENERATE: CommandSpec = {
  name: "keys generate",
  summary: "make a signing key",
  usage: "[--type ed25519|p256|hmac] FILE",
  options: [{ name: "type", value: "TYPE", doc: "ed25519 (default), p256 or hmac" }],
  operands: [1, 1],
  notes: `
Writes the private key (PEM, or the bare secret for hmac) to FILE, mode 0600, and the public key to FILE.pub. Nothing
is ever overwritten. Use it with EVE_PROXY_SIGNING_KEY=FILE, or JWT_SECRET_KEY_FILE=FILE for hmac.`,
};

const JWKS: CommandSpec = {
  name: "keys jwks",
  summary: "print the public keys of key files as a JWKS",
  usage: "FILE...",
  options: [],
  operands: [1, 64],
  notes: "Takes private and public keys, PEM and JWK. An HMAC secret has no public part and is refused.",
};

const TYPES: Readonly<Record<string, "Ed25519" | "ECDSA-P256-SHA256" | "hmac">> = {
  ed25519: "Ed25519",
  p256: "ECDSA-P256-SHA256",
  hmac: "hmac",
};

export function runKeys(runtime: Runtime, args: readonly string[]): Promise<number> {
  return runVerb(runtime, { group: GROUP, verbs: { generate, jwks: printJwks } }, args);
}

async function generate(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, GENERATE, args);
  if (typeof parsed === "number") return parsed;
  const type = TYPES[parsed.value("type") ?? "ed25519"];
  if (type === undefined) return wrong(runtime, GENERATE, "--type is ed25519, p256 or hmac");
  const path = parsed.operands[0] ?? "";
  const publicPath = `${path}.pub`;
  for (const taken of type === "hmac" ? [path] : [path, publicPath]) {
    if ((await runtime.stat(taken)) === null) continue;
    runtime.stderr(`sallyport keys generate: "${taken}" exists, and a key is never overwritten\n`);
    return EXIT.failed;
  }
  const rows: [string, string][] = [];
  try {
    if (type === "hmac") {
      const secret = generateSecret();
      await runtime.writeNew(path, secret, 0o600);
      rows.push(["kid", hmacKey(new TextEncoder().encode(secret), runtime).kid], ["secret", path]);
    } else {
      const pair = await generateKey(type);
      await runtime.writeNew(path, pair.privatePem, 0o600);
      await runtime.writeNew(publicPath, pair.publicPem, 0o644);
      rows.push(["kid", thumbprint(pair.publicJwk, runtime)], ["private", path], ["public", publicPath]);
    }
  } catch (thrown) {
    runtime.stderr(`sallyport keys generate: cannot write the key: ${messageOf(thrown)}\n`);
    return EXIT.failed;
  }
  runtime.stdout(columns([["type", parsed.value("type") ?? "ed25519"], ...rows]));
  return EXIT.ok;
}

async function printJwks(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, JWKS, args);
  if (typeof parsed === "number") return parsed;
  const keys = new Map<string, PublicJwk>();
  for (const path of parsed.operands) {
    try {
      const text = new TextDecoder().decode(await runtime.readFile(path));
      for (const key of await publicKeys(runtime, text)) keys.set(thumbprint(key, runtime), key);
    } catch (thrown) {
      runtime.stderr(`sallyport keys jwks: cannot use "${path}": ${messageOf(thrown)}\n`);
      return EXIT.failed;
    }
  }
  runtime.stdout(`${JSON.stringify(jwks([...keys.values()], runtime), null, 2)}\n`);
  return EXIT.ok;
}

/** The public parts of every key in a file. Rejects with Fault `key_invalid`, also when there is none. */
async function publicKeys(runtime: Runtime, text: string): Promise<PublicJwk[]> {
  const trimmed = text.trim();
  if (trimmed.startsWith("{")) {
    const found = entriesOf(trimmed)
      .map((entry) => publicPart(entry ?? {}))
      .filter((key) => key !== null);
    if (found.length === 0) throw new Fault("key_invalid", "it has no Ed25519 or P-256 key");
    for (const key of found) await importPublic(key);
    return found;
  }
  if (!trimmed.includes("-----BEGIN ")) {
    throw new Fault("key_invalid", "it is no PEM and no JWK, so it was read as a raw secret, which has no public part");
  }
  const found: PublicJwk[] = [];
  for (const { label, der } of readPem(trimmed)) {
    const algorithm = algorithmOfDer(der);
    if (label !== "PUBLIC KEY" || algorithm === null) continue;
    const key = await crypto.subtle.importKey("spki", der, ASYMMETRIC[algorithm].key, true, ["verify"]);
    const open = publicPart(await crypto.subtle.exportKey("jwk", key));
    if (open !== null) found.push(open);
  }
  return found.length > 0 ? found : [(await loadPrivate(trimmed, runtime)).publicJwk];
}

function entriesOf(text: string): (JsonWebKey | null)[] {
  try {
    const document = JSON.parse(text) as { keys?: unknown };
    return (Array.isArray(document.keys) ? document.keys : [document]) as (JsonWebKey | null)[];
  } catch {
    // The message of JSON.parse may quote the key.
    throw new Fault("key_invalid", "it starts with { and is not JSON");
  }
}
