import { describe, expect, test } from "bun:test";
import { claimsOf } from "../../src/limits/claims.ts";
import type { LimitSubject } from "../../src/limits/subject.ts";
import { compiled, program, subject } from "./_limits.ts";

const CALL = { model: "House-Model", inputTokens: 1000, maxOutput: 500 };
const PRICES = [{ model: "house-*", input: 2, output: "10.50" }];

function parts(limit: object, of: Partial<LimitSubject> = {}, prices: unknown = PRICES) {
  const { claims, objections, limits } = claimsOf(program([{ id: "x", ...limit }], prices), subject(of));
  return { claims, objections: objections.map(({ vector }) => vector), matched: limits.length };
}

describe("what cannot be counted is objected to", () => {
  const money = { money: { max: 5, per: "1d" } };
  test("a model without a price", () => {
    expect(parts(money, { call: { ...CALL, model: "unheard-of" } }).objections).toEqual(["price_unknown"]);
  });
  test("the reason names a model that looks like one, and repeats nothing else", () => {
    const why = (model: string) =>
      claimsOf(program([{ id: "x", ...money }], PRICES), subject({ call: { ...CALL, model } })).objections.map(
        ({ reason }) => reason,
      );
    expect(why("openai/gpt-9:free")).toEqual(['no price in USD is known for the model "openai/gpt-9:free"']);
    for (const model of ["", "x".repeat(65), "two words", 'a"b', "a\nb"]) {
      expect(why(model)).toEqual(["no price in USD is known for the model"]);
    }
  });
  test("a model in another currency", () => {
    const euro = { money: { max: 5, per: "1d", currency: "EUR" } };
    expect(parts(euro, { call: CALL }).objections).toEqual(["price_unknown"]);
  });
  test("a model that cannot be read in one way, whatever has a price", () => {
    const any = [{ model: "*", input: 1, output: 1 }];
    expect(parts(money, { call: { ...CALL, model: null } }, any).objections).toEqual(["price_unknown"]);
    expect(parts(money, { call: { ...CALL, model: "" } }, any).objections).toEqual([]);
  });
  test("a payment that cannot be read, and no claim is made of it", () => {
    const found = parts({ payment: { field: "$.amount", unit: "major", max: 5, per: "1d" } });
    expect(found.objections).toEqual(["payment_unreadable"]);
    expect(found.claims).toHaveLength(0);
  });
});

describe("matching", () => {
  const rate = { rate: { requests: 1, per: "1m" } };
  const cases: readonly (readonly [string, object, Partial<LimitSubject>, number])[] = [
    ["another host", { hosts: ["other.test"] }, {}, 0],
    ["its host", { hosts: ["api.test"] }, {}, 1],
    ["another method", { methods: ["GET"] }, {}, 0],
    ["its method in another case", { methods: ["post"] }, {}, 1],
    ["another path", { paths: ["/v1/pay*"] }, {}, 0],
    ["a path spelled otherwise", { paths: ["/v1/pay*"] }, { path: "//v1/./x/../%70ay;a=b/now" }, 1],
    ["another agent", { agents: ["reader-*"] }, {}, 0],
    ["an agent", { agents: ["wri*"] }, {}, 1],
    ["nobody where somebody is meant", { agents: ["w*"] }, { agent: null }, 0],
    ["another tenant", { tenants: ["umbrella"] }, {}, 0],
    ["no call where a model is meant", { models: ["*"] }, {}, 0],
    ["another model", { models: ["gpt-*"] }, { call: CALL }, 0],
    ["a model", { models: ["HOUSE-*"] }, { call: CALL }, 1],
    ["a model nobody can tell", { models: ["gpt-*"] }, { call: { ...CALL, model: null } }, 1],
  ];
  for (const [name, match, of, matched] of cases) {
    test(name, () => expect(parts({ ...rate, match }, of).matched).toBe(matched));
  }
});

