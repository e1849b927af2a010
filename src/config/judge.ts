/** What no setting can tell alone: settings that contradict each other, and those an operator should hear about. */
import type { Problem } from "./config.ts";
import type { SettingName, Settings } from "./schema.ts";

export interface Rule {
  /** The rule is about these; when one of them already failed, its verdict would be about a default. */
  readonly about: readonly [SettingName, ...SettingName[]];
  readonly broken: (s: Settings) => boolean;
  readonly problem: string;
  readonly hint: string;
}

/** The gateway's and the plane's alike. */
export const REDIS_CA_RULE: Rule = {
  about: ["EVE_PROXY_REDIS_CA", "EVE_PROXY_REDIS_URL"],
  broken: (s) => s.EVE_PROXY_REDIS_CA !== undefined && !(s.EVE_PROXY_REDIS_URL ?? "").startsWith("rediss:"),
  problem: "is set, but EVE_PROXY_REDIS_URL is not a rediss URL and no certificate is ever exchanged",
  hint: "use rediss in EVE_PROXY_REDIS_URL, or unset this",
};

export function redisRemark({ EVE_PROXY_REDIS_URL: url }: Settings): string[] {
  if (!url?.startsWith("redis:") || !url.includes("@")) return [];
  return ["EVE_PROXY_REDIS_URL carries a password over an unencrypted connection; use rediss where it leaves the host"];
}

const GOVERNANCE_PARTS = [
  "EVE_PROXY_GOVERNANCE_TOKEN",
  "EVE_PROXY_GOVERNANCE_CA",
  "EVE_PROXY_GOVERNANCE_CERT",
  "EVE_PROXY_GOVERNANCE_KEY",
  "EVE_PROXY_GOVERNANCE_JWKS",
] as const;

