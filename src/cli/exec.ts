/**
 * `sallyport exec`: a command behind a gateway of its own. The command owns the standard streams; what we have to say goes
 * to the standard error, before it begins and after it has ended, and the gateway's log to a file.
 */
import { messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { type Arguments, type CommandSpec, EXIT, readArgs, wrong } from "./_args.ts";
import { GRACE_MS, notStarted, runChild } from "./_exec-child.ts";
import { environmentOf } from "./_exec-env.ts";
import { type Planned, planGateway, startPrivate } from "./_exec-gateway.ts";
import { problemList } from "./_problem-list.ts";

const SPEC: CommandSpec = {
  name: "exec",
  summary: "run a command behind a private gateway",
  usage: "[options] -- COMMAND [ARGUMENT...]",
  options: [
    { name: "sandbox", doc: "in a network namespace whose only way out is the gateway (Linux)" },
    { name: "evidence", value: "DIR", doc: "where evidence and log go; a new or empty folder" },
    { name: "no-proxy", value: "LIST", doc: "hosts the command may reach without the gateway, comma-separated" },
    { name: "json", value: "FILE", doc: "write the summary there as JSON, too" },
    { name: "quiet", doc: "no summary on the standard error" },
  ],
  operands: [0, 0],
  notes: `
Policy, keys and limits are those of the environment (docs/configuration.md); port, CA and evidence are of this run alone.
TLS is read. The command's exit code is ours: 128 + n when signal n ended it, 127 when there is no such program, 126 when
it cannot be executed. SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on.

Without --sandbox a program that heeds neither proxy variables nor what is set for its runtime goes out as if we were not
there; docs/exec.md has the list.`,
};

/** What the sandbox's own loopback serves is no way out. Java and fetch of newer Nodes know IPv6 in brackets only, others without. */
const LOOPBACK = "localhost,127.0.0.1,::1,[::1]";

/** Resolves to the command's exit code. Rejects with the Fault that kept it from being started. */
export async function runExec(runtime: Runtime, args: readonly string[]): Promise<number> {
  // A part of ours, in the sandbox; see _exec-sandbox.ts.
  if (args[0] === "--inside") return (await import("./_exec-sandbox.ts")).runInside(runtime, args.slice(1));
  const dashes = args.indexOf("--");
  const parsed = readArgs(runtime, SPEC, dashes === -1 ? args : args.slice(0, dashes));
  if (typeof parsed === "number") return parsed;
  const [program, ...rest] = dashes === -1 ? [] : args.slice(dashes + 1);
  if (program === undefined || program === "") return wrong(runtime, SPEC, "say what to run, behind --");
  const say = (text: string): void => runtime.stderr(`sallyport exec: ${text}\n`);
  const folder = parsed.value("evidence")?.replace(/(.)\/+$/, "$1") ?? defaultFolder(runtime);
  if (folder === null)
    return wrong(
      runtime,
      SPEC,
      "neither XDG_STATE_HOME nor HOME names a folder: say by --evidence where evidence goes",
    );
  if (folder === "") return wrong(runtime, SPEC, "--evidence is empty");
  try {
    if (await holdsSomething(runtime, folder)) {
      say(`${quote(folder, 512)} is not an empty folder: each run has evidence of its own`);
      return EXIT.failed;
    }
    await runtime.makeDirectory(folder);
  } catch (thrown) {
    say(`cannot keep evidence in ${quote(folder, 512)}: ${messageOf(thrown)}`);
    return EXIT.failed;
  }
  const planned = await planGateway(runtime, folder);
  if (!("config" in planned)) {
    runtime.stderr(`sallyport exec: the configuration has ${problemList(planned)}`);
    return EXIT.config;
  }
  for (const warning of planned.warnings) say(warning);
  const scratch = await runtime.makeTempDirectory();
  try {
    return await behind(runtime, planned, { parsed, command: [program, ...rest], folder, scratch, say });
  } finally {
    await runtime.remove(scratch).catch(() => {});
  }
}

interface Wanted {
  readonly parsed: Arguments;
  readonly command: readonly [string, ...string[]];
  readonly folder: string;
  readonly scratch: string;
  readonly say: (text: string) => void;
}

async function behind(runtime: Runtime, planned: Planned, wanted: Wanted): Promise<number> {
  const { parsed, command, folder, scratch, say } = wanted;
  const confined = parsed.has("sandbox");
  let crash: string | null = null;
  let stop = (): void => {};
  const gateway = await startPrivate(runtime, planned, { folder, scratch }, (problem) => {
    if (crash !== null) return;
    crash = problem;
    say(`the gateway failed, so ${quote(command[0])} is ended: ${problem}`);
    stop();
  });
  const { port, trust, config } = gateway;
  const noProxy = parsed.value("no-proxy") ?? (confined ? LOOPBACK : "");
  const { env, remarks } = environmentOf(runtime.env, port, trust, noProxy);
  if (!parsed.has("quiet")) for (const remark of remarks) say(remark);
  const startedMs = runtime.now();
  try {
    const sandbox = confined
      ? await (await import("./_exec-sandbox.ts")).sandboxed(runtime, command, { scratch, port })
      : null;
    if (!parsed.has("quiet")) for (const remark of sandbox?.remarks ?? []) say(remark);
    const running = runChild(runtime, sandbox?.command ?? command, env, sandbox?.terminal);
    stop = () => {
      sandbox?.sever();
      // The process inside has to outlive the command, or nobody could end it.
      running.kill(sandbox === null ? GRACE_MS : 2 * GRACE_MS);
    };
    if (crash !== null) stop();
    const ran = await running.ended;
    const endedMs = runtime.now();
    if (ran.refused !== null) say(notStarted(command[0], ran.refused));
    await gateway.close();
    const code = crash === null ? ran.code : EXIT.software;
    const { countEvidence } = await import("./_exec-count.ts");
    const { summaryJson, summaryText } = await import("./_exec-summary.ts");
    const summary = {
      counted: await countEvidence(runtime, folder),
      folder,
      keyFile: planned.keyFile,
      keyPrivate: planned.keyPrivate,
      sandboxed: confined,
      mode: config.mode,
      code,
      signal: ran.signal,
      program: command[0],
      startedMs,
      endedMs,
    };
    if (!parsed.has("quiet")) runtime.stderr(summaryText(summary));
    const json = parsed.value("json");
    if (json !== null) await overwrite(runtime, json, summaryJson(summary), say);
    return code;
  } catch (thrown) {
    await gateway.close();
    throw thrown;
  }
}

/** Null where nothing says: never the working directory, which may be a repository, and evidence comes with a key. */
function defaultFolder(runtime: Runtime): string | null {
  const { XDG_STATE_HOME: state, HOME: home } = runtime.env;
  const stamp = new Date(runtime.now()).toISOString().slice(0, 19).replace(/[-:]/g, "");
  const base = state?.startsWith("/") ? state : home?.startsWith("/") ? `${home}/.local/state` : null;
  if (base === null) return null;
  return `${base}/sallyport/exec/${stamp}Z-${runtime.pid}`;
}

async function holdsSomething(runtime: Runtime, folder: string): Promise<boolean> {
  const info = await runtime.stat(folder);
  if (info === null) return false;
  return !info.directory || (await runtime.list(folder)).length > 0;
}

/** A reader finds the whole summary or none. That it cannot be written does not change what the command has done. */
async function overwrite(runtime: Runtime, path: string, text: string, say: (text: string) => void): Promise<void> {
  const fresh = `${path}.${runtime.randomHex(4)}.new`;
  try {
    await runtime.writeNew(fresh, text, 0o600);
    runtime.rename(fresh, path);
  } catch (thrown) {
    await runtime.remove(fresh).catch(() => {});
    say(`cannot write the summary to ${quote(path, 512)}: ${messageOf(thrown)}`);
  }
}
