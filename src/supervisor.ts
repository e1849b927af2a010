/**
 * What a supervisor that started us is told: systemd's notification protocol (sd_notify(3)), which others speak, too. Without
 * NOTIFY_SOCKET in the environment nobody is told anything.
 */
import { messageOf } from "./errors.ts";
import type { Log } from "./observe/log.ts";
import type { Runtime } from "./runtime/contract.ts";

export class Supervisor {
  readonly #runtime: Pick<Runtime, "env" | "pid" | "sendDatagram">;
  readonly #log: Log;
  readonly #socket: string;
  #beating: ReturnType<typeof setInterval> | null = null;
  /** A socket that is not there is complained about once. */
  #lost = false;

  /** Of the main process only: to workers systemd does not listen. */
  constructor(runtime: Pick<Runtime, "env" | "pid" | "sendDatagram">, log: Log) {
    this.#runtime = runtime;
    this.#log = log;
    this.#socket = runtime.env.NOTIFY_SOCKET ?? "";
  }

  /** It serves. From now on it says so twice in every interval of the watchdog, for as long as the event loop turns. */
  ready(status: string): void {
    this.#tell(`READY=1\nSTATUS=${status}`);
    const everyMs = this.#watchdogMs() / 2;
    if (everyMs > 0) this.#beating ??= setInterval(() => this.#tell("WATCHDOG=1"), everyMs);
  }

  /** While `reload` runs the unit is reloading, and `systemctl reload` waits. How it went is the reload's own to tell. */
  async reloading<T>(reload: () => Promise<T>): Promise<T> {
    this.#tell("RELOADING=1");
    try {
      return await reload();
    } finally {
      this.#tell("READY=1");
    }
  }

  /** It drains. The watchdog is still answered: a drain that hangs is not waited for. */
  stopping(): void {
    this.#tell("STOPPING=1");
  }

  /** The process is about to end. */
  close(): void {
    if (this.#beating !== null) clearInterval(this.#beating);
    this.#beating = null;
  }

  /** 0: nobody watches, or not this process. */
  #watchdogMs(): number {
    const { WATCHDOG_USEC: micros = "", WATCHDOG_PID: pid } = this.#runtime.env;
    if (this.#socket === "" || (pid !== undefined && pid !== String(this.#runtime.pid))) return 0;
    return /^[1-9]\d{3,12}$/.test(micros) ? Math.min(Number(micros) / 1000, 86_400_000) : 0;
  }

  #tell(state: string): void {
    if (this.#socket === "") return;
    try {
      this.#runtime.sendDatagram(this.#socket, state);
      this.#lost = false;
    } catch (thrown) {
      if (!this.#lost) this.#log.warn("the supervisor is not told", { problem: messageOf(thrown) });
      this.#lost = true;
    }
  }
}
