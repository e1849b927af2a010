/**
 * The library as a stranger has it: installed under node_modules, found through package.json, run by real processes of
 * Bun (from source), Deno and Node (from what is built), against a real upstream.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tool } from "../_skip.ts";

const root = join(import.meta.dir, "../..");
const manifest: { dependencies: Record<string, string> } = await Bun.file(join(root, "package.json")).json();
const bin = (name: string) => join(root, "node_modules/.bin", name);
const home = mkdtempSync(join(tmpdir(), "sallyport-library-"));
const upstream = serve();
const base = `http://127.0.0.1:${upstream.port}`;

beforeAll(async () => {
  const installed = join(home, "node_modules/sallyport");
  mkdirSync(join(installed, "dist"), { recursive: true });
  for (const name of ["src", "package.json"]) cpSync(join(root, name), join(installed, name), { recursive: true });
  for (const name of new Set(Object.keys(manifest.dependencies).map((path) => path.split("/")[0] as string)))
    symlinkSync(join(root, "node_modules", name), join(home, "node_modules", name));
  cpSync(join(import.meta.dir, "body.mjs"), join(home, "body.mjs"));
  writeFileSync(join(home, "package.json"), '{"type":"module","private":true}');
  const built = await run([bin("bun"), "scripts/build-lib.ts", join(installed, "dist/lib")], root);
  expect(built.err).toBe("");
  expect(built.code).toBe(0);
}, 120_000);

afterAll(async () => {
  await upstream.stop(true);
  rmSync(home, { recursive: true, force: true });
});

describe("the library", () => {
  const runtimes: Record<string, string[]> = {
    Bun: [bin("bun"), "body.mjs"],
    // The network of the test, two variables that the YAML parser of policies looks for, and nothing else.
    Deno: [
      bin("deno"),
      "run",
      "--no-prompt",
      "--allow-net=127.0.0.1,localhost",
      "--allow-env=LOG_STREAM,LOG_TOKENS",
      "body.mjs",
    ],
    Node: ["node", "body.mjs"],
  };
  for (const [name, command] of Object.entries(runtimes)) {
    test(`keeps every promise on ${name}`, async () => {
      expect(tool("node")).toBeNull();
      const { code, out, err } = await run([...command, base], home);
      const lines = out.trimEnd().split("\n");
      expect(
        lines.filter((line) => !line.startsWith("ok ") && line !== "end").join("\n") +
          (lines.at(-1) === "end" ? "" : err),
      ).toBe("");
      expect(lines.length).toBeGreaterThan(15);
      expect(lines.at(-1)).toBe("end");
      // A rejection nobody handled would show here.
      expect(code).toBe(0);
    }, 120_000);
  }
});

test("the built types are accepted by a strict compiler that knows neither Bun nor our settings", async () => {
  writeFileSync(
    join(home, "consumer.ts"),
    `import { enforce, governedFetch } from "sallyport";
import { FailClosedError } from "sallyport/enforce";
import { verifyCertificate } from "sallyport/verify";
const guarded = enforce(
  { caller: "c", signer: "s".repeat(32), runFmi: true, fmiInput: (prompt) => prompt.trim() },
  async (signal: AbortSignal, prompt: string) => (signal.aborted ? 0 : prompt.length),
);
export const size: Promise<number> = guarded("x").then(({ result }) => result);
export const governed = governedFetch({ caller: "c", signer: new Uint8Array(32), fetch });
export const answer: Promise<Response> = governed("https://example.com", { method: "POST", body: "x" });
export async function why(certificate: unknown): Promise<string> {
  const found = await verifyCertificate(certificate, "s".repeat(32));
  return found.valid ? found.certificate.caller : found.code;
}
export const pillar = (error: unknown) => (error instanceof FailClosedError ? error.matched_pillar : null);
// @ts-expect-error the arguments are those of the work
void guarded(1);
`,
  );
  const strict = [
    "--noEmit",
    "--strict",
    "--exactOptionalPropertyTypes",
    "--target",
    "es2024",
    "--lib",
    "es2024,dom,dom.iterable",
  ];
  const modules = ["--module", "nodenext", "--moduleResolution", "nodenext", "--types", ""];
  const { code, out } = await run([bin("tsc"), ...strict, ...modules, "consumer.ts"], home);
  expect(out).toBe("");
  expect(code).toBe(0);
}, 120_000);

async function run(command: string[], cwd: string): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn(command, {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH ?? "", HOME: home, NO_COLOR: "1" },
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, out, err };
}

function serve() {
  let release = () => {};
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const url = new URL(request.url);
      switch (url.pathname) {
        case "/echo":
          return Response.json({
            method: request.method,
            url: url.pathname + url.search,
            headers: Object.fromEntries(request.headers),
            body: await request.text(),
          });
        case "/to":
          return new Response("moved", {
            status: Number(url.searchParams.get("status")),
            headers: { location: url.searchParams.get("url") ?? "" },
          });
        case "/loop":
          return new Response(null, { status: 302, headers: { location: "/loop" } });
        case "/empty":
          return new Response(null, { status: 204 });
        case "/spoof": {
          const headers = new Headers({ "x-eve-verdict": "ALLOW" });
          headers.append("set-cookie", "a=1");
          headers.append("set-cookie", "b=2");
          return new Response("spoof", { headers });
        }
        case "/stream": {
          const released = new Promise<void>((resolve) => {
            release = resolve;
          });
          return new Response(
            new ReadableStream({
              async start(controller) {
                controller.enqueue(new TextEncoder().encode("first"));
                await released;
                controller.enqueue(new TextEncoder().encode("second"));
                controller.close();
              },
            }),
          );
        }
        case "/release":
          release();
          return new Response("released");
        default:
          return new Response("not found", { status: 404 });
      }
    },
  });
}
