/** Lists that say something of each host they name. */
import { normalizeHost } from "../wire/authority.ts";
import { quote } from "../words/quote.ts";
import type { InterceptException } from "./config.ts";
import { isRefused, type Kind, list, type Refused, refuse } from "./kinds.ts";

export interface ClientCertPaths {
  readonly host: string;
  readonly cert: string;
  readonly key: string;
}

/** What is said of a host stands in certificates and logs. */
const MAX_REASON = 128;

/** Commas between; of each `host`, or `host=reason`. A leading dot says the same as none. */
export const hostReasons: Kind<readonly InterceptException[]> = {
  name: "list of `host` or `host=reason`",
  read(value) {
    const items = list(value, (item) => {
      const [name, reason] = halves(item);
      const host = hostOf(name.startsWith(".") ? name.slice(1) : name);
      if (isRefused(host) || reason === null) return isRefused(host) ? host : { host, reason };
      if (reason === "" || reason.length > MAX_REASON || /[\p{Cc}\p{Cs}]/u.test(reason)) {
        const hint = `give 1 to ${MAX_REASON} printable characters behind the =, without a comma, or no = at all`;
        return refuse(`has an unusable reason for ${quote(name)}`, hint);
      }
      return { host, reason };
    });
    return isRefused(items) ? items : onePerHost(items);
  },
};

/** Commas between; of each `host=certificate:key`. The host is exact: an identity is shown to nobody by a suffix. */
export const clientCerts: Kind<readonly ClientCertPaths[]> = {
  name: "list of `host=certificate:key`",
  read(value) {
    const items = list(value, (item) => {
      const [name, files] = halves(item);
      const hint = "give host=certificate:key, two paths of PEM files without comma or colon";
      const [cert, key, ...more] = (files ?? "").split(":");
      // What was given may be the key itself.
      if (!cert || !key || more.length > 0 || item.includes("-----")) return refuse("has an item that is none", hint);
      const host = hostOf(name);
      return isRefused(host) ? host : { host, cert, key };
    });
    return isRefused(items) ? items : onePerHost(items);
  },
};

function halves(item: string): readonly [string, string | null] {
  const equals = item.indexOf("=");
  return equals === -1 ? [item, null] : [item.slice(0, equals).trimEnd(), item.slice(equals + 1).trimStart()];
}

function hostOf(name: string): string | Refused {
  const hint = "give a name or an address without scheme, port, path or wildcard";
  return normalizeHost(name)?.host ?? refuse(`${quote(name)} is not a host`, hint);
}

function onePerHost<T extends { readonly host: string }>(items: readonly T[]): readonly T[] | Refused {
  const seen = new Set<string>();
  for (const { host } of items) {
    if (seen.has(host)) return refuse(`names ${quote(host)} twice`, "say what holds for a host once");
    seen.add(host);
  }
  return items;
}
