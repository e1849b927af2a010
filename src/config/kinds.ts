/**
 * How the text of an environment variable becomes a value. Nothing is guessed: what does not parse is refused with a
 * hint, and an empty text is a value only where a list is expected.
 */
import { normalizeHost, parseAuthority } from "../wire/authority.ts";
import { type Cidr, parseCidr } from "../wire/ip.ts";
import { quote } from "../words/quote.ts";
import type { UpstreamProxy } from "./config.ts";

export interface Refused {
  readonly refused: string;
  readonly hint: string;
}

export interface Kind<T> {
  /** How the manual names what is expected. */
  readonly name: string;
  /** The problem must not quote the text of a secret. */
  read(text: string): T | Refused;
}

export function isRefused(value: unknown): value is Refused {
  return typeof value === "object" && value !== null && "refused" in value;
}

export function refuse(refused: string, hint: string): Refused {
  return { refused, hint };
}

const EMPTY = "is empty";

function whole(name: string, min: number, max: number, hint: string): Kind<number> {
  return {
    name,
    read(text) {
      if (text === "") return refuse(EMPTY, hint);
      const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
      if (Number.isNaN(value)) return refuse(`${quote(text)} is not a whole number`, hint);
      if (value < min || value > max) return refuse(`${text} is outside ${min} to ${max}`, hint);
      return value;
    },
  };
}

export function count(min: number, max: number): Kind<number> {
  return whole(`number, ${min} to ${max}`, min, max, `give a whole number from ${min} to ${max}`);
}

export function bytes(min: number, max: number): Kind<number> {
  return whole("bytes", min, max, "give a whole number of bytes without a unit, such as 10485760");
}

const portNumber = whole("port", 0, 65535, "give a port number such as 3128 (0 picks a free one)");