describe("scopes", () => {
  const keys = (per: readonly string[], of: Partial<LimitSubject>): string | undefined =>
    parts({ per, concurrency: 1 }, of).claims[0]?.need.key;
  test("what is not named is counted together", () => {
    expect(keys(["host"], { agent: "a" })).toBe(keys(["host"], { agent: "b" }));
  });
  for (const dimension of ["tenant", "agent", "parent", "host"] as const) {
    test(`${dimension} apart`, () => {
      expect(keys([dimension], { [dimension]: "a" })).not.toBe(keys([dimension], { [dimension]: "b" }));
    });
  }
  test("model apart, in any case together", () => {
    const of = (model: string) => keys(["model"], { call: { ...CALL, model } });
    expect(of("a")).not.toBe(of("b"));
    expect(of("a")).toBe(of("A"));
  });
  test("two names cannot be put together to make one of another", () => {
    expect(keys(["agent", "host"], { agent: 'a","b', host: "c" })).not.toBe(
      keys(["agent", "host"], { agent: "a", host: 'b","c' }),
    );
  });
  test("a name of any length makes a key of bounded length", () => {
    expect(keys(["agent"], { agent: "x".repeat(60_000) })?.length).toBeLessThan(400);
  });
});

describe("claims", () => {
  test("budgets first, then places, then paces", () => {
    const all = {
      rate: { requests: 1, per: "1m" },
      concurrency: 1,
      bytes: { max: "1MB", per: "1h" },
      tokens: { max: 9, per: "1d" },
    };
    expect(parts(all, { call: CALL }).claims.map(({ part }) => part)).toEqual([
      "bytes",
      "tokens",
      "concurrency",
      "rate",
    ]);
  });
  test("tokens: what is sent and the most that may come", () => {
    const need = parts({ tokens: { max: 9, per: "1d" } }, { call: CALL }).claims[0]?.need;
    expect(need).toMatchObject({ kind: "window", amount: 1500, seconds: 86_400 });
  });
  test("tokens: the assumed most where the request does not say", () => {
    const limit = { tokens: { max: 9, per: "1d", assume_output: 7 } };
    expect(parts(limit, { call: { ...CALL, maxOutput: null } }).claims[0]?.need).toMatchObject({ amount: 1007 });
  });
  test("money: each kind by its price, rounded up", () => {
    const need = parts({ money: { max: "0.02", per: "1mo" } }, { call: { ...CALL, inputTokens: 1001, maxOutput: 3 } })
      .claims[0]?.need;
    // 1001 × 2 + 3 × 10.5 millionths of a dollar
    expect(need).toMatchObject({ amount: 2034, max: 20_000, seconds: 0 });
  });
  test("shadow is not enforced", () => {
    expect(parts({ concurrency: 1, mode: "shadow" }).claims[0]?.need.enforce).toBe(false);
  });
  test("a tunnel takes a place and a pace, and nothing that is inside it", () => {
    const all = {
      concurrency: 1,
      tokens: { max: 9, per: "1d" },
      payment: { field: "$.a", unit: "minor", max: 1, per: "1d" },
    };
    const found = parts(all, { tunnel: true, method: "CONNECT", call: CALL });
    expect(found.claims.map(({ part }) => part)).toEqual(["concurrency"]);
    expect(found.objections).toEqual([]);
  });
  test("a request inside a tunnel takes no second place, unless the limit is not the tunnel's", () => {
    expect(parts({ concurrency: 1 }, { inside: true }).claims).toHaveLength(0);
    expect(parts({ concurrency: 1, match: { methods: ["POST"] } }, { inside: true }).claims).toHaveLength(1);
  });
  test.each([
    ["per model", { per: ["model"] }],
    ["per agent", { per: ["agent"] }],
    ["per parent agent", { per: ["host", "parent"] }],
    ["of some agents", { match: { agents: ["writer*"] } }],
    ["of some models", { match: { models: ["house*"] } }],
    ["of some paths", { match: { paths: ["/v1*"] } }],
  ])("a request inside takes a place of its own of a limit %s: its tunnel may not have shown that", (_, limit) => {
    const bounded = { concurrency: 1, ...limit };
    const connect = { tunnel: true, method: "CONNECT", path: "", agent: null, parent: null };
    const tunnel = parts(bounded, connect).claims;
    const inner = parts(bounded, { inside: true, parent: "planner", call: CALL }).claims;
    expect(inner.map(({ part }) => part)).toEqual(["concurrency"]);
    expect(tunnel.map(({ need }) => need.key)).not.toContain(inner[0]?.need.key as string);
  });
  test.each([
    ["per tenant and host", { per: ["tenant", "host"] }],
    ["per agent", { per: ["agent", "parent"] }],
    ["of all agents", { match: { agents: ["*"] } }],
    ["per model", { per: ["model"] }],
  ])("a request that shows no more than its tunnel takes no second place of a limit %s", (_, limit) => {
    const bounded = { concurrency: 1, ...limit };
    for (const call of [null, { ...CALL, model: null }]) {
      expect(parts(bounded, { inside: true, agent: null, call })).toMatchObject({ matched: 1, claims: [] });
    }
  });
  test("what only reads pays nothing, unless it is named", () => {
    const payment = { field: "$.amount", unit: "major", max: 5, per: "1d" };
    expect(parts({ payment }, { method: "GET" }).objections).toEqual([]);
    expect(parts({ payment, match: { methods: ["GET"] } }, { method: "GET" }).objections).toEqual([
      "payment_unreadable",
    ]);
  });
});