const RULES: readonly Rule[] = [
  {
    about: ["JWT_SECRET_KEY", "EVE_PROXY_SIGNING_KEY", "EVE_PROXY_DEV"],
    broken: (s) => s.JWT_SECRET_KEY === undefined && s.EVE_PROXY_SIGNING_KEY === undefined && !s.EVE_PROXY_DEV,
    problem: "is not set and neither is EVE_PROXY_SIGNING_KEY: certificates could not be signed",
    hint: "set one of them (sallyport keys generate makes a key), or EVE_PROXY_DEV=1 to try things out",
  },
  {
    about: ["EVE_PROXY_ADMIN_LISTEN", "EVE_PROXY_ADMIN_TOKEN"],
    broken: (s) => s.EVE_PROXY_ADMIN_LISTEN !== undefined && s.EVE_PROXY_ADMIN_TOKEN === undefined,
    problem: "is set without EVE_PROXY_ADMIN_TOKEN",
    hint: "set a token of 16 bytes or more, or unset the listener",
  },
  {
    about: ["EVE_PROXY_AUDIT_PATH", "EVE_PROXY_WORKERS"],
    broken: (s) => s.EVE_PROXY_AUDIT_PATH === "-" && s.EVE_PROXY_WORKERS > 1,
    problem: "is the standard output, which several workers cannot share",
    hint: "give a file, or set EVE_PROXY_WORKERS=1",
  },
  {
    about: ["EVE_PROXY_AUDIT_PATH", "EVE_PROXY_FINDINGS"],
    broken: (s) => {
      const { EVE_PROXY_AUDIT_PATH: audit, EVE_PROXY_FINDINGS: findings } = s;
      return audit !== "-" && (audit === findings || /(?:^|\/)(?:outcomes|findings|candidate)\.jsonl$/.test(audit));
    },
    problem: "is the path of another file that is kept beside it",
    hint: "give the audit log a name of its own, not outcomes.jsonl, findings.jsonl or candidate.jsonl",
  },
  {
    about: ["EVE_PROXY_PORT", "EVE_PROXY_WORKERS"],
    broken: (s) => s.EVE_PROXY_PORT === 0 && s.EVE_PROXY_WORKERS > 1,
    problem: "is 0, and each worker would pick a port of its own",
    hint: "give a port, or set EVE_PROXY_WORKERS=1",
  },
  {
    about: ["EVE_PROXY_MAX_HELD", "EVE_PROXY_MAX_BODY"],
    broken: (s) => s.EVE_PROXY_MAX_HELD < s.EVE_PROXY_MAX_BODY,
    problem: "is less than EVE_PROXY_MAX_BODY: the largest body could never be held",
    hint: "raise it, or lower EVE_PROXY_MAX_BODY",
  },
  {
    about: ["EVE_PROXY_GOVERNANCE_CERT", "EVE_PROXY_GOVERNANCE_KEY"],
    broken: (s) => (s.EVE_PROXY_GOVERNANCE_CERT === undefined) !== (s.EVE_PROXY_GOVERNANCE_KEY === undefined),
    problem: "and EVE_PROXY_GOVERNANCE_KEY are only useful together",
    hint: "set both or neither",
  },
  {
    about: ["EVE_PROXY_CA_CERT", "EVE_PROXY_CA_KEY"],
    broken: (s) => (s.EVE_PROXY_CA_CERT === undefined) !== (s.EVE_PROXY_CA_KEY === undefined),
    problem: "and EVE_PROXY_CA_KEY are only useful together",
    hint: "set both (sallyport ca init makes them) or neither",
  },
  {
    about: ["EVE_PROXY_DEGRADED", "EVE_PROXY_GOVERNANCE_URL"],
    broken: (s) => s.EVE_PROXY_DEGRADED !== "off" && s.EVE_PROXY_GOVERNANCE_URL === undefined,
    problem: "is set without EVE_PROXY_GOVERNANCE_URL: there is no plane that could be down",
    hint: "set the URL of the plane, or unset this",
  },
  REDIS_CA_RULE,
  ...(["EVE_PROXY_POLICY_BUNDLE_URL", "EVE_PROXY_OPA_BUNDLE"] as const).map(
    (name): Rule => ({
      about: [name, "EVE_PROXY_POLICY"],
      broken: (s) => s[name] !== undefined && s.EVE_PROXY_POLICY !== undefined,
      problem: "and EVE_PROXY_POLICY are both set: one policy decides, and it would not be clear which",
      hint: "unset one of the two",
    }),
  ),
  {
    about: ["EVE_PROXY_OPA_BUNDLE", "EVE_PROXY_POLICY_BUNDLE_URL"],
    broken: (s) => s.EVE_PROXY_OPA_BUNDLE !== undefined && s.EVE_PROXY_POLICY_BUNDLE_URL !== undefined,
    problem: "and EVE_PROXY_POLICY_BUNDLE_URL are both set: one policy decides, and it would not be clear which",
    hint: "unset one of the two",
  },
  ...(["EVE_PROXY_POLICY_BUNDLE_URL", "EVE_PROXY_OPA_BUNDLE"] as const).map(
    (name): Rule => ({
      about: [name, "EVE_PROXY_GOVERNANCE_URL"],
      broken: (s) => s[name] !== undefined && s.EVE_PROXY_GOVERNANCE_URL !== undefined,
      problem: "is set together with EVE_PROXY_GOVERNANCE_URL: the plane decides, and it would not be asked",
      hint: "unset one of the two; the plane itself can be given an OPA bundle",
    }),
  ),
  ...GOVERNANCE_PARTS.map(
    (name): Rule => ({
      about: [name, "EVE_PROXY_GOVERNANCE_URL", "EVE_PROXY_POLICY_BUNDLE_URL"],
      broken: (s) =>
        s[name] !== undefined &&
        s.EVE_PROXY_GOVERNANCE_URL === undefined &&
        s.EVE_PROXY_POLICY_BUNDLE_URL === undefined,
      problem: "is set without EVE_PROXY_GOVERNANCE_URL: the embedded engine would decide",
      hint: "set the URL of the plane, or unset this",
    }),
  ),
  ...GOVERNANCE_PARTS.slice(1, 4).map(
    (name): Rule => ({
      about: [name, "EVE_PROXY_GOVERNANCE_URL"],
      broken: (s) => s[name] !== undefined && (s.EVE_PROXY_GOVERNANCE_URL ?? "https:").startsWith("http:"),
      problem: "is set, but EVE_PROXY_GOVERNANCE_URL is http and no certificate is ever exchanged",
      hint: "use https in EVE_PROXY_GOVERNANCE_URL",
    }),
  ),
];

