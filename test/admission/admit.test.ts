import { describe, expect, test } from "bun:test";
import { problemsOf } from "../_kubernetes.ts";
import {
  type Anything,
  admitted,
  asking,
  creating,
  INJECTION_TEXT,
  injectionWith,
  patched,
  recorded,
} from "./_review.ts";

const CREATE = recorded("create");
const governed = (review: Anything = CREATE, change = {}) => patched(review.request.object, admitted(review, change));
const words = (review: Anything, change = {}): string => {
  const verdict = admitted(review, change);
  return verdict.allowed ? `allowed: ${verdict.did}` : verdict.words;
};
/** The same, as it comes back to the webhook. */
const again = (pod: object) => ({ ...CREATE, request: { ...CREATE.request, object: pod } });
const named = (list: readonly Anything[], name: string) => list.find((one) => one.name === name);
const apps = (pod: Anything) =>
  [...pod.spec.initContainers, ...pod.spec.containers].filter((one: Anything) => !one.name.startsWith("sallyport"));

describe("a pod that asks for it", () => {
  test("is what Kubernetes calls a pod, before and after", () => {
    expect(problemsOf(CREATE.request.object)).toEqual([]);
    expect(problemsOf(governed())).toEqual([]);
    expect(problemsOf(governed(CREATE, { injection: injectionWith("sidecar: classic\n") }))).toEqual([]);
    expect(problemsOf({ ...governed(), spec: { ...governed().spec, sidecars: [] } })).not.toEqual([]);
  });

  test("has the rules first, then the gateway, then its own", () => {
    const { spec } = governed();
    expect(spec.initContainers.map(({ name }: Anything) => name)).toEqual([
      "sallyport-redirect",
      "sallyport-trust",
      "sallyport",
      "fetch-model",
    ]);
    expect(named(spec.initContainers, "sallyport")).toMatchObject({
      restartPolicy: "Always",
      securityContext: { runAsUser: 64128, capabilities: { drop: ["ALL"] }, readOnlyRootFilesystem: true },
    });
    const redirect = named(spec.initContainers, "sallyport-redirect");
    expect(redirect.args).toEqual([
      "redirect",
      "install",
      "--uid",
      "64128",
      "--gid",
      "64128",
      "--port",
      "3128",
      "--all-tcp",
      "--except",
      "10.96.0.1/32:443",
    ]);
    expect(redirect.securityContext.capabilities).toEqual({ drop: ["ALL"], add: ["NET_ADMIN"] });
    const adding = [...spec.initContainers, ...spec.containers].filter(
      (one: Anything) => one.securityContext.capabilities.add,
    );
    expect(adding.map(({ name }: Anything) => name)).toEqual(["sallyport-redirect"]);
  });

  test("classic: the gateway is its last container", () => {
    const { spec } = governed(CREATE, { injection: injectionWith("sidecar: classic\n") });
    expect(spec.containers.map(({ name }: Anything) => name)).toEqual(["agent", "metrics", "sallyport"]);
    expect(named(spec.containers, "sallyport").restartPolicy).toBeUndefined();
  });

  test("its tenant is the label's, the namespace's, or the one for all", () => {
    const tenant = (review: Anything, more = "") => {
      const gateway = named(governed(review, { injection: injectionWith(more) }).spec.initContainers, "sallyport");
      return named(gateway.env, "EVE_PROXY_ORG_ID").value;
    };
    const without = creating(({ metadata }) => delete metadata.labels["sallyport.dev/tenant"]);
    expect(tenant(CREATE)).toBe("acme");
    expect(tenant(without)).toBe("default");
    expect(tenant(without, "tenant: {namespaces: {agents: umbrella}}\n")).toBe("umbrella");
    expect(words(CREATE, { injection: injectionWith("tenant: {namespaces: {agents: umbrella}}\n") })).toContain(
      'of tenant "umbrella"',
    );
    expect(
      words(
        creating(({ metadata }) => {
          metadata.labels["sallyport.dev/tenant"] = 'x"';
        }),
      ),
    ).toContain("is no tenant");
  });

  test("every container of its own is told the way and whom to trust, and cannot become somebody else", () => {
    const { spec } = governed();
    expect(apps({ spec })).toHaveLength(3);
    for (const { env, volumeMounts, securityContext } of apps({ spec })) {
      for (const name of ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"])
        expect(named(env, name).value).toBe("http://127.0.0.1:3128");
      for (const name of [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "AWS_CA_BUNDLE",
        "CARGO_HTTP_CAINFO",
      ]) {
        expect(named(env, name).value).toBe("/run/sallyport/trust/bundle.pem");
      }
      for (const name of ["NODE_EXTRA_CA_CERTS", "DENO_CERT"])
        expect(named(env, name).value).toBe("/run/sallyport/trust/ca.crt");
      expect(named(env, "NODE_USE_ENV_PROXY").value).toBe("1");
      expect(named(env, "NO_PROXY")).toEqual({ name: "NO_PROXY" });
      expect(new Set(env.map(({ name }: Anything) => name)).size).toBe(env.length);
      expect(volumeMounts.at(-1)).toEqual({
        name: "sallyport-trust",
        mountPath: "/run/sallyport/trust",
        readOnly: true,
      });
      expect(securityContext.allowPrivilegeEscalation).toBe(false);
      expect([...securityContext.capabilities.drop].sort()).toEqual(["NET_ADMIN", "NET_RAW", "SETGID", "SETUID"]);
    }
    const agent = named(spec.containers, "agent");
    expect(agent.securityContext).toMatchObject({ runAsUser: 1000, runAsGroup: 10001 });
    expect(named(spec.containers, "metrics").securityContext).toMatchObject({ runAsUser: 10001, runAsGroup: 10001 });
    expect(named(agent.env, "JAVA_TOOL_OPTIONS").value).toStartWith("-Xmx512m -Dhttp.proxyHost=127.0.0.1 ");
    expect(named(agent.env, "OPENAI_API_KEY")).toEqual(
      named(CREATE.request.object.spec.containers[0].env, "OPENAI_API_KEY"),
    );
  });

  test("whatever else it says stays as it was", () => {
    const before = structuredClone(CREATE.request.object);
    const after = governed();
    expect(CREATE.request.object).toEqual(before);
    for (const key of Object.keys(before.spec)) {
      if (!["initContainers", "containers", "volumes"].includes(key)) expect(after.spec[key]).toEqual(before.spec[key]);
    }
    expect(after.spec.volumes.slice(0, 3)).toEqual(before.spec.volumes);
    expect(after.metadata.managedFields).toEqual(before.metadata.managedFields);
  });

  test("seccomp is what it says, what its pod says, or the runtime's", () => {
    const pod = governed(
      creating(({ spec }) => {
        spec.securityContext = {};
        spec.containers[0].securityContext = { seccompProfile: { type: "Localhost", localhostProfile: "mine.json" } };
      }),
      { injection: injectionWith("apps: {seccompProfiles: [mine.json]}\n") },
    );
    expect(named(pod.spec.containers, "agent").securityContext.seccompProfile.type).toBe("Localhost");
    expect(named(pod.spec.containers, "metrics").securityContext.seccompProfile).toEqual({ type: "RuntimeDefault" });
    expect(named(governed().spec.containers, "metrics").securityContext.seccompProfile).toBeUndefined();
  });

  test("one that drops all has nothing more to drop", () => {
    const pod = governed(
      creating(({ spec }) => {
        spec.containers[1].securityContext = { capabilities: { drop: ["ALL"] } };
      }),
    );
    expect(named(pod.spec.containers, "metrics").securityContext.capabilities).toEqual({ drop: ["ALL"] });
  });

  test("options of Java that come from elsewhere stay, and that is said", () => {
    const from = { configMapKeyRef: { name: "java", key: "options" } };
    const review = creating(({ spec }) => {
      spec.containers[0].env = [{ name: "JAVA_TOOL_OPTIONS", valueFrom: from }];
    });
    const verdict = admitted(review);
    expect(verdict).toMatchObject({ allowed: true, warnings: [expect.stringContaining("JAVA_TOOL_OPTIONS")] });
    expect(
      named(named(patched(review.request.object, verdict).spec.containers, "agent").env, "JAVA_TOOL_OPTIONS").valueFrom,
    ).toEqual(from);
  });

  test("without a CA it is told the way alone", () => {
    const injection = injectionWith("", INJECTION_TEXT.replace(/^ca:.*\n/m, ""));
    const { spec } = governed(CREATE, { injection });
    const agent = named(spec.containers, "agent");
    expect(named(agent.env, "SSL_CERT_FILE")).toBeUndefined();
    expect(agent.volumeMounts).toEqual(CREATE.request.object.spec.containers[0].volumeMounts);
    expect(spec.initContainers.map(({ name }: Anything) => name)).toEqual([
      "sallyport-redirect",
      "sallyport",
      "fetch-model",
    ]);
    expect(problemsOf(governed(CREATE, { injection }))).toEqual([]);
  });
});

describe("who asks", () => {
  const annotated = (annotations: Record<string, string>) =>
    creating(({ metadata }) => {
      metadata.annotations = annotations;
    });

  test("nobody who does not", () => {
    for (const annotations of [{}, { "sallyport.dev/inject": "false" }])
      expect(admitted(annotated(annotations))).toMatchObject({ allowed: true, patch: [], did: "not_asked" });
    expect(admitted(creating(({ metadata }) => delete metadata.annotations))).toMatchObject({ did: "not_asked" });
  });

  test("the EVE Sidecar's annotation counts as ours does", () => {
    expect(admitted(annotated({ "aegrail.io/inject": "true" }))).toMatchObject({ did: "injected" });
  });

  test("a word that is neither yes nor no is refused: it was meant to say something", () => {
    for (const value of ["yes", "True", "enabled", "", "1"])
      expect(words(annotated({ "sallyport.dev/inject": value }))).toContain('is neither "true" nor "false"');
    expect(words(annotated({ "sallyport.dev/inject": "true", "aegrail.io/inject": "false" }))).toContain(
      "different things",
    );
  });

  test("where all are governed nobody is asked", () => {
    for (const annotations of [{}, { "sallyport.dev/inject": "false" }]) {
      expect(admitted(annotated(annotations), { all: true })).toMatchObject({ did: "injected" });
      const always = injectionWith("namespaces: {always: [agents], never: []}\n");
      expect(admitted(annotated(annotations), { injection: always })).toMatchObject({ did: "injected" });
    }
  });

  test("in a namespace that is never injected nobody is, and who asked is told", () => {
    const injection = injectionWith("namespaces: {never: [agents]}\n");
    expect(admitted(CREATE, { injection, all: true })).toMatchObject({
      allowed: true,
      patch: [],
      warnings: [expect.stringContaining("agents")],
    });
  });

  test("what looks injected and does not ask is refused", () => {
    expect(words(annotated({ "sallyport.dev/injected": "0123456789abcdef" }))).toContain(
      "looks as if it were injected",
    );
    const pod = governed();
    pod.metadata.annotations = {};
    expect(words(again(pod))).toContain("looks as if it were injected");
  });

  test("what is no pod is let be", () => {
    const other = structuredClone(CREATE);
    other.request.resource = { group: "apps", version: "v1", resource: "deployments" };
    expect(admitted(other)).toMatchObject({ allowed: true, patch: [], did: "not_ours" });
  });
});

describe("a pod that comes again", () => {
  test("is left as it is", () => {
    for (const more of ["", "sidecar: classic\n"]) {
      const injection = injectionWith(more);
      const verdict = admitted(again(governed(CREATE, { injection })), { injection });
      expect(verdict).toMatchObject({ allowed: true, patch: [], did: "unchanged" });
    }
  });

  /** As the API server and its own plugins hand it on to the next webhook. */
  function handedOn(pod: Anything) {
    for (const container of [...pod.spec.initContainers, ...pod.spec.containers]) {
      if (container.name.startsWith("sallyport")) {
        container.imagePullPolicy = "Always";
        container.resources.limits = { ...container.resources.limits, cpu: "2" };
        container.volumeMounts = [
          ...(container.volumeMounts ?? []),
          CREATE.request.object.spec.containers[0].volumeMounts.at(-1),
        ];
      }
    }
    return pod;
  }

  test("with what the API server's own plugins add to every container", () => {
    expect(admitted(again(handedOn(governed())))).toMatchObject({ allowed: true, patch: [] });
    expect(admitted(again(handedOn(governed())), { last: true })).toMatchObject({ allowed: true, did: "unchanged" });
  });

  /** What Kubernetes 1.34.1 makes of the governed pod: its own code (SetObjectDefaults_Pod) wrote `defaulted.json`, in which arguments and environment of ours have followed since. */
  test("with every default that the API server writes out", () => {
    const pod = recorded("defaulted");
    expect(pod).not.toEqual(governed());
    expect(admitted(again(pod))).toMatchObject({ allowed: true, patch: [] });
    expect(admitted(again(pod), { last: true })).toMatchObject({ allowed: true, did: "unchanged" });
    expect(problemsOf(pod)).toEqual([]);
  });

  test("without what is empty, which the API server leaves out", () => {
    const text = INJECTION_TEXT.replace(/^env:$/m, 'env:\n  - {name: EVE_PROXY_BLOCKED_HOSTS, value: ""}');
    const injection = injectionWith("", text);
    const pod = governed(CREATE, { injection });
    const set = named(named(pod.spec.initContainers, "sallyport").env, "EVE_PROXY_BLOCKED_HOSTS");
    expect(set.value).toBe("");
    delete set.value;
    expect(admitted(again(pod), { injection, last: true })).toMatchObject({ allowed: true, did: "unchanged" });
    set.value = "evil.example";
    expect(words(again(pod), { injection })).toContain("this name is ours");
  });

  test("a container that somebody put in since is governed, and ours stand first again", () => {
    const pod = governed();
    pod.spec.containers.push({ name: "late", image: "late:1" });
    pod.spec.initContainers.unshift({ name: "early", image: "early:1" });
    const verdict = admitted(again(pod));
    expect(verdict).toMatchObject({ allowed: true, did: "governed" });
    const after = patched(pod, verdict);
    expect(after.spec.initContainers.map(({ name }: Anything) => name)).toEqual([
      "sallyport-redirect",
      "sallyport-trust",
      "sallyport",
      "early",
      "fetch-model",
    ]);
    expect(named(after.spec.containers, "late").securityContext.allowPrivilegeEscalation).toBe(false);
    expect(words(again(pod), { last: true })).toContain("was changed after it was governed");
    expect(problemsOf(after)).toEqual([]);
  });

  test("what was never governed does not pass the last look", () => {
    expect(words(CREATE, { last: true })).toContain("or never was");
  });

  const forgeries: [string, (pod: Anything) => void][] = [
    [
      "another image",
      (pod) => {
        named(pod.spec.initContainers, "sallyport").image = "evil:1";
      },
    ],
    [
      "another image of the redirect",
      (pod) => {
        named(pod.spec.initContainers, "sallyport-redirect").image = "evil:1";
      },
    ],
    [
      "a redirect that excepts everything",
      (pod) => {
        named(pod.spec.initContainers, "sallyport-redirect").args.push("--except", "0.0.0.0/0");
      },
    ],
    [
      "a redirect for another user",
      (pod) => {
        named(pod.spec.initContainers, "sallyport-redirect").args[3] = "1000";
      },
    ],
    [
      "a command",
      (pod) => {
        named(pod.spec.initContainers, "sallyport").command = ["/bin/true"];
      },
    ],
    [
      "a variable more",
      (pod) => {
        named(pod.spec.initContainers, "sallyport").env.push({ name: "EVE_PROXY_FAIL_CLOSED", value: "0" });
      },
    ],
    [
      "envFrom",
      (pod) => {
        named(pod.spec.initContainers, "sallyport").envFrom = [{ configMapRef: { name: "evil" } }];
      },
    ],
    [
      "a hook",
      (pod) => {
        named(pod.spec.initContainers, "sallyport").lifecycle = { postStart: { exec: { command: ["/sallyport"] } } };
      },
    ],
    [
      "a mount more",
      (pod) => {
        named(pod.spec.initContainers, "sallyport").volumeMounts.push({ name: "scratch", mountPath: "/etc" });
      },
    ],
    [
      "a mount that only looks like the token",
      (pod) => {
        named(pod.spec.initContainers, "sallyport").volumeMounts.push({
          name: "scratch",
          mountPath: "/var/run/secrets/kubernetes.io/serviceaccount",
          readOnly: true,
        });
      },
    ],
    [
      "another user",
      (pod) => {
        named(pod.spec.initContainers, "sallyport").securityContext.runAsUser = 1000;
      },
    ],
    [
      "not staying",
      (pod) => {
        delete named(pod.spec.initContainers, "sallyport").restartPolicy;
      },
    ],
    [
      "a probe that never waits",
      (pod) => {
        delete named(pod.spec.initContainers, "sallyport").startupProbe;
      },
    ],
    [
      "a second one",
      (pod) => {
        pod.spec.initContainers.push(structuredClone(named(pod.spec.initContainers, "sallyport")));
      },
    ],
    [
      "one among the containers",
      (pod) => {
        pod.spec.containers.push({ name: "sallyport", image: "evil:1" });
      },
    ],
    [
      "a volume that is another",
      (pod) => {
        pod.spec.volumes = pod.spec.volumes.map((one: Anything) =>
          one.name === "sallyport-trust" ? { name: "sallyport-trust", configMap: { name: "evil" } } : one,
        );
      },
    ],
    [
      "a volume with another Secret",
      (pod) => {
        named(pod.spec.volumes, "sallyport-ca-secret").secret.secretName = "evil";
      },
    ],
    [
      "trust that can be written",
      (pod) => {
        delete pod.spec.containers[0].volumeMounts.at(-1).readOnly;
      },
    ],
  ];
  for (const [what, forge] of forgeries) {
    test(`and merely pretends: ${what}`, () => {
      const pod = governed();
      forge(pod);
      expect(words(again(pod))).toContain("sallyport cannot govern this pod");
      expect(words(again(pod), { last: true })).toContain("sallyport cannot govern this pod");
    });
  }

  test("parts that were taken out are put in again", () => {
    const pod = governed();
    pod.spec.initContainers = pod.spec.initContainers.filter(({ name }: Anything) => name !== "sallyport-redirect");
    expect(patched(pod, admitted(again(pod)))).toEqual(governed());
    expect(words(again(pod), { last: true })).toContain("/spec/initContainers");
  });
});

describe("a pod that cannot be governed is refused, and told why:", () => {
  const container = (change: object) => (pod: Anything) => Object.assign(pod.spec.containers[1], change);
  const security = (change: object) => container({ securityContext: change });
  const spec = (change: object) => (pod: Anything) => Object.assign(pod.spec, change);
  const podSecurity = (change: object) => (pod: Anything) => Object.assign(pod.spec.securityContext, change);
  const adding = (name: string) => security({ capabilities: { add: [name] } });
  const volume = (more: object) => (pod: Anything) => pod.spec.volumes.push({ name: "more", ...more });
  const cases: [string, (pod: Anything) => unknown, string][] = [
    ["the node's network", spec({ hostNetwork: true }), "hostNetwork"],
    ["the node's processes", spec({ hostPID: true }), "hostPID"],
    ["the node's IPC", spec({ hostIPC: true }), "hostIPC"],
    ["processes in common", spec({ shareProcessNamespace: true }), "shareProcessNamespace"],
    ["Windows", spec({ os: { name: "windows" } }), "os.name"],
    ["another runtime", spec({ runtimeClassName: "gvisor" }), "runtimeClassName"],
    ["names of its own", spec({ hostAliases: [{ ip: "203.0.113.9", hostnames: ["api.openai.com"] }] }), "hostAliases"],
    [
      "a resolver of its own",
      spec({ dnsPolicy: "None", dnsConfig: { nameservers: ["203.0.113.9"] } }),
      "dnsPolicy None",
    ],
    ["one resolver more", spec({ dnsConfig: { nameservers: ["203.0.113.9"] } }), "dnsConfig.nameservers"],
    ["a search list", spec({ dnsConfig: { searches: ["evil.example"] } }), "dnsConfig.searches"],
    ["privileged", security({ privileged: true }), "privileged"],
    ["the gateway's user", security({ runAsUser: 64128 }), "runAsUser: 64128 is the gateway's"],
    ["the gateway's group", security({ runAsGroup: 64128 }), "runAsGroup: 64128 is the gateway's"],
    ["the gateway's user past 32 bits", security({ runAsUser: 4294967295 }), "is no id"],
    ["root", security({ runAsUser: 0 }), "runAsUser: root writes"],
    ["root for all", podSecurity({ runAsUser: 0 }), "securityContext.runAsUser: root"],
    ["the gateway's user for all", podSecurity({ runAsUser: 64128 }), "securityContext.runAsUser"],
    ["the gateway's group for all", podSecurity({ runAsGroup: 64128 }), "securityContext.runAsGroup"],
    ["files of the gateway's group", podSecurity({ fsGroup: 64128 }), "64128 is the gateway's group"],
    ["the gateway's group besides", podSecurity({ supplementalGroups: [1, 64128] }), "64128 is the gateway's group"],
    ["pings", podSecurity({ sysctls: [{ name: "net.ipv4.ping_group_range", value: "0 65535" }] }), "ping_group_range"],
    ["the same with slashes", podSecurity({ sysctls: [{ name: "net/ipv4/ip_forward", value: "1" }] }), "ip_forward"],
    ...[
      "NET_ADMIN",
      "NET_RAW",
      "SETUID",
      "SETGID",
      "ALL",
      "all",
      "SYS_ADMIN",
      "SYS_PTRACE",
      "BPF",
      "PERFMON",
      "SYS_MODULE",
      "CAP_NET_RAW",
      "net_admin",
      "DAC_READ_SEARCH",
      "SYS_RAWIO",
      "CHECKPOINT_RESTORE",
      "NOT_KNOWN_YET",
    ].map((name): [string, (pod: Anything) => unknown, string] => [
      `capability ${name}`,
      adding(name),
      `capabilities.add: with "${name}"`,
    ]),
    ["no seccomp", security({ seccompProfile: { type: "Unconfined" } }), 'seccompProfile: "Unconfined"'],
    ["no seccomp for all", podSecurity({ seccompProfile: { type: "Unconfined" } }), 'seccompProfile: "Unconfined"'],
    ["a domain of SELinux", security({ seLinuxOptions: { type: "spc_t" } }), "seLinuxOptions"],
    ["a role of SELinux for all", podSecurity({ seLinuxOptions: { role: "system_r" } }), "seLinuxOptions"],
    ["unmasked /proc", security({ procMount: "Unmasked" }), "procMount"],
    ["a Windows host process", security({ windowsOptions: { hostProcess: true } }), "windowsOptions"],
    ["a directory of the node", volume({ hostPath: { path: "/var/lib" } }), '"/var/lib"'],
    [
      "a socket of the node",
      volume({ hostPath: { path: "/run/containerd/containerd.sock", type: "Socket" } }),
      "Socket",
    ],
    ["a volume of our name", (pod) => pod.spec.volumes.push({ name: "sallyport-ca", emptyDir: {} }), '"sallyport-ca"'],
    [
      "a mount on our place",
      container({ volumeMounts: [{ name: "scratch", mountPath: "/run/sallyport/trust" }] }),
      "hides or opens",
    ],
    [
      "a mount in our place",
      container({ volumeMounts: [{ name: "scratch", mountPath: "/run//sallyport/./trust/ca.crt" }] }),
      "hides or opens",
    ],
    ["a mount over our place", container({ volumeMounts: [{ name: "scratch", mountPath: "/run" }] }), "hides or opens"],
    ["the gateway's key by volume", volume({ secret: { secretName: "sallyport-keys" } }), 'Secret "sallyport-keys"'],
    [
      "the gateway's key, projected",
      volume({ projected: { sources: [{ secret: { name: "sallyport-keys" } }] } }),
      'Secret "sallyport-keys"',
    ],
    [
      "the CA's key by variable",
      container({ env: [{ name: "K", valueFrom: { secretKeyRef: { name: "sallyport-ca", key: "ca.key" } } }] }),
      'Secret "sallyport-ca"',
    ],
    [
      "the CA's key by all variables",
      container({ envFrom: [{ secretRef: { name: "sallyport-ca" } }] }),
      'Secret "sallyport-ca"',
    ],
    ["a container of our name", container({ name: "sallyport" }), "this name is ours"],
    ["a container of our kind of name", container({ name: "sallyport-helper" }), "this name is ours"],
    [
      "containers of a kind there is not yet",
      spec({ sideContainers: [{ name: "x", image: "x" }] }),
      '"sideContainers"',
    ],
    ["a field of another kind", spec({ hostNetwork: "true" }), "spec.hostNetwork is not what Kubernetes has there"],
    ["null where a flag belongs", spec({ hostNetwork: null }), "spec.hostNetwork is not what Kubernetes has there"],
  ];
  for (const [what, change, said] of cases) {
    test(what, () => {
      const review = creating(change);
      expect(words(review)).toContain(said);
      expect(words(review, { all: true, last: true })).toContain(said);
    });
  }

  test("the claim that the gateway's evidence is kept in", () => {
    const from = INJECTION_TEXT.replace(
      /^volumes:$/m,
      "volumes:\n  - {name: sallyport-data, persistentVolumeClaim: {claimName: evidence}}",
    );
    const review = (claimName: string) =>
      creating(({ spec }) => spec.volumes.push({ name: "disk", persistentVolumeClaim: { claimName } }));
    const injection = injectionWith("", from);
    expect(words(review("evidence"), { injection })).toContain("keeps its evidence");
    expect(admitted(review("other"), { injection })).toMatchObject({ did: "injected" });
    expect(
      governed(review("other"), { injection }).spec.volumes.filter(({ name }: Anything) => name === "sallyport-data"),
    ).toEqual([{ name: "sallyport-data", persistentVolumeClaim: { claimName: "evidence" } }]);
  });

  test("the same in an init container", () => {
    expect(
      words(
        creating(({ spec }) => {
          spec.initContainers[0].securityContext = { privileged: true };
        }),
      ),
    ).toContain('container "fetch-model": privileged');
  });

  test("what the injection allows is allowed", () => {
    const injection = injectionWith(
      "apps: {allowRoot: true, hostPaths: [/var/log], runtimeClasses: [kata], allowDns: true}\n",
    );
    const review = creating(({ spec }) => {
      Object.assign(spec, { runtimeClassName: "kata", hostAliases: [{ ip: "10.0.0.1", hostnames: ["a"] }] });
      spec.containers[1].securityContext = { runAsUser: 0, capabilities: { add: ["CHOWN"] } };
      spec.volumes.push({ name: "logs", hostPath: { path: "/var/log/pods" } });
    });
    expect(admitted(review, { injection })).toMatchObject({ allowed: true });
    for (const path of ["/var/logs", "/var/log/../lib", "/var"]) {
      const other = creating(({ spec }) => spec.volumes.push({ name: "logs", hostPath: { path } }));
      expect(words(other, { injection })).toContain("is the node's");
    }
  });
});

describe("a pod that runs", () => {
  const update = recorded("update");
  const debug = recorded("debug");
  const running = () => {
    const pod = governed();
    return Object.assign(pod, { status: { phase: "Running" } });
  };
  const updating = (change: (pod: Anything) => void, before = running()) => {
    const after = structuredClone(before);
    change(after);
    return { ...update, request: { ...update.request, object: after, oldObject: before } };
  };

  test("may be given other images of its own, and other words about it", () => {
    expect(admitted(update)).toMatchObject({ allowed: true, patch: [] });
    expect(
      admitted(
        updating(({ spec, metadata }) => {
          spec.containers[0].image = "x:2";
          metadata.annotations = {};
        }),
      ),
    ).toMatchObject({ allowed: true, patch: [] });
  });

  test("keeps the images of ours, with or without its annotations", () => {
    for (const name of ["sallyport", "sallyport-redirect"]) {
      const review = updating(({ spec, metadata }) => {
        named(spec.initContainers, name).image = "evil:1";
        metadata.annotations = {};
      });
      expect(words(review)).toContain("its image is not to be changed");
      expect(words(review, { last: true })).toContain("its image is not to be changed");
    }
    const bare = running();
    bare.metadata.annotations = {};
    expect(
      words(
        updating(({ spec }) => {
          named(spec.initContainers, "sallyport").image = "evil:1";
        }, bare),
      ),
    ).toContain("not to be changed");
  });

  const debugging = (change: Anything = {}) => {
    const before = running();
    const after = structuredClone(before);
    after.spec.ephemeralContainers = [{ ...debug.request.object.spec.ephemeralContainers[0], ...change }];
    return { ...debug, request: { ...debug.request, object: after, oldObject: before } };
  };

  test("takes no ephemeral container unless that is allowed, and then governs it", () => {
    expect(admitted(debug)).toMatchObject({ allowed: true, patch: [], did: "not_asked" });
    expect(words(debugging())).toContain("ephemeral containers are not let into");
    const injection = injectionWith("apps: {ephemeral: govern}\n");
    const review = debugging();
    const after = patched(review.request.object, admitted(review, { injection }));
    expect(after.spec.ephemeralContainers[0].securityContext).toMatchObject({
      runAsUser: 10001,
      allowPrivilegeEscalation: false,
    });
    expect(named(after.spec.ephemeralContainers[0].env, "https_proxy").value).toBe("http://127.0.0.1:3128");
    expect(problemsOf(after)).toEqual([]);
    expect(words(debugging(), { injection, last: true })).toContain("or never was");
    const governedThen = { ...review, request: { ...review.request, object: after } };
    expect(admitted(governedThen, { injection, last: true })).toMatchObject({ allowed: true, patch: [] });
    for (const [change, said] of [
      [{ targetContainerName: "sallyport" }, "targetContainerName"],
      [{ securityContext: { capabilities: { add: ["SYS_PTRACE"] } } }, "SYS_PTRACE"],
      [{ securityContext: { runAsUser: 64128 } }, "is the gateway's"],
      [
        { env: [{ name: "K", valueFrom: { secretKeyRef: { name: "sallyport-ca", key: "ca.key" } } }] },
        "only the gateway may have it",
      ],
      [{ volumeMounts: [{ name: "sallyport-ca", mountPath: "/x" }] }, "a volume of ours"],
    ] as const) {
      expect(words(debugging(change), { injection })).toContain(said);
    }
  });

  test("lets nobody into the gateway's container", () => {
    const exec = recorded("exec");
    expect(words(exec)).toContain('nobody enters container "sallyport"');
    exec.request.object.container = "agent";
    expect(admitted(exec)).toMatchObject({ allowed: true });
  });
});

test("the mark says which injection it was, and does not decide", () => {
  const pod = governed(CREATE, { mark: "a" });
  expect(admitted(again(pod), asking({ mark: "b", last: true }))).toMatchObject({ allowed: true });
});
