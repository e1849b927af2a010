import { describe, expect, test } from "bun:test";
import { openNames } from "../../src/decide/names.ts";
import { mintPermit } from "../../src/decide/permit.ts";
import { Fault } from "../../src/errors.ts";
import { allow, block, failClosed } from "../../src/model/decision.ts";
import { destination } from "./_egress.ts";

type Answer = { address: string; family: 4 | 6 }[];

/** A resolver that answers when told to, and a clock that stands still. */
function desk() {
  const asked: string[] = [];
  const open: { resolve(answer: Answer): void; reject(error: Error): void }[] = [];
  const clock = { now: 0 };
  const names = openNames(
    {
      monotonic: () => clock.now,
      resolve(name) {
        asked.push(name);
        return new Promise((resolve, reject) => open.push({ resolve, reject }));
      },
    },
    { upstreamTimeoutMs: 50 },
  );
  const answer = (...addresses: string[]) =>
    open.shift()?.resolve(addresses.map((address) => ({ address, family: 4 })));
  return { asked, open, clock, names, answer };
}

const code = async (lookup: unknown): Promise<string> => {
  try {
    await lookup;
  } catch (thrown) {
    return thrown instanceof Fault ? thrown.code : `not a Fault: ${thrown}`;
  }
  return "resolved";
};

describe("openNames fails with resolve_failed", () => {
  test("when the resolver does, and remembers it for a second", async () => {
    const { names, open, asked, clock } = desk();
    const first = names.resolve("x.test");
    open.shift()?.reject(new Error("ENOTFOUND"));
    expect(await code(first)).toBe("resolve_failed");
    expect(await code(names.resolve("x.test"))).toBe("resolve_failed");
    expect(asked).toHaveLength(1);
    clock.now = 1001;
    const again = names.resolve("x.test");
    expect(asked).toHaveLength(2);
    open.shift()?.resolve([{ address: "192.0.2.1", family: 4 }]);
    expect(await again).toEqual(["192.0.2.1"]);
  });

  test("when the resolver never answers", async () => {
    expect(await code(desk().names.resolve("x.test"))).toBe("resolve_failed");
  });

  for (const [what, addresses] of [
    ["no address", []],
    ["something else than an address", ["192.0.2.1", "fe80::1%eth0"]],
    ["more addresses than can be judged", Array.from({ length: 129 }, (_, i) => `192.0.2.${i}`)],
  ] as const) {
    test(`when the answer is ${what}`, async () => {
      const { names, answer } = desk();
      const lookup = names.resolve("x.test");
      answer(...addresses);
      expect(await code(lookup)).toBe("resolve_failed");
    });
  }

  test("when too many lookups are under way", async () => {
    const { names, asked } = desk();
    const lookups = Array.from({ length: 410 }, (_, i) => code(names.resolve(`h${i}.test`)));
    expect(asked).toHaveLength(400);
    expect(new Set(await Promise.all(lookups))).toEqual(new Set(["resolve_failed"]));
  });

  test("for a client that has too many under way, and for no other", async () => {
    const { names, asked, answer } = desk();
    const ask = (host: string, asker?: string) => names.resolve(host, asker);
    const slow = Array.from({ length: 1000 }, (_, i) => code(ask(`slow${i}.evil.test`, "192.0.2.66")));
    const most = asked.length;
    expect(most).toBeLessThan(400);
    const others = [ask("x.test", "192.0.2.7"), ask("services.test")];
    expect(asked.slice(most)).toEqual(["x.test", "services.test"]);
    // Whoever had asked for a name already is told with him.
    expect(await code(ask("more.evil.test", "192.0.2.66"))).toBe("resolve_failed");
    const shared = ask("slow0.evil.test", "192.0.2.7");
    for (let i = 0; i < 20; i++) answer("192.0.2.1");
    expect(await shared).toEqual(["192.0.2.1"]);
    // What has ended counts no more.
    expect(await slow[19]).toBe("resolved");
    const again = ask("again.test", "192.0.2.66");
    expect(asked.at(-1)).toBe("again.test");
    const left = [...others, again].map(code);
    expect(new Set(await Promise.all([...left, ...slow.slice(20)]))).toEqual(new Set(["resolve_failed"]));
  });
});

describe("openNames", () => {
  test("asks once for many at a time", async () => {
    const { names, asked, answer } = desk();
    const lookups = [names.resolve("x.test"), names.resolve("x.test"), names.resolve("x.test")];
    answer("192.0.2.1");
    expect(await Promise.all(lookups)).toEqual([["192.0.2.1"], ["192.0.2.1"], ["192.0.2.1"]]);
    expect(asked).toEqual(["x.test"]);
  });

  test("answers synchronously for half a minute, then asks again", async () => {
    const { names, asked, answer, clock } = desk();
    const first = names.resolve("x.test");
    answer("192.0.2.1");
    await first;
    clock.now = 29_999;
    expect(names.resolve("x.test")).toEqual(["192.0.2.1"]);
    clock.now = 30_001;
    expect(names.resolve("x.test")).toBeInstanceOf(Promise);
    expect(asked).toHaveLength(2);
    answer("192.0.2.2");
  });

  test("gives canonical addresses, each once, in the resolver's order", async () => {
    const { names, answer } = desk();
    const lookup = names.resolve("x.test");
    answer("2001:DB8:0:0::1", "192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1");
    expect(await lookup).toEqual(["2001:db8::1", "192.0.2.1"]);
  });

  test("asks nobody about an address", () => {
    const { names, asked } = desk();
    expect(names.resolve("192.0.2.1")).toEqual(["192.0.2.1"]);
    expect(names.resolve("2001:db8::1")).toEqual(["2001:db8::1"]);
    expect(asked).toEqual([]);
  });

  test("remembers 4096 names and forgets the oldest", async () => {
    const { names, asked, answer } = desk();
    for (let i = 0; i < 4097; i++) {
      const lookup = names.resolve(`h${i}.test`);
      answer("192.0.2.1");
      await lookup;
    }
    expect(names.resolve("h4096.test")).toEqual(["192.0.2.1"]);
    expect(asked).toHaveLength(4097);
    expect(names.resolve("h0.test")).toBeInstanceOf(Promise);
    answer("192.0.2.1");
  });
});

describe("mintPermit", () => {
  const to = destination("x.test");
  test("throws for every verdict that permits nothing, and without a vetted address", () => {
    expect(() => mintPermit(block("no", "x"), to, ["192.0.2.1"], false)).toThrow("block");
    expect(() => mintPermit(failClosed("no", "x"), to, ["192.0.2.1"], false)).toThrow("fail_closed");
    expect(() => mintPermit({ ...block("no", "x"), verdict: "hold" }, to, ["192.0.2.1"], false)).toThrow("hold");
    expect(() => mintPermit(allow("yes"), to, [], false)).toThrow("no vetted address");
  });
  test("names the first 16 addresses in their order", () => {
    const addresses = Array.from({ length: 40 }, (_, i) => `192.0.2.${i}`);
    const permit = mintPermit(allow("yes"), to, addresses, false);
    expect(permit.addresses).toEqual(addresses.slice(0, 16));
    expect(permit.destination).toBe(to);
    expect(mintPermit(allow("yes"), to, [], true)).toMatchObject({ destination: to, addresses: [] });
  });
});
