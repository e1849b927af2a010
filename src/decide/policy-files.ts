/** The policy in force: read from its file or directory, replaced as a whole, never half. */
import { Engine } from "../engine/engine.ts";
import { Fault, messageOf } from "../errors.ts";
import type { PolicySource } from "../policy/document.ts";
import type { Program } from "../policy/program.ts";
import type { Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { whyUnreadable } from "../words/unreadable.ts";
import { type Policy, verdictsOf } from "./policy.ts";

const MAX_FILES = 256;
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_PATH = 512;

type Files = Pick<Runtime, "readFile" | "stat" | "list">;

/** Rejects with Fault `policy_invalid`: a gateway does not start on a policy it cannot read. A null path is no policy. */
export async function openPolicy(runtime: Files, path: string | null): Promise<Policy> {
  let program = path === null ? null : await load(runtime, path);
  let engine = new Engine(program);
  let problem: string | null = null;
  type Result = { readonly ok: boolean; readonly message: string };
  let reading: Promise<Result> | null = null;
  let next: Promise<Result> | null = null;

  async function replace(from: string): Promise<Result> {
    try {
      program = await load(runtime, from);
      engine = new Engine(program);
      problem = null;
      return { ok: true, message: `policy ${program.version} is in force` };
    } catch (thrown) {
      problem = messageOf(thrown);
      return { ok: false, message: `the policy in force stays ${program?.version}: ${problem}` };
    }
  }

  function begin(from: string): Promise<Result> {
    const now = replace(from).finally(() => {
      if (reading === now) reading = null;
    });
    reading = now;
    return now;
  }

  return {
    get version() {
      return program?.version ?? null;
    },
    get problem() {
      return problem;
    },
    get engine() {
      return engine;
    },
    ...verdictsOf(() => program),
    /**
     * One after the other: a slow reading of what the files were must not replace a later one of what they are. Whoever
     * asks while one is under way is told of the next, which begins after they asked.
     */
    async reload() {
      if (path === null) return { ok: true, message: "no policy is configured" };
      if (next !== null) return next;
      if (reading === null) return begin(path);
      next = reading.then(() => {
        next = null;
        return begin(path);
      });
      return next;
    },
  };
}

/** Names every problem of every file, whatever comes first. */
async function load(runtime: Files, path: string): Promise<Program> {
  const { sources, unread } = await readPolicySources(runtime, path);
  // What reads and checks a policy is loaded by the first that there is: a start without one must not wait for it.
  const { loadEngines } = await import("../policy/engines.ts");
  const { compilePolicy } = await import("../policy/program.ts");
  await loadEngines(sources);
  return compilePolicy(sources, unread);
}

export interface PolicyRead {
  readonly sources: readonly PolicySource[];
  /** One a file that could not be had as text: `file:1:1: why`. */
  readonly unread: readonly string[];
}

/** The files of a policy, in the order of their names. Rejects with Fault `policy_invalid` when there is none. */
export async function readPolicySources(runtime: Files, path: string): Promise<PolicyRead> {
  const info = await runtime.stat(path).catch((thrown: unknown) => refused(path, thrown));
  if (info === null) throw refusal(path, "does not exist");
  const names = info.directory ? await policyNames(runtime, path) : [baseName(path)];
  const sources: PolicySource[] = [];
  const unread: string[] = [];
  for (const name of names) {
    const file = info.directory ? `${path.replace(/\/+$/, "")}/${name}` : path;
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

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
