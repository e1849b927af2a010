/** The two ways into the kernel: nft(8), or iptables-restore(8) and ip6tables-restore(8). */
import { Fault } from "../errors.ts";
import { type Installed, installedInIptables, installedInNft } from "../redirect/installed.ts";
import { iptablesRemoval, iptablesScript, NOTHING, type Present, presentIn } from "../redirect/iptables.ts";
import { NFT_REMOVE, nftScript } from "../redirect/nft.ts";
import type { Redirect } from "../redirect/redirect.ts";
import type { Captured, Runtime } from "../runtime/contract.ts";
import { CAPABILITY, findProgram, hasCapability, textOf } from "./_proc.ts";

export type BackEnd = "nft" | "iptables";

/** Both kinds of iptables may be in use on a host at once; each sees only its own rules. */
const KINDS = ["", "-nft", "-legacy"] as const;
const LIMIT = { maxBytes: 4 << 20, timeoutMs: 20_000 } as const;
const TABLE = ["list", "table", "inet", "sallyport"] as const;

type Command = readonly [string, ...string[]];

export interface Tools {
  readonly nft: string | null;
  readonly iptables: string | null;
  readonly ip6tables: string | null;
}

export async function findTools(runtime: Runtime): Promise<Tools> {
  const [nft, iptables, ip6tables] = await Promise.all(
    ["nft", "iptables-restore", "ip6tables-restore"].map((name) => findProgram(runtime, name)),
  );
  return { nft: nft ?? null, iptables: iptables ?? null, ip6tables: ip6tables ?? null };
}

/** Throws Fault `unsupported`, which says what to do. */
export async function mustBeAble(runtime: Runtime): Promise<void> {
  if (runtime.platform !== "linux")
    throw new Fault("unsupported", `rules are Linux's, and this is ${runtime.platform}`);
  if (await hasCapability(runtime, CAPABILITY.netAdmin)) return;
  const pod = "in a pod give the init container securityContext.capabilities.add: [NET_ADMIN]";
  throw new Fault("unsupported", `CAP_NET_ADMIN is needed and not held: run it as root, ${pod}`);
}

/** `auto`: nft where it is and the kernel answers it, else iptables. Throws Fault `unsupported` where there is neither. */
export async function chooseBackEnd(runtime: Runtime, asked: BackEnd | "auto", tools: Tools): Promise<BackEnd> {
  if (asked === "nft" && tools.nft === null) throw lacking("nft", "install nftables, or take --backend iptables");
  if (asked === "iptables" && tools.iptables === null)
    throw lacking("iptables-restore", "install iptables, or take --backend nft");
  if (asked !== "auto") return asked;
  if (tools.nft !== null && (tools.iptables === null || (await run(runtime, [tools.nft, "list", "tables"])).code === 0))
    return "nft";
  if (tools.iptables !== null) return "iptables";
  throw lacking(
    "nft and no iptables-restore",
    "install nftables or iptables, in a pod in the image of the init container",
  );
}

function lacking(what: string, fix: string): Fault {
  return new Fault("unsupported", `there is no ${what} on the PATH or in /usr/sbin: ${fix}`);
}

/** Puts the rules in place of what was there of ours. Rejects with Fault `unsupported`: what it says is then all that changed. */
export async function install(runtime: Runtime, redirect: Redirect, { backEnd, tools }: Chosen): Promise<void> {
  if (backEnd === "nft") {
    const done = await run(runtime, [tools.nft ?? "nft", "-f", "-"], nftScript(redirect));
    if (done.code !== 0) throw failed("nft", done, "nothing was changed");
    await removeIptables(runtime);
    return;
  }
  const families = await iptablesFamilies(runtime, tools);
  const scripts: { command: string; script: string }[] = [];
  for (const { family, command } of families) {
    const present = await presentOf(runtime, command.replace(/-restore$/, "-save"));
    // Without knowing them, the jumps to our chains would be doubled.
    if (present === null)
      throw lacking(`working ${command.replace(/-restore$/, "-save")}`, "it stands beside the other");
    const script = iptablesScript(redirect, { family, present, highestUid: await highestUid(runtime) });
    const tried = await run(runtime, [command, "--noflush", "--test"], script);
    if (tried.code !== 0) throw failed(command, tried, "nothing was changed");
    scripts.push({ command, script });
  }
  for (const [at, { command, script }] of scripts.entries()) {
    const done = await run(runtime, [command, "--noflush", "--wait=10"], script);
    if (done.code !== 0)
      throw failed(
        command,
        done,
        at === 0 ? "perhaps a part is in place" : "the rules of the other family are in place",
      );
  }
  await removeNft(runtime, tools);
}

export interface Chosen {
  readonly backEnd: BackEnd;
  readonly tools: Tools;
}

interface Family {
  readonly family: 4 | 6;
  /** Path of the …-restore. */
  readonly command: string;
}

/** IPv6 first: what would be forgotten is not. A host whose kernel has no IPv6 needs no rules for it. */
async function iptablesFamilies(runtime: Runtime, tools: Tools): Promise<Family[]> {
  const four: Family = { family: 4, command: tools.iptables ?? "iptables-restore" };
  if ((await runtime.stat("/proc/net/if_inet6").catch(() => null)) === null) return [four];
  if (tools.ip6tables === null) throw lacking("ip6tables-restore", "without it IPv6 would be open");
  return [{ family: 6, command: tools.ip6tables }, four];
}

