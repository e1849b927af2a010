/** The controlling terminal, as the kernel tells of it. */
import type { Runtime } from "../runtime/contract.ts";

export interface Terminal {
  /** 0: there is none. Else the device number, MAJOR in bits 8 to 15. */
  readonly device: number;
  /** Whether this process group is the one its keys are for. */
  readonly foreground: boolean;
}

/** Major number of virtual consoles and serial lines. */
const CONSOLES = 4;

/** Rejects where there is no /proc to read. */
export async function ownTerminal(runtime: Pick<Runtime, "readFile">): Promise<Terminal> {
  const stat = new TextDecoder().decode(await runtime.readFile("/proc/self/stat"));
  // proc_pid_stat(5): pid (comm) state ppid pgrp session tty_nr tpgid; comm may have anything in it.
  const [, , group, , device, foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { device: Number(device), foreground: group === foreground };
}

/**
 * Whether a program that has our controlling terminal could type into it what the shell reads when we are gone: by TIOCSTI
 * where the kernel still has it for everybody (before Linux 6.2 there was no setting), on a console by pasting, too.
 */
export async function canType(runtime: Pick<Runtime, "readFile">): Promise<boolean> {
  const { device } = await ownTerminal(runtime);
  if (device === 0) return false;
  if (((device >> 8) & 0xff) === CONSOLES) return true;
  return runtime.readFile("/proc/sys/dev/tty/legacy_tiocsti").then(
    (bytes) => new TextDecoder().decode(bytes).trim() !== "0",
    () => true,
  );
}
