// Starts the gateway and tells the steps that follow of it, by the files that the runner reads after this one.
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const input = (name) => (process.env[`INPUT_${name.toUpperCase()}`] ?? "").trim();
const script = join(dirname(fileURLToPath(import.meta.url)), "../ci-gateway.sh");
const folder = resolve(input("evidence") || join(process.env.RUNNER_TEMP || "/tmp", `sallyport-${randomUUID()}`));

/** NAME<<MARK, the value, MARK: the one form in which a value may have any characters. Nobody can guess the mark. */
function tell(file, name, value) {
  const path = process.env[file];
  if (!path) throw new Error(`${file} is not set: this is no step of a job`);
  const mark = `sallyport_${randomUUID()}`;
  appendFileSync(path, `${name}<<${mark}\n${value}\n${mark}\n`);
}

const environment = { ...process.env, SALLYPORT: input("binary") || "sallyport" };
// As a post step knows it, whether or not the start succeeds.
tell("GITHUB_STATE", "folder", folder);
tell("GITHUB_STATE", "binary", environment.SALLYPORT);
if (input("policy") !== "") environment.EVE_PROXY_POLICY = resolve(input("policy"));
environment.SALLYPORT_NO_PROXY = input("no-proxy");
environment.SALLYPORT_REDIRECT = input("redirect") === "true" ? "true" : "false";
const { status, error } = spawnSync("sh", [script, "start", folder], { env: environment, stdio: "inherit" });
if (status !== 0) {
  console.log(`::error::sallyport did not start${error ? `: ${error.message}` : ""}`);
  process.exit(1);
}

const given = readFileSync(join(folder, "env"), "utf8").split("\0").filter(Boolean);
for (const line of given) {
  const at = line.indexOf("=");
  const [name, value] = [line.slice(0, at), line.slice(at + 1)];
  // What the shell makes for itself, and what is as it was, is no news. The runner refuses NODE_OPTIONS, on purpose.
  if (["_", "PWD", "OLDPWD", "SHLVL", "NODE_OPTIONS"].includes(name) || process.env[name] === value) continue;
  if (/^(?:INPUT|STATE|GITHUB|RUNNER|ACTIONS|SALLYPORT)_|^SALLYPORT$/.test(name)) continue;
  tell("GITHUB_ENV", name, value);
}
tell("GITHUB_OUTPUT", "evidence", join(folder, "evidence"));
