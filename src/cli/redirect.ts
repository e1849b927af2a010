import { Fault } from "../errors.ts";
import { iptablesScript, NOTHING } from "../redirect/iptables.ts";
import { nftScript } from "../redirect/nft.ts";
import type { Redirect } from "../redirect/redirect.ts";
import type { Runtime } from "../runtime/contract.ts";
import { parseIp } from "../wire/ip.ts";
import { quote } from "../words/quote.ts";
import { type Arguments, type CommandSpec, EXIT, readArgs, wrong } from "./_args.ts";
import { ownUid } from "./_proc.ts";
import { declared, type Finding, portsText, TARGETS, trialsOf } from "./_redirect-check.ts";
import { type BackEnd, chooseBackEnd, findTools, highestUid, install, mustBeAble, remove } from "./_redirect-kernel.ts";
import { readRules } from "./_redirect-options.ts";
import { type Outcome, type Plan, runProbe } from "./_redirect-probe.ts";
import { CHECK, GROUP, INSTALL, PRINT, REMOVE } from "./_redirect-verbs.ts";
import { runVerb } from "./_verbs.ts";

/** Who tries when root asks: nobody, in every distribution. */
const NOBODY = 65_534;
/** Our own, of the process that tries; not for users. */
const PROBE = "--probe";
const MAX_TARGETS = 16;

export async function runRedirect(runtime: Runtime, args: readonly string[]): Promise<number> {
  const [first, plan] = args;
  if (first === PROBE && plan !== undefined) return runProbe(runtime, plan);
  const verbs = { install: runInstall, remove: runRemove, check: runCheck, print: runPrint };
  return runVerb(runtime, { group: GROUP, verbs }, args);
}

interface Asked {
  readonly given: Arguments;
  readonly redirect: Redirect;
  readonly notes: readonly string[];
}

/** What the command line asks for, or the exit code when it is over. */
async function readAll(runtime: Runtime, spec: CommandSpec, args: readonly string[]): Promise<Asked | number> {
  const given = readArgs(runtime, spec, args);
  if (typeof given === "number") return given;
  const read = await readRules(runtime, given);
  if (!("refused" in read)) return { given, ...read };
  if (read.refused === "usage") return wrong(runtime, spec, read.problem);
  runtime.stderr(`sallyport ${spec.name}: ${read.problem}\n`);
  return EXIT.config;
}

/** The exit code when it is over. */
function readBackEnd(runtime: Runtime, spec: CommandSpec, given: Arguments): BackEnd | "auto" | number {
  const text = given.value("backend") ?? "auto";
  if (text === "nft" || text === "iptables" || text === "auto") return text;
  return wrong(runtime, spec, `--backend is nft, iptables or auto, not ${quote(text)}`);
}

async function runInstall(runtime: Runtime, args: readonly string[]): Promise<number> {
  const asked = await readAll(runtime, INSTALL, args);
  if (typeof asked === "number") return asked;
  const { given, redirect, notes } = asked;
  const wanted = readBackEnd(runtime, INSTALL, given);
  if (typeof wanted === "number") return wanted;
  await mustBeAble(runtime);
  const tools = await findTools(runtime);
  const backEnd = await chooseBackEnd(runtime, wanted, tools);
  await install(runtime, redirect, { backEnd, tools });
  const what = redirect.allTcp ? "all TCP" : `TCP to ports ${portsText(redirect.ports)}`;
  say(runtime, INSTALL, [
    ...notes,
    `${what} goes to port ${redirect.port}, other UDP than DNS is refused (${backEnd})`,
  ]);
  return EXIT.ok;
}

async function runRemove(runtime: Runtime, args: readonly string[]): Promise<number> {
  const given = readArgs(runtime, REMOVE, args);
  if (typeof given === "number") return given;
  await mustBeAble(runtime);
  const from = await remove(runtime, await findTools(runtime));
  say(runtime, REMOVE, [from.length === 0 ? "there were no rules of ours" : `removed from ${from.join(", ")}`]);
  return EXIT.ok;
}

async function runPrint(runtime: Runtime, args: readonly string[]): Promise<number> {
  const asked = await readAll(runtime, PRINT, args);
  if (typeof asked === "number") return asked;
  const { given, redirect, notes } = asked;
  const wanted = readBackEnd(runtime, PRINT, given);
  if (typeof wanted === "number") return wanted;
  const tools = await findTools(runtime);
  const iptables = wanted === "iptables" || (wanted === "auto" && tools.nft === null && tools.iptables !== null);
  say(runtime, PRINT, notes);
  if (!iptables) {
    runtime.stdout(nftScript(redirect));
    return EXIT.ok;
  }
  const highest = await highestUid(runtime);
  for (const family of [4, 6] as const) {
    const script = iptablesScript(redirect, { family, present: NOTHING, highestUid: highest });
    runtime.stdout(`# ${family === 4 ? "iptables" : "ip6tables"}-restore --noflush\n${script}`);
  }
  return EXIT.ok;
}

