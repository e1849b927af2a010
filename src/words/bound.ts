import { Fault } from "../errors.ts";

/** What a listener's failure says besides the address: which settings name it. Rejects as `binding` does. */
export async function boundBy<T>(settings: string, binding: Promise<T>): Promise<T> {
  try {
    return await binding;
  } catch (thrown) {
    if (!(thrown instanceof Fault) || thrown.code !== "listen_failed") throw thrown;
    const taken = thrown.message.endsWith("EADDRINUSE") ? "; another process has it" : "";
    throw new Fault("listen_failed", `${thrown.message} (set by ${settings}${taken})`, { cause: thrown });
  }
}
