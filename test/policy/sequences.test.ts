import { describe, expect, test } from "bun:test";
import { factsOf } from "../../src/content/facts.ts";
import { Fault } from "../../src/errors.ts";
import type { Finding } from "../../src/model/finding.ts";
import { Asked } from "../../src/policy/asked.ts";
import { compilePolicy } from "../../src/policy/program.ts";
import { type Sequence, SequenceState } from "../../src/policy/sequence-state.ts";
import { type Asking, finding, json, question } from "./_ask.ts";

const HEAD = "version: 1\ndefault: allow\nsequences:\n";
const STEPS =
  "    within: 10m\n    verdict: deny\n    other_host: true\n    steps: [{ paths: /secret/** }, { methods: POST }]\n";

function compile(...sections: string[]): readonly Sequence[] {
  return compilePolicy([{ name: "p.yaml", text: HEAD + sections.join("") }]).sequenceRules;
}

function refusal(section: string): string {
  try {
    compile(section);
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.code === "policy_invalid") return thrown.message;
    throw thrown;
  }
  return "accepted";
}

const FINDING = finding({ vector: "dlp_secret", name: "pem-key" });

function asked(parts: Asking, findings: readonly Finding[]): Asked {
  const about = question({ host: "a.test", at: 0, ...parts });
  return new Asked(about, factsOf(about), findings);
}

test("what is wrong in a step is told with its line", () => {
  const section = "  - id: x\n    within: 10m\n    verdict: deny\n    steps: [{ hosts: 0x7f.1 }, { paths: $none }]\n";
  expect(refusal(section)).toMatch(/^p\.yaml:7:\d+: .*"0x7f\.1"[\s\S]*p\.yaml:7:\d+: .*none/);
});

/** Looks and records, as if everything were let go; the ids of what was completed. */
function after(sequences: readonly Sequence[], state = new SequenceState()) {
  return (parts: Asking, findings: readonly Finding[] = [], client: string | null = "192.0.2.1") => {
    const { hits, record } = state.look(sequences, asked(parts, findings), client);
    record();
    return hits.map(({ id }) => id);
  };
}

const READ = { path: "/secret/data" };
const POST = { method: "POST", host: "b.test" };

