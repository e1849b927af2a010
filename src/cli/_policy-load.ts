import { readPolicySources } from "../decide/policy-files.ts";
import { Engine } from "../engine/engine.ts";
import { Fault, messageOf } from "../errors.ts";
import { loadEngines } from "../policy/engines.ts";
import { namedPolicy } from "../policy/named.ts";
import { compilePolicy, type Program } from "../policy/program.ts";
import { NAMED_POLICIES } from "../policy/schema.ts";
import type { Runtime } from "../runtime/contract.ts";
import { concat } from "../wire/concat.ts";
import { quote } from "../words/quote.ts";
import { whyUnreadable } from "../words/unreadable.ts";

/** A policy as commands are given it: a file, a directory, or the name of a starting policy that is no file. */
export async function loadPolicy(runtime: Runtime, path: string): Promise<Program> {
  const named = NAMED_POLICIES.find((name) => name === path);
  if (named !== undefined && (await runtime.stat(path).catch(() => null)) === null) {
    return compilePolicy([{ name: named, text: namedPolicy(named) }]);
  }
  const { sources, unread } = await readPolicySources(runtime, path);
  await loadEngines(sources);
  const program = compilePolicy(sources, unread);
  // As a gateway does at its start: what an engine refuses must not pass here.
  new Engine(program);
  return program;
}

/** A text file, or standard input for "-", of at most `max` bytes. Throws Fault `usage`. */
export async function readText(runtime: Runtime, path: string, max: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of path === "-" ? runtime.stdin() : runtime.readChunks(path)) {
      bytes += chunk.length;
      if (bytes > max) break;
      chunks.push(chunk);
    }
  } catch (thrown) {
    throw new Fault("usage", `${quote(path)} ${whyUnreadable(thrown)}`);
  }
  if (bytes > max) throw new Fault("usage", `${quote(path)} is larger than ${max} bytes`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(concat(chunks, bytes));
  } catch {
    throw new Fault("usage", `${quote(path)} is not UTF-8 text`);
  }
}

/** JSON text as a value. Throws Fault `usage`. */
export function parseJson(text: string, of: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new Fault("usage", `${of} is not JSON: ${messageOf(thrown)}`);
  }
}

/** Where a path of a policy's directory or file begins. */
export function directoryOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? "." : path.slice(0, slash) || "/";
}