async function runCheck(runtime: Runtime, args: readonly string[]): Promise<number> {
  const asked = await readAll(runtime, CHECK, args);
  if (typeof asked === "number") return asked;
  const { given, redirect, notes } = asked;
  const as = await readAs(runtime, given.value("as"));
  if (typeof as === "string") return wrong(runtime, CHECK, as);
  const own = as?.uid ?? (await ownUid(runtime));
  if (own !== null && own === redirect.gateway.uid)
    return wrong(runtime, CHECK, `user ${own} is the gateway's own: say by --as who else tries`);
  const targets = given.values("target").length === 0 ? TARGETS : given.values("target");
  const bad = targets.length > MAX_TARGETS ? "too many" : targets.find((text) => parseIp(text) === null);
  if (bad !== undefined) return wrong(runtime, CHECK, `--target: ${quote(bad)} is no address`);
  const trials = trialsOf(redirect, targets);
  const plan: Plan = { as, gatewayPort: redirect.port, attempts: trials.map(({ attempt }) => attempt) };
  const outcomes = await probe(runtime, plan);
  const tried = trials.map(({ way, judge }, at): Finding => {
    const outcome = outcomes[at];
    return { way, ...(outcome === undefined ? { state: "untested", detail: "no outcome" } : judge(outcome)) };
  });
  const findings = [...tried, ...declared(redirect)];
  // A check that could look at nothing has not found that nothing is open.
  const looked = tried.some(({ state }) => state === "closed" || state === "declared");
  const open = findings.filter(({ state }) => state === "open").length;
  const ok = open === 0 && looked;
  if (given.has("json")) runtime.stdout(`${JSON.stringify({ ok, as: own, findings }, null, 2)}\n`);
  else {
    say(runtime, CHECK, notes);
    const verdict =
      open > 0 ? `${open} way${open === 1 ? "" : "s"} out` : looked ? "no way out was found" : "nothing could be tried";
    runtime.stdout(`tried as user ${own ?? "unknown"}\n${findings.map(lineOf).join("")}${verdict}\n`);
  }
  return ok ? EXIT.ok : EXIT.failed;
}

function lineOf({ way, state, detail, fix }: Finding): string {
  return `  ${state.padEnd(8)}  ${way}: ${detail}\n${fix === undefined ? "" : `            fix: ${fix}\n`}`;
}

/** Who tries: null for this process as it is. A text is what is wrong. */
async function readAs(runtime: Runtime, text: string | null): Promise<Plan["as"] | string> {
  const own = await ownUid(runtime);
  if (text === null) return own === 0 ? { uid: NOBODY, gid: NOBODY } : null;
  const [, uid, gid] = /^([0-9]{1,10})(?::([0-9]{1,10}))?$/.exec(text) ?? [];
  if (uid === undefined || Number(uid) >= 0xffff_ffff) return `--as is UID or UID:GID, not ${quote(text)}`;
  if (Number(uid) === own && gid === undefined) return null;
  if (own !== 0) return "--as: only root can try as somebody else";
  return { uid: Number(uid), gid: Number(gid ?? uid) };
}

/** In a process of its own: who has become another cannot go back. */
async function probe(runtime: Runtime, plan: Plan): Promise<readonly Outcome[]> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(runtime.env)) if (value !== undefined) env[name] = value;
  const [program = "", ...before] = runtime.ownCommand();
  const command = [program, ...before, "redirect", PROBE, JSON.stringify(plan)] as const;
  const done = await runtime.capture(command, { env, input: "", maxBytes: 1 << 20, timeoutMs: 60_000 });
  if (typeof done === "string") throw new Fault("spawn_failed", `cannot start ${quote(program, 256)}`);
  const told = done.code === 0 ? (JSON.parse(done.stdout) as Outcome[] | { problem: string }) : null;
  if (told === null) throw new Fault("unsupported", `nothing was tried: ${quote(done.stderr.trim(), 300)}`);
  if (!Array.isArray(told) && "problem" in told) throw new Fault("unsupported", `nothing was tried: ${told.problem}`);
  return told as Outcome[];
}

function say(runtime: Runtime, spec: CommandSpec, lines: readonly string[]): void {
  for (const line of lines) runtime.stderr(`sallyport ${spec.name}: ${line}\n`);
}
