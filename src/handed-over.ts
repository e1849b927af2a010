/**
 * The listening socket that whoever started us has opened already: systemd's socket activation (sd_listen_fds(3)), which
 * others speak, too. Connections that come while the gateway starts, or between its death and its start, wait in it.
 */
import { Fault } from "./errors.ts";
import type { Runtime } from "./runtime/contract.ts";
import { quote } from "./words/quote.ts";

export interface HandedOver {
  readonly fd: number;
  /** What whoever handed it over calls it, as text to be shown; "" where it has no name. */
  readonly name: string;
}

/** Below are the standard streams. */
const FIRST = 3;
/** More than any unit has. */
const MOST = 1024;
const MAX_NAMES = 256;

/** Null: none was handed to this process. Throws Fault `config_invalid` when it cannot be told which one the door's is. */
export function handedOver({ env, pid }: Pick<Runtime, "env" | "pid">): HandedOver | null {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = "" } = env;
  // Variables of another process came by inheritance, and its descriptors are not ours to use.
  if (LISTEN_PID !== String(pid) || LISTEN_FDS === undefined) return null;
  const count = /^(?:0|[1-9]\d{0,3})$/.test(LISTEN_FDS) ? Number(LISTEN_FDS) : MOST + 1;
  if (count > MOST)
    throw new Fault("config_invalid", `LISTEN_FDS is ${quote(LISTEN_FDS)}, which is no number of sockets`);
  if (count === 0) return null;
  const name = LISTEN_FDNAMES === "" ? "" : quote(LISTEN_FDNAMES, MAX_NAMES);
  if (count > 1) {
    const what = `${count} sockets were handed over${name === "" ? "" : ` (${name})`}`;
    const hint = "give the unit one ListenStream=; one of [::] takes IPv4, too";
    throw new Fault("config_invalid", `${what}, and the gateway listens on one: ${hint}`);
  }
  return { fd: FIRST, name };
}
