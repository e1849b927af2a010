import { isRefused } from "../config/kinds.ts";
import { environment } from "../config/schema.ts";
import type { Runtime } from "../runtime/contract.ts";
import { formatAuthority } from "../wire/authority.ts";
import { type CommandSpec, EXIT, readArgs } from "./_args.ts";
import { askedAt, NO_HTTP, probe } from "./_probe.ts";

const SPEC: CommandSpec = {
  name: "healthcheck",
  summary: "exit 0 when the gateway is ready",
  usage: "",
  options: [],
  operands: [0, 0],
  notes: "Asks /readyz on EVE_PROXY_HOST and EVE_PROXY_PORT and waits 3 s at most; exits 1 for anything but a 200.",
};

const TIMEOUT_MS = 3000;

export async function runHealthcheck(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, SPEC, args);
  if (typeof parsed === "number") return parsed;
  // Only these two: a key that this process cannot read says nothing about the one that is asked.
  const host = environment.EVE_PROXY_HOST.read(runtime.env.EVE_PROXY_HOST);
  const port = environment.EVE_PROXY_PORT.read(runtime.env.EVE_PROXY_PORT);
  if (isRefused(host) || isRefused(port)) {
    runtime.stderr(`sallyport healthcheck: ${isRefused(host) ? "EVE_PROXY_HOST" : "EVE_PROXY_PORT"} is not usable\n`);
    return EXIT.config;
  }
  const { status, detail } = await probe(runtime, host, port, "/readyz", TIMEOUT_MS);
  if (status === 200) return EXIT.ok;
  // A gateway answers this with 200 or 503 and nothing else.
  const foreign = (status !== null && status !== 503) || detail === NO_HTTP;
  const who = foreign ? ", where no sallyport answers; EVE_PROXY_HOST and EVE_PROXY_PORT name the place" : "";
  runtime.stderr(`sallyport healthcheck: not ready: ${detail} (asked ${formatAuthority(askedAt(host), port)}${who})\n`);
  return EXIT.failed;
}
