// `npm start`: the gateway from source, ready to try. EVE_PROXY_DEV makes a development key once; nothing else is set.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(fileURLToPath(import.meta.url), "../..");
const bun = join(root, "node_modules/.bin", process.platform === "win32" ? "bun.cmd" : "bun");
const env = { EVE_PROXY_DEV: "1", ...process.env };
const child = spawn(bun, [join(root, "src/main.ts"), ...process.argv.slice(2)], { stdio: "inherit", env });
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => child.kill(name));
child.on("error", (error) => {
  console.error(`bun cannot be started (${error.message}): run npm ci first`);
  process.exitCode = 1;
});
child.on("exit", (code) => {
  process.exitCode = code ?? 1;
});
