/** Names whose servers keep silent, with a resolver of the test's own. */
import { expect } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { testUnless, tool } from "../_skip.ts";

const missing =
  process.getuid?.() !== 0
    ? "root is needed for namespaces"
    : (tool("unshare") ??
      tool("ip") ??
      (spawnSync("unshare", ["-mn", "true"]).status === 0 ? null : "namespaces cannot be made here"));

for (const program of ["bun", "deno"]) {
  testUnless(
    missing ?? tool(program),
    `${program}: names that nobody answers keep neither other names waiting nor bodies, and a resolver that moves is followed`,
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "names-"));
      try {
        const file = join(folder, "resolv.conf");
        writeFileSync(file, "");
        const script = `ip link set lo up && mount --bind ${file} /etc/resolv.conf && exec "$@"`;
        const probe = [
          resolve(import.meta.dir, "_slow-names.ts"),
          resolve(import.meta.dir, `../../src/runtime/${program}.ts`),
        ];
        const run = program === "deno" ? ["deno", "run", "-A", ...probe] : ["bun", ...probe];
        const child = spawn("unshare", ["-mn", "sh", "-c", script, "sh", ...run], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        let said = "";
        child.stdout.on("data", (bytes) => {
          said += bytes;
        });
        await new Promise((ended) => child.on("close", ended));
        expect(JSON.parse(said)).toEqual({ before: 0, first: "192.0.2.1", decoded: "whole", moved: "192.0.2.2" });
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
}