describe("a sequence", () => {
  test("is completed by its steps in their order, and again by each further last one", () => {
    const ask = after(compile(`  - id: leak\n${STEPS}`));
    expect(ask(POST)).toEqual([]);
    expect(ask(READ)).toEqual([]);
    expect(ask({ ...POST, at: 1 })).toEqual(["leak"]);
    expect(ask({ ...POST, at: 2 })).toEqual(["leak"]);
  });

  test("not by a request to the host of the first step, unless there are others", () => {
    const ask = after(compile(`  - id: leak\n${STEPS}`));
    ask(READ);
    expect(ask({ ...POST, host: "a.test" })).toEqual([]);
    ask({ ...READ, host: "c.test" });
    expect(ask({ ...POST, host: "a.test" })).toEqual(["leak"]);
  });

  test("not by one request that is both steps", () => {
    const both = "    within: 10m\n    verdict: deny\n    steps: [{ methods: POST }, { methods: POST }]\n";
    const ask = after(compile(`  - id: twice\n${both}`));
    expect(ask(POST)).toEqual([]);
    expect(ask(POST)).toEqual(["twice"]);
  });

  test("only within its window, counted from the first step", () => {
    const ask = after(compile(`  - id: leak\n${STEPS.replace("10m", "10s")}`));
    ask(READ);
    expect(ask({ ...POST, at: 10_000 })).toEqual(["leak"]);
    expect(ask({ ...POST, at: 10_001 })).toEqual([]);
  });

  test("not by what was not let go", () => {
    const sequences = compile(`  - id: leak\n${STEPS}`);
    const state = new SequenceState();
    state.look(sequences, asked(READ, []), null);
    expect(state.size).toBe(0);
    expect(after(sequences, state)(POST, [], null)).toEqual([]);
  });

  test("only within its session", () => {
    const ask = after(compile(`  - id: leak\n    per: [agent, tenant, client]\n${STEPS}`));
    const one = { agent: "one" };
    ask({ ...READ, ...one });
    expect(ask({ ...POST, agent: "two" })).toEqual([]);
    expect(ask({ ...POST, agent: null })).toEqual([]);
    expect(ask({ ...POST, ...one, org: "other" })).toEqual([]);
    expect(ask({ ...POST, ...one }, [], "192.0.2.2")).toEqual([]);
    expect(ask({ ...POST, ...one })).toEqual(["leak"]);
  });

  test("by findings, by vector or by name; all conditions of a step must hold", () => {
    const steps =
      "    within: 10m\n    verdict: deny\n    steps: [{ findings: { vectors: dlp_secret } }, { findings: { names: pem-key }, hosts: .test, methods: [PUT, POST] }]\n";
    const ask = after(compile(`  - id: found\n${steps}`));
    ask({}, [FINDING]);
    expect(ask(POST)).toEqual([]);
    expect(ask({ ...POST, method: "GET" }, [FINDING])).toEqual([]);
    expect(ask({ ...POST, host: "b.example" }, [FINDING])).toEqual([]);
    expect(ask({ ...POST, method: "PUT" }, [{ ...FINDING, vector: "other" }])).toEqual(["found"]);
  });

  test("by what stands in a body; what cannot be told counts, also where the codings of a body are not undone", () => {
    const steps =
      '    within: 10m\n    verdict: deny\n    steps: [{ methods: GET }, { json: { "$.to": "elsewhere" } }]\n';
    const [sequence] = compile(`  - id: body\n${steps}`);
    expect(sequence?.readsBody).toBe(true);
    expect(compile(`  - id: leak\n${STEPS}`)[0]?.readsBody).toBe(false);
    const ask = after([sequence as Sequence]);
    ask({});
    expect(ask(json({ to: "here" }))).toEqual([]);
    expect(ask(json({ to: "elsewhere" }))).toEqual(["body"]);
    expect(ask(json('{"to":"here","to":"elsewhere"}'))).toEqual(["body"]);
    expect(ask(json("{"))).toEqual(["body"]);
    expect(ask(json("\u001f\u008b\u0008 not undone"))).toEqual(["body"]);
  });

  test("a step that asks for more than a tunnel tells is not one of a tunnel", () => {
    const ask = after(compile(`  - id: leak\n${STEPS}`));
    ask(READ);
    expect(ask({ ...POST, phase: "tunnel" })).toEqual([]);
    expect(ask(POST)).toEqual(["leak"]);
  });

  test("is remembered over a policy that says the same of it, and forgotten when it says another thing", () => {
    const state = new SequenceState();
    after(compile(`  - id: leak\n${STEPS}`), state)(READ);
    expect(after(compile(`  - id: leak\n${STEPS}`), state)(POST)).toEqual(["leak"]);
    expect(after(compile(`  - id: leak\n${STEPS.replace("10m", "1h")}`), state)(POST)).toEqual([]);
  });

  test("is kept for a bounded number of sessions, the last ones seen", () => {
    const state = new SequenceState(3);
    const ask = after(compile(`  - id: leak\n    per: agent\n${STEPS}`), state);
    for (const agent of ["a", "b", "c"]) ask({ ...READ, agent });
    ask({ ...READ, agent: "a" });
    ask({ ...READ, agent: "d" });
    expect(state.size).toBe(3);
    expect(["a", "b", "c", "d"].map((agent) => ask({ ...POST, agent }).length)).toEqual([1, 0, 1, 1]);
  });
});

test("what a sequence says is what a search through all requests says, whatever was asked before", () => {
  const [sequence] = compile(
    "  - id: s\n    within: 5s\n    verdict: deny\n    other_host: true\n    steps: [{ paths: /secret/** }, { methods: PUT }, { methods: POST }]\n",
  );
  let seed = 7;
  const below = (n: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >>> 8) % n;
  };
  let completed = 0;
  for (let round = 0; round < 300; round++) {
    const ask = after([sequence as Sequence]);
    const twin = after([sequence as Sequence]);
    const past: { host: string; method: string; path: string; at: number }[] = [];
    for (let i = 0, at = 0; i < 30; i++) {
      at += below(2_000);
      const kind = below(4);
      const now = {
        at,
        host: ["a.test", "b.test", "c.test"][below(3)] as string,
        method: ["GET", "PUT", "POST", "GET"][kind] as string,
        path: kind === 0 ? "/secret/x" : "/other",
      };
      const wanted =
        now.method === "POST" &&
        past.some(
          (first, index) =>
            first.path === "/secret/x" &&
            first.host !== now.host &&
            now.at - first.at <= 5_000 &&
            past.slice(index + 1).some(({ method }) => method === "PUT"),
        );
      const said = ask(now).length === 1;
      expect(said).toBe(wanted);
      expect(twin(now).length === 1).toBe(said);
      if (wanted) completed++;
      past.push(now);
    }
  }
  expect(completed).toBeGreaterThan(100);
});
