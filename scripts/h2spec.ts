/**
 * `bun scripts/h2spec.ts [path to h2spec]`: the conformance suite of github.com/summerwind/h2spec against the HTTP/2 engine, on
 * this runtime's sockets. Prints what failed; exits 1 when that is anything but what docs/protocols.md names.
 *
 * Why: our own tests know what we thought of. To have it: `go install github.com/summerwind/h2spec/cmd/h2spec@latest`.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtime } from "#runtime";
import { answering } from "../test/wire/_h2-conn.ts";

/** Cases of RFC 7540 that RFC 9113 took back: priorities say nothing any more, a stream may name itself. */
const EXPECTED = ["Sends HEADERS frame that depend on itself", "Sends PRIORITY frame that depend on itself"];

const program = Bun.which(process.argv[2] ?? "h2spec");
if (program === null) {
  console.log("SKIP h2spec: not on the PATH");
  process.exit(process.env.SALLYPORT_NO_SKIP === "1" ? 1 : 0);
}
const folder = mkdtempSync(join(tmpdir(), "sallyport-h2spec-"));
const report = join(folder, "report.xml");
const listener = await runtime.listen({ host: "127.0.0.1", port: 0 }, answering);
const child = spawn(program, ["-h", "127.0.0.1", "-p", `${listener.port}`, "-j", report, "-o", "3"], {
  stdio: ["ignore", "ignore", "inherit"],
});
await new Promise((resolve) => child.once("close", resolve));
const xml = readFileSync(report, "utf8");
rmSync(folder, { recursive: true });
let failed = 0;
const cases = [...xml.matchAll(/<testcase ([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)];
for (const [, attributes = "", inside = ""] of cases) {
  if (!/<(?:failure|error)/.test(inside)) continue;
  const name = /classname="([^"]*)"/.exec(attributes)?.[1] ?? attributes;
  const known = EXPECTED.some((expected) => name.includes(expected));
  if (!known) failed++;
  console.log(`${known ? "as expected" : "FAILED"}: ${/package="([^"]*)"/.exec(attributes)?.[1]} ${name}`);
  if (!known) console.log(inside.trim());
}
console.log(`${cases.length} cases, ${failed} failed that should not`);
await listener.close();
process.exit(failed === 0 && cases.length > 100 ? 0 : 1);
