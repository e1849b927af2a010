/** What is given to CI: the action as the runner runs it, with its files; the script as a job of GitLab runs it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { testUnless, tool } from "../_skip.ts";
import { EVIL, GATEWAY_GROUP, Lab, noLab } from "../e2e/_lab.ts";
import { program, ROOT } from "../e2e/_process.ts";

const LIMIT = 120_000;
const ACTION = join(ROOT, "deploy/github");
const SCRIPT = join(ROOT, "deploy/ci-gateway.sh");
const folder = mkdtempSync(join(tmpdir(), "sallyport-ci-"));
const bin = join(folder, "bin");
const sallyport = join(bin, "sallyport");

test("the script without a gateway: its usage, and that none was started there", () => {
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync("sh", [SCRIPT, ...args], { cwd: folder, encoding: "utf8" });
    return [status, stdout, stderr];
  };
  const usage = "usage: ci-gateway.sh start|exports|stop DIR\n";
  for (const args of [[], ["stop"], ["halt", "d"], ["stop", "d", "e"]]) expect(run(...args)).toEqual([64, "", usage]);
  for (const verb of ["exports", "stop"])
    expect(run(verb, "nodir")).toEqual([1, "", "no gateway was started in nodir\n"]);
});

const upstream = createServer((request, response) => response.end(`${request.url} of ${request.headers.host}\n`));
let place = "";
beforeAll(async () => {
  mkdirSync(bin);
  const words = program().map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  writeFileSync(sallyport, `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`, { mode: 0o755 });
  // As root we need no leave; what a runner's sudo is asked for is what this one does.
  writeFileSync(
    join(bin, "sudo"),
    '#!/bin/sh\nwhile :; do case $1 in --*) shift ;; *) break ;; esac; done\nexec "$@"\n',
    {
      mode: 0o755,
    },
  );
  chmodSync(folder, 0o755);
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", () => resolve()));
  place = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
});
afterAll(() => {
  upstream.close();
  rmSync(folder, { recursive: true });
});

interface Runs {
  readonly runs: { readonly using: string; readonly main: string; readonly post: string };
  readonly inputs: Readonly<Record<string, { readonly default: string }>>;
}
const action: Runs = parse(readFileSync(join(ACTION, "action.yml"), "utf8"));

/** What a runner makes of the file that a step writes names and values into. */
function told(path: string): Map<string, string> {
  const values = new Map<string, string>();
  const lines = readFileSync(path, "utf8").split("\n");
  for (let at = 0; at < lines.length - 1; at++) {
    const [, name = "", mark = ""] = /^(\w+)<<(\S+)$/.exec(lines[at] ?? "") ?? [];
    expect(name).not.toBe("");
    const end = lines.indexOf(mark, at + 1);
    values.set(name, lines.slice(at + 1, end).join("\n"));
    at = end;
  }
  return values;
}

class Job {
  readonly place = mkdtempSync(join(folder, "job-"));
  readonly env: Record<string, string>;

  constructor(inputs: Readonly<Record<string, string>>, own: Readonly<Record<string, string>> = {}) {
    const at = (name: string): string => {
      writeFileSync(join(this.place, name), "");
      return join(this.place, name);
    };
    this.env = {
      PATH: `${bin}:${process.env.PATH}`,
      HOME: this.place,
      DENO_DIR: process.env.DENO_DIR ?? this.place,
      RUNNER_TEMP: this.place,
      EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8",
      SECRET: "line one\nsallyport_mark\n'quoted' $HOME",
      ...Object.fromEntries(["ENV", "OUTPUT", "STATE", "STEP_SUMMARY"].map((name) => [`GITHUB_${name}`, at(name)])),
      ...own,
    };
    for (const [name, { default: otherwise }] of Object.entries(action.inputs))
      this.env[`INPUT_${name.toUpperCase()}`] = inputs[name] ?? otherwise;
  }

  run(file: string, more: Readonly<Record<string, string>> = {}) {
    return this.command(["node", join(ACTION, file)], more);
  }