/** Takes ours away from everywhere it may be. Answers where it was. */
export async function remove(runtime: Runtime, tools: Tools): Promise<string[]> {
  return [...(await removeNft(runtime, tools)), ...(await removeIptables(runtime))];
}

/** Of the rules that are there; `by`: "nft", "iptables" or one of its kinds. */
export interface Found extends Installed {
  readonly by: string;
}

/** Tables of nft, but for ours, that may change where a connection goes before ours is asked. */
export async function otherRedirects(runtime: Runtime, { nft }: Tools): Promise<readonly string[]> {
  if (nft === null) return [];
  const { stdout } = await run(runtime, [nft, "list", "chains"]);
  const tables = new Set<string>();
  let table = "";
  for (const line of stdout.split("\n")) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table;
    if (/^\s*type nat hook output /.test(line) && table !== "inet sallyport") tables.add(table);
  }
  return [...tables];
}

/** What of ours stands in the kernel now, wherever it may be, and why one of the tools could not be asked. Changes nothing. */
export async function readInstalled(
  runtime: Runtime,
  { nft }: Tools,
): Promise<{ readonly found: readonly Found[]; readonly refused: readonly string[] }> {
  const found: Found[] = [];
  const refused: string[] = [];
  if (nft !== null) {
    const tables = await run(runtime, [nft, "list", "tables"]);
    if (tables.code !== 0) refused.push(`nft: ${whatItSaid(tables)}`);
    else if (tables.stdout.includes("table inet sallyport\n"))
      found.push({ by: "nft", ...installedInNft((await run(runtime, [nft, ...TABLE])).stdout) });
  }
  const hasIpv6 = (await runtime.stat("/proc/net/if_inet6").catch(() => null)) !== null;
  const seen = new Set<string>();
  for (const kind of KINDS) {
    const [four, six] = await Promise.all(
      [`iptables${kind}-save`, `ip6tables${kind}-save`].map((name) => findProgram(runtime, name)),
    );
    if (four === null || four === undefined) continue;
    const saved = await run(runtime, [four]);
    if (saved.code !== 0) {
      if (kind === "") refused.push(`iptables-save: ${whatItSaid(saved)}`);
      continue;
    }
    const saved6 = hasIpv6 && six !== null && six !== undefined ? (await run(runtime, [six])).stdout : "";
    const installed = installedInIptables(saved.stdout, hasIpv6 ? saved6 : null);
    // Without a kind it is one of the two that have one.
    const what = JSON.stringify(installed);
    if (installed !== null && !seen.has(what)) found.push({ by: `iptables${kind}`, ...installed });
    seen.add(what);
  }
  return { found, refused };
}

async function removeNft(runtime: Runtime, { nft }: Tools): Promise<string[]> {
  if (nft === null || (await run(runtime, [nft, ...TABLE])).code !== 0) return [];
  const done = await run(runtime, [nft, "-f", "-"], NFT_REMOVE);
  if (done.code !== 0) throw failed("nft", done, "the rules are in place");
  return ["nft"];
}

async function removeIptables(runtime: Runtime): Promise<string[]> {
  const removed: string[] = [];
  for (const program of KINDS.flatMap((kind) => [`iptables${kind}`, `ip6tables${kind}`])) {
    const save = await findProgram(runtime, `${program}-save`);
    const restore = await findProgram(runtime, `${program}-restore`);
    if (save === null || restore === null) continue;
    const script = iptablesRemoval((await presentOf(runtime, save)) ?? NOTHING);
    if (script === null) continue;
    const done = await run(runtime, [restore, "--noflush", "--wait=10"], script);
    if (done.code !== 0) throw failed(restore, done, "its rules are in place");
    removed.push(program);
  }
  return removed;
}

async function presentOf(runtime: Runtime, save: string): Promise<Present | null> {
  const saved = await run(runtime, [save]);
  return saved.code === 0 ? presentIn(saved.stdout) : null;
}

/** xt_owner takes no uid that this user namespace does not know. */
export async function highestUid(runtime: Runtime): Promise<number> {
  let highest = 0;
  for (const line of (await textOf(runtime, "/proc/self/uid_map")).split("\n")) {
    const [first, , count] = line.trim().split(/ +/).map(Number);
    if (first !== undefined && count !== undefined) highest = Math.max(highest, first + count - 1);
  }
  return highest === 0 ? 0xffff_fffe : highest;
}

async function run(runtime: Runtime, command: Command, input = ""): Promise<Captured> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(runtime.env)) if (value !== undefined) env[name] = value;
  const done = await runtime.capture(command, { env, input, ...LIMIT });
  return typeof done === "string" ? { code: null, stdout: "", stderr: done.replace("_", " ") } : done;
}

function failed(command: string, done: Captured, left: string): Fault {
  return new Fault("unsupported", `${command} refused the rules: ${whatItSaid(done)}; ${left}`);
}

function whatItSaid({ code, stderr }: Captured): string {
  const [first = ""] = stderr.trim().split("\n");
  return first === "" ? (code === null ? "it was killed" : `status ${code}`) : first.slice(0, 300);
}
