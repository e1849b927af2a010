import type { Command } from "./main.ts";

/** Every command there is, in the order help lists them. */
export const COMMANDS: readonly Command[] = [
  { name: "run", summary: "the gateway", load: async () => (await import("./run.ts")).runRun },
  {
    name: "governance",
    summary: "the governance plane: the engine behind the decision API",
    load: async () => (await import("./governance.ts")).runGovernance,
  },
  {
    name: "verify",
    summary: "check certificates and audit logs offline",
    load: async () => (await import("./verify.ts")).runVerify,
  },
  {
    name: "policy",
    summary: "check, test, explain and compare policies",
    load: async () => (await import("./policy.ts")).runPolicy,
  },
  {
    name: "ca",
    summary: "make and look at the CA of TLS interception",
    load: async () => (await import("./ca.ts")).runCa,
  },
  { name: "keys", summary: "make and publish signing keys", load: async () => (await import("./keys.ts")).runKeys },
  {
    name: "exec",
    summary: "run a command behind a private gateway",
    load: async () => (await import("./exec.ts")).runExec,
  },
  {
    name: "webhook",
    summary: "the admission webhook that puts the gateway into Kubernetes pods",
    load: async () => (await import("./webhook.ts")).runWebhook,
  },
  {
    name: "redirect",
    summary: "the kernel rules that no program on this host gets around",
    load: async () => (await import("./redirect.ts")).runRedirect,
  },
  {
    name: "doctor",
    summary: "say what can be enforced on this host, and what cannot",
    load: async () => (await import("./doctor.ts")).runDoctor,
  },
  {
    name: "healthcheck",
    summary: "exit 0 when the gateway is ready",
    load: async () => (await import("./healthcheck.ts")).runHealthcheck,
  },
  {
    name: "version",
    summary: "version, runtime and build",
    load: async () => (await import("./version.ts")).runVersion,
  },
];
