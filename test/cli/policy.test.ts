import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { emptyDirectory, MAIN, sallyport } from "./_program.ts";

const directory = await emptyDirectory();
afterAll(() => rm(directory, { recursive: true }));

const policy = (...args: string[]) => sallyport(directory, ["policy", ...args]);

// Some start the program several times, on a machine that may have other work.
setDefaultTimeout(120_000);

const POLICY = `version: 1
default: deny
hosts:
  allow: [api.openai.com]
rules:
  - id: no-uploads
    when:
      methods: [POST, PUT]
      paths: /v1/files/**
    verdict: deny
    reason: files stay here
    controls: [LLM02]
  - id: search
    when: { hosts: search.test, headers: { x-purpose: research } }
    verdict: allow
`;

beforeAll(async () => {
  await mkdir(join(directory, "good"));
  await writeFile(join(directory, "good/policy.yaml"), POLICY);
  await writeFile(join(directory, "bad.yaml"), "version: 1\ndefault: deny\nrules:\n  - { id: a, verdit: deny }\n");
  await writeFile(
    join(directory, "doubtful.yaml"),
    `version: 1
default: deny
hosts: { allow: [a.bad.test], deny: [.bad.test] }
lists: { nobody: [x.test] }
rules:
  - { id: old, verdict: deny, expires: 2020-01-01, when: { methods: POST } }
  - { id: wide, verdict: deny, when: { methods: [POST, PUT] } }
  - { id: narrow, verdict: approval_needed, when: { methods: PUT, paths: /a } }
  - { id: dead, verdict: allow, when: { hosts: x.bad.test } }
  - { id: blind, verdict: deny, when: { headers: { authorization: 'Bearer x*' } } }
  - { id: deaf, verdict: deny, when: { phases: tunnel, paths: /a } }
  - { id: crossed, verdict: deny, when: { body: { min_bytes: 5, max_bytes: 4 } } }
  - { id: over, verdict: deny, when: { times: { until: 2021-01-01 } } }
  - { id: taken, verdict: deny, when: { methods: DELETE, not: { methods: DELETE } } }
`,
  );
});

describe("usage", () => {
  test.each([
    [["lnt"], "did you mean lint?"],
    [[], "say lint, test, explain, diff or show"],
    [["lint"], "too few arguments"],
    [["lint", "--strct", "x"], "did you mean --strict?"],
    [["explain", "good"], "say one of --url, --question and --certificate"],
    [["explain", "good", "--url", "nonsense"], "is not an http(s) URL"],
    [["explain", "good", "--url", "https://0x7f.1/"], "is not a host"],
    [["diff", "good", "good"], "say --against which audit log"],
    [["diff", "good", "good", "--against", "nope"], 'there is no file "nope"'],
    [["test", "nope"], 'there is no "nope"'],
    [["show", "llm-onyl"], "there is no starting policy of this name"],
  ])("%j exits 64", async (args, said) => {
    const { code, stdout, stderr } = await policy(...args);
    expect([code, stdout]).toEqual([64, ""]);
    expect(stderr).toContain(said);
  });

  test.each(["lint", "test", "explain", "diff", "show"])("%s has --help", async (verb) => {
    const { code, stdout } = await policy(verb, "--help");
    expect(code).toBe(0);
    expect(stdout).toContain(`usage: sallyport policy ${verb}`);
  });
});

