import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../src/config/load.ts";
import { manualOf, SETTING_NAMES } from "../../src/config/schema.ts";
import { hostGate, type SelfAddresses, selfAddresses, servicesOf } from "../../src/decide/host.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { destination } from "./_egress.ts";

const NOBODY: SelfAddresses = { listeners: [], services: [], localAddresses: [] };

function verdict(gate: ReturnType<typeof hostGate>, host: string, port = 443): string | null {
  const decision = gate.check(destination(host, port));
  return decision === null ? null : `${decision.status} ${decision.vector}`;
}

describe("hostGate blocks", () => {
  const gate = hostGate(
    ["evil.test", ".dotted.test", "*.starred.test", "EVIL2.test.", "192.0.2.7", "2001:db8::7", "198.51.100.0/24"],
    NOBODY,
  );
  const cases: [string, boolean][] = [
    ["evil.test", true],
    ["a.evil.test", true],
    ["b.a.evil.test", true],
    ["notevil.test", false],
    ["evil.test.example", false],
    ["test", false],
    ["dotted.test", true],
    ["x.starred.test", true],
    ["evil2.test", true],
    ["192.0.2.7", true],
    ["192.0.2.70", false],
    ["2001:db8::7", true],
    ["2001:db8::70", false],
    ["198.51.100.200", true],
    ["198.51.101.1", false],
  ];
  for (const [host, blocked] of cases) {
    test(`${host}: ${blocked}`, () => expect(verdict(gate, host)).toBe(blocked ? "451 blocked_host" : null));
  }

  test("an address a name resolved to, too", () => {
    expect(gate.checkAddress("192.0.2.7", 80)?.vector).toBe("blocked_host");
    expect(gate.checkAddress("192.0.2.8", 80)).toBeNull();
  });

  test("nothing when the list is empty", () => expect(verdict(hostGate([], NOBODY), "evil.test")).toBeNull());
  test("an entry it cannot read is an error, not skipped", () => {
    expect(() => hostGate(["good.test", "a..b"], NOBODY)).toThrow('blocked host "a..b"');
  });
});

describe("hostGate knows its own doors", () => {
  const everywhere = hostGate([], {
    listeners: [{ address: "0.0.0.0", port: 3128 }],
    services: [],
    localAddresses: ["10.1.2.3", "2001:db8::3"],
  });
  for (const host of [
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "0.0.0.0",
    "::",
    "localhost",
    "a.localhost",
    "10.1.2.3",
    "2001:db8::3",
  ]) {
    test(`${host} behind a wildcard listener is a loop`, () => {
      expect(verdict(everywhere, host, 3128)).toBe("508 loop");
      expect(verdict(everywhere, host, 3129)).toBeNull();
    });
  }
  test("others at the same port are not", () => {
    for (const host of ["10.1.2.4", "example.test", "127.0.0.1.example.test", "127.test"]) {
      expect(verdict(everywhere, host, 3128)).toBeNull();
    }
  });
  test("a listener on one address is found there and nowhere else", () => {
    const one = hostGate([], {
      listeners: [{ address: "127.0.0.1", port: 3128 }],
      services: [],
      localAddresses: ["10.1.2.3"],
    });
    for (const host of ["127.0.0.1", "0.0.0.0", "localhost"]) expect(verdict(one, host, 3128)).toBe("508 loop");
    for (const host of ["127.0.0.2", "10.1.2.3"]) expect(verdict(one, host, 3128)).toBeNull();
  });
  test("found again behind a name's address", () => {
    expect(everywhere.checkAddress("10.1.2.3", 3128)?.status).toBe(508);
    expect(everywhere.checkAddress("10.1.2.3", 80)).toBeNull();
  });
});

