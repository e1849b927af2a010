import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runVerify } from "../../src/cli/verify.ts";
import { generateKey, loadPrivate, signerFromConfig } from "../../src/crypto/keys.ts";
import type { Signer } from "../../src/crypto/signature.ts";
import { type EvidenceConfig, openEvidence } from "../../src/evidence/evidence.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { config, draft, failClosedDraft, outcome, SECRET } from "../evidence/_draft.ts";
import { emptyDirectory } from "./_program.ts";

const directory = await emptyDirectory();
afterAll(() => rm(directory, { recursive: true }));
const at = (name: string) => join(directory, name);

await writeFile(at("secret"), `${SECRET}\n`);
const hmac = await signerFromConfig({ hmacKey: SECRET, signingKey: null }, runtime);

/** Writes a log of real files with the real runtime; the path of its newest file. */
async function log(
  name: string,
  count: number,
  over: Partial<EvidenceConfig> = {},
  signer: Signer = hmac,
): Promise<string> {
  const auditPath = at(`${name}/log.jsonl`);
  const evidence = await openEvidence(runtime, { ...config, auditPath, ...over }, signer);
  // One a turn: what one turn commits goes into one file, however small the files are to be.
  for (let i = 0; i < count; i++) evidence.settle(outcome((await evidence.commit(draft())).id));
  await evidence.close();
  return auditPath;
}

/** Runs the command in this process, on the real runtime but for its three streams. */
async function verify(args: readonly string[], stdin = ""): Promise<{ code: number; stdout: string; stderr: string }> {
  let [stdout, stderr] = ["", ""];
  const wired = Object.assign(Object.create(runtime) as typeof runtime, {
    stdout: (data: string | Uint8Array) => {
      stdout += data;
    },
    stderr: (text: string) => {
      stderr += text;
    },
    stdin: async function* () {
      for (let i = 0; i < stdin.length; i += 500) yield new TextEncoder().encode(stdin.slice(i, i + 500));
    },
  }) as typeof runtime;
  return { code: await runVerify(wired, args), stdout, stderr };
}

for (const [name, args] of [
  ["no target", ["--key-file", "secret"]],
  ["two targets", ["a", "b", "--key-file", "secret"]],
  ["an unknown option", ["a", "--keyfile", "secret"]],
  ["--key-file without a value", ["a", "--key-file"]],
  ["no key", [at("whatever")]],
] as const) {
  test(`verify with ${name} is a usage error with nothing on stdout`, async () => {
    const { code, stdout, stderr } = await verify(args);
    expect([code, stdout]).toEqual([64, ""]);
    expect(stderr).toContain("usage: sallyport verify");
  });
}

test("verify without a key says which option is missing", async () => {
  expect((await verify(["x.jsonl"])).stderr).toContain("--key-file");
});

test("verify says all that is wrong with its arguments at once", async () => {
  const { code, stderr } = await verify([at("nope"), "--key-file", at("nothing"), "--key-file", at("nowhere")]);
  expect(code).toBe(1);
  for (const name of ["nope", "nothing", "nowhere"]) expect(stderr).toContain(name);
  expect((await verify([at("nope")])).stderr).toMatch(/--key-file.*nope/);
  expect((await verify([at("secret")])).stderr).not.toContain("there is no file");
});

