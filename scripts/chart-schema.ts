/**
 * Writes deploy/chart/values.schema.json from the schemas the program reads its settings and injections with, so that Helm
 * refuses what the gateway would, before anything is installed. With --check it writes nothing and fails when the two differ.
 */
import { z } from "zod";
import { injectionSchema } from "../src/admission/injection.ts";
import { manualOf, SETTING_NAMES, type SettingName } from "../src/config/schema.ts";

type Schema = { readonly [key: string]: unknown };

/** What the chart sets itself, or what another command obeys: a value here would be set twice, or for nobody. */
const TAKEN: ReadonlySet<SettingName> = new Set<SettingName>([
  "EVE_PROXY_HOST",
  "EVE_PROXY_PORT",
  "EVE_PROXY_POLICY",
  "EVE_PROXY_CA_CERT",
  "EVE_PROXY_CA_KEY",
  "EVE_PROXY_TRANSPARENT",
  ...SETTING_NAMES.filter((name) =>
    /^EVE_PROXY_(?:WEBHOOK_|GOVERNANCE_(?:LISTEN|TENANTS|TLS_CERT|TLS_KEY|CLIENT_CA)$)/.test(name),
  ),
]);
/** Files that the gateway writes, or that come to be: paths, not contents. */
const WRITTEN: ReadonlySet<SettingName> = new Set<SettingName>([
  "EVE_PROXY_FINDINGS",
  "EVE_PROXY_KILL_FILE",
  "EVE_PROXY_POLICY_BUNDLE_CACHE",
]);
/** Audit log: told by `audit`. */
const ELSEWHERE: ReadonlySet<SettingName> = new Set<SettingName>(["EVE_PROXY_AUDIT_PATH"]);

const text: Schema = { type: "string" };
const map = (properties: Schema, required?: readonly string[]): Schema => ({
  type: "object",
  additionalProperties: false,
  properties,
  ...(required === undefined ? {} : { required }),
});
const list = (items: Schema): Schema => ({ type: "array", items });
const whole = (minimum: number, maximum = 2_147_483_647): Schema => ({ type: "integer", minimum, maximum });
/** Kubernetes' own, which its API server judges. */
const free: Schema = { type: "object" };
const flag: Schema = { type: "boolean" };

const own = SETTING_NAMES.filter((name) => !TAKEN.has(name) && !ELSEWHERE.has(name));
const isFile = (name: SettingName): boolean => manualOf(name).kind === "path" && !WRITTEN.has(name);
const isSecret = (name: SettingName): boolean => manualOf(name).file === "content";
const plain = own.filter((name) => !isFile(name) && !isSecret(name));

const fromKey = (...names: readonly string[]): Schema => ({
  oneOf: names.map((name) => map({ [name]: { ...text, minLength: 1 }, key: { ...text, minLength: 1 } }, [name, "key"])),
});
const each = (names: readonly SettingName[], schema: (name: SettingName) => Schema): Schema =>
  map(Object.fromEntries(names.map((name) => [name, schema(name)])));

/** Always text: Helm writes large numbers as 1.048576e+07. */
function settingOf(name: SettingName): Schema {
  const { kind, doc } = manualOf(name);
  const description = doc;
  const choices = /^one of (.*)$/.exec(kind)?.[1];
  if (choices !== undefined) return { enum: choices.split(", "), description };
  if (kind === "0 or 1") return { enum: ["0", "1"], description };
  if (kind === "seconds") return { ...text, pattern: "^[0-9]{1,9}([.][0-9]{1,6})?$", description };
  if (kind === "bytes" || kind === "port" || kind.startsWith("number")) {
    return { ...text, pattern: "^[0-9]{1,15}$", description };
  }
  return { ...text, maxLength: 4096, ...(kind.startsWith("list") ? {} : { minLength: 1 }), description };
}

const { $schema: _, ...injection } = z.toJSONSchema(injectionSchema, { io: "input", target: "draft-7" });
const part = (name: string): Schema => {
  const found = (injection.properties as Record<string, Schema> | undefined)?.[name];
  if (found === undefined) throw new Error(`the injection has no ${name}`);
  return found;
};
const within = (schema: Schema, name: string): Schema => {
  const found = (schema.properties as Record<string, Schema> | undefined)?.[name];
  if (found === undefined) throw new Error(`the injection has no ${name}`);
  return found;
};

const placing = { nodeSelector: free, tolerations: list(free), affinity: free, priorityClassName: text };
const schema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "Values of the sallyport chart",
  ...map({
    mode: { enum: ["sidecar", "gateway", "node"] },
    nameOverride: text,
    fullnameOverride: text,
    global: free,
    image: map({
      // Empty is what values.yaml has; the template says what to do about it.
      repository: text,
      tag: text,
      digest: { ...text, pattern: "^(sha256:[0-9a-f]{64})?$" },
      pullPolicy: part("imagePullPolicy"),
    }),
    imagePullSecrets: list(free),
    uid: part("uid"),
    gid: part("gid"),
    port: part("port"),
    config: each(plain, settingOf),
    secretEnv: each(own.filter(isSecret), () => fromKey("secretName")),
    files: each(own.filter(isFile), (name) =>
      name === "EVE_PROXY_SIGNING_KEY" || name.endsWith("_KEY")
        ? fromKey("secretName")
        : fromKey("secretName", "configMapName"),
    ),
    policy: map({ allowlist: list({ ...text, minLength: 1 }), document: free, existingConfigMap: text }),
    cluster: map({ cidrs: within(part("redirect"), "except") }),
    ca: map({ secretName: text, cert: text, key: text }),
    audit: map({ storage: { enum: ["stdout", "volume"] }, volume: free }),
    resources: free,
    sidecar: map({
      style: part("sidecar"),
      host: part("host"),
      allTcp: flag,
      noProxy: part("noProxy"),
      namespaces: within(part("namespaces"), "always"),
      never: within(part("namespaces"), "never"),
      apps: part("apps"),
      tenant: part("tenant"),
    }),
    gateway: map({
      replicas: whole(1),
      ...placing,
      topologySpreadConstraints: list(free),
      podAnnotations: free,
      terminationGracePeriodSeconds: whole(1),
      namespaces: within(part("namespaces"), "always"),
    }),
    webhook: map({
      replicas: whole(1),
      failurePolicy: { enum: ["Fail", "Ignore"] },
      timeoutSeconds: whole(1, 30),
      resources: free,
      ...placing,
      tls: map({ certManager: map({ enabled: flag, issuerRef: free }), secretName: text, caBundle: text }),
    }),
    networkPolicy: map({ enabled: flag, dns: map({ namespaceSelector: free, podSelector: free }) }),
    podDisruptionBudget: map({ enabled: flag, minAvailable: { type: ["integer", "string"] } }),
    serviceMonitor: map({ enabled: flag, interval: text, labels: free }),
  }),
};

const file = new URL("../deploy/chart/values.schema.json", import.meta.url);
const made = `${JSON.stringify(schema, null, 2)}\n`;
if (!process.argv.includes("--check")) await Bun.write(file, made);
else if ((await Bun.file(file).text()) !== made) {
  console.error("deploy/chart/values.schema.json is not what the schemas say: run bun scripts/chart-schema.ts");
  process.exit(1);
}