describe("hostGate keeps the gateway's services out of reach", () => {
  const self = selfAddresses(
    {
      governance: { url: "https://Plane.corp.test/api", token: null, ca: null, cert: null, key: null, jwks: null },
      upstreamProxy: { tls: false, host: "proxy.corp.test", port: 8080, authorization: null },
      redis: { url: "rediss://user:secret@redis.corp.test/2", ca: null },
      adminListen: { host: "0.0.0.0", port: 9901 },
      policyBundle: null,
      opa: null,
    },
    { listeners: [{ address: "127.0.0.1", port: 3128 }], localAddresses: ["10.1.2.3"] },
  );
  const gate = hostGate([], self);
  test("by name and port", () => {
    expect(verdict(gate, "plane.corp.test", 443)).toBe("451 gateway_service");
    expect(verdict(gate, "proxy.corp.test", 8080)).toBe("451 gateway_service");
    expect(verdict(gate, "10.1.2.3", 9901)).toBe("451 gateway_service");
    expect(verdict(gate, "redis.corp.test", 6379)).toBe("451 gateway_service");
    expect(verdict(gate, "127.0.0.1", 9901)).toBe("451 gateway_service");
    expect(verdict(gate, "plane.corp.test", 80)).toBeNull();
    expect(verdict(gate, "proxy.corp.test", 80)).toBeNull();
  });
  test("by an address it was told of", () => {
    expect(verdict(gate, "192.0.2.50", 443)).toBeNull();
    gate.learn({ host: "plane.corp.test", port: 443 }, ["192.0.2.50"]);
    expect(verdict(gate, "192.0.2.50", 443)).toBe("451 gateway_service");
    expect(gate.checkAddress("192.0.2.50", 443)?.vector).toBe("gateway_service");
  });
  test("a service on this host, at every address of this host, because it may listen on all of them", () => {
    const local = hostGate([], {
      listeners: [{ address: "127.0.0.1", port: 3128 }],
      services: [{ host: "127.0.0.1", port: 9000 }],
      localAddresses: ["10.1.2.3"],
    });
    for (const host of ["127.0.0.1", "127.0.0.2", "::1", "10.1.2.3", "a.localhost", "0.0.0.0"]) {
      expect(verdict(local, host, 9000)).toBe("451 gateway_service");
      expect(verdict(local, host, 9001)).toBeNull();
    }
    expect(local.checkAddress("127.0.0.2", 9000)?.vector).toBe("gateway_service");
    expect(verdict(local, "10.1.2.4", 9000)).toBeNull();
  });
  test("a service whose address others may share is refused by that address only where it is all that was said", () => {
    const shared = hostGate([], self);
    shared.learn({ host: "plane.corp.test", port: 443 }, ["10.9.9.9", "192.0.2.9", "9.9.9.9"], "shared");
    for (const inside of ["10.9.9.9", "192.0.2.9"]) {
      expect(verdict(shared, inside, 443)).toBe("451 gateway_service");
      expect(shared.checkAddress(inside, 443)?.vector).toBe("gateway_service");
    }
    expect(verdict(shared, "9.9.9.9", 443)).toBe("451 gateway_service");
    // Another name at the same public address: another customer of the same front, as likely as not.
    expect(shared.checkAddress("9.9.9.9", 443)).toBeNull();
  });
});

describe("servicesOf", () => {
  const plane = { EVE_PROXY_GOVERNANCE_URL: "https://plane.test" };
  const besides: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    EVE_PROXY_GOVERNANCE_JWKS: plane,
  };
  const urls = SETTING_NAMES.filter((name) => manualOf(name).kind.startsWith("URL"));
  test("is asked about settings that are URLs", () => {
    expect(urls.length).toBeGreaterThanOrEqual(6);
  });
  for (const name of urls) {
    test(`has the host of ${name}`, async () => {
      const value = `${name === "EVE_PROXY_REDIS_URL" ? "redis" : "http"}://own.test:8443`;
      const env = { JWT_SECRET_KEY: "a-test-key-that-is-long-enough-for-hmac", ...besides[name], [name]: value };
      const loaded = await loadConfig({ ...runtime, env });
      if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
      expect(servicesOf(loaded.config)).toContainEqual({ host: "own.test", port: 8443 });
    });
  }
  test("has the keys of a plane that serves bundles, and where the admin surface listens", async () => {
    const env = {
      JWT_SECRET_KEY: "a-test-key-that-is-long-enough-for-hmac",
      EVE_PROXY_POLICY_BUNDLE_URL: "http://bundles.test/v1/bundle",
      EVE_PROXY_GOVERNANCE_JWKS: "http://keys.test/jwks",
      EVE_PROXY_ADMIN_LISTEN: "127.0.0.1:9901",
      EVE_PROXY_ADMIN_TOKEN: "a-token-of-sixteen-bytes",
    };
    const loaded = await loadConfig({ ...runtime, env });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    expect(servicesOf(loaded.config)).toEqual([
      { host: "bundles.test", port: 80 },
      { host: "keys.test", port: 80 },
      { host: "127.0.0.1", port: 9901 },
    ]);
  });
});
