/** What the host tells in small files. */
import type { Runtime } from "../runtime/contract.ts";

/** "" for a file that is not there, or not to be read. */
export async function textOf(runtime: Pick<Runtime, "readFile">, path: string): Promise<string> {
  return runtime.readFile(path).then(
    (bytes) => new TextDecoder().decode(bytes),
    () => "",
  );
}

/** Bits of capabilities(7): those that lead around a gateway on the same host. */
export const CAPABILITY = {
  dacOverride: 1,
  setgid: 6,
  setuid: 7,
  netAdmin: 12,
  netRaw: 13,
  sysModule: 16,
  sysPtrace: 19,
  sysAdmin: 21,
} as const;

/** Who a process is, as /proc/PID/status has it. */
export interface Identity {
  /** Effective; what it opens is its. */
  readonly uid: number;
  readonly gid: number;
  readonly parent: number;
  readonly noNewPrivs: boolean;
  has(bit: number): boolean;
}

/** `pid`: a number, or "self". Null where nobody tells. */
export async function identityOf(runtime: Pick<Runtime, "readFile">, pid: string): Promise<Identity | null> {
  const status = await textOf(runtime, `/proc/${pid}/status`);
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1];
  const gid = /^Gid:\s+\d+\s+(\d+)/m.exec(status)?.[1];
  if (uid === undefined || gid === undefined) return null;
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  return {
    uid: Number(uid),
    gid: Number(gid),
    parent: Number(/^PPid:\s+(\d+)/m.exec(status)?.[1] ?? 0),
    noNewPrivs: /^NoNewPrivs:\s+1/m.test(status),
    has: (bit) => ((effective >> BigInt(bit)) & 1n) === 1n,
  };
}

/** Whether this process has a capability in effect; false where nobody tells. */
export async function hasCapability(runtime: Pick<Runtime, "readFile">, bit: number): Promise<boolean> {
  return (await identityOf(runtime, "self"))?.has(bit) === true;
}

/** Its effective user. */
export async function ownUid(runtime: Pick<Runtime, "readFile">): Promise<number | null> {
  return (await identityOf(runtime, "self"))?.uid ?? null;
}

/** Where a program is: on the PATH, or where administrators' programs are. */
export async function findProgram(runtime: Pick<Runtime, "env" | "stat">, name: string): Promise<string | null> {
  for (const directory of new Set([...(runtime.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin"])) {
    if (!directory.startsWith("/")) continue;
    const path = `${directory}/${name}`;
    const info = await runtime.stat(path).catch(() => null);
    if (info !== null && !info.directory) return path;
  }
  return null;
}
