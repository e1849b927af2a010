/** The Helm chart, rendered by the real helm, held against Kubernetes' own schema and against what reads its files. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { celEnv, parse, plan } from "@bufbuild/cel";
import { Ajv } from "ajv";
import { parseAllDocuments, parse as parseYaml } from "yaml";
import { admit } from "../../src/admission/admit.ts";
import { readInjection } from "../../src/admission/injection.ts";
import { SETTING_NAMES } from "../../src/config/schema.ts";
import { problemsOf } from "../_kubernetes.ts";
import { testUnless, tool } from "../_skip.ts";
import { type Anything, patched, recorded, requestOf } from "../admission/_review.ts";

setDefaultTimeout(120_000);
const CHART = join(import.meta.dirname, "../../deploy/chart");
const folder = mkdtempSync(join(tmpdir(), "sallyport-chart-"));
afterAll(() => rmSync(folder, { recursive: true }));
const missing = tool("helm");

const SIGNED = {
  image: { repository: "registry.example/sallyport" },
  files: { EVE_PROXY_SIGNING_KEY: { secretName: "signing", key: "signing.pem" } },
};

function helm(values: object, verb = "template") {
  const file = join(folder, "values.yaml");
  writeFileSync(file, JSON.stringify(values));
  const args = verb === "lint" ? ["lint", CHART] : [verb, "sp", CHART, "-n", "egress", "--kube-version", "1.34.1"];
  const done = spawnSync("helm", [...args, "-f", file], { encoding: "utf8", timeout: 60_000 });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

function rendered(values: object): readonly Anything[] {
  const { code, out, err } = helm({ ...SIGNED, ...values });
  if (code !== 0) throw new Error(err);
  return parseAllDocuments(out)
    .map((document) => document.toJS())
    .filter((object) => object !== null);
}

const one = (objects: readonly Anything[], kind: string, name = "") =>
  objects.find((object) => object.kind === kind && object.metadata.name.endsWith(name));

const FULL = {
  image: { ...SIGNED.image, digest: `sha256:${"0".repeat(64)}` },
  imagePullSecrets: [{ name: "registry" }],
  config: { EVE_PROXY_MAX_BODY: "1048576", EVE_PROXY_LOG_FORMAT: "json", EVE_PROXY_BLOCKED_HOSTS: "" },
  secretEnv: { EVE_PROXY_ADMIN_TOKEN: { secretName: "admin", key: "token" } },
  files: { ...SIGNED.files, EVE_PROXY_UPSTREAM_CA: { configMapName: "roots", key: "ca.pem" } },
  policy: { allowlist: ["api.openai.com", ".anthropic.com", "*:8443"] },
  cluster: { cidrs: ["10.96.0.1/32:443", "fd00::/8", "10.0.0.0/8:5432,8000-8100"] },
  ca: { secretName: "ca", cert: "tls.crt", key: "tls.key" },
  audit: { storage: "volume", volume: { persistentVolumeClaim: { claimName: "evidence" } } },
  sidecar: {
    namespaces: ["agents", "batch"],
    apps: { uid: 2000, hostPaths: ["/var/log"] },
    tenant: { namespaces: { agents: "acme" } },
  },
  gateway: {
    namespaces: ["agents"],
    tolerations: [{ operator: "Exists" }],
    nodeSelector: { a: "b" },
    priorityClassName: "high",
    podAnnotations: { a: "b" },
    topologySpreadConstraints: [],
  },
  serviceMonitor: { enabled: true, labels: { release: "prometheus" } },
};
/** Described by who defines them, not by Kubernetes. */
const FOREIGN = [
  "cert-manager.io/v1/Certificate",
  "cert-manager.io/v1/Issuer",
  "monitoring.coreos.com/v1/ServiceMonitor",
];