describe("sections that are refused", () => {
  const bad: readonly object[] = [
    { id: "x" },
    { id: "X", concurrency: 1 },
    { id: "x", concurrency: 0 },
    { id: "x", concurrency: 1.5 },
    { id: "x", concurrency: 1, per: ["agent", "agent"] },
    { id: "x", concurrency: 1, per: ["user"] },
    { id: "x", concurrency: 1, on_outage: "maybe" },
    { id: "x", concurrency: 1, unknown: 1 },
    { id: "x", rate: { requests: 1, per: "2d" } },
    { id: "x", rate: { requests: 1_000_000, per: "1d" } },
    { id: "x", bytes: { max: "10XB", per: "1h" } },
    { id: "x", bytes: { max: "10MB", per: "7h" } },
    { id: "x", bytes: { max: "10MB", per: "2w" } },
    { id: "x", tokens: { max: -1, per: "1d" } },
    { id: "x", money: { max: "1e3", per: "1d" } },
    { id: "x", money: { max: -5, per: "1d" } },
    { id: "x", money: { max: 5, per: "1d", currency: "usd" } },
    { id: "x", payment: { field: "$.a", max: 5, per: "1d" } },
    { id: "x", payment: { field: "$.a", unit: "major" } },
    { id: "x", payment: { field: "$.a", unit: "major", max: 5 } },
    { id: "x", payment: { field: "amount", unit: "major", max_each: 5 } },
  ];
  for (const limit of bad) test(JSON.stringify(limit), () => expect(() => compiled([limit])).toThrow());
  test("two of one id, and hosts that cannot be read", () => {
    const made = compiled([
      { id: "x", concurrency: 1 },
      { id: "x", concurrency: 1, match: { hosts: ["bad"] } },
    ]);
    expect(made.ok ? [] : made.problems.map(({ path }) => path.join("."))).toEqual([
      "limits.1.id",
      "limits.1.match.hosts",
    ]);
  });
});

test("prices: an own one before the shipped, which has only exact or dated names", () => {
  const table = program([{ id: "x", concurrency: 1 }], [{ model: "GPT-4o", input: 1, output: 1 }]).prices;
  expect(table.find("gpt-4o", "USD")?.input).toBe(1_000_000);
  expect(table.find("gpt-4o-mini", "USD")?.input).toBe(150_000);
  expect(table.find("gpt-4o-mini-realtime", "USD")).toBeNull();
  expect(table.find("gpt-4o", "EUR")).toBeNull();
});

describe("a limit on a path is not passed by", () => {
  const { limits } = program([{ id: "r", match: { paths: ["/v1/pay"] }, rate: { requests: 1, per: "1m" } }]);
  test.each([
    "/v1//pay",
    "/v1/%70ay",
    "/v1/%2570ay",
    "/V1/Pay",
    "/v1\\pay",
    "/x/..;/v1/pay",
    "/v1/pay;a=1",
    "/v1/pay%00",
  ])("%s", (path) => expect(limits[0]?.matches(subject({ path }))).toBe(true));
  test("and does not cover others", () => expect(limits[0]?.matches(subject({ path: "/v1/paying" }))).toBe(false));
});

test("a read that is to be taken for something else pays", () => {
  const payment = { field: "$.amount", currency: "EUR", unit: "minor", max: 10, per: "1d" };
  const some = program([{ id: "p", payment }]);
  const paying = { body: new TextEncoder().encode('{"amount":5}'), contentType: "application/json", query: "" };
  expect(claimsOf(some, subject({ method: "GET", paying })).claims).toHaveLength(0);
  expect(claimsOf(some, subject({ method: "GET", overridden: true, paying })).claims).toHaveLength(1);
});