export const port: Kind<number> = {
  name: "port",
  read(text) {
    if (!/^(?:tcp|udp|sctp):\/\//.test(text)) return portNumber.read(text);
    const hint = "rename the Service, or set enableServiceLinks: false, or set the variable in the pod";
    return refuse(`${quote(text)} is what Kubernetes sets for a Service named eve-proxy, not a port`, hint);
  },
};

/** Seconds, decimals allowed, as milliseconds. Over a day a timer would be a mistake, and near 2^31 ms it fires at once. */
export const seconds: Kind<number> = {
  name: "seconds",
  read(text) {
    const hint = "give seconds without a unit, such as 2 or 0.5";
    if (text === "") return refuse(EMPTY, hint);
    if (!/^[0-9]{1,9}(?:\.[0-9]{1,6})?$/.test(text)) return refuse(`${quote(text)} is not a number of seconds`, hint);
    const ms = Math.round(Number(text) * 1000);
    if (ms < 1 || ms > 86_400_000) return refuse(`${text} is outside 0.001 to 86400 seconds`, hint);
    return ms;
  },
};

export const flag: Kind<boolean> = {
  name: "0 or 1",
  read(text) {
    if (text === "1" || text === "true") return true;
    if (text === "0" || text === "false") return false;
    return refuse(text === "" ? EMPTY : `${quote(text)} is neither on nor off`, "give 1 or 0");
  },
};

export function choice<const T extends string>(...values: readonly T[]): Kind<T> {
  const list = values.join(", ");
  return {
    name: `one of ${list}`,
    read(text) {
      const found = values.find((value) => value === text);
      return found ?? refuse(text === "" ? EMPTY : `${quote(text)} is not a choice`, `give one of ${list}`);
    },
  };
}

export const text: Kind<string> = {
  name: "text",
  read(value) {
    const hint = "give 1 to 128 printable characters";
    if (value === "") return refuse(EMPTY, hint);
    if (value.length > 128 || /[\u0000-\u001f\u007f]/.test(value)) return refuse(`${quote(value)} is not usable`, hint);
    return value;
  },
};

/** A secret of at least `minBytes` UTF-8 bytes that can stand in a header when `token`. Never quoted. */
export function secret(minBytes: number, token: boolean): Kind<string> {
  return {
    name: "secret",
    read(value) {
      const length = new TextEncoder().encode(value).length;
      const hint = `give at least ${minBytes} random bytes, such as the output of: openssl rand -hex 32`;
      if (length < minBytes) return refuse(value === "" ? EMPTY : `has ${length} bytes`, hint);
      if (token && !/^[\u0021-\u007e]+$/.test(value)) return refuse("has characters that no header can carry", hint);
      return value;
    },
  };
}

export const path: Kind<string> = {
  name: "path",
  read(value) {
    const hint = "give the path of a file";
    if (value === "") return refuse(EMPTY, hint);
    // A key pasted where its path belongs must not end up in a log.
    if (value.includes("-----BEGIN") || value.startsWith("{")) return refuse("holds a key, not a path", hint);
    return value.includes("\0") || value.length > 4096 ? refuse("is not a path", hint) : value;
  },
};

/** An address to listen on: an IP literal, or a name of this host. */
export const host: Kind<string> = {
  name: "address",
  read(value) {
    const found = value.endsWith(".") ? null : normalizeHost(value);
    const hint = "give an address such as 0.0.0.0, 127.0.0.1 or ::";
    return found?.host ?? refuse(value === "" ? EMPTY : `${quote(value)} is not an address`, hint);
  },
};

export const listen: Kind<{ readonly host: string; readonly port: number }> = {
  name: "address:port",
  read(value) {
    const found = parseAuthority(value, 0);
    const hint = "give an address and a port, such as 127.0.0.1:9901 or [::1]:9901";
    if (found === null || found.port === 0)
      return refuse(value === "" ? EMPTY : `${quote(value)} is no listener`, hint);
    return { host: found.host, port: found.port };
  },
};

/** As `listen`, and port 0 picks a free one. */
export const listenAnywhere: Kind<{ readonly host: string; readonly port: number }> = {
  name: "address:port",
  read: (value) => {
    const found = value.endsWith(":0") ? listen.read(`${value.slice(0, -1)}1`) : listen.read(value);
    return isRefused(found) || !value.endsWith(":0") ? found : { host: found.host, port: 0 };
  },
};

/** Of more items that are wrong the others are counted. */
const MAX_REFUSED = 8;

/** The items between commas; blank ones are none. Whoever mends one that is wrong hears of the others too. */
export function list<T>(value: string, read: (item: string) => T | Refused): readonly T[] | Refused {
  const items: T[] = [];
  const wrong = new Set<string>();
  const hints = new Set<string>();
  for (const piece of value.split(",")) {
    const item = piece.trim();
    if (item === "") continue;
    const found = read(item);
    if (isRefused(found)) {
      wrong.add(found.refused);
      hints.add(found.hint);
    } else items.push(found);
  }
  if (wrong.size === 0) return items;
  const more = wrong.size - MAX_REFUSED;
  const shown = [...wrong].slice(0, MAX_REFUSED).join(", ");
  return refuse(`${shown}${more > 0 ? ` and ${more} more` : ""}`, [...hints].slice(0, MAX_REFUSED).join("; "));
}

export const cidrs: Kind<readonly Cidr[]> = {
  name: "list of CIDRs",
  read: (value) =>
    list(value, (item) => {
      return parseCidr(item) ?? refuse(`${quote(item)} is not a CIDR`, "give a list such as 127.0.0.0/8,::1/128");
    }),
};

/** Suffixes on label boundaries; a leading dot says the same as none. */
export const hosts: Kind<readonly string[]> = {
  name: "list of hosts",
  read: (value) =>
    list(value, (item) => {
      const found = normalizeHost(item.startsWith(".") ? item.slice(1) : item);
      const hint = "give names without scheme, port, path or wildcard: evil.com covers a.evil.com too";
      return found?.host ?? refuse(`${quote(item)} is not a host`, hint);
    }),
};

function parseUrl(value: string): URL | null {
  const url = URL.parse(value);
  return url !== null && (url.protocol === "http:" || url.protocol === "https:") ? url : null;
}

export const serviceUrl: Kind<string> = {
  name: "URL",
  read(value) {
    const url = parseUrl(value);
    const hint = "give a URL such as https://plane.example:8443";
    if (url === null) return refuse(value === "" ? EMPTY : "is not an http or https URL", hint);
    if (url.username !== "" || url.password !== "") return refuse("carries credentials", "use the token variable");
    if (url.search !== "" || url.hash !== "") return refuse("has a query or a fragment", hint);
    return url.href.replace(/\/+$/, "");
  },
};

/** A file, or something fetched. */
export const urlOrPath: Kind<string> = {
  name: "URL or path",
  read: (value) => (/^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? serviceUrl.read(value) : path.read(value)),
};

function base64(value: string): string {
  let binary = "";
  for (const byte of new TextEncoder().encode(value)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

export const proxyUrl: Kind<UpstreamProxy> = {
  name: "URL",
  read(value) {
    const hint = "give http://host:port or https://user:password@host:port, without a path";
    const url = parseUrl(value);
    if (url === null) return refuse(value === "" ? EMPTY : "is not an http or https URL", hint);
    if (url.pathname !== "/" || url.search !== "" || url.hash !== "") return refuse("has a path or a query", hint);
    const found = normalizeHost(url.hostname);
    if (found === null || url.port === "0") return refuse("has no usable host and port", hint);
    const tls = url.protocol === "https:";
    let authorization: string | null = null;
    if (url.username !== "" || url.password !== "") {
      try {
        const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
        if (decodeURIComponent(url.username).includes(":")) return refuse("has a colon in its user name", hint);
        authorization = `Basic ${base64(pair)}`;
      } catch {
        return refuse("has credentials that do not percent-decode", hint);
      }
    }
    return { tls, host: found.host, port: url.port === "" ? (tls ? 443 : 80) : Number(url.port), authorization };
  },
};

/** The URL of a Redis as its clients read it. Never quoted. */
export const redisUrl: Kind<string> = {
  name: "URL",
  read(value) {
    const hint = "give redis://host:port or rediss://user:password@host:port/0";
    const url = URL.parse(value);
    if (url === null || (url.protocol !== "redis:" && url.protocol !== "rediss:")) {
      return refuse(value === "" ? EMPTY : "is not a redis or rediss URL", hint);
    }
    if (normalizeHost(url.hostname) === null || url.port === "0") return refuse("has no usable host and port", hint);
    if (url.search !== "" || url.hash !== "") return refuse("has a query or a fragment", hint);
    if (!/^(?:\/?|\/[0-9]{1,4})$/.test(url.pathname)) return refuse("has a path that is no database number", hint);
    try {
      decodeURIComponent(url.username);
      decodeURIComponent(url.password);
    } catch {
      return refuse("has credentials that do not percent-decode", hint);
    }
    return value;
  },
};
