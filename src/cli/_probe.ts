import type { Runtime } from "../runtime/contract.ts";
import { formatAuthority } from "../wire/authority.ts";

export interface Probe {
  /** Status of the answer, or null when there was none. */
  readonly status: number | null;
  /** "200", or why there was no status. */
  readonly detail: string;
}

export const NO_HTTP = "the answer is not HTTP";

const WILDCARDS: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** Where somebody who listens on `host` is asked. */
export function askedAt(host: string): string {
  return WILDCARDS[host] ?? host;
}

/** Asks the gateway that listens on `host` for `path`. Never rejects; over after `timeoutMs` at the latest. */
export async function probe(
  runtime: Runtime,
  host: string,
  port: number,
  path: string,
  timeoutMs: number,
): Promise<Probe> {
  const over = Promise.withResolvers<Probe>();
  const fail = (detail: string): void => over.resolve({ status: null, detail });
  const timer = setTimeout(() => fail(`no answer within ${timeoutMs / 1000} s`), timeoutMs);
  let cancel = (): void => {};
  try {
    const target = askedAt(host);
    const named = /^[0-9.]+$/.test(target) || target.includes(":") ? null : runtime.resolve(target);
    const address =
      named === null ? target : ((await Promise.race([named, over.promise.then(() => [])]))[0]?.address ?? "");
    let answer = "";
    const dialing = runtime.dial(
      { address, port },
      {
        data(bytes) {
          for (const byte of bytes.subarray(0, 64)) answer += String.fromCharCode(byte);
          const status = /^HTTP\/1\.[01] ([0-9]{3})[ \r]/.exec(answer);
          if (status !== null) over.resolve({ status: Number(status[1]), detail: String(status[1]) });
          else if (answer.length > 32) fail(NO_HTTP);
        },
        end: () => fail("closed without an answer"),
        drain() {},
        close: (error) => fail(error === null ? "closed without an answer" : error.message),
      },
    );
    cancel = () => dialing.cancel();
    dialing.conn.then(
      (conn) => {
        conn.write(`GET ${path} HTTP/1.1\r\nHost: ${formatAuthority(target, port)}\r\nConnection: close\r\n\r\n`);
        cancel = () => conn.destroy();
      },
      (thrown: unknown) => fail(thrown instanceof Error ? thrown.message : String(thrown)),
    );
    return await over.promise;
  } catch (thrown) {
    return { status: null, detail: thrown instanceof Error ? thrown.message : String(thrown) };
  } finally {
    clearTimeout(timer);
    cancel();
  }
}
