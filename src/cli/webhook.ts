import { loadWebhookConfig } from "../config/webhook.ts";
import type { Runtime } from "../runtime/contract.ts";
import { type CommandSpec, EXIT, readArgs } from "./_args.ts";
import { problemList } from "./_problem-list.ts";

const SPEC: CommandSpec = {
  name: "webhook",
  summary: "the admission webhook that puts the gateway into Kubernetes pods",
  usage: "",
  options: [],
  operands: [0, 0],
  notes: `
POST /mutate governs pods with the annotation sallyport.dev/inject: "true", /mutate/all every pod; /validate and
/validate/all refuse what is not governed by then. See docs/kubernetes.md; deploy/chart installs it.

SIGTERM drains and ends it, SIGHUP reads its certificate and what it puts into pods again, which it does by itself, too.`,
};

/** Runs until it is told to end. */
export async function runWebhook(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, SPEC, args);
  if (typeof parsed === "number") return parsed;
  const loaded = await loadWebhookConfig(runtime);
  if (!loaded.ok) {
    runtime.stderr(`sallyport webhook: the configuration has ${problemList(loaded.problems)}`);
    return EXIT.config;
  }
  const { serveWebhook } = await import("../admission/webhook.ts");
  return serveWebhook(runtime, loaded.config);
}
