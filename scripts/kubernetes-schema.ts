/**
 * Writes test/vectors/kubernetes.json, what Kubernetes itself says its objects look like, from the swagger.json that its
 * source carries (api/openapi-spec/swagger.json of the Go module k8s.io/kubernetes; Apache License 2.0, The Kubernetes Authors).
 *
 *   bun scripts/kubernetes-schema.ts SWAGGER VERSION
 *
 * Only the kinds that are tested, and what they are made of, without descriptions. Strict as the API server is with
 * `fieldValidation=Strict`: a field that is not named is an error. Where the document says `string` and the server takes a
 * number too (quantities, ports), both are.
 */
const KINDS = [
  "io.k8s.api.core.v1.Pod",
  "io.k8s.api.core.v1.Service",
  "io.k8s.api.core.v1.ServiceAccount",
  "io.k8s.api.core.v1.ConfigMap",
  "io.k8s.api.core.v1.Secret",
  "io.k8s.api.apps.v1.Deployment",
  "io.k8s.api.apps.v1.DaemonSet",
  "io.k8s.api.networking.v1.NetworkPolicy",
  "io.k8s.api.policy.v1.PodDisruptionBudget",
  "io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration",
  "io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration",
];
const EITHER: Readonly<Record<string, object>> = {
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": { type: ["integer", "string"] },
  "io.k8s.apimachinery.pkg.api.resource.Quantity": { type: ["number", "string"] },
  // Null in what has not been stored yet.
  "io.k8s.apimachinery.pkg.apis.meta.v1.Time": { type: ["string", "null"] },
  "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": { type: "object" },
};
const DROPPED = new Set(["description", "format", "default"]);

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const [path, version] = process.argv.slice(2);
if (path === undefined || version === undefined) {
  console.error("usage: bun scripts/kubernetes-schema.ts SWAGGER VERSION");
  process.exit(64);
}
const source: { definitions: Record<string, { [key: string]: Json }> } = await Bun.file(path).json();
const definitions: Record<string, Json> = {};
const wanted = [...KINDS];
for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
  if (Object.hasOwn(definitions, name)) continue;
  const found = source.definitions[name];
  if (found === undefined) throw new Error(`${name} is not in ${path}`);
  definitions[name] = (EITHER[name] as Json | undefined) ?? slim(found);
}
const kinds = Object.fromEntries(
  KINDS.map((name) => {
    const [group = "", kind = ""] = name
      .split(".")
      .slice(-3)
      .filter((part) => part !== "v1");
    const api = {
      core: "v1",
      networking: "networking.k8s.io/v1",
      admissionregistration: "admissionregistration.k8s.io/v1",
    }[group];
    return [`${api ?? `${group}/v1`}/${kind}`, name];
  }),
);
await Bun.write(
  new URL("../test/vectors/kubernetes.json", import.meta.url),
  `${JSON.stringify({ version, license: "Apache-2.0, The Kubernetes Authors", kinds, definitions })}\n`,
);
console.log(`${Object.keys(definitions).length} definitions of Kubernetes ${version}`);

function slim(value: Json): Json {
  if (Array.isArray(value)) return value.map(slim);
  if (typeof value !== "object" || value === null) return value;
  const out: Record<string, Json> = {};
  for (const [key, item] of Object.entries(value)) {
    if ((DROPPED.has(key) && typeof item !== "object") || key.startsWith("x-kubernetes")) continue;
    if (key === "$ref" && typeof item === "string") {
      wanted.push(item.slice("#/definitions/".length));
      out.$ref = item;
    } else if (key === "properties" && typeof item === "object" && item !== null && !Array.isArray(item)) {
      // Names of fields, of which some are called as the words above.
      out.properties = Object.fromEntries(Object.entries(item).map(([name, schema]) => [name, slim(schema)]));
      out.additionalProperties = false;
    } else out[key] = slim(item);
  }
  return out;
}