  /** Never in our own turn: what it asks for is served by this process. */
  command([path = "", ...args]: readonly string[], more: Readonly<Record<string, string>> = {}) {
    const child = spawn(path, args, { env: { ...this.env, ...more }, stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    return new Promise<{ status: number | null; out: string; err: string }>((resolve) =>
      child.once("close", (status) => resolve({ status, out, err })),
    );
  }

  told(name: string): Map<string, string> {
    return told(join(this.place, name));
  }

  get state(): Record<string, string> {
    return Object.fromEntries([...this.told("STATE")].map(([name, value]) => [`STATE_${name}`, value]));
  }
}

const missing = tool("node") ?? tool("curl");

testUnless(
  missing,
  "the action: a program that is none fails the step, and the step behind it does not hang",
  async () => {
    const job = new Job({ binary: join(folder, "none") });
    const { status, out } = await job.run(action.runs.main);
    expect(status).toBe(1);
    expect(out).toContain("::error::sallyport did not start");
    expect(job.told("ENV").size).toBe(0);
    const post = await job.run(action.runs.post, job.state);
    expect(post.status).toBe(1);
  },
  LIMIT,
);

testUnless(
  missing,
  "the action: steps go through the gateway and trust it; at the end the summary is in the log and on the page",
  async () => {
    const policy = join(folder, "policy.yaml");
    writeFileSync(policy, "version: 1\ndefault: deny\nhosts:\n  allow: [127.0.0.1]\n");
    const job = new Job({ policy }, { JWT_SECRET_KEY: "a secret of the gateway's, long enough" });
    const main = await job.run(action.runs.main);
    expect({ status: main.status, err: main.err }).toEqual({ status: 0, err: "" });
    const env = Object.fromEntries(job.told("ENV"));
    expect(env.HTTPS_PROXY).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(existsSync(env.NODE_EXTRA_CA_CERTS ?? "")).toBe(true);
    // Neither what a runner refuses, nor what the steps have anyway, nor the gateway's own.
    for (const name of ["NODE_OPTIONS", "PATH", "HOME", "SECRET", "JWT_SECRET_KEY", "EVE_PROXY_POLICY", "RUNNER_TEMP"])
      expect(Object.keys(env)).not.toContain(name);

    const get = (url: string) => job.command(["curl", "-sS", "-m", "40", "-i", url], env);
    const good = await get(`${place}/good`);
    expect(good.out).toContain("/good of 127.0.0.1");
    expect(good.out).toContain("X-EVE-Decision-Cert");
    expect((await get("http://denied.invalid/")).out).toStartWith("HTTP/1.1 451");

    const post = await job.run(action.runs.post, { ...env, ...job.state });
    expect({ status: post.status, err: post.err }).toEqual({ status: 0, err: "" });
    const token = /::stop-commands::(\S+)/.exec(post.out)?.[1] ?? "";
    expect(post.out).toEndWith(`::${token}::\n`);
    expect(post.out).toMatch(/2 requests, 1 host reached, 1 veto/);
    expect(readFileSync(join(job.place, "STEP_SUMMARY"), "utf8")).toMatch(/^ {4}.*1 veto/m);
    // It is over.
    expect((await get(`${place}/late`)).status).not.toBe(0);
    const evidence = job.told("OUTPUT").get("evidence") ?? "";
    expect(readFileSync(join(evidence, "audit.jsonl"), "utf8").trim().split("\n")).toHaveLength(2);
  },
  LIMIT,
);

test("the action's metadata is what the runner reads", () => {
  expect(action.runs.using).toBe("node20");
  for (const file of [action.runs.main, action.runs.post]) expect(existsSync(join(ACTION, file))).toBe(true);
  const main = readFileSync(join(ACTION, "main.mjs"), "utf8");
  for (const name of Object.keys(action.inputs)) expect(main).toContain(`input("${name}")`);
});

testUnless(
  missing ?? tool("xargs"),
  "GitLab's job: its own before_script, script and after_script, each in a shell as the runner starts it",
  async () => {
    const file: Record<string, Record<string, unknown>> = parse(
      readFileSync(join(ROOT, "deploy/gitlab/sallyport.yml"), "utf8"),
    );
    const template = file[".sallyport"] ?? {};
    const job = new Job({}, { CI_BUILDS_DIR: folder, CI_JOB_ID: "17" });
    const variables = template.variables as Record<string, string>;
    for (const [name, value] of Object.entries(variables))
      job.env[name] = value.replace(/\$\{(\w+)\}/g, (_, each) => job.env[each] ?? "");
    job.env.SALLYPORT_CI = SCRIPT;
    const lines = (name: string) => (template[name] as string[]).join("\n");
    const script = `curl -sS -m 10 -i ${place}/script && printf '%s' "$SECRET" && test -z "$NO_PROXY"`;
    const inside = `set -e\ncd ${job.place}\n`;
    const first = await job.command(["sh", "-c", `${inside}${lines("before_script")}\n${script}`]);
    expect({ status: first.status, err: first.err }).toEqual({ status: 0, err: "" });
    expect(first.out).toContain("/script of 127.0.0.1");
    expect(first.out).toContain("X-EVE-Decision-Cert");
    expect(first.out).toEndWith("line one\nsallyport_mark\n'quoted' $HOME");
    const after = await job.command(["sh", "-c", `${inside}${lines("after_script")}`]);
    expect({ status: after.status, err: after.err }).toEqual({ status: 0, err: "" });
    expect(after.out).toContain("1 request, 1 host reached, no veto");
    expect(existsSync(join(job.place, "sallyport/summary.json"))).toBe(true);
    expect(existsSync(join(job.place, "sallyport/evidence/audit.jsonl"))).toBe(true);
  },
  LIMIT,
);

testUnless(
  noLab ?? tool("setsid"),
  "with redirect a program that knows of no proxy goes through it, and at the end the rules are gone",
  async () => {
    const lab = await Lab.start();
    try {
      const dir = join(lab.folder, "ci");
      const env = {
        PATH: `${bin}:${process.env.PATH}`,
        HOME: lab.folder,
        SALLYPORT_REDIRECT: "true",
        // By it the lab marks what it sends itself.
        SALLYPORT_GROUP: String(GATEWAY_GROUP),
        SALLYPORT_REDIRECT_OPTIONS: "--backend iptables",
        EVE_PROXY_ALLOW_ADDRESSES: "203.0.113.0/24",
        EVE_PROXY_BLOCKED_HOSTS: `evil.test,${EVIL.v4}`,
        EVE_PROXY_UPSTREAM_CA: lab.roots,
      };
      const begun = await lab.inPod(["sh", SCRIPT, "start", dir], env);
      expect({ status: begun.status, stderr: begun.status === 0 ? "" : begun.stderr }).toEqual({
        status: 0,
        stderr: "",
      });
      const bundle = /^SSL_CERT_FILE=(.*)$/m.exec(readFileSync(join(dir, "env"), "utf8").replaceAll("\0", "\n"))?.[1];
      const curl = (...args: string[]) =>
        lab.inPod(["curl", "-sS", "-i", "-m", "40", "--cacert", bundle ?? "", ...args], { PATH: process.env.PATH });
      lab.forget();
      expect((await curl("https://only4.test/x")).stdout).toContain("https only4.test");
      expect((await curl("--resolve", `evil.test:80:${EVIL.v4}`, "http://evil.test/")).stdout).toStartWith(
        "HTTP/1.1 451",
      );
      expect(await lab.escaped()).toEqual([]);
      const ended = await lab.inPod(["sh", SCRIPT, "stop", dir], env);
      expect({ status: ended.status, stderr: ended.status === 0 ? "" : ended.stderr }).toEqual({
        status: 0,
        stderr: "",
      });
      expect(ended.stdout).toMatch(/1 veto/);
      expect((await lab.inPod(["iptables-save"])).stdout).not.toContain("sallyport");
    } finally {
      lab.stop();
    }
  },
  LIMIT,
);

testUnless(tool("actionlint"), "actionlint has nothing to say of a workflow that uses it", () => {
  const repository = mkdtempSync(join(folder, "workflow-"));
  mkdirSync(join(repository, ".github/workflows"), { recursive: true });
  spawnSync("git", ["init", "-q", repository]);
  mkdirSync(join(repository, "deploy"));
  spawnSync("cp", ["-R", ACTION, join(repository, "deploy/github")]);
  const lint = (input: string) => {
    const text = `on: push\njobs:\n  agent:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: ./deploy/github\n        with: {${input}: "true"}\n      - run: python agent.py\n`;
    writeFileSync(join(repository, ".github/workflows/agent.yml"), text);
    const { status, stdout } = spawnSync("actionlint", [], { cwd: repository, encoding: "utf8" });
    return { status, stdout };
  };
  expect(lint("redirect")).toEqual({ status: 0, stdout: "" });
  expect(lint("redirekt").stdout).toContain("redirekt");
});