const WAYS: Readonly<Record<string, object>> = {
  "sidecar, as it comes": { mode: "sidecar" },
  "sidecar, all of it": { ...FULL, mode: "sidecar" },
  "sidecar, classic": { ...FULL, mode: "sidecar", sidecar: { ...FULL.sidecar, style: "classic", host: "0.0.0.0" } },
  "sidecar, cert-manager": { mode: "sidecar", webhook: { tls: { certManager: { enabled: true } } } },
  "sidecar, cert-manager with an issuer": {
    mode: "sidecar",
    webhook: { tls: { certManager: { enabled: true, issuerRef: { name: "corp", kind: "ClusterIssuer" } } } },
  },
  "sidecar, a Secret": { mode: "sidecar", webhook: { replicas: 1, tls: { secretName: "mine", caBundle: "YQ==" } } },
  "gateway, as it comes": { mode: "gateway" },
  "gateway, evidence in the pod": { mode: "gateway", audit: { storage: "volume" } },
  "gateway, all of it": { ...FULL, mode: "gateway" },
  "node, as it comes": { mode: "node" },
  "node, all of it": { ...FULL, mode: "node" },
  "without NetworkPolicy and PodDisruptionBudget": {
    mode: "gateway",
    networkPolicy: { enabled: false },
    podDisruptionBudget: { enabled: false },
  },
};

