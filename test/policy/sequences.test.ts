import { describe, expect, test } from "bun:test";
import { Fault } from "../../src/errors.ts";
import type { Finding } from "../../src/model/finding.ts";
import { compilePolicy } from "../../src/policy/program.ts";
import { type Sequence, type SequenceFacts, SequenceState } from "../../src/policy/sequences.ts";

const HEAD = "version: 1\ndefault: allow\nsequences:\n";
const STEPS =
  "    steps: [{ when: { paths: [/secret/**] } }, { when: { methods: [POST] }, not_hosts_of_first: true }]\n";

function compile(...sections: string[]): readonly Sequence[] {
  return compilePolicy([{ name: "p.yaml", text: HEAD + sections.join("") }]).sequences;
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

const FINDING: Finding = {
  pillar: "CoreGuard",
  vector: "dlp_secret",
  name: "pem-key",
  severity: "high",
  view: "plain",
  where: "body",
  start: 0,
  end: 9,
  reason: "a private key",
};

function facts(parts: Partial<SequenceFacts> = {}): SequenceFacts {
  return {
    host: "a.test",
    port: 443,
    literal: false,
    method: "GET",
    path: "/",
    agent: null,
    org: "acme",
    at: 0,
    ...parts,
  };
}

describe("a sequence is refused, naming the line:", () => {
  const cases: [name: string, section: string, message: string | RegExp][] = [
    ["without steps", "  - id: x\n", /^p\.yaml:4:5: sequences\[0\]\.steps: must be a list of steps/],
    ["of one step", "  - id: x\n    steps: [{ when: { methods: [GET] } }]\n", /steps: needs two steps at least/],
    ["without an id", `  - window: 10m\n${STEPS}`, /sequences\[0\]\.id: must be an id/],
    [
      "with a misspelt key",
      `  - id: x\n    windw: 10m\n${STEPS}`,
      'p.yaml:5:5: unknown key "sequences[0].windw", did you mean window?',
    ],
    [
      "with a misspelt condition",
      "  - id: x\n    steps: [{ when: { host: [a.test] } }, { when: { methods: [GET] } }]\n",
      /unknown key "sequences\[0\]\.steps\[0\]\.when\.host", did you mean hosts\?/,
    ],
    [
      "with a condition that says nothing",
      "  - id: x\n    steps: [{ when: {} }, { when: { methods: [GET] } }]\n",
      /says nothing/,
    ],
    [
      "with a host in two readings",
      "  - id: x\n    steps: [{ when: { hosts: [0x7f.1] } }, { when: { methods: [GET] } }]\n",
      /not a host/,
    ],
    [
      "with a path that is none",
      "  - id: x\n    steps: [{ when: { paths: [secret] } }, { when: { methods: [GET] } }]\n",
      /begins with \//,
    ],
    [
      "with a method in small letters",
      "  - id: x\n    steps: [{ when: { methods: [get] } }, { when: { methods: [GET] } }]\n",
      /in capitals/,
    ],
    ["with a time without a unit", `  - id: x\n    window: 600\n${STEPS}`, /must be a time/],
    ["with a time over a day", `  - id: x\n    window: 25h\n${STEPS}`, /longer than 24h/],
    ["with another session", `  - id: x\n    by: [user]\n${STEPS}`, /must be agent, tenant or client/],
    ["that would allow", `  - id: x\n    verdict: allow\n${STEPS}`, /must be deny or approval_needed/],
    [
      "that compares the first step with itself",
      "  - id: x\n    steps: [{ when: { methods: [GET] }, not_hosts_of_first: true }, { when: { methods: [POST] } }]\n",
      /says nothing of the first step/,
    ],
    ["whose id stands twice", `  - id: x\n${STEPS}  - id: x\n${STEPS}`, /the id "x" stands twice/],
  ];
  for (const [name, section, message] of cases) {
    test(name, () => {
      if (typeof message === "string") expect(refusal(section)).toBe(message);
      else expect(refusal(section)).toMatch(message);
    });
  }
});

/** Looks and records, as if everything were let go; the ids of what was completed. */
function after(sequences: readonly Sequence[], state = new SequenceState()) {
  return (parts: Partial<SequenceFacts>, findings: readonly Finding[] = [], client: string | null = "192.0.2.1") => {
    const { hits, record } = state.look(sequences, facts(parts), { findings, client });
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
    const both = "    steps: [{ when: { methods: [POST] } }, { when: { methods: [POST] } }]\n";
    const ask = after(compile(`  - id: twice\n${both}`));
    expect(ask(POST)).toEqual([]);
    expect(ask(POST)).toEqual(["twice"]);
  });

  test("only within its window, counted from the first step", () => {
    const ask = after(compile(`  - id: leak\n    window: 10s\n${STEPS}`));
    ask(READ);
    expect(ask({ ...POST, at: 10_000 })).toEqual(["leak"]);
    expect(ask({ ...POST, at: 10_001 })).toEqual([]);
  });

  test("not by what was not let go", () => {
    const sequences = compile(`  - id: leak\n${STEPS}`);
    const state = new SequenceState();
    state.look(sequences, facts(READ), { findings: [], client: null });
    expect(state.size).toBe(0);
    expect(after(sequences, state)(POST, [], null)).toEqual([]);
  });

  test("only within its session", () => {
    const ask = after(compile(`  - id: leak\n    by: [agent, tenant, client]\n${STEPS}`));
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
      "    steps: [{ when: { findings: [dlp_secret] } }, { when: { findings: [pem-key], hosts: [.test], methods: [PUT, POST] } }]\n";
    const ask = after(compile(`  - id: found\n${steps}`));
    ask({}, [FINDING]);
    expect(ask(POST)).toEqual([]);
    expect(ask({ ...POST, method: "GET" }, [FINDING])).toEqual([]);
    expect(ask({ ...POST, host: "b.example" }, [FINDING])).toEqual([]);
    expect(ask({ ...POST, method: "PUT" }, [{ ...FINDING, vector: "other" }])).toEqual(["found"]);
  });

  test("is remembered over a policy that says the same of it, and forgotten when it says another thing", () => {
    const state = new SequenceState();
    after(compile(`  - id: leak\n${STEPS}`), state)(READ);
    expect(after(compile(`  - id: leak\n${STEPS}`), state)(POST)).toEqual(["leak"]);
    expect(after(compile(`  - id: leak\n    window: 1h\n${STEPS}`), state)(POST)).toEqual([]);
  });

  test("is kept for a bounded number of sessions, the last ones seen", () => {
    const state = new SequenceState(3);
    const ask = after(compile(`  - id: leak\n    by: [agent]\n${STEPS}`), state);
    for (const agent of ["a", "b", "c"]) ask({ ...READ, agent });
    ask({ ...READ, agent: "a" });
    ask({ ...READ, agent: "d" });
    expect(state.size).toBe(3);
    expect(["a", "b", "c", "d"].map((agent) => ask({ ...POST, agent }).length)).toEqual([1, 0, 1, 1]);
  });
});

test("what a sequence says is what a search through all requests says, whatever was asked before", () => {
  const [sequence] = compile(
    "  - id: s\n    window: 5s\n    steps: [{ when: { paths: [/secret/**] } }, { when: { methods: [PUT] } }, { when: { methods: [POST] }, not_hosts_of_first: true }]\n",
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
    const past: SequenceFacts[] = [];
    for (let i = 0, at = 0; i < 30; i++) {
      at += below(2_000);
      const kind = below(4);
      const now = facts({
        at,
        host: ["a.test", "b.test", "c.test"][below(3)] as string,
        method: ["GET", "PUT", "POST", "GET"][kind] as string,
        path: kind === 0 ? "/secret/x" : "/other",
      });
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