describe("lint", () => {
  test("errors exit 78 and are data", async () => {
    const { code, stdout } = await policy("lint", "bad.yaml");
    expect(code).toBe(78);
    expect(stdout).toContain('bad.yaml:4:14: unknown key "rules.0.verdit", did you mean verdict?\n');
    const json = JSON.parse((await policy("lint", "--json", "bad.yaml")).stdout);
    expect(json.errors).toContainEqual({
      at: "bad.yaml:4:14",
      message: 'unknown key "rules.0.verdit", did you mean verdict?',
    });
  });

  test("what is probably not meant, each with its place", async () => {
    const { code, stdout, stderr } = await policy("lint", "doubtful.yaml");
    expect(code).toBe(0);
    for (const line of [
      'doubtful.yaml:3:18: warning: hosts.allow[0]: "a.bad.test" never goes: hosts.deny[0] .bad.test is absolute [denied]',
      "doubtful.yaml:4:10: warning: lists.nobody is used by no rule [unused]",
      'doubtful.yaml:6:5: warning: rule "old": it has expired on 2020-01-01T00:00:00.000Z: take it out [expired]',
      'doubtful.yaml:8:5: warning: rule "narrow": it decides nothing: rules.wide (doubtful.yaml:7:5) is more severe and covers all of it [shadowed]',
      'doubtful.yaml:9:5: warning: rule "dead": all its hosts are denied for good by hosts.deny[0] .bad.test [denied]',
      'doubtful.yaml:10:5: warning: rule "blind": when.headers.authorization: no rule sees the value of a credential: use kind or issuer [credential]',
      'doubtful.yaml:11:5: warning: rule "deaf": a tunnel does not show what "paths" asks for: it never holds [never]',
      'doubtful.yaml:12:5: warning: rule "crossed": when.body: it never holds [never]',
      'doubtful.yaml:13:5: warning: rule "over": when.times: it never holds [never]',
      'doubtful.yaml:14:5: warning: rule "taken": its exceptions take back all it says [never]',
    ]) {
      expect(stdout).toContain(`${line}\n`);
    }
    expect(stdout.trimEnd().split("\n")).toHaveLength(10);
    expect(stderr).toContain("0 errors, 10 warnings, 9 rules, sha256-");
    expect((await policy("lint", "--strict", "doubtful.yaml")).code).toBe(1);
  });

  test("a good one is silent, with --strict too", async () => {
    expect(await policy("lint", "--strict", "good")).toMatchObject({ code: 0, stdout: "" });
    expect(await policy("lint", "--strict", "llm-only")).toMatchObject({ code: 0, stdout: "" });
  });
});

describe("lint, of what it is not for", () => {
  test("cases are told to be cases, and by what they are run", async () => {
    await writeFile(join(directory, "some.test.yaml"), "policy: p.yaml\ncases:\n  - { name: a }\n");
    const { code, stdout, stderr } = await policy("lint", "some.test.yaml");
    expect(code).toBe(78);
    expect(stdout).toBe("some.test.yaml:1:1: is a file of cases, not a policy: run them with sallyport policy test\n");
    expect(stderr).toContain("1 error, 0 warnings\n");
  });

  test("what tunnels go past is a note: no line of data, no warning, no other exit code", async () => {
    const { code, stdout, stderr } = await policy("lint", "--strict", "good");
    expect([code, stdout]).toEqual([0, ""]);
    expect(stderr).toMatch(
      /^sallyport policy lint: note: without a CA .* TLS tunnel .*: rules\.no-uploads does nothing there, and rules\.search lets none through; .*\n.*0 errors, 0 warnings, 2 rules/,
    );
    expect(JSON.parse((await policy("lint", "--json", "good")).stdout).notes).toHaveLength(1);
    expect((await policy("lint", "llm-only")).stderr).not.toContain("note");
  });

  test("one rule is one rule", async () => {
    const { stderr } = await policy("lint", "llm-only");
    expect(stderr).toContain("0 errors, 0 warnings, 1 rule, sha256-");
  });
});

