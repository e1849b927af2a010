/**
 * A set of host patterns that is asked about one destination in time proportional to the destination's labels (or, for
 * an IP literal, to the number of distinct prefix lengths), never to the number of patterns.
 */
import { normalizeHost } from "../wire/authority.ts";
import { type Ip, parseCidr, parseIp, unmap } from "../wire/ip.ts";

/** `tree` is a name and every name below it, `below` only the names below it. */
export type HostPattern = { readonly port: number } & (
  | { readonly kind: "name" | "tree" | "below"; readonly name: string }
  | { readonly kind: "network"; readonly ip: Ip; readonly prefix: number }
  | { readonly kind: "any" }
);

interface Entry<T> {
  /** 0 is any port. */
  readonly port: number;
  readonly rule: T;
}

/** Lists are made when there is something in them: most names have one pattern. */
interface Bucket<T> {
  name?: Entry<T>[];
  tree?: Entry<T>[];
  below?: Entry<T>[];
}

/**
 * Reads `host`, `.suffix` (the name and all below), `*.suffix` (only below), `*`, an IP literal or a CIDR, each with an
 * optional `:port` (an IPv6 literal or network is then bracketed). A string says what is wrong.
 */
export function parseHostPattern(text: string): HostPattern | string {
  if (isUrl(text)) return "is a URL: give the host alone, paths belong into a rule's paths";
  const split = splitPort(text);
  if (split === null) return "port must be a number from 1 to 65535";
  const { host, port } = split;
  if (host === "*") return { kind: "any", port };
  if (host.includes("/")) {
    const cidr = parseCidr(host);
    if (cidr === null) return "not a network such as 10.0.0.0/8";
    return { kind: "network", ip: cidr.ip, prefix: cidr.prefix, port };
  }
  const kind = host.startsWith("*.") ? "below" : host.startsWith(".") ? "tree" : "name";
  const bare = kind === "below" ? host.slice(2) : kind === "tree" ? host.slice(1) : host;
  if (bare.includes("*")) return "a * may only be the whole first label";
  const normal = normalizeHost(bare);
  if (normal === null) return "not a host name or address (or one that can be read in two ways)";
  if (!normal.literal) return { kind, name: normal.host, port };
  const ip = parseIp(normal.host);
  if (kind !== "name" || ip === null) return "an address has no names below it";
  return { kind: "network", ip, prefix: ip.bytes.length * 8, port };
}

/** `T` is what a pattern stands for: the name of a rule, or its number. */
export class HostSet<T extends string | number = string> {
  readonly #names = new Map<string, Bucket<T>>();
  readonly #any: Entry<T>[] = [];
  /** By family and prefix length, then by the masked address. */
  readonly #networks = new Map<number, Map<string, Entry<T>[]>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** True when an address can match anything here. */
  get hasNetworks(): boolean {
    return this.#networks.size > 0;
  }

  add(pattern: HostPattern, rule: T): void {
    this.#size += 1;
    const entry = { port: pattern.port, rule };
    if (pattern.kind === "any") {
      this.#any.push(entry);
    } else if (pattern.kind === "network") {
      const key = networkKey(pattern.ip.family, pattern.prefix);
      const level = this.#networks.get(key) ?? new Map<string, Entry<T>[]>();
      this.#networks.set(key, level);
      const address = masked(pattern.ip.bytes, pattern.prefix);
      const entries = level.get(address);
      if (entries === undefined) level.set(address, [entry]);
      else entries.push(entry);
    } else {
      let bucket = this.#names.get(pattern.name);
      if (bucket === undefined) {
        bucket = {};
        this.#names.set(pattern.name, bucket);
      }
      const entries = bucket[pattern.kind];
      if (entries === undefined) bucket[pattern.kind] = [entry];
      else entries.push(entry);
    }
  }