test("verify --help has the layout of every command", async () => {
  const { code, stdout, stderr } = await verify(["--help"]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toStartWith(
    "sallyport verify: check certificates and audit logs offline\n\nusage: sallyport verify FILE",
  );
});

test("verify refuses a key that is too short without showing it", async () => {
  await writeFile(at("short"), "hunter2");
  const { code, stderr } = await verify(["x", "--key-file", at("short")]);
  expect(code).toBe(1);
  expect(stderr).not.toContain("hunter2");
});

test("verify with a key file that is not there says so alone: the command line is as it should be", async () => {
  await writeFile(at("there.jsonl"), "");
  expect(await verify([at("there.jsonl"), "--key-file", at("nothing")])).toEqual({
    code: 1,
    stdout: "",
    stderr: `sallyport verify: the key file "${at("nothing")}" does not exist\n`,
  });
});

test("verify says of keys that none of the certificates was signed with which file was taken for a raw secret", async () => {
  const text = "version: 1\ndefault: deny\nhosts: {allow: [a.test]}\n";
  await writeFile(at("policy.yaml"), text);
  const vectors = await Bun.file(new URL("../vectors/certificates.json", import.meta.url)).json();
  await writeFile(at("signed.json"), vectors.certificates[0].certificate);
  const { code, stdout, stderr } = await verify([at("signed.json"), "--key-file", at("policy.yaml")]);
  expect(stdout).toStartWith(`${at("signed.json")}: 1 certificate\n`);
  expect([code, stderr]).toEqual([
    1,
    `sallyport verify: "${at("policy.yaml")}" was read as a raw HMAC secret: it is no PEM and no JWK\n`,
  ]);
});

test("verify of a folder that is not there says that alone", async () => {
  await writeFile(at("some-secret"), "a secret of more than thirty-two bytes");
  const { code, stdout } = await verify([at("nowhere"), "--key-file", at("some-secret")]);
  expect([code, stdout]).toEqual([1, `${at("nowhere")}: unreadable: there is no such file\nFAILED\n`]);
});

test("verify of a missing file, an empty file and an empty folder fails", async () => {
  await writeFile(at("empty.jsonl"), "");
  await mkdir(at("nothing-inside"));
  for (const target of ["missing.jsonl", "empty.jsonl", "nothing-inside"]) {
    expect((await verify([at(target), "--key-file", at("secret")])).code).toBe(1);
  }
});

test("an empty log is not called corrupt, and not verified either: it exits 1", async () => {
  await writeFile(at("blank.jsonl"), "");
  const { code, stdout } = await verify([at("blank.jsonl"), "--key-file", at("secret")]);
  expect(code).toBe(1);
  expect(stdout).toContain("empty: there is no certificate in it: it is not corrupt, and it proves nothing");
  expect(stdout).toEndWith("NOTHING TO VERIFY\n");
  const json = JSON.parse((await verify([at("blank.jsonl"), "--key-file", at("secret"), "--json"])).stdout);
  expect(json).toMatchObject({ ok: false, certificates: 0, errors: [{ code: "empty" }] });
  await writeFile(at("garbage.jsonl"), "garbage\n");
  expect((await verify([at("garbage.jsonl"), "--key-file", at("secret")])).stdout).toEndWith("FAILED\n");
});

test("verify accepts a log and fails naming the line when one byte is flipped", async () => {
  const path = await log("one", 30);
  const good = await verify([path, "--key-file", at("secret")]);
  expect([good.code, good.stderr]).toEqual([0, ""]);
  expect(good.stdout).toContain("30 certificates");
  expect(good.stdout).toEndWith("OK\n");
  const text = await readFile(path, "utf8");
  await writeFile(
    path,
    text
      .split("\n")
      .with(11, text.split("\n")[11]?.replace('"port":80', '"port":81') ?? "")
      .join("\n"),
  );
  const bad = await verify([path, "--key-file", at("secret")]);
  expect(bad.code).toBe(1);
  expect(bad.stdout).toContain("log.jsonl:12: bad_signature");
  expect(bad.stdout).toEndWith("FAILED\n");
});

test("verify reads a folder: rotated files in order, workers apart, outcomes compared", async () => {
  await log("folder", 40, { auditRotateBytes: 5000 });
  await log("folder", 10, { auditPath: at("folder/log.w1.jsonl") });
  const { code, stdout } = await verify([at("folder"), "--key-file", at("secret"), "--json"]);
  const report = JSON.parse(stdout);
  expect([code, report.ok, report.certificates, report.counts]).toEqual([
    0,
    true,
    50,
    { error: 0, warning: 0, info: 0 },
  ]);
});

test("verify of a folder finds a rotated file that is gone", async () => {
  await log("hole", 40, { auditRotateBytes: 5000 });
  const [, second] = (await runtime.list(at("hole"))).filter((name) => /^log\.\d+\.jsonl$/.test(name)).sort(byNumber);
  await rm(at(`hole/${second}`));
  const { code, stdout } = await verify([at("hole"), "--key-file", at("secret"), "--json"]);
  expect([code, JSON.parse(stdout).errors[0].code]).toEqual([1, "gap"]);
});

/** What verify makes of a folder, as [exit code, its errors, its warnings]. */
async function judged(target: string, ...more: string[]): Promise<[number, string[], string[]]> {
  const { code, stdout } = await verify([target, "--key-file", at("secret"), "--json", ...more]);
  const { errors, warnings } = JSON.parse(stdout) as Record<"errors" | "warnings", { code: string }[]>;
  return [code, errors.map((one) => one.code), warnings.map((one) => one.code)];
}

test("verify of a folder finds a log that was cut at a removed line and passed off as two", async () => {
  const path = await log("cut", 12);
  const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
  await writeFile(path, `${lines.slice(0, 5).join("\n")}\n`);
  await writeFile(at("cut/other.jsonl"), `${lines.slice(6).join("\n")}\n`);
  expect((await judged(at("cut")))[0]).toBe(1);
  expect((await judged(at("cut")))[1]).toEqual(["chain_split"]);
});

test("verify of a folder fails without its outcomes; of a file alone it warns", async () => {
  const path = await log("silenced", 70);
  await rm(at("silenced/outcomes.jsonl"));
  expect(await judged(at("silenced"))).toEqual([1, ["outcomes_missing"], []]);
  expect(await judged(path)).toEqual([0, [], ["outcomes_missing"]]);
  expect(await judged(path, "--complete")).toEqual([1, ["outcomes_missing"], []]);
});

test("verify of a log without its beginning says so in its last line, and fails when the whole is asked for", async () => {
  const path = await log("front", 40, { auditRotateBytes: 5000 });
  const [oldest] = (await runtime.list(at("front"))).filter((name) => /^log\.\d+\.jsonl$/.test(name)).sort(byNumber);
  await rm(at(`front/${oldest}`));
  const begins = Number(oldest?.split(".")[1]) + 1;
  const { code, stdout } = await verify([at("front"), "--key-file", at("secret")]);
  expect([code, stdout.split("\n").at(-2)]).toEqual([
    0,
    `OK: ${path} begins at seq ${begins}, earlier lines not given`,
  ]);
  expect(await judged(at("front"), "--complete")).toEqual([1, ["continues_from"], []]);
});

test("verify of a log of one line looks at its place in the chain; of a certificate alone it says it did not", async () => {
  const path = await log("one-line", 2);
  const [, second = ""] = (await readFile(path, "utf8")).split("\n");
  await rm(at("one-line/outcomes.jsonl"), { force: true });
  await writeFile(path, `${second}\n`);
  expect((await judged(path))[2]).toContain("continues_from");
  await writeFile(at("one-line/second.json"), `${second}\n`);
  const { code, stdout } = await verify([at("one-line/second.json"), "--key-file", at("secret")]);
  expect(code).toBe(0);
  expect(stdout).toContain("its place in a log was not looked at");
});

test("verify finds a final newline that was changed into a space", async () => {
  const path = await log("space", 3);
  await writeFile(path, (await readFile(path, "utf8")).replace(/\n$/, " "));
  expect((await judged(path))[1]).toEqual(["torn_tail"]);
});

test("verify takes one certificate as printed, pretty, as a header, from a 503 and from stdin", async () => {
  const evidence = await openEvidence(runtime, { ...config, auditPath: at("single/log.jsonl") }, hmac);
  const made = await evidence.commit(draft({ reason: "é" }));
  const loose = await evidence.unwritten(failClosedDraft());
  await evidence.close();
  const answer = {
    status: "FAIL_CLOSED",
    reason: "x",
    pillar: "114",
    vector: "y",
    certificate: JSON.parse(loose.json),
  };
  for (const text of [
    made.json,
    JSON.stringify(JSON.parse(made.json), null, 2),
    `X-EVE-Decision-Cert: ${made.header}\r\n`,
    JSON.stringify(answer),
  ]) {
    expect(await verify(["-", "--key-file", at("secret")], text)).toMatchObject({ code: 0 });
    expect(await verify(["-", "--key-file", at("secret")], text.replace("acme", "acne"))).toMatchObject({ code: 1 });
  }
});

test("verify --no-signatures says so, and still checks the chain", async () => {
  const path = await log("plain", 5);
  expect((await verify([path, "--no-signatures"])).stdout).toContain("signatures were NOT verified");
  const lines = (await readFile(path, "utf8")).split("\n");
  await writeFile(path, lines.toSpliced(2, 1).join("\n"));
  expect((await verify([path, "--no-signatures"])).code).toBe(1);
});

test("verify with several keys accepts what an old key signed and a new one goes on with", async () => {
  await log("rotated-key", 3);
  const pair = await generateKey("Ed25519");
  await writeFile(at("new.pem"), pair.publicPem);
  const path = await log("rotated-key", 3, {}, (await loadPrivate(pair.privatePem, runtime)).signer);
  expect(await verify([path, "--key-file", at("secret"), `--key-file=${at("new.pem")}`])).toMatchObject({ code: 0 });
  expect((await verify([path, "--key-file", at("secret")])).stdout).toContain(":4: unknown_key");
});

test("verify prints the first 20 errors and counts the rest", async () => {
  const path = await log("many", 100);
  await writeFile(path, (await readFile(path, "utf8")).replaceAll("acme", "acne"));
  const { stdout } = await verify([path, "--key-file", at("secret")]);
  expect(stdout.match(/bad_signature|broken_link/g)?.length).toBe(20);
  expect(stdout).toMatch(/\(\+\d+ more\)/);
});

test("verify lets nothing from a log steer the terminal", async () => {
  await writeFile(at("steer.jsonl"), '{"v":"\\u001b[2J"}\n{"kid":"\u001b[2J"}\n');
  const { code, stdout } = await verify([at("steer.jsonl"), "--key-file", at("secret")]);
  expect(code).toBe(1);
  expect(stdout).not.toContain("\u001b");
});

test("evidence on real files goes on after a torn tail and is locked against a second writer", async () => {
  const path = await log("real", 4);
  await truncate(path, ((await runtime.stat(path))?.size as number) - 100);
  const evidence = await openEvidence(runtime, { ...config, auditPath: path }, hmac);
  await expect(openEvidence(runtime, { ...config, auditPath: path }, hmac)).rejects.toMatchObject({
    code: "evidence_locked",
  });
  await evidence.commit(draft());
  await evidence.close();
  const { code, stdout } = await verify([path, "--key-file", at("secret"), "--json"]);
  expect([code, JSON.parse(stdout).warnings[0].code]).toEqual([0, "torn_recovered"]);
});

function byNumber(a: string, b: string): number {
  return Number(a.split(".")[1]) - Number(b.split(".")[1]);
}

test("verify of a folder with a pipe or a device in the place of a log does not wait for it, and verifies the others", async () => {
  for (const name of ["other.jsonl", "outcomes.jsonl", "log.7.jsonl"]) {
    const folder = at(`pipe-${name}`);
    await log(`pipe-${name}`, 3);
    await rm(join(folder, name), { force: true });
    expect(spawnSync("mkfifo", [join(folder, name)]).status).toBe(0);
    const { code, stdout } = await verify([folder, "--key-file", at("secret"), "--json"]);
    expect(code).toBe(1);
    const { errors } = JSON.parse(stdout) as { errors: { code: string; detail: string }[] };
    expect(errors).toContainEqual(
      expect.objectContaining({ code: "unreadable", detail: expect.stringContaining(`${name}" is no regular file`) }),
    );
    if (name === "other.jsonl") expect(JSON.parse(stdout)).toMatchObject({ certificates: 3 });
  }
});
