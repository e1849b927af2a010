/** A whole gateway inside the test's process, on the real machine but for what is replaced of it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { Gateway } from "../../src/gateway.ts";
import { Log } from "../../src/observe/log.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { Runtime } from "../../src/runtime/contract.ts";

export interface InProcess {
  readonly gateway: Gateway;
  readonly port: number;
  stop(): Promise<void>;
}

export async function startInProcess(
  env: Readonly<Record<string, string>>,
  replaced: Partial<Runtime> = {},
): Promise<InProcess> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-inside-"));
  const machine: Runtime = {
    ...runtime,
    env: {
      EVE_PROXY_HOST: "127.0.0.1",
      EVE_PROXY_PORT: "0",
      EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8",
      EVE_PROXY_AUDIT_PATH: join(folder, "events.jsonl"),
      EVE_PROXY_DRAIN_TIMEOUT: "0.05",
      JWT_SECRET_KEY: "e2e-only-hmac-key-of-more-than-32-bytes",
      ...env,
    },
    ...replaced,
  };
  const loaded = await loadConfig(machine);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const log = new Log({ ...machine, stderr() {} }, { level: "error", format: "json", decisions: false });
  const gateway = new Gateway(machine, loaded.config, log);
  const { port } = await gateway.start({ reusePort: false, instance: null, vitals: null, admin: null, counters: null });
  return {
    gateway,
    port,
    async stop() {
      await gateway.drain();
      rmSync(folder, { recursive: true });
    },
  };
}
