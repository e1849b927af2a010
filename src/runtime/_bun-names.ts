/**
 * Names under Bun. Its getaddrinfo holds a thread of a pool that has as many as there are processors, for as long as a server
 * of names keeps silent, and bodies are decoded and evidence is synced on the same ones: two such names, and everybody waits.
 * On Linux names are asked for on the event loop instead (c-ares), where one that is slow is nobody's but its own.
 */
import dns from "node:dns";
import fs from "node:fs";
import { addressesOf, unresolved } from "./_names.ts";
import type { Runtime } from "./contract.ts";

const RESOLV_CONF = "/etc/resolv.conf";

/** Who c-ares asks, it reads once; a host that runs for long moves to other networks. (Its search list stays the first one.) */
let read: string | null = null;

function followServers(): void {
  const stamp = stampOf();
  if (stamp === read) return;
  const first = read === null;
  read = stamp;
  if (first || stamp === "") return;
  const servers = [...fs.readFileSync(RESOLV_CONF, "latin1").matchAll(/^nameserver[ \t]+([0-9a-fA-F.:]+)[ \t]*$/gm)];
  try {
    if (servers.length > 0) dns.setServers(servers.map(([, address]) => address as string));
  } catch {
    // One that is no address, or questions are under way: tried again by the next.
    read = "";
  }
}

function stampOf(): string {
  const stat = fs.statSync(RESOLV_CONF, { throwIfNoEntry: false });
  return stat === undefined ? "" : `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
}

export const resolveOnLoop: Runtime["resolve"] = async (name) => {
  let found: readonly { readonly address: string }[];
  try {
    followServers();
    found = await Bun.dns.lookup(name, { backend: "c-ares" });
  } catch (error) {
    throw unresolved(name, error);
  }
  return addressesOf(name, found);
};