describe("test", () => {
  const cases = (text: string) => writeFile(join(directory, "good/policy.test.yaml"), text);

  test("a case that cannot be read is named, and is no policy file", async () => {
    await cases("cases:\n  - name: a\n    request: { url: https://a.test/, methd: GET }\n    expect: alow\n");
    const { code, stdout } = await policy("test", "good");
    expect(code).toBe(78);
    expect(stdout).toContain('good/policy.test.yaml:3:38: unknown key "cases.0.request.methd", did you mean method?');
    expect(stdout).toContain("did you mean allow?");
    expect((await policy("lint", "good")).code).toBe(0);
  });

  test("a policy given instead of its cases is told so, with the name they would have", async () => {
    const { code, stdout } = await policy("test", "good/policy.yaml");
    expect(code).toBe(78);
    expect(stdout).toBe(
      "good/policy.yaml:1:1: is a policy, not cases for one: they stand in a file of their own, good/policy.test.yaml (docs/policy.md); give that, or the directory\n",
    );
    await writeFile(join(directory, "typo.yaml"), "csaes: []\n");
    expect((await policy("test", "typo.yaml")).stdout).toContain("did you mean cases?");
  });

  test("a failing case is a diff and exits 1", async () => {
    await cases(`policy: policy.yaml
cases:
  - name: uploads stay, whatever the way
    request: { url: "https://api.openai.com/v1/x/../files", json: {} }
    expect: { verdict: deny, rule: no-uploads, controls: LLM02, matched: [no-uploads] }
  - name: fails on purpose
    request: { url: "https://api.openai.com/v1/chat" }
    expect: { verdict: deny, rule: no-uploads }
`);
    const { code, stdout, stderr } = await policy("test", "good/policy.test.yaml");
    expect(code).toBe(1);
    expect(stdout).toBe(
      "FAIL good/policy.test.yaml:6:5: fails on purpose\n" +
        "  - verdict: deny\n  + verdict: allow\n" +
        "  - rule: no-uploads\n  + rule: hosts.allow[0] api.openai.com\n" +
        "    by hosts.allow[0] api.openai.com: allowed by policy\n",
    );
    expect(stderr).toContain("1 passed, 1 failed");
  });

  test("findings may be stated", async () => {
    await cases(`cases:
  - name: an observed card
    request: { url: http://a.test/, body: x }
    findings: [{ vector: dlp_personal, name: payment-card }]
    expect: { verdict: sanitize, rule: pci-cards, would: sanitize }
`);
    const { code, stdout } = await policy("test", "good", "--policy", "pci", "--json");
    const json = JSON.parse(stdout);
    expect(code).toBe(1);
    expect(json.cases[0]).toMatchObject({ verdict: "deny", rule: "rules.pci-cards-in-clear" });
  });
});

describe("what the rules alone do not decide is noted", () => {
  const LIMITED = `version: 1
default: allow
dlp: { personal: sanitize, canaries: { values: [XK-canary-0001] } }
detect: { vectors: { "703": shadow } }
limits:
  - { id: pay, match: { paths: [/pay] }, payment: { field: $.amount, unit: major, max_each: 5 } }
  - { id: seen, mode: shadow, concurrency: 5 }
`;
  const note = (what: string) => `${what} of inspection, before the rules; that is not in this verdict`;
  beforeAll(() => writeFile(join(directory, "limited.yaml"), LIMITED));

  test("by explain: a finding that is a veto anyway, and a limit", async () => {
    const explained = async (...args: string[]) =>
      JSON.parse((await policy("explain", "limited.yaml", "--json", ...args)).stdout) as { notes: string[] };
    const found = (...vectors: string[]) => vectors.flatMap((vector) => ["--finding", vector]);
    const url = ["--url", "https://a.test/"];
    const told = await explained(...url, ...found("dlp_canary:canary", "dlp_canary:canary", "701", "703", "dlp_nope"));
    expect(told.notes).toEqual([note("dlp_canary is a veto"), note("701 is a veto")]);
    expect((await explained(...url, ...found("dlp_personal", "dlp_health"))).notes).toEqual([
      "dlp_personal is taken out by inspection, before the rules; that is not in this verdict",
    ]);
    const pay = ["--url", "https://a.test/pay", "--data", '{"amount": 9}'];
    expect((await explained(...pay)).notes).toEqual(['limit "pay" matches; limits are not asked here']);
    const { stdout } = await policy("explain", "limited.yaml", ...pay);
    expect(stdout).toContain('\n  note: limit "pay" matches; limits are not asked here\n');
    const denied = await policy("explain", "deny-by-default", ...url, "--finding", "dlp_secret", "--json");
    expect(JSON.parse(denied.stdout)).toMatchObject({ verdict: "deny", notes: [] });
  });

  test("by test: of a case that fails both, of one that passes the veto", async () => {
    await writeFile(
      join(directory, "limited.test.yaml"),
      `policy: limited.yaml
cases:
  - name: bait
    request: { url: "https://a.test/pay", json: { amount: 9 } }
    findings: [{ vector: dlp_canary }]
    expect: deny
  - name: bait goes
    request: { url: "https://a.test/pay", json: { amount: 9 } }
    findings: [{ vector: dlp_canary }]
    expect: allow
`,
    );
    const { code, stdout } = await policy("test", "limited.test.yaml");
    expect(code).toBe(1);
    expect(stdout).toBe(
      "FAIL limited.test.yaml:3:5: bait\n  - verdict: deny\n  + verdict: allow\n    by default: allowed by policy\n" +
        `    note: ${note("dlp_canary is a veto")}\n    note: limit "pay" matches; limits are not asked here\n` +
        `limited.test.yaml:7:5: note: bait goes: ${note("dlp_canary is a veto")}\n`,
    );
  });
});