describe("every way to install it", () => {
  for (const [name, values] of Object.entries(WAYS)) {
    testUnless(
      missing,
      `is made of objects as Kubernetes describes them: ${name}`,
      () => {
        const objects = rendered(values);
        expect(objects.length).toBeGreaterThan(2);
        for (const object of objects) {
          const kind = `${object.apiVersion}/${object.kind}`;
          if (FOREIGN.includes(kind))
            expect(Object.keys(object).sort()).toEqual(["apiVersion", "kind", "metadata", "spec"]);
          else expect([kind, problemsOf(object)]).toEqual([kind, []]);
        }
        const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ""}/${metadata.name}`);
        expect(new Set(names).size).toBe(names.length);
      },
      120_000,
    );

    testUnless(
      missing,
      `runs as Pod Security "restricted" asks: ${name}`,
      () => {
        const workloads = rendered(values).filter(({ kind }) => kind === "Deployment" || kind === "DaemonSet");
        expect(workloads).toHaveLength(1);
        for (const { spec } of workloads) {
          const pod = spec.template.spec;
          expect(pod).toMatchObject({
            automountServiceAccountToken: false,
            securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
          });
          for (const key of ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"])
            expect(pod[key]).toBeUndefined();
          for (const volume of pod.volumes) {
            const kinds = Object.keys(volume).filter((key) => key !== "name");
            expect(["configMap", "emptyDir", "projected", "secret", "persistentVolumeClaim"]).toContain(kinds.join());
          }
          for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
            expect(container.securityContext).toMatchObject({
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              runAsNonRoot: true,
              capabilities: { drop: ["ALL"] },
            });
            expect(container.securityContext.capabilities.add).toBeUndefined();
            expect(container.resources.limits.memory).toBeString();
            const known = new Set<string>(SETTING_NAMES);
            for (const { name: variable } of container.env ?? []) expect(known).toContain(variable);
            for (const { name: mount } of container.volumeMounts)
              expect(pod.volumes.map((volume: Anything) => volume.name)).toContain(mount);
          }
          const [main] = pod.containers;
          expect([main.readinessProbe.httpGet.path, main.livenessProbe.httpGet.path]).toEqual(["/readyz", "/healthz"]);
        }
      },
      120_000,
    );
  }
});

describe("the policy", () => {
  testUnless(missing, "denies everything when nobody says anything", () => {
    const policy = parseYaml(one(rendered({ mode: "gateway" }), "ConfigMap", "-policy").data["policy.yaml"]);
    expect(policy).toEqual({ version: 1, default: "deny" });
  });

  testUnless(missing, "is one that the gateway reads, and allows what was named alone", () => {
    const text = one(rendered({ ...FULL, mode: "node" }), "ConfigMap", "-policy").data["policy.yaml"];
    expect(parseYaml(text)).toEqual({ version: 1, default: "deny", hosts: { allow: FULL.policy.allowlist } });
    const file = join(folder, "policy.yaml");
    writeFileSync(file, text);
    const lint = spawnSync(process.execPath, [join(CHART, "../../src/main.ts"), "policy", "lint", file], {
      encoding: "utf8",
      cwd: folder,
    });
    expect([lint.status, lint.stderr]).toEqual([0, lint.stderr]);
  });

  testUnless(missing, "stands in each namespace of sidecars, or wherever somebody else puts it", () => {
    const of = (values: object) =>
      rendered(values).filter(({ kind, metadata }) => kind === "ConfigMap" && metadata.name.endsWith("-policy"));
    expect(of({ ...FULL, mode: "sidecar" }).map(({ metadata }) => metadata.namespace)).toEqual(["agents", "batch"]);
    expect(of({ mode: "gateway", policy: { existingConfigMap: "theirs" } })).toEqual([]);
  });
});

describe("the injection", () => {
  for (const [name, values] of Object.entries(WAYS).filter(([name]) => name.startsWith("sidecar"))) {
    testUnless(missing, `is one that the webhook reads, and governs a pod by: ${name}`, () => {
      const text = one(rendered(values), "ConfigMap", "-injection").data["injection.yaml"];
      const injection = readInjection("injection.yaml", text);
      const review = recorded("create");
      const asking = { injection, mark: "m", all: true, last: false };
      const pod = patched(review.request.object, admit(requestOf(review), asking));
      expect(problemsOf(pod)).toEqual([]);
      review.request.object = pod;
      expect(admit(requestOf(review), { ...asking, last: true })).toMatchObject({ allowed: true, did: "unchanged" });
      const gateway = [...pod.spec.initContainers, ...pod.spec.containers].find(
        (container: Anything) => container.name === "sallyport",
      );
      const known = new Set<string>(SETTING_NAMES);
      for (const { name: variable } of gateway.env) expect(known).toContain(variable);
      for (const { name: mount } of gateway.volumeMounts)
        expect(pod.spec.volumes.map((volume: Anything) => volume.name)).toContain(mount);
    });
  }

  testUnless(missing, "takes cluster.cidrs as ways out, and evidence to a volume of the operator's", () => {
    const text = one(rendered({ ...FULL, mode: "sidecar" }), "ConfigMap", "-injection").data["injection.yaml"];
    expect(readInjection("injection.yaml", text)).toMatchObject({
      redirect: { except: FULL.cluster.cidrs },
      ca: { secret: "ca", cert: "tls.crt", key: "tls.key" },
      apps: { uid: 2000, gid: 10001 },
    });
    expect(text).toContain("claimName: evidence");
  });
});

describe("the webhook's registration", () => {
  testUnless(missing, "lets nothing begin while the webhook is away, and itself begin always", () => {
    const objects = rendered({ ...FULL, mode: "sidecar" });
    const hooks = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"].flatMap(
      (kind) => one(objects, kind).webhooks,
    );
    expect(hooks).toHaveLength(5);
    for (const hook of hooks) {
      expect(hook).toMatchObject({ failurePolicy: "Fail", sideEffects: "None", matchPolicy: "Equivalent" });
      expect(hook.namespaceSelector.matchExpressions).toEqual([
        { key: "kubernetes.io/metadata.name", operator: "NotIn", values: ["kube-system", "egress"] },
      ]);
      expect(hook.clientConfig.service).toMatchObject({ name: "sp-sallyport-webhook", namespace: "egress" });
    }
    const service = one(objects, "Service", "-webhook");
    const { template } = one(objects, "Deployment", "-webhook").spec;
    for (const [key, value] of Object.entries(service.spec.selector)) expect(template.metadata.labels[key]).toBe(value);
  });

  testUnless(missing, "trusts the certificate that the webhook shows", () => {
    const objects = rendered({ mode: "sidecar" });
    const { data } = one(objects, "Secret");
    const bundle = one(objects, "MutatingWebhookConfiguration").webhooks[0].clientConfig.caBundle;
    const file = (name: string, base64: string) => {
      writeFileSync(join(folder, name), Buffer.from(base64, "base64"));
      return join(folder, name);
    };
    const verified = spawnSync(
      "openssl",
      [
        "verify",
        "-CAfile",
        file("ca.pem", bundle),
        "-verify_hostname",
        "sp-sallyport-webhook.egress.svc",
        file("tls.pem", data["tls.crt"]),
      ],
      { encoding: "utf8" },
    );
    expect([verified.status, verified.stderr]).toEqual([0, ""]);
    const managed = rendered(WAYS["sidecar, cert-manager"] ?? {});
    expect(one(managed, "Secret")).toBeUndefined();
    expect(one(managed, "ValidatingWebhookConfiguration").metadata.annotations).toEqual({
      "cert-manager.io/inject-ca-from": "egress/sp-sallyport-webhook",
    });
    expect(one(managed, "Certificate").spec).toMatchObject({
      secretName: "sp-sallyport-webhook-tls",
      dnsNames: ["sp-sallyport-webhook.egress.svc", "sp-sallyport-webhook.egress.svc.cluster.local"],
    });
  });

  testUnless(
    missing,
    "asks about every pod that asks, looks injected, or is in a namespace of sidecars, and about nobody else",
    () => {
      const [, hook] = one(rendered({ ...FULL, mode: "sidecar" }), "MutatingWebhookConfiguration").webhooks;
      const condition = plan(celEnv(), parse(hook.matchConditions[0].expression));
      const asks = (change: (pod: Anything) => void, namespace = "elsewhere") => {
        const { object } = recorded("create").request;
        change(object);
        return condition({ object, request: { namespace } });
      };
      expect(asks(() => {})).toBe(true);
      const bare = ({ metadata }: Anything) => delete metadata.annotations;
      expect(asks(bare)).toBe(false);
      expect(
        asks(({ metadata, spec }) => {
          delete metadata.annotations;
          delete spec.initContainers;
        }),
      ).toBe(false);
      expect(
        asks(({ metadata }) => {
          metadata.annotations = { "aegrail.io/inject": "true" };
        }),
      ).toBe(true);
      expect(
        asks(({ metadata }) => {
          metadata.annotations = { other: "true" };
        }),
      ).toBe(false);
      expect(
        asks((pod) => {
          bare(pod);
          pod.spec.initContainers[0].name = "sallyport-redirect";
        }),
      ).toBe(true);
      expect(
        asks((pod) => {
          bare(pod);
          pod.spec.containers[0].name = "sallyport";
        }),
      ).toBe(true);
      expect(asks(bare, "agents")).toBe(true);
    },
  );
});

describe("the walls", () => {
  testUnless(
    missing,
    "where there is no redirect, pods reach names, the gateway and the cluster, and nothing else",
    () => {
      const objects = rendered({ ...FULL, mode: "gateway" });
      const { spec, metadata } = one(objects, "NetworkPolicy", "-egress");
      expect([metadata.namespace, spec.podSelector, spec.policyTypes]).toEqual(["agents", {}, ["Egress"]]);
      for (const rule of spec.egress) expect(rule.to.length).toBe(1);
      expect(spec.egress.map(({ to: [to] }: Anything) => to.ipBlock?.cidr ?? "pods")).toEqual([
        "pods",
        "pods",
        "10.96.0.1/32",
        "fd00::/8",
        "10.0.0.0/8",
      ]);
      expect(spec.egress.at(-1).ports).toEqual([
        { protocol: "TCP", port: 5432 },
        { protocol: "UDP", port: 5432 },
        { protocol: "TCP", port: 8000, endPort: 8100 },
        { protocol: "UDP", port: 8000, endPort: 8100 },
      ]);
      const pods = one(objects, "Deployment").spec.template.metadata.labels;
      for (const [key, value] of Object.entries(spec.egress[1].to[0].podSelector.matchLabels))
        expect(pods[key]).toBe(value);
    },
  );

  testUnless(missing, "behind the redirect, nothing but TCP leaves, and questions for names", () => {
    const { spec } = one(rendered({ ...FULL, mode: "sidecar", cluster: { cidrs: [] } }), "NetworkPolicy", "-egress");
    const udp = spec.egress.flatMap((rule: Anything) =>
      (rule.ports ?? []).filter(({ protocol }: Anything) => protocol === "UDP"),
    );
    expect(udp).toEqual([{ protocol: "UDP", port: 53 }]);
  });

  testUnless(missing, "on nodes a pod is served by its own node", () => {
    expect(one(rendered({ mode: "node" }), "Service").spec.internalTrafficPolicy).toBe("Local");
  });
});

describe("values that are no good are refused by helm and by the schema alone:", () => {
  const schema = JSON.parse(readFileSync(join(CHART, "values.schema.json"), "utf8"));
  const check = new Ajv({ strict: false }).compile(schema);
  const bad: [string, object][] = [
    ["a setting that is none", { config: { EVE_PROXY_MAX_BODDY: "1" } }],
    ["a setting that the chart sets", { config: { EVE_PROXY_PORT: "1" } }],
    ["a secret in the open", { config: { JWT_SECRET_KEY: "0123456789abcdef" } }],
    ["a number, which Helm would write in its own way", { config: { EVE_PROXY_MAX_BODY: 10485760 } }],
    ["a choice there is not", { config: { EVE_PROXY_MODE: "shadows" } }],
    ["a key from a ConfigMap", { files: { EVE_PROXY_SIGNING_KEY: { configMapName: "keys", key: "k" } } }],
    ["a mode there is not", { mode: "sidecars" }],
    ["a value there is not", { polcy: {} }],
    ["a network that is none", { cluster: { cidrs: ["10.0.0.0"] } }],
    ["the gateway as root", { uid: 0 }],
    ["what apps may not be given", { sidecar: { apps: { allowEverything: true } } }],
    ["a digest that is none", { image: { ...SIGNED.image, digest: "sha256:abc" } }],
  ];
  for (const [name, values] of bad) {
    testUnless(missing, name, () => {
      expect(check({ ...SIGNED, ...values })).toBe(false);
      expect(helm({ ...SIGNED, ...values }).code).not.toBe(0);
    });
  }

  test("and what the chart comes with is good", () => {
    const values = parseYaml(readFileSync(join(CHART, "values.yaml"), "utf8"));
    expect([check(values), check.errors]).toEqual([true, null]);
  });

  testUnless(missing, "without a key to sign with nothing is installed, nor with two policies", () => {
    expect(helm({ mode: "gateway" })).toMatchObject({
      code: 1,
      err: expect.stringContaining("without a key there is no evidence"),
    });
    expect(helm({ ...SIGNED, policy: { allowlist: ["a.example"], existingConfigMap: "b" } }).err).toContain("give one");
    expect(helm({ ...SIGNED, webhook: { tls: { secretName: "a" } } }).err).toContain("caBundle is needed");
  });

  testUnless(missing, "without an image's name nothing is installed, in no mode", () => {
    for (const mode of ["sidecar", "gateway", "node"]) {
      const { code, err } = helm({ ...SIGNED, image: {}, mode });
      expect([code === 0, err]).toEqual([false, expect.stringContaining("image.repository is needed")]);
    }
  });

  testUnless(missing, "lint has nothing against it", () => {
    expect(helm({ ...FULL }, "lint").code).toBe(0);
  });
});

test("the schema of the values is what the settings' own says", () => {
  const done = spawnSync(process.execPath, [join(CHART, "../../scripts/chart-schema.ts"), "--check"], {
    encoding: "utf8",
  });
  expect([done.status, done.stderr]).toEqual([0, ""]);
});
