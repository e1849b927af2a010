/** What the host allows, and what no configuration of this version can enforce. */
import type { Config } from "../config/config.ts";
import { messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import type { Finding } from "./_doctor-needs.ts";
import { textOf } from "./_proc.ts";
import { sandboxAbility } from "./_sandbox-ability.ts";

export async function names(runtime: Runtime): Promise<Finding> {
  const about = "names";
  try {
    const found = await runtime.resolve("localhost");
    return { state: "ok", about, detail: `localhost is ${found.map(({ address }) => address).join(", ")}` };
  } catch (thrown) {
    return { state: "warn", about, detail: `the resolver does not know localhost: ${messageOf(thrown)}` };
  }
}

/** A proxied request holds two descriptors. */
export async function descriptors(runtime: Runtime, config: Config | null): Promise<Finding> {
  const about = "descriptors";
  const limit = /^Max open files +([0-9]+|unlimited)/m.exec(await textOf(runtime, "/proc/self/limits"))?.[1];
  if (limit === undefined) return { state: "note", about, detail: "this host does not tell the limit" };
  const wanted = 2 * (config?.maxConnections ?? 16_384) + 64;
  if (limit === "unlimited" || Number(limit) >= wanted) return { state: "ok", about, detail: `limit ${limit}` };
  const detail = `limit ${limit} is below ${wanted}, twice EVE_PROXY_MAX_CONNECTIONS: raise it with ulimit -n`;
  return { state: "warn", about, detail };
}

/** `run` does without, so it is never more than a note. */
export async function sandbox(runtime: Runtime): Promise<Finding> {
  const about = "exec sandbox";
  try {
    const ability = await sandboxAbility(runtime, false);
    if (!("what" in ability)) return { state: "ok", about, detail: "exec --sandbox can confine a command here" };
    const detail = `exec --sandbox would refuse, and run nothing: ${ability.what}: ${ability.fix}`;
    return { state: "note", about, detail };
  } catch (thrown) {
    return { state: "note", about, detail: `whether exec --sandbox can work cannot be tried: ${messageOf(thrown)}` };
  }
}

export function proxyVariables(runtime: Runtime): Finding[] {
  const set = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
    .flatMap((name) => [name, name.toLowerCase()])
    .filter((name) => (runtime.env[name] ?? "") !== "");
  if (set.length === 0) return [];
  const detail = `${set.join(", ")}: not used by the gateway itself; EVE_PROXY_UPSTREAM_PROXY is`;
  return [{ state: "note", about: "environment", detail }];
}

/** The promise in three lines: what is decided on, and what is not seen. */
export function scope(config: Config | null): Finding[] {
  return [
    { state: "ok", about: "plain http", detail: "every request is decided on with its body before a byte leaves" },
    https(config),
  ];
}

function https(config: Config | null): Finding {
  const about = "https tunnels";
  if (config === null)
    return { state: "note", about, detail: "read with a CA (EVE_PROXY_CA_CERT), else decided by host only" };
  const { connectPassthrough, interceptCa, interceptExcept } = config;
  if (interceptCa === null) {
    const detail = connectPassthrough
      ? "host, SNI and addresses are decided; what is inside is not seen, because there is no CA"
      : "blocked, because there is no CA to read them with";
    return { state: "note", about, detail };
  }
  const inside =
    "read: every request inside is decided, over HTTP/1.1 and HTTP/2, messages of WebSocket and gRPC and answers too";
  if (interceptExcept.length === 0) return { state: "ok", about, detail: inside };
  const excepted = `${interceptExcept.length} excepted`;
  return {
    state: "ok",
    about,
    detail: `${inside}; ${excepted}, ${connectPassthrough ? "which pass unread" : "which are blocked"}`,
  };
}