describe("explain", () => {
  test("says which rule won, where it stands, and what each condition found", async () => {
    const { code, stdout } = await policy("explain", "good", "--url", "https://api.openai.com/v1/files", "--data", "x");
    expect(code).toBe(0);
    expect(stdout).toContain("deny: files stay here\n  by rules.no-uploads, policy sha256-");
    expect(stdout).toContain("  at policy.yaml:6:5\n    id: no-uploads\n    when:\n      methods: [POST, PUT]\n");
    expect(stdout).toContain("      yes  methods: POST, PUT, it is POST\n");
  });

  test("a credential is never shown", async () => {
    const secret = "sk-abcdefghijklmnopqrstuvwxyz";
    const { stdout } = await policy(
      ...["explain", "good", "--all", "--url", "https://search.test/", "--header", `Authorization: Bearer ${secret}`],
    );
    expect(stdout).toContain("rules.search: allow: does not hold");
    expect(stdout).not.toContain("abcdefgh");
  });

  test("a question as JSON", async () => {
    const question = { method: "GET", host: "search.test", port: 443, headers: [["x-purpose", "research"]] };
    await writeFile(join(directory, "question.json"), JSON.stringify(question));
    const { stdout } = await policy("explain", "good", "--question", "question.json", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ verdict: "allow", rule: "rules.search" });
    await writeFile(join(directory, "question.json"), JSON.stringify({ ...question, hst: 1 }));
    const wrong = await policy("explain", "good", "--question", "question.json");
    expect([wrong.code, wrong.stderr]).toEqual([64, expect.stringContaining('unknown key "hst"')]);
  });
});

