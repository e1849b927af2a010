/** The kill switch over everybody who may throw it: on while any of them says on, off when the last one has let go. */
import type { Config } from "./config/config.ts";
import { KillFile } from "./kill-file.ts";
import { KILL_OFF, type KillOrder, type KillSource } from "./model/kill-order.ts";
import type { Log } from "./observe/log.ts";
import type { Runtime } from "./runtime/contract.ts";

export interface Obeyed {
  /** What holds now, whoever else was asked. */
  readonly order: KillOrder;
  /** Exchanges and tunnels that were cut. */
  readonly severed: number;
}

interface Said {
  readonly reason: string;
  readonly since: string;
}

export class KillSwitch {
  readonly #said = new Map<KillSource, Said>();
  readonly #obey: (order: KillOrder) => Promise<number>;
  readonly #now: () => number;
  #order = KILL_OFF;

  /** `obey` resolves, when it is carried out, to how much was cut. `now`: milliseconds since the epoch. */
  constructor(obey: (order: KillOrder) => Promise<number>, now: () => number) {
    this.#obey = obey;
    this.#now = now;
  }

  get order(): KillOrder {
    return this.#order;
  }

  /** The reason shown is the first that was given. */
  async set(source: KillSource, on: boolean, reason: string): Promise<Obeyed> {
    const now = new Date(this.#now()).toISOString();
    if (!on) this.#said.delete(source);
    else this.#said.set(source, { reason, since: this.#said.get(source)?.since ?? now });
    const all = [...this.#said.values()];
    const first = all.find((said) => said.reason !== "") ?? all[0];
    const order: KillOrder =
      first === undefined ? { ...KILL_OFF, since: now } : { on: true, ...first, sources: [...this.#said.keys()] };
    this.#order = order;
    return { order, severed: await this.#obey(order) };
  }

  /** An operator's off takes back a signal too, which has no other way back; a file that is there still holds. */
  async operate(on: boolean, reason: string): Promise<Obeyed> {
    if (!on) this.#said.delete("signal");
    return this.set("admin", on, reason);
  }
}

/**
 * Listens to the file and the signal from now on; resolves when the file was looked for, so that nobody is served before.
 * What is returned ends it.
 */
export async function watchKillSources(
  runtime: Pick<Runtime, "stat" | "hasName" | "readFile" | "monotonic" | "onSignal">,
  config: Pick<Config, "killFile">,
  { kill, log }: { readonly kill: KillSwitch; readonly log: Log },
): Promise<() => void> {
  const tell = (source: KillSource, on: boolean, reason: string): void => {
    void kill.set(source, on, reason).then(
      ({ severed }) => {
        if (on) log.warn("kill switch on: nothing leaves", { source, reason, severed });
        else log.warn(kill.order.on ? "kill switch still on" : "kill switch off", { source });
      },
      (thrown: unknown) => log.error("kill switch", { problem: String(thrown) }),
    );
  };
  runtime.onSignal("SIGUSR2", () => tell("signal", true, ""));
  if (config.killFile === null) return () => {};
  const file = new KillFile(runtime, config.killFile, (on, reason) => tell("file", on, reason));
  await file.start();
  return () => file.stop();
}
