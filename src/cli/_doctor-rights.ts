/** Who may do what: of this process, as of a program that would have the same, and of the gateway that runs. */
import type { Runtime } from "../runtime/contract.ts";
import type { Finding } from "./_doctor-needs.ts";
import { CAPABILITY, type Identity, identityOf } from "./_proc.ts";

interface Way {
  readonly bits: readonly number[];
  readonly name: string;
  /** What a program that has it does. */
  readonly does: string;
}

/** The worst first. */
const WAYS: readonly Way[] = [
  { bits: [CAPABILITY.netAdmin], name: "NET_ADMIN", does: "takes the rules away" },
  { bits: [CAPABILITY.netRaw], name: "NET_RAW", does: "writes frames that no rule sees" },
  { bits: [CAPABILITY.setuid], name: "SETUID", does: "becomes the gateway's user" },
  { bits: [CAPABILITY.setgid], name: "SETGID", does: "becomes the gateway's group" },
  { bits: [CAPABILITY.sysAdmin], name: "SYS_ADMIN", does: "enters other namespaces" },
  { bits: [CAPABILITY.sysPtrace], name: "SYS_PTRACE", does: "takes over the gateway's process" },
  { bits: [CAPABILITY.sysModule], name: "SYS_MODULE", does: "changes the kernel" },
  { bits: [CAPABILITY.dacOverride], name: "DAC_OVERRIDE", does: "reads keys and writes the log" },
];

const FIX =
  "run programs as another user than the gateway, without capabilities and with no_new_privs (pods: drop: [ALL], allowPrivilegeEscalation: false)";

function held(identity: Identity): readonly Way[] {
  return WAYS.filter(({ bits }) => bits.some((bit) => identity.has(bit)));
}

/** A note at most: doctor is often root, and programs need not be. */
export async function rights(runtime: Runtime): Promise<Finding> {
  const about = "capabilities";
  if (runtime.platform !== "linux")
    return { state: "note", about, detail: `they are Linux's, and this is ${runtime.platform}` };
  const own = await identityOf(runtime, "self");
  if (own === null) return unreadable(about);
  const ways = held(own);
  if (ways.length > 0) {
    const names = ways.map(({ name }) => name).join(", ");
    const does = ways
      .slice(0, 3)
      .map((way) => way.does)
      .join(", ");
    return { state: "note", about, detail: `user ${own.uid} has ${names}: a program with these ${does}`, fix: FIX };
  }
  if (own.noNewPrivs) return { state: "ok", about, detail: `user ${own.uid} has none that leads around the gateway` };
  const detail = `user ${own.uid} has none, but a set-uid program (sudo) may give them: no_new_privs is off`;
  return { state: "note", about, detail, fix: "setpriv --no-new-privs; in a pod allowPrivilegeEscalation: false" };
}

/** Of the process that listens on the gateway's port; null when there is none to be seen. */
export interface Running {
  readonly pid: string;
  readonly identity: Identity;
}

/** Nothing when no gateway runs: what will be run, nobody knows. */
export function gatewayUser(running: Running | null): Finding[] {
  if (running === null) return [];
  const about = "gateway user";
  const { pid, identity } = running;
  const who = `the gateway, process ${pid}, is user ${identity.uid} and group ${identity.gid}`;
  const names = held(identity).map(({ name }) => name);
  if (identity.uid !== 0 && names.length === 0) return [{ state: "ok", about, detail: `${who}, without capabilities` }];
  const detail = `${who}${names.length === 0 ? "" : ` with ${names.join(", ")}`}: it needs none of it`;
  return [{ state: "note", about, detail, fix: "run it as a user of its own, without capabilities" }];
}

export function unreadable(about: string): Finding {
  return {
    state: "note",
    about,
    detail: "cannot be told: /proc is not to be read",
    fix: "mount /proc; Deno reads it with -A only",
  };
}
