/** Step 1 of a decision: what the destination's name alone forbids. */
import type { Config } from "../config/config.ts";
import { block, type Decision } from "../model/decision.ts";
import type { Destination } from "../model/egress.ts";
import { HostSet, parseHostPattern } from "../policy/host-set.ts";
import { normalizeHost } from "../wire/authority.ts";
import { parseIp } from "../wire/ip.ts";
import { classifyAddress } from "./address.ts";

export interface Endpoint {
  /** A name or an address without brackets; for something that listens, `0.0.0.0` and `::` mean every local address. */
  readonly host: string;
  readonly port: number;
}

/** What is the gateway's own and therefore nobody's destination. */
export interface SelfAddresses {
  /** Where the doors listen: a request for one of them is a loop. */
  readonly listeners: readonly { readonly address: string; readonly port: number }[];
  /** `servicesOf` the configuration: out of its clients' reach. */
  readonly services: readonly Endpoint[];
  /** Addresses of this host's interfaces. */
  readonly localAddresses: readonly string[];
}

export interface HostGate {
  /** Step 1, on the name alone. Null: go on. */
  check(destination: Destination): Decision | null;
  /** The same question about an address a name resolved to. */
  checkAddress(address: string, port: number): Decision | null;
  /**
   * Tells where a service given by name is reached, so that its address is guarded like its name. `shared`: a public
   * address among them may be a front that serves others under other names; it is refused only as a literal.
   */
  learn(service: Endpoint, addresses: readonly string[], kind?: "own" | "shared"): void;
}

/** `front`: a service's address that is no more than an address. */
type Own = "loop" | "service" | "front";

/** Null for what is no URL, such as a path. */
function endpointOf(text: string): Endpoint | null {
  const url = /^https?:/.test(text) ? URL.parse(text) : null;
  if (url === null) return null;
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  return { host: normalizeHost(url.hostname)?.host ?? url.hostname, port };
}

/** Where the counters of limits are kept for many gateways; null when they are kept here. */
export function redisEndpoint({ redis }: Pick<Config, "redis">): Endpoint | null {
  const url = redis === null ? null : URL.parse(redis.url);
  if (url === null) return null;
  return { host: normalizeHost(url.hostname)?.host ?? url.hostname, port: url.port === "" ? 6379 : Number(url.port) };
}

/** What tells where the gateway's services are. */
type ServiceConfig = Pick<Config, "governance" | "redis" | "policyBundle" | "opa" | "upstreamProxy" | "adminListen">;

/** Every service that a configuration names: guarded by name as it is, and by address by whoever looks it up (`learn`). */
export function servicesOf(config: ServiceConfig): Endpoint[] {
  const { governance, policyBundle, opa } = config;
  const urls = [governance?.url, governance?.jwks, policyBundle?.url, policyBundle?.plane.jwks, opa?.bundle];
  const services = urls.map((url) => (typeof url === "string" ? endpointOf(url) : null));
  services.push(redisEndpoint(config), config.upstreamProxy, config.adminListen);
  return services.filter((service) => service !== null).map(({ host, port }) => ({ host, port }));
}

/** The services of a configuration, and the doors as they were bound. */
export function selfAddresses(
  config: ServiceConfig,
  bound: Pick<SelfAddresses, "listeners" | "localAddresses">,
): SelfAddresses {
  return { listeners: bound.listeners, localAddresses: bound.localAddresses, services: servicesOf(config) };
}

/** `blockedHosts` are names (each also blocks every name below it), addresses or networks. An entry that cannot be read throws. */
export function hostGate(blockedHosts: readonly string[], self: SelfAddresses): HostGate {
  const blocked = new HostSet();
  for (const entry of blockedHosts) {
    const pattern = parseHostPattern(entry.replace(/^(?:\*\.|\.)/, ""));
    if (typeof pattern === "string") throw new TypeError(`blocked host "${entry}": ${pattern}`);
    blocked.add(pattern.kind === "name" ? { ...pattern, kind: "tree" } : pattern, entry);
  }
  const own = new OwnPlaces(self);
  return {
    check: ({ host, port, literal }) =>
      refuseOwn(own.find(host, port)) ?? refuseBlocked(blocked.match(host, port, literal), host),
    checkAddress(address, port) {
      const found = own.find(address, port);
      const vetoed = found === "front" ? null : refuseOwn(found);
      return vetoed ?? refuseBlocked(blocked.matchAddress(address, port), address);
    },
    learn(service, addresses, kind = "own") {
      for (const address of addresses) {
        const ip = kind === "shared" ? parseIp(address) : null;
        const front = ip !== null && classifyAddress(ip) === "public";
        own.add({ host: address, port: service.port }, front ? "front" : "service");
      }
    },
  };
}

function refuseOwn(own: Own | undefined): Decision | null {
  if (own === undefined) return null;
  if (own === "loop") return block("the destination is the gateway itself", "loop", { status: 508 });
  return block("the destination is a service of the gateway", "gateway_service");
}

function refuseBlocked(rule: string | null, host: string): Decision | null {
  return rule === null ? null : block(`host "${host}" is blocked`, "blocked_host", { rule: `blocked_hosts: ${rule}` });
}

/** Every learned address is kept for good; more than this many says a service's name is not a service's name. */
const MAX_HOSTS_PER_PORT = 4096;

/** Own endpoints by port first: nearly every request is answered by one lookup of its port. */
class OwnPlaces {
  readonly #byPort = new Map<number, { readonly hosts: Map<string, Own>; loopback: Own | undefined }>();
  readonly #local: readonly string[];

  constructor(self: SelfAddresses) {
    this.#local = self.localAddresses;
    for (const service of self.services) this.add(service, "service");
    // Last, so that a place that is both is called a loop.
    for (const { address, port } of self.listeners) this.add({ host: address, port }, "loop");
  }

  add({ host, port }: Endpoint, as: Own): void {
    let at = this.#byPort.get(port);
    if (at === undefined) {
      at = { hosts: new Map(), loopback: undefined };
      this.#byPort.set(port, at);
    }
    const name = normalizeHost(host)?.host ?? host.toLowerCase();
    const wildcard = name === "0.0.0.0" || name === "::";
    const here = isLoopback(name) || this.#local.includes(name);
    const own = as === "front" && here ? "service" : as;
    if (own === "front" && at.hosts.has(name)) return;
    // What is only dialled may listen on every address of this host; a door's own address is known.
    const everywhere = wildcard || (here && own === "service");
    const hosts = everywhere ? [...this.#local, ...(wildcard ? [] : [name])] : [name];
    for (const each of hosts) if (at.hosts.size < MAX_HOSTS_PER_PORT) at.hosts.set(each, own);
    if (everywhere) at.loopback = own;
    // The unspecified address dials loopback.
    if (wildcard || isLoopback(name)) for (const each of ["0.0.0.0", "::", "localhost"]) at.hosts.set(each, own);
  }

  find(host: string, port: number): Own | undefined {
    const at = this.#byPort.get(port);
    if (at === undefined) return undefined;
    return at.hosts.get(host) ?? (at.loopback !== undefined && isLoopback(host) ? at.loopback : undefined);
  }
}

function isLoopback(host: string): boolean {
  if (host === "::1" || host.endsWith(".localhost") || host === "localhost") return true;
  // A name never ends in a digit label, so what starts like this and is all digits and dots is an address.
  return host.startsWith("127.") && /^[0-9.]+$/.test(host);
}
