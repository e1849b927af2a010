/** `sallyport webhook` as a process of its own, asked over real TLS by curl: a pod goes in without a gateway and comes out governed. */
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { applyPatch } from "rfc6902";
import { problemsOf } from "../_kubernetes.ts";
import { type Env, Process, program, until } from "./_process.ts";
import { throwAwayAuthority } from "./_upstream.ts";

const VECTORS = join(import.meta.dirname, "../vectors/admission");
const folder = mkdtempSync(join(tmpdir(), "sallyport-webhook-"));
const authority = throwAwayAuthority();
const other = throwAwayAuthority();
const running: Process[] = [];
afterAll(async () => {
  for (const one of running) await one.end("SIGKILL");
  authority.remove();
  other.remove();
  rmSync(folder, { recursive: true });
});

let count = 0;
/** Files of its own, so that they can be changed. */
async function start(env: Env = {}) {
  const at = (name: string) => join(folder, `${count}-${name}`);
  count++;
  const files = { cert: at("tls.crt"), key: at("tls.key"), injection: at("injection.yaml") };
  copyFileSync(authority.certFile, files.cert);
  copyFileSync(authority.keyFile, files.key);
  copyFileSync(join(VECTORS, "injection.yaml"), files.injection);
  const process = new Process();
  running.push(process);
  const port = await process.begin("webhook", folder, {
    EVE_PROXY_WEBHOOK_LISTEN: "127.0.0.1:0",
    EVE_PROXY_WEBHOOK_TLS_CERT: files.cert,
    EVE_PROXY_WEBHOOK_TLS_KEY: files.key,
    EVE_PROXY_WEBHOOK_INJECTION: files.injection,
    EVE_PROXY_WEBHOOK_RELOAD: "0.05",
    ...env,
  });
  return { process, files, url: `https://localhost:${port}`, port };
}

function curl(...args: string[]): { status: number; body: string } {
  const done = spawnSync("curl", ["-sS", "--cacert", authority.caFile, "-w", "\n%{http_code}", ...args], {
    encoding: "utf8",
    timeout: 60_000,
    env: { PATH: process.env.PATH },
  });
  if (done.status !== 0) throw new Error(done.stderr);
  const cut = done.stdout.lastIndexOf("\n");
  return { status: Number(done.stdout.slice(cut + 1)), body: done.stdout.slice(0, cut) };
}

function review(url: string, path: string, body: string) {
  const file = join(folder, "review.json");
  writeFileSync(file, body);
  return curl("-H", "content-type: application/json", "--data-binary", `@${file}`, `${url}${path}`);
}

const recorded = (name: string) => readFileSync(join(VECTORS, `${name}.json`), "utf8");

test("a pod without a gateway goes in and comes out governed", async () => {
  const { url, process } = await start();
  const { request } = JSON.parse(recorded("create"));
  const { status, body } = review(url, "/mutate", recorded("create"));
  expect(status).toBe(200);
  const answer = JSON.parse(body);
  expect(answer).toMatchObject({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    response: { uid: request.uid, allowed: true, patchType: "JSONPatch" },
  });
  const pod = request.object;
  expect(
    applyPatch(pod, JSON.parse(Buffer.from(answer.response.patch, "base64").toString())).filter((one) => one !== null),
  ).toEqual([]);
  expect(problemsOf(pod)).toEqual([]);
  expect(pod.spec.initContainers[0].name).toBe("sallyport-redirect");
  // And what came out is what the last look asks for.
  request.object = pod;
  const looked = JSON.parse(
    review(url, "/validate", JSON.stringify({ ...JSON.parse(recorded("create")), request })).body,
  );
  expect(looked.response).toMatchObject({ allowed: true });
  expect(looked.response.patch).toBeUndefined();
  await until(() => process.stderr.split("\n").filter((line) => line.includes('"admission"')).length === 2, "told");
  const [line] = process.stderr.split("\n").filter((one) => one.includes('"admission"'));
  expect(JSON.parse(line ?? "")).toMatchObject({
    uid: request.uid,
    operation: "CREATE",
    namespace: "agents",
    name: "research-agent-7c9d5b8f4d-*",
    user: "system:serviceaccount:kube-system:replicaset-controller",
    verdict: "injected",
  });
}, 120_000);

