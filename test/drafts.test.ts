import { expect, test } from "bun:test";
import type { Config } from "../src/config/config.ts";
import { Drafts, NOTHING_FOUND } from "../src/drafts.ts";
import { allow } from "../src/model/decision.ts";
import type { Egress } from "../src/model/egress.ts";
import type { Exchange } from "../src/model/exchange.ts";
import { runtime } from "../src/runtime/bun.ts";
import { egress } from "./decide/_egress.ts";

const drafts = (): Drafts =>
  new Drafts(runtime, { mode: "enforce", failClosed: true, upstreamProxy: null } as unknown as Config);

function name(of: Drafts, asked: Partial<Egress> & { host?: string }) {
  const exchange = { egress: egress(asked), startedAt: 0, waitedMs: 0 } as unknown as Exchange;
  return of.draft(exchange, allow("fine"), NOTHING_FOUND).request;
}

test("Drafts names a request by where it goes, whatever was named before it", () => {
  const shared = drafts();
  const place = { scheme: "https", host: "a.test", port: 443, literal: false } as const;
  const first = { destination: place, method: "POST", target: "/v1/x", path: "/v1/x", door: "tunnel" } as const;
  const others: Partial<Egress>[] = [
    { destination: { ...place, host: "b.test" } },
    { destination: { ...place, port: 8443 } },
    { destination: { ...place, scheme: "http" } },
    { method: "GET" },
    { target: "/v1/y", path: "/v1/y" },
    { target: "*", path: "/v1/x" },
    { door: "forward" },
  ];
  for (const other of others) {
    const { destination = place } = other;
    for (const asked of [first, { ...first, ...other, destination: { ...destination } }, first]) {
      expect(name(shared, asked)).toEqual(name(drafts(), asked));
    }
  }
});

test("Drafts names the same request of two tunnels with one object, which what is made of it can be kept by", () => {
  const shared = drafts();
  const place = { scheme: "https", host: "a.test", port: 443, literal: false } as const;
  const asked = { method: "POST", target: "/v1/x", path: "/v1/x", door: "tunnel" } as const;
  const named = name(shared, { ...asked, destination: { ...place } });
  expect(named).not.toBeNull();
  expect(name(shared, { ...asked, destination: { ...place } })).toBe(named);
});