/** `failed` names the variables that already have a problem. */
export function contradictions(settings: Settings, failed: ReadonlySet<string>): Problem[] {
  return RULES.filter((rule) => !rule.about.some((name) => failed.has(name)) && rule.broken(settings)).map((rule) => ({
    variable: rule.about[0] ?? "",
    problem: rule.problem,
    hint: rule.hint,
  }));
}

/** Warnings of a configuration that is valid. None quotes a secret. */
export function remarks(settings: Settings): string[] {
  const warnings: string[] = [];
  if (!settings.EVE_PROXY_FAIL_CLOSED) {
    warnings.push(
      "FAIL-OPEN: EVE_PROXY_FAIL_CLOSED=0 lets requests pass when their decision crashes, times out or is garbage; " +
        "never use it in production",
    );
  }
  if (settings.EVE_PROXY_MODE === "shadow") {
    warnings.push("EVE_PROXY_MODE=shadow: verdicts of policy and plane are recorded, not enforced");
  }
  if (settings.EVE_PROXY_DEGRADED !== "off") {
    const what = settings.EVE_PROXY_DEGRADED === "reads" ? "reads" : "requests and tunnels";
    warnings.push(
      `EVE_PROXY_DEGRADED=${settings.EVE_PROXY_DEGRADED}: while the plane is down, ${what} pass that it allowed before`,
    );
  }
  const secret = settings.JWT_SECRET_KEY;
  if (secret !== undefined && settings.EVE_PROXY_SIGNING_KEY !== undefined) {
    warnings.push(
      "EVE_PROXY_SIGNING_KEY and JWT_SECRET_KEY are both set: the signing key signs, the secret is not used",
    );
  } else if (secret !== undefined && new TextEncoder().encode(secret).length < 32) {
    warnings.push("JWT_SECRET_KEY has fewer than 32 bytes: use a longer one");
  }
  if (settings.EVE_PROXY_ADMIN_TOKEN !== undefined && settings.EVE_PROXY_ADMIN_LISTEN === undefined) {
    warnings.push("EVE_PROXY_ADMIN_TOKEN is set without EVE_PROXY_ADMIN_LISTEN: there is no admin surface");
  }
  if (settings.EVE_PROXY_CLIENTS?.length === 0) {
    warnings.push("EVE_PROXY_CLIENTS is an empty list: nobody may use the proxy");
  }
  if (settings.EVE_PROXY_GOVERNANCE_TOKEN !== undefined && settings.EVE_PROXY_GOVERNANCE_URL?.startsWith("http:")) {
    warnings.push("EVE_PROXY_GOVERNANCE_TOKEN is sent to the plane over http, readable on the way");
  }
  if (settings.EVE_PROXY_INTERCEPT_EXCEPT.length > 0 && settings.EVE_PROXY_CA_CERT === undefined) {
    warnings.push("EVE_PROXY_INTERCEPT_EXCEPT is set without EVE_PROXY_CA_CERT: nothing is intercepted");
  }
  warnings.push(...redisRemark(settings));
  const open = settings.EVE_PROXY_ALLOW_ADDRESSES.filter((cidr) => cidr.prefix === 0);
  if (open.length > 0) {
    warnings.push("EVE_PROXY_ALLOW_ADDRESSES covers every address: the destination guard is off");
  }
  return warnings;
}