describe("over TLS", () => {
  test("who is refused is told why, and what is no review is none", async () => {
    const { url } = await start();
    const told = JSON.parse(recorded("create"));
    told.request.object.spec.hostNetwork = true;
    const { response } = JSON.parse(review(url, "/mutate", JSON.stringify(told)).body);
    expect(response).toMatchObject({
      allowed: false,
      status: { code: 403, message: expect.stringContaining("hostNetwork") },
    });
    for (const body of [
      "",
      "{}",
      "[]",
      recorded("create").slice(0, -20),
      recorded("create").replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1"),
    ]) {
      expect(review(url, "/mutate", body).status).toBe(400);
    }
    // Such a number could not be put back as it came.
    expect(
      review(
        url,
        "/mutate",
        recorded("create").replace(
          '"terminationGracePeriodSeconds": 30',
          '"terminationGracePeriodSeconds": 9007199254740993',
        ),
      ).status,
    ).toBe(400);
    expect(review(url, "/mutate", `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`).status).toBe(400);
    // Refused by its length alone; whoever were still writing might see a reset before the answer.
    const long = ["-X", "POST", "-H", "content-type: application/json", "-H", `content-length: ${3 * 1024 * 1024 + 1}`];
    expect(curl(...long, `${url}/mutate`).status).toBe(413);
    expect(curl("-d", "{}", `${url}/mutate`).status).toBe(415);
    expect(curl(`${url}/mutate`).status).toBe(405);
    expect(curl(`${url}/`).status).toBe(404);
    for (const path of ["/healthz", "/readyz"]) expect(curl(`${url}${path}`).status).toBe(200);
    expect(curl(`${url}/metrics`).body).toContain(
      'sallyport_webhook_admissions_total{operation="CREATE",verdict="refused"} 1',
    );
  }, 120_000);

  test("a certificate that is renewed is shown without a restart, one without its key never", async () => {
    const { port, files, process } = await start();
    const issuer = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect({ port, host: "127.0.0.1", servername: "localhost", rejectUnauthorized: false }, () => {
          resolve(socket.getPeerCertificate().fingerprint256);
          socket.destroy();
        });
        socket.on("error", reject);
      });
    const before = await issuer();
    copyFileSync(other.certFile, files.cert);
    await until(() => process.stderr.includes("what is in force is older than the files"), "told");
    expect(await issuer()).toBe(before);
    copyFileSync(other.keyFile, files.key);
    await until(async () => (await issuer()) !== before, "another certificate");
    await until(() => process.stderr.includes("the certificate was read again"), "told");
  }, 120_000);

  test("another injection is obeyed without a restart, one that is no good is not", async () => {
    const { url, files, process } = await start();
    const images = () => {
      const { response } = JSON.parse(review(url, "/mutate", recorded("create")).body);
      const patch: { path: string; value: { image: string }[] }[] = JSON.parse(
        Buffer.from(response.patch, "base64").toString(),
      );
      return patch.find(({ path }) => path === "/spec/initContainers")?.value[0]?.image;
    };
    const before = images();
    const text = readFileSync(files.injection, "utf8");
    const put = (next: string) => {
      writeFileSync(`${files.injection}.new`, next);
      renameSync(`${files.injection}.new`, files.injection);
    };
    put(`${text}sidecarr: native\n`);
    await until(() => process.stderr.includes('unknown key \\"sidecarr\\"'), "told");
    expect(images()).toBe(before);
    put(text.replace(/image: .*/, "image: registry.example/sallyport:next"));
    await until(() => images() === "registry.example/sallyport:next", "another image");
  }, 120_000);

  test("it drains and ends", async () => {
    const { process } = await start();
    expect(await process.end("SIGTERM")).toBe(0);
  }, 120_000);
});

describe("it does not begin", () => {
  const begin = (env: Record<string, string>) => {
    const [path = "", ...args] = program();
    const done = spawnSync(path, [...args, "webhook"], {
      cwd: folder,
      encoding: "utf8",
      timeout: 60_000,
      env: { PATH: process.env.PATH, HOME: folder, ...env },
    });
    return { code: done.status, stderr: done.stderr };
  };
  test("without its files, all of which are named at once", () => {
    const { code, stderr } = begin({});
    expect(code).toBe(78);
    for (const name of ["TLS_CERT", "TLS_KEY", "INJECTION"]) expect(stderr).toContain(`EVE_PROXY_WEBHOOK_${name}`);
  }, 120_000);

  test("with a certificate that is another key's, or an injection that is none", () => {
    const good = {
      EVE_PROXY_WEBHOOK_LISTEN: "127.0.0.1:0",
      EVE_PROXY_WEBHOOK_TLS_CERT: authority.certFile,
      EVE_PROXY_WEBHOOK_TLS_KEY: authority.keyFile,
      EVE_PROXY_WEBHOOK_INJECTION: join(VECTORS, "injection.yaml"),
    };
    expect(begin({ ...good, EVE_PROXY_WEBHOOK_TLS_KEY: other.keyFile })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("the key is another's"),
    });
    const broken = join(folder, "broken.yaml");
    writeFileSync(broken, "version: 1\n");
    expect(begin({ ...good, EVE_PROXY_WEBHOOK_INJECTION: broken })).toMatchObject({
      code: 78,
      stderr: expect.stringContaining("image"),
    });
  }, 120_000);
});