describe("explain --question, of the decision API", () => {
  const page = readFileSync(new URL("../../docs/governance-api.md", import.meta.url), "utf8");
  const shown = JSON.parse(/## The question\n\n```json\n([\s\S]*?)```/.exec(page)?.[1] ?? "") as Record<
    string,
    unknown
  >;
  const ask = async (question: unknown, ...args: string[]) => {
    await writeFile(join(directory, "question.json"), JSON.stringify(question));
    return policy("explain", "good", "--question", "question.json", ...args);
  };

  test("what is wrong with it is said in words", async () => {
    const { id: _id, ...nameless } = shown;
    for (const [question, said] of [
      [nameless, "the question is malformed: id: is missing"],
      [{ ...shown, port: "443" }, "the question is malformed: port: must be a number"],
      [{ ...shown, prot: 443 }, 'the question is malformed: question: unknown key "prot"'],
      [{ ...shown, v: 2 }, "the question is malformed: v: must be 1"],
      [{ ...shown, phase: "both" }, "the question is malformed: phase: must be request or tunnel"],
      [{ ...shown, host: "API.openai.com" }, "the question is malformed: host: not a name or address in its one"],
    ] as const) {
      const { code, stdout, stderr } = await ask(question);
      expect([code, stdout, stderr]).toEqual([64, "", expect.stringContaining(said)]);
    }
  });

  test("the one that the page of the API prints is taken, told by its v", async () => {
    const { code, stdout } = await ask(shown, "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: "allow", rule: "hosts.allow[0] api.openai.com" });
    const uploaded = await ask({ ...shown, path: "/v1/files/x" });
    expect(uploaded.stdout).toContain("deny: files stay here\n  by rules.no-uploads");
  });
});

const certificate = (given: object) => ({
  v: 1,
  certificate_id: "cert_0123456789abcdef",
  verdict: "block",
  would: null,
  mode: "enforce",
  reason: "files stay here",
  matched_pillar: "CoreGuard",
  matched_vector: "policy_deny",
  caller: "test",
  org_id: "default",
  latency_ms: 0.1,
  timestamp: "2026-03-04T12:00:00.000Z",
  content_hash: null,
  content_bytes: null,
  forwarded_hash: null,
  phase: "request",
  parent: null,
  rule: "rules.no-uploads",
  policy_version: "sha256-0000000000000000",
  attestation_hash: null,
  agent: null,
  addresses: null,
  request: {
    door: "forward",
    method: "POST",
    scheme: "https",
    host: "api.openai.com",
    port: 443,
    path: "/v1/files",
    target_hash: "0".repeat(64),
  },
  kid: "0123456789abcdef",
  algorithm: "HMAC-SHA256",
  signature: `hmac-${"0".repeat(64)}`,
  chain: { id: "0123456789abcdef", seq: 0, prev: "0".repeat(64), outcomes: "0".repeat(64) },
  ...given,
});

describe("explain --certificate", () => {
  test("what is no certificate is refused", async () => {
    await writeFile(join(directory, "no.json"), "{}");
    const { code, stderr } = await policy("explain", "--certificate", "no.json");
    expect(code).toBe(1);
    expect(stderr).toContain("this is no certificate");
  });

  test("an audit log, a folder and a head without one are told what to give instead", async () => {
    const line = JSON.stringify(certificate({}));
    await writeFile(join(directory, "log.jsonl"), `${line}\n${line}\n`);
    await writeFile(join(directory, "long.jsonl"), `${line}\n`.repeat(400));
    await writeFile(join(directory, "head.txt"), "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    const which = "say which certificate with --id CERTIFICATE_ID";
    const said = [
      ["log.jsonl", `"log.jsonl" is an audit log: ${which}`],
      ["long.jsonl", `"long.jsonl" is longer than a certificate: of an audit log ${which}`],
      ["good", `"good" is a folder: of an audit log ${which}`],
      ["head.txt", '"head.txt" begins with an HTTP head that has no X-EVE-Decision-Cert'],
    ] as const;
    for (const [file, message] of said) {
      const { code, stderr } = await policy("explain", "--certificate", file);
      expect([code, stderr]).toEqual([64, expect.stringContaining(message)]);
    }
  });

  test("--id takes one certificate out of a log, a folder, standard input and the settings' log, and no line that only names it", async () => {
    const [tunnel, inside] = ["cert_1111111111111111", "cert_2222222222222222"] as const;
    const line = (given: object) => `${JSON.stringify(certificate(given))}\n`;
    const inner = line({ certificate_id: inside, parent: tunnel, reason: "inside" });
    const outer = line({ certificate_id: tunnel, reason: "the tunnel" });
    await mkdir(join(directory, "kept"));
    await writeFile(join(directory, "kept/events.w1.7.jsonl"), `${inner}{"torn ${tunnel}\n${outer}${inner}`);
    await writeFile(join(directory, "kept/events.w1.jsonl"), line({}).repeat(400));
    const reason = (text: string) => ({
      pillar: "p",
      vector: "701",
      name: "n",
      severity: "high",
      view: "v",
      reason: text,
    });
    const found = {
      certificate_id: tunnel,
      findings: [{ ...reason("as told beside it"), where: "w", start: 0, end: 1 }],
    };
    await writeFile(join(directory, "kept/findings.w1.jsonl"), `${JSON.stringify(found)}\n`);
    const asked = [
      ["--certificate", "kept/events.w1.7.jsonl"],
      ["--certificate", "kept"],
    ];
    for (const args of asked) {
      const { code, stdout } = await policy("explain", ...args, "--id", tunnel);
      expect([code, stdout]).toEqual([0, expect.stringContaining(`${tunnel}: POST https://`)]);
      expect(stdout).toContain("the tunnel");
      expect(stdout).toContain("as told beside it");
    }
    const set = { EVE_PROXY_AUDIT_PATH: "kept/events.jsonl", EVE_PROXY_FINDINGS: "elsewhere.jsonl" };
    const own = await sallyport(directory, ["policy", "explain", "--id", inside], set);
    expect([own.code, own.stdout]).toEqual([0, expect.stringContaining(`${inside}: POST https://`)]);
    expect(own.stdout).toContain('"elsewhere.jsonl"');
    const piped = Bun.spawn([process.execPath, MAIN, "policy", "explain", "--certificate", "-", "--id", tunnel], {
      cwd: directory,
      stdin: new TextEncoder().encode(inner + outer),
    });
    expect(await new Response(piped.stdout).text()).toContain(`${tunnel}: POST https://`);
  });

  test("--id of no certificate, of one that is nowhere, and without a log says so", async () => {
    await mkdir(join(directory, "one"));
    await writeFile(
      join(directory, "one/events.jsonl"),
      `${JSON.stringify(certificate({ parent: "cert_3333333333333333" }))}\n`,
    );
    const id = "cert_3333333333333333";
    for (const [args, code, said] of [
      [["--certificate", "one", "--id", id], 1, `${id} is no certificate of "one"\n`],
      [["--id", "cert_33"], 64, '--id "cert_33" is no id of a certificate'],
      [["--id", id], 64, 'there is no audit log "data/governance/fail_closed"; say with --certificate'],
      [["--id", id, "--url", "http://a/"], 64, "--id names a certificate"],
      [["--certificate", "good", "--id", id], 64, 'there is no audit log in "good"'],
    ] as const) {
      const ended = await policy("explain", ...args);
      expect([ended.code, ended.stdout, ended.stderr]).toEqual([code, "", expect.stringContaining(said)]);
    }
  });

  test("a line of a log, and an answer with its head, of which the last certificate counts", async () => {
    const tunnel = JSON.stringify(certificate({ certificate_id: "cert_ffffffffffffffff" }));
    await writeFile(join(directory, "line.jsonl"), `${JSON.stringify(certificate({}))}\n`);
    await writeFile(
      join(directory, "answer.txt"),
      `HTTP/1.1 200 OK\r\nX-EVE-Decision-Cert: ${tunnel}\r\n\r\nHTTP/1.1 451 \r\nX-EVE-Decision-Cert: ${JSON.stringify(certificate({}))}\r\nX-EVE-Verdict: BLOCK\r\n\r\n{"status":"BLOCK"}\n`,
    );
    for (const file of ["line.jsonl", "answer.txt"]) {
      const { code, stdout } = await policy("explain", "--certificate", file);
      expect([code, stdout]).toEqual([0, expect.stringContaining("cert_0123456789abcdef: POST https://")]);
    }
  });

  test("what to do names nothing that is not there", async () => {
    const explained = async (given: object, ...args: string[]) => {
      await writeFile(join(directory, "c.json"), JSON.stringify(certificate(given)));
      return (await policy("explain", ...args, "--certificate", "c.json")).stdout;
    };
    const nothing =
      "what to do: no rule lets api.openai.com:443 through: add it to hosts.allow, or an allow rule for it\n";
    expect(await explained({ rule: "default" })).toContain(nothing);
    expect(await explained({ rule: "default" }, "good")).toContain(nothing);
    expect(await explained({ rule: "access.writes" }, "good")).toContain(
      "no rule lets api.openai.com:443 through, and access.writes is closed: add it",
    );
    const elsewhere = await explained({ rule: "rules.no-uploads" });
    expect(elsewhere).toContain("what to do: see rules.no-uploads in the gateway's policy: give that policy here too");
    expect(elsewhere).not.toContain("below");
    expect(await explained({ rule: "p.yaml: hosts.deny[0] x.test" }, "good")).toContain("has no such rule");
    const shown = await explained({ rule: "rules.no-uploads" }, "good");
    expect(shown.indexOf("see the rule below")).toBeGreaterThan(0);
    expect(shown.indexOf("see the rule below")).toBeLessThan(shown.indexOf("    id: no-uploads"));
    const attack = await explained({ matched_pillar: "128", matched_vector: "701", rule: null, policy_version: null });
    expect(attack.indexOf("findings below")).toBeGreaterThan(0);
    expect(attack.indexOf("findings below")).toBeLessThan(attack.indexOf("  findings: "));
  });

  test("of what came back it says so, and who speaks of it; of a sanitised request, not what just happened", async () => {
    const explained = async (given: object) => {
      await writeFile(join(directory, "c.json"), JSON.stringify(certificate(given)));
      return (await policy("explain", "--certificate", "c.json")).stdout;
    };
    const url = "https://api.openai.com:443/v1/files";
    const secret = { matched_vector: "dlp_secret", rule: "responses.secret github-personal-token" };
    const answer = await explained({ ...secret, phase: "response", parent: "cert_ffffffffffffffff" });
    expect(answer).toContain(`: the answer to POST ${url} at 2026-03-04T12:00:00.000Z was blocked\n`);
    expect(answer).toContain("an entry of responses.hosts with secrets: shadow lets them in");
    expect(answer).not.toContain("take it out");
    expect(await explained({ ...secret, phase: "message" })).toContain(`: a message of the answer to POST ${url} at `);
    const up = await explained({ matched_vector: "dlp_secret", rule: "dlp.jwt", phase: "message" });
    expect(up).toContain(`: a message of POST ${url} at `);
    expect(up).toContain("what to do: take it out");
    const attack = { matched_pillar: "128", matched_vector: "705", rule: "responses.attacks 705 markdown-image" };
    const watched = await explained({ ...attack, phase: "response", verdict: "block", would: null });
    expect(watched).toContain("responses.hosts with attacks: shadow");
    expect(await explained({ matched_vector: "response_type", rule: "responses", phase: "response" })).toContain(
      "what to do: see types in responses: of the policy",
    );
    const foreign = await explained({ matched_vector: "dlp_secret", rule: "dlp.foreign-credential" });
    expect(foreign).toContain(
      "what to do: if that host is one to have it: dlp.allow.names with foreign-credential, and",
    );
    const redacted = await explained({ verdict: "sanitize", matched_vector: "dlp_personal", rule: "dlp.iban" });
    expect(redacted).toContain(" was let through redacted\n");
    expect(redacted).toContain("what to do: nothing has to be: the rest went on.");
    expect(redacted).not.toContain("have dlp: sanitize it");
  });

  test("findings that nobody has kept yet are noted, whoever named the file", async () => {
    await writeFile(join(directory, "c.json"), JSON.stringify(certificate({})));
    const { code, stdout } = await policy("explain", "--certificate", "c.json", "--findings", "audit/findings.jsonl");
    expect(code).toBe(0);
    expect(stdout).toContain('  findings: there is no "audit/findings.jsonl" here; if they are kept elsewhere');
    await writeFile(join(directory, "none.jsonl"), "");
    const none = await policy("explain", "--certificate", "c.json", "--findings", "none.jsonl");
    expect(none.stdout).toMatch(
      / {2}findings: none are kept for it in "none\.jsonl"; .* sallyport exec .* --findings FILE\n/,
    );
    expect(stdout).toContain("  what to do: ");
  });

  test("of findings nothing is said where nothing can have been found", async () => {
    await writeFile(
      join(directory, "finds.yaml"),
      "version: 1\ndefault: allow\nrules:\n  - id: no-uploads\n    verdict: deny\n    when: { findings: { vectors: dlp_personal } }\n",
    );
    const said = async (given: object, ...args: string[]) => {
      await writeFile(join(directory, "c.json"), JSON.stringify(certificate(given)));
      const explained = await policy("explain", ...args, "--certificate", "c.json");
      expect(explained.code).toBe(0);
      return explained.stdout.includes("  findings: ");
    };
    for (const given of [
      { rule: "default" },
      { rule: "hosts.deny[0] x.test" },
      { rule: "access.writes" },
      { matched_vector: "address_loopback", rule: null },
      { matched_vector: "blocked_host", rule: null },
      { matched_vector: "kill_switch", rule: null },
      { matched_vector: "plane_unreachable", rule: null, verdict: "fail_closed" },
      { matched_vector: null, rule: null, verdict: "allow" },
    ])
      expect([given, await said(given)]).toEqual([given, false]);
    for (const given of [
      { matched_vector: "701", matched_pillar: "128", rule: null },
      { matched_vector: "dlp_secret", rule: "dlp.jwt" },
      { matched_vector: "policy_sanitize", verdict: "sanitize" },
      { matched_vector: "sanitize_head" },
      { matched_vector: "ssrf_url", rule: null },
    ])
      expect([given, await said(given)]).toEqual([given, true]);
    // A rule may ask for findings; where its text is at hand it says so.
    expect(await said({})).toBe(true);
    expect(await said({}, "finds.yaml")).toBe(true);
    expect(await said({}, "good")).toBe(false);
  }, 120_000);

  test("in words, with its rule, and with what to do", async () => {
    await writeFile(join(directory, "c.json"), JSON.stringify({ status: "BLOCK", certificate: certificate({}) }));
    const { code, stdout } = await policy("explain", "good", "--certificate", "c.json");
    expect(code).toBe(0);
    expect(stdout).toContain("POST https://api.openai.com:443/v1/files at 2026-03-04T12:00:00.000Z was blocked");
    expect(stdout).toContain("the policy here is another one");
    expect(stdout).toContain("at policy.yaml:6:5");
    expect(stdout).toContain("what to do: ");
  });

  test("with the findings that stayed on this machine", async () => {
    const found = certificate({ matched_pillar: "128", matched_vector: "701", rule: null, policy_version: null });
    await writeFile(join(directory, "c.json"), JSON.stringify(found));
    const line = {
      certificate_id: found.certificate_id,
      findings: [
        {
          pillar: "128",
          vector: "701",
          name: "instruction-override",
          severity: "high",
          view: "base64",
          where: "body",
          start: 5,
          end: 50,
          reason: "an order to drop instructions",
        },
      ],
    };
    const other = JSON.stringify({ certificate_id: "cert_ffffffffffffffff", findings: line.findings });
    await writeFile(join(directory, "f.jsonl"), `${other}\n{torn ${found.certificate_id}\n${JSON.stringify(line)}\n`);
    const { stdout } = await policy("explain", "--certificate", "c.json", "--findings", "f.jsonl");
    expect(stdout).toContain("found 701 instruction-override (high) in body, bytes 5 to 50, read as base64");
    expect(stdout.match(/found 701/g)).toHaveLength(1);
    const json = JSON.parse(
      (await policy("explain", "--certificate", "c.json", "--findings", "f.jsonl", "--json")).stdout,
    );
    expect(json.findings).toHaveLength(1);
  });
});

describe("diff", () => {
  test("counts what changes, what does not, and what cannot be told", async () => {
    const allowed = { verdict: "allow", matched_pillar: null, matched_vector: null, rule: "default" };
    const to = (host: string, path = "/", method = "GET") => ({
      request: { ...certificate({}).request, host, path, method },
    });
    const lines = [
      certificate({}),
      certificate({ ...allowed, ...to("search.test") }),
      certificate({ ...allowed, ...to("api.openai.com", "/v1/chat") }),
      certificate({ ...allowed, ...to("gone.test") }),
      certificate({ matched_pillar: "128", matched_vector: "701" }),
    ];
    await writeFile(
      join(directory, "audit.jsonl"),
      `${lines.map((line) => JSON.stringify(line)).join("\n")}\nnonsense\n`,
    );
    await writeFile(join(directory, "open.yaml"), "version: 1\ndefault: allow\n");
    const { code, stdout } = await policy("diff", "open.yaml", "good", "--against", "audit.jsonl", "--json");
    expect(code).toBe(0);
    const json = JSON.parse(stdout);
    expect(json).toMatchObject({ certificates: 5, same: 1, changed: 2, unknown: 1, apart: 1, unreadable: 1 });
    expect(json.changes).toContainEqual({
      outcome: "changed",
      before: "allow",
      after: "deny",
      ruleBefore: "default",
      ruleAfter: "rules.no-uploads",
      count: 1,
      examples: [
        { certificate_id: "cert_0123456789abcdef", request: "POST https://api.openai.com:443/v1/files", agent: null },
      ],
    });
    await mkdir(join(directory, "logs"));
    const [first, ...rest] = lines.map((line) => `${JSON.stringify(line)}\n`);
    await writeFile(join(directory, "logs/events.w0.jsonl"), first ?? "");
    await writeFile(join(directory, "logs/events.0.jsonl"), rest.slice(0, 2).join(""));
    await writeFile(join(directory, "logs/events.jsonl"), rest.slice(2).join(""));
    await writeFile(join(directory, "logs/outcomes.jsonl"), "{}\n");
    const folder = JSON.parse((await policy("diff", "open.yaml", "good", "--against", "logs", "--json")).stdout);
    expect(folder).toMatchObject({ certificates: 5, same: 1, changed: 2, unknown: 1, apart: 1, unreadable: 0 });
    const none = await policy("diff", "open.yaml", "good", "--against", "good");
    expect(none.code).toBe(64);
    expect(none.stderr).toContain('there is no audit log (*.jsonl) in "good"');
    const text = (await policy("diff", "open.yaml", "good", "--against", "audit.jsonl")).stdout;
    expect(text).toContain("1 the same, 2 changed, 1 unknown, 1 not the policy's to decide");
    expect(text).toContain("1 unknown: allow (default) to unknown (default)");
  });
});
