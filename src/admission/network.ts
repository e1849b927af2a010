/** What a pod says of names and hosts: where the gateway's own questions lead, and whom the kubelet asks in the pod's name. */
import { parseIp } from "../wire/ip.ts";
import { quote } from "../words/quote.ts";
import type { Container, PodSpec } from "./pod.ts";

/**
 * The kubelet writes each of these into the pod's resolv.conf as it stands, and a line end in one is a line more: a
 * resolver of its own (resolv.conf(5)).
 */
const OPTION_NAME = /^[a-z0-9-]{1,32}$/;
const OPTION_VALUE = /^[0-9]{0,5}$/;
const SEARCH = /^(?:\.|[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?)$/;
const MOST_SEARCH = 253;

/** The gateway asks the pod's resolver: who steers that, steers where an allowed name leads. `allowed`: apps.allowDns. */
export function nameRefusals(
  { hostAliases, hostnameOverride, dnsPolicy, dnsConfig }: PodSpec,
  allowed: boolean,
): readonly string[] {
  const found: string[] = [];
  const { nameservers = [], searches = [], options = [], ...others } = dnsConfig ?? {};
  if (!allowed) {
    const why = "would say where names lead that the gateway lets pass (apps.allowDns)";
    if (hostAliases !== undefined && hostAliases.length > 0) found.push(`hostAliases: they ${why}`);
    if (hostnameOverride !== undefined && hostnameOverride !== "") found.push(`hostnameOverride: it ${why}`);
    if (dnsPolicy === "None") found.push(`dnsPolicy None: it ${why}`);
    if (nameservers.length > 0) found.push(`dnsConfig.nameservers: they ${why}`);
    if (searches.length > 0) found.push(`dnsConfig.searches: they ${why}`);
  }
  const say = (field: string, value: string, what: string): void =>
    void found.push(`dnsConfig.${field}: ${quote(value)} ${what}`);
  for (const server of nameservers) if (parseIp(server) === null) say("nameservers", server, "is no address");
  for (const search of searches) {
    if (search.length > MOST_SEARCH || !SEARCH.test(search)) say("searches", search, "is no domain");
  }
  for (const { name = "", value = "", ...more } of options) {
    if (!OPTION_NAME.test(name)) say("options", name, "is no option of a resolver");
    if (!OPTION_VALUE.test(value)) say("options", value, "is no number");
    for (const key of Object.keys(more)) say("options", key, "is not known here");
  }
  for (const key of Object.keys(others)) say(key, key, "is not known here");
  return found;
}

/** Deeper than any handler of Kubernetes. */
const MAX_DEPTH = 8;

/** The kubelet runs probes and hooks, from the node: with a host they ask whom the pod likes, past every rule of the pod. */
export function probeRefusals(container: Container): readonly string[] {
  return Object.entries(container)
    .filter(([key, value]) => (key === "lifecycle" || /probe$/i.test(key)) && namesHost(value, MAX_DEPTH))
    .map(([key]) => `${key}: its host would be asked by the node, past the gateway; leave it out: it is the pod then`);
}

function namesHost(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (depth === 0) return true;
  return Object.entries(value).some(
    ([key, item]) => (key === "host" && item !== undefined && item !== "") || namesHost(item, depth - 1),
  );
}
