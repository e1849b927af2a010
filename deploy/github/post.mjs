// Ends the gateway and shows what went through it, in the log and on the page of the job.
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { appendFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = process.env.STATE_folder;
if (folder) {
  const script = join(dirname(fileURLToPath(import.meta.url)), "../ci-gateway.sh");
  const env = { ...process.env, SALLYPORT: process.env.STATE_binary || "sallyport" };
  const { status, stdout } = spawnSync("sh", [script, "stop", folder], { env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  // Names of hosts are others' words: none may be read as a command to the runner (::...::).
  const token = randomUUID();
  console.log(`::stop-commands::${token}\n${stdout}\n::${token}::`);
  const page = process.env.GITHUB_STEP_SUMMARY;
  // Four blanks before each line: code, in which nothing is markup.
  if (page) appendFileSync(page, `### sallyport\n\n${stdout.split("\n").map((line) => `    ${line}`).join("\n")}\n`);
  if (status !== 0) {
    console.log("::error::sallyport did not end as it should");
    process.exitCode = 1;
  }
}
