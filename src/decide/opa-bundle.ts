/** An OPA bundle (`opa build -t wasm`): checked, and turned into something that can be evaluated. */
import * as wasmSdk from "@open-policy-agent/opa-wasm";
import { Fault, messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { readTar } from "../wire/tar.ts";

/** The package's declarations name what its module only has in its default export. */
const { loadPolicySync } = (wasmSdk as unknown as { readonly default: Pick<typeof wasmSdk, "loadPolicySync"> }).default;

/** Of the archive, and of what is in it. */
export const MAX_BUNDLE_BYTES = 32 * 1024 * 1024;
const MAX_UNPACKED_BYTES = 128 * 1024 * 1024;
/** Wasm pages of 64 KiB: an evaluation that wants more than 256 MiB ends, and with it the question. */
const MEMORY = { initial: 5, maximum: 4096 } as const;

/** What may be evaluated. */
export interface OpaProgram {
  /** "opa-" + 16 hex over the archive and the entrypoint. */
  readonly version: string;
  /** The value of the entrypoint, undefined when it has none. Synchronous and not to be interrupted. Throws whatever went wrong. */
  evaluate(input: object): unknown;
}

/** Rejects with Fault `policy_invalid`. */
export async function openOpaBundle(
  runtime: Pick<Runtime, "decode" | "sha256">,
  archive: Uint8Array,
  entrypoint: string,
): Promise<OpaProgram> {
  const { wasm, data } = await unpacked(runtime, archive);
  let module: WebAssembly.Module;
  try {
    module = await WebAssembly.compile(wasm);
  } catch (thrown) {
    throw refusal(`has a policy.wasm that cannot be compiled: ${messageOf(thrown)}`);
  }
  const instantiate = () => {
    const made = loadPolicySync(module, MEMORY);
    if (data !== null) made.setData(data);
    return made;
  };
  let policy: ReturnType<typeof instantiate>;
  try {
    policy = instantiate();
  } catch (thrown) {
    throw refusal(`cannot be loaded: ${messageOf(thrown)}`);
  }
  if (!Object.hasOwn(policy.entrypoints, entrypoint)) {
    const known = Object.keys(policy.entrypoints).slice(0, 16).join(", ");
    throw refusal(`has no entrypoint ${JSON.stringify(entrypoint)} (it has: ${known}); give it to opa build with -e`);
  }
  let broken = false;
  return {
    version: `opa-${runtime.sha256(`${runtime.sha256(archive)} ${entrypoint}`).slice(0, 16)}`,
    evaluate(input) {
      // Whatever was thrown out of it may have left its memory half written.
      if (broken) policy = instantiate();
      broken = true;
      const results: unknown = policy.evaluate(input, entrypoint);
      broken = false;
      if (!Array.isArray(results) || results.length === 0) return undefined;
      return (results[0] as { result?: unknown }).result;
    },
  };
}

async function unpacked(
  runtime: Pick<Runtime, "decode">,
  archive: Uint8Array,
): Promise<{ readonly wasm: Uint8Array<ArrayBuffer>; readonly data: object | null }> {
  let tar: Uint8Array;
  try {
    tar = await runtime.decode("gzip", archive, MAX_UNPACKED_BYTES);
  } catch (thrown) {
    throw refusal(`is no gzip archive: ${messageOf(thrown)}`);
  }
  const entries = readTar(tar);
  if (typeof entries === "string") throw refusal(entries);
  const wasm = entries.find(({ name }) => name === "policy.wasm");
  if (wasm === undefined) throw refusal("has no /policy.wasm in it: build it with opa build -t wasm");
  // Data in other places would have to be put together by their paths; opa build has done that.
  const elsewhere = entries.find(({ name }) => /(?:^|\/)data\.(?:json|ya?ml)$/.test(name) && name !== "data.json");
  if (elsewhere !== undefined) throw refusal(`has data at ${elsewhere.name}: only /data.json is read`);
  const stated = entries.find(({ name }) => name === "data.json");
  return { wasm: wasm.bytes.slice(), data: stated === undefined ? null : parsed(stated.bytes) };
}

function parsed(bytes: Uint8Array): object {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Told below.
  }
  throw refusal("has a data.json that is no JSON object");
}

export function refusal(why: string): Fault {
  return new Fault("policy_invalid", `the OPA bundle ${why}`);
}