  /** The rule of one pattern that covers the destination, or null. `host` is normalised. */
  match(host: string, port: number, literal: boolean): T | null {
    if (this.#size === 0) return null;
    if (this.#any.length > 0) {
      const rule = atPort(this.#any, port);
      if (rule !== null) return rule;
    }
    return literal ? this.matchAddress(host, port) : this.#matchName(host, port);
  }

  /** As `match`, for the text of an address; patterns that name hosts (`*` too) play no part. */
  matchAddress(address: string, port: number): T | null {
    if (this.#networks.size === 0) return null;
    const parsed = parseIp(address);
    if (parsed === null) return null;
    const ip = unmap(parsed);
    for (const [key, level] of this.#networks) {
      if (key >> 8 !== ip.family) continue;
      const entries = level.get(masked(ip.bytes, key & 0xff));
      if (entries === undefined) continue;
      const rule = atPort(entries, port);
      if (rule !== null) return rule;
    }
    return null;
  }

  /** Every pattern that covers the destination, in no order; one that was added for several patterns may come twice. */
  each(host: string, port: number, literal: boolean, visit: (rule: T) => void): void {
    visitAt(this.#any, port, visit);
    if (literal) {
      const parsed = this.#networks.size === 0 ? null : parseIp(host);
      if (parsed === null) return;
      const ip = unmap(parsed);
      for (const [key, level] of this.#networks) {
        if (key >> 8 === ip.family) visitAt(level.get(masked(ip.bytes, key & 0xff)), port, visit);
      }
      return;
    }
    if (this.#names.size === 0) return;
    const own = this.#names.get(host);
    visitAt(own?.name, port, visit);
    visitAt(own?.tree, port, visit);
    for (let dot = host.indexOf("."); dot !== -1; dot = host.indexOf(".", dot + 1)) {
      const above = this.#names.get(host.slice(dot + 1));
      visitAt(above?.tree, port, visit);
      visitAt(above?.below, port, visit);
    }
  }

  #matchName(host: string, port: number): T | null {
    if (this.#names.size === 0) return null;
    const own = this.#names.get(host);
    if (own !== undefined) {
      const rule = atPort(own.name, port) ?? atPort(own.tree, port);
      if (rule !== null) return rule;
    }
    for (let dot = host.indexOf("."); dot !== -1; dot = host.indexOf(".", dot + 1)) {
      const above = this.#names.get(host.slice(dot + 1));
      if (above === undefined) continue;
      const rule = atPort(above.tree, port) ?? atPort(above.below, port);
      if (rule !== null) return rule;
    }
    return null;
  }
}

function visitAt<T>(entries: readonly Entry<T>[] | undefined, port: number, visit: (rule: T) => void): void {
  if (entries === undefined) return;
  for (const entry of entries) if (entry.port === 0 || entry.port === port) visit(entry.rule);
}

function atPort<T>(entries: readonly Entry<T>[] | undefined, port: number): T | null {
  if (entries === undefined) return null;
  for (const entry of entries) if (entry.port === 0 || entry.port === port) return entry.rule;
  return null;
}

/** A name before the slash, with a scheme or without: no network has letters, but for those of IPv6, which has two colons. */
function isUrl(text: string): boolean {
  const slash = text.indexOf("/");
  if (slash < 1) return false;
  const before = text.slice(0, slash);
  return /[a-z]/i.test(before) && before.indexOf(":") === before.lastIndexOf(":");
}

function splitPort(text: string): { host: string; port: number } | null {
  if (text.startsWith("[")) {
    const close = text.indexOf("]");
    const host = text.slice(1, close === -1 ? 0 : close);
    // Brackets are for IPv6 only: anything else in them has no single reading.
    if (!host.includes(":")) return { host: text, port: 0 };
    const rest = text.slice(close + 1);
    if (rest === "") return { host, port: 0 };
    return rest.startsWith(":") ? withPort(host, rest.slice(1)) : null;
  }
  const colon = text.indexOf(":");
  if (colon === -1 || text.indexOf(":", colon + 1) !== -1) return { host: text, port: 0 };
  return withPort(text.slice(0, colon), text.slice(colon + 1));
}

function withPort(host: string, digits: string): { host: string; port: number } | null {
  if (!/^[1-9][0-9]{0,4}$/.test(digits)) return null;
  const port = Number(digits);
  return port > 65535 ? null : { host, port };
}

function networkKey(family: 4 | 6, prefix: number): number {
  return (family << 8) | prefix;
}

function masked(bytes: Uint8Array, prefix: number): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) {
    const kept = Math.min(8, Math.max(0, prefix - i * 8));
    text += String.fromCharCode((bytes[i] as number) & (0xff00 >> kept) & 0xff);
  }
  return text;
}
