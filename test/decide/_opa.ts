/** Bundles by the real `opa build`. */
import { test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const OPA = process.env.SALLYPORT_OPA ?? "opa";

/** Where no Go toolchain has made an `opa`, there is none: these tests are left out then, everywhere. */
export function testWithOpa(name: string, body: () => void | Promise<void>, timeout = 120_000): void {
  if (Bun.which(OPA) !== null) test(name, body, timeout);
  else console.log(`SKIP ${name}: no opa on the PATH (go install github.com/open-policy-agent/opa@v1.22.0)`);
}

const made = new Map<string, Uint8Array>();

/** A bundle compiled to Wasm; `files` by name, `.rego` or `.json`. */
export function opaBundle(files: Readonly<Record<string, string>>, entrypoint = "sallyport/decision"): Uint8Array {
  const key = JSON.stringify([files, entrypoint]);
  const known = made.get(key);
  if (known !== undefined) return known;
  const folder = mkdtempSync(join(tmpdir(), "sallyport-opa-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const names = Object.keys(files);
    const args = ["build", "-t", "wasm", "-e", entrypoint, "-o", "bundle.tar.gz", ...names];
    const done = spawnSync(OPA, args, { cwd: folder, encoding: "utf8", timeout: 60_000 });
    if (done.status !== 0) throw new Error(`opa build: ${done.stderr}`);
    const bytes = new Uint8Array(readFileSync(join(folder, "bundle.tar.gz")));
    made.set(key, bytes);
    return bytes;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
