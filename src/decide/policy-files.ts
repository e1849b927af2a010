/** The policy in force: read from its file or directory, replaced as a whole, never half. */
import { Engine } from "../engine/engine.ts";
import { Fault, messageOf } from "../errors.ts";
import { type CacheTerms, cacheTerms, NO_TERMS } from "../policy/cache-terms.ts";
import type { PolicySource } from "../policy/document.ts";
import { loadEngines } from "../policy/engines.ts";
import type { Program } from "../policy/program.ts";
import type { FileInfo, Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { whyUnreadable } from "../words/unreadable.ts";
import { oneByOne } from "./one-by-one.ts";
import { type Policy, verdictsOf } from "./policy.ts";

const MAX_FILES = 256;
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_PATH = 512;

type Files = Pick<Runtime, "readFile" | "stat" | "list">;

/** A policy as it is read: the texts, and what came of them. */
export interface LoadedPolicy {
  readonly program: Program;
  readonly sources: readonly PolicySource[];
}

/** Rejects with Fault `policy_invalid`: a gateway does not start on a policy it cannot read. A null path is no policy. */
export async function openPolicy(runtime: Files, path: string | null): Promise<Policy> {
  return policyFrom(path === null ? null : () => load(runtime, path));
}

/** A policy wherever it comes from; `load` rejects with Fault `policy_invalid`. Null is no policy. */
export async function policyFrom(load: (() => Promise<LoadedPolicy>) | null): Promise<Policy> {
  let loaded = load === null ? null : await load();
  let engine = new Engine(loaded?.program ?? null);
  let terms = termsOf(loaded);
  let problem: string | null = null;
  async function replace(
    from: () => Promise<LoadedPolicy>,
  ): Promise<{ readonly ok: boolean; readonly message: string }> {
    try {
      const read = await from();
      // The same policy keeps its engine, and with it what callers remember of it.
      if (read.program !== loaded?.program) engine = new Engine(read.program);
      loaded = read;
      terms = termsOf(loaded);
      problem = null;
      return { ok: true, message: `policy ${read.program.version} is in force` };
    } catch (thrown) {
      problem = messageOf(thrown);
      return { ok: false, message: `the policy in force stays ${loaded?.program.version}: ${problem}` };
    }
  }

  const again = load === null ? null : oneByOne(() => replace(load));

  return {
    get version() {
      return loaded?.program.version ?? null;
    },
    get sources() {
      return loaded?.sources ?? [];
    },
    get problem() {
      return problem;
    },
    get engine() {
      return engine;
    },
    get sequences() {
      return loaded?.program.sequenceRules ?? [];
    },
    get cache() {
      return terms;
    },
    ...verdictsOf(() => loaded?.program ?? null),
    async reload() {
      return again === null ? { ok: true, message: "no policy is configured" } : again();
    },
  };
}

function termsOf(loaded: LoadedPolicy | null): CacheTerms {
  return loaded === null ? NO_TERMS : cacheTerms(loaded.program.cache);
}

/** Names every problem of every file, whatever comes first. */
async function load(runtime: Files, path: string): Promise<LoadedPolicy> {
  const { sources, unread } = await readPolicySources(runtime, path);
  // Schemas and YAML take longer to load than all the rest: not at a start without a policy.
  const { compilePolicy } = await import("../policy/program.ts");
  await loadEngines(sources);
  return { program: compilePolicy(sources, unread), sources };
}

export interface PolicyRead {
  readonly sources: readonly PolicySource[];
  /** One a file that could not be had as text: `file:1:1: why`. */
  readonly unread: readonly string[];
}

/** A reading that something was changed under is read again so often. */
const MAX_READINGS = 4;

/**
 * The files of a policy, in the order of their names, as they were at one time: a directory whose link is turned while it is
 * read gives neither half. Rejects with Fault `policy_invalid` when there is none, or when it does not come to rest.
 */
export async function readPolicySources(runtime: Files, path: string): Promise<PolicyRead> {
  for (let reading = 0; reading < MAX_READINGS; reading++) {
    const stamps: string[] = [];
    const read = await readOnce(watching(runtime, stamps), path);
    if ((await stampsOf(runtime, path)).join() === stamps.join()) return read;
  }
  throw refusal(path, "was changed again and again while it was read");
}

/** Notes which file each `stat` found, in their order: that is asked right before a file is read. */
function watching(runtime: Files, stamps: string[]): Files {
  return {
    readFile: (name) => runtime.readFile(name),
    list: (name) => runtime.list(name),
    async stat(name) {
      const info = await runtime.stat(name);
      stamps.push(stampOf(name, info));
      return info;
    },
  };
}

/** The same of a path as it is now, without reading anything. */
async function stampsOf(runtime: Files, path: string): Promise<string[]> {
  const stamps: string[] = [];
  const of = watching(runtime, stamps);
  // What cannot be asked has no stamp, and so is not what was read.
  const info = await of.stat(path).catch(() => null);
  const names = info?.directory === true ? await policyNames(runtime, path).catch(() => []) : [];
  if (info?.directory === false) await of.stat(path).catch(() => null);
  for (const name of names) await of.stat(within(path, name)).catch(() => null);
  return stamps;
}

/** A directory and a pipe change by other things than what is read of them. */
function stampOf(name: string, info: FileInfo | null): string {
  return JSON.stringify(
    info === null ? [name] : [name, info.inode, ...(info.regular ? [info.size, info.modified] : [])],
  );
}

async function readOnce(runtime: Files, path: string): Promise<PolicyRead> {
  const info = await runtime.stat(path).catch((thrown: unknown) => refused(path, thrown));
  if (info === null) throw refusal(path, "does not exist");
  const names = info.directory ? await policyNames(runtime, path) : [baseName(path)];
  const sources: PolicySource[] = [];
  const unread: string[] = [];
  for (const name of names) {
    const file = info.directory ? within(path, name) : path;
    const text = await read(runtime, file);
    if (typeof text === "string") sources.push({ name, text });
    else unread.push(`${name}:1:1: ${text.problem}`);
  }
  return { sources, unread };
}

async function policyNames(runtime: Files, path: string): Promise<string[]> {
  const all = await runtime.list(path).catch((thrown: unknown) => refused(path, thrown));
  const names = all.map(baseName).filter((name) => /^[^.].*\.ya?ml$/.test(name) && !/\.test\.ya?ml$/.test(name));
  if (names.length === 0) throw refusal(path, "has no .yaml file in it");
  if (names.length > MAX_FILES) throw refusal(path, `has more than ${MAX_FILES} files`);
  return names.sort();
}

async function read(runtime: Files, path: string): Promise<string | { readonly problem: string }> {
  try {
    const info = await runtime.stat(path);
    if (info === null) return { problem: "does not exist" };
    if (info.directory) return { problem: "is a directory" };
    if (info.size > MAX_FILE_BYTES) return { problem: `larger than ${MAX_FILE_BYTES} bytes` };
    return new TextDecoder("utf-8", { fatal: true }).decode(await runtime.readFile(path));
  } catch (thrown) {
    return { problem: whyUnreadable(thrown) };
  }
}

function refused(path: string, thrown: unknown): never {
  throw refusal(path, whyUnreadable(thrown));
}

function refusal(path: string, why: string): Fault {
  return new Fault("policy_invalid", `policy ${quote(path, MAX_PATH)} ${why}`);
}

function within(directory: string, name: string): string {
  return `${directory.replace(/\/+$/, "")}/${name}`;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
