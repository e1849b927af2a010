/** The containers and volumes a pod is given, spelled out in full: what is left to defaults could not be told from what was meddled with. */
import type { Injection } from "./injection.ts";
import { CA_PATH, DATA_PATH, GATEWAY, OUR_PATH, REDIRECT, SECRET_PATH, STAGE, TRUST_PATH, VOLUMES } from "./names.ts";
import type { Container } from "./pod.ts";

export interface Parts {
  /** First of the pod's init containers, in this order. */
  readonly first: readonly Container[];
  /** Last of its containers. */
  readonly last: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly [key: string]: unknown }[];
}

const COMMON = {
  terminationMessagePath: "/dev/termination-log",
  terminationMessagePolicy: "File",
} as const;

/** Key files and folders that only the gateway's user reads. */
const STAGED = { cert: `${CA_PATH}/ca.crt`, key: `${CA_PATH}/ca.key` } as const;

export function partsOf(injection: Injection, tenant: string): Parts {
  const { ca } = injection;
  const gateway = gatewayOf(injection, tenant);
  const native = injection.sidecar === "native";
  return {
    first: [
      redirectOf(injection),
      ...(ca === undefined ? [] : [stageOf(injection)]),
      ...(native ? [{ ...gateway, restartPolicy: "Always" }] : []),
    ],
    last: native ? [] : [gateway],
    volumes: [
      // One of the operator's own in its place is one that outlives the pod.
      ...(injection.volumes.some(({ name }) => name === VOLUMES.data) ? [] : [{ name: VOLUMES.data, emptyDir: {} }]),
      ...(ca === undefined
        ? []
        : [
            {
              name: VOLUMES.secret,
              secret: {
                secretName: ca.secret,
                items: [
                  { key: ca.cert, path: "ca.crt" },
                  { key: ca.key, path: "ca.key" },
                ],
                defaultMode: 0o444,
              },
            },
            { name: VOLUMES.ca, emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
            { name: VOLUMES.trust, emptyDir: { sizeLimit: "16Mi" } },
          ]),
      ...injection.volumes,
    ],
  };
}

/** What nothing of ours has, but the one that sets the rules. */
function security({ uid, gid }: Pick<Injection, "uid" | "gid">) {
  return {
    runAsUser: uid,
    runAsGroup: gid,
    runAsNonRoot: true,
    privileged: false,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
    seccompProfile: { type: "RuntimeDefault" },
  };
}

function redirectOf(injection: Injection): Container {
  const { image, imagePullPolicy, uid, gid, port, host, redirect, resources } = injection;
  return {
    name: REDIRECT,
    image,
    imagePullPolicy,
    args: [
      ...["redirect", "install", "--uid", String(uid), "--gid", String(gid), "--port", String(port)],
      ...(redirect.allTcp ? ["--all-tcp"] : []),
      ...redirect.except.flatMap((cidr) => ["--except", cidr]),
    ],
    // By where the gateway listens it knows whether IPv6 can be redirected, or must be dropped.
    env: [{ name: "EVE_PROXY_HOST", value: host }],
    resources,
    securityContext: {
      ...security({ uid: 0, gid: 0 }),
      runAsNonRoot: false,
      capabilities: { drop: ["ALL"], add: ["NET_ADMIN"] },
    },
    ...COMMON,
  };
}

function stageOf(injection: Injection): Container {
  const { image, imagePullPolicy, resources } = injection;
  return {
    name: STAGE,
    image,
    imagePullPolicy,
    args: ["ca", "stage", "--from", SECRET_PATH, "--dir", CA_PATH, "--trust", TRUST_PATH],
    resources,
    securityContext: security(injection),
    volumeMounts: [
      { name: VOLUMES.secret, mountPath: SECRET_PATH, readOnly: true },
      { name: VOLUMES.ca, mountPath: CA_PATH },
      { name: VOLUMES.trust, mountPath: TRUST_PATH },
    ],
    ...COMMON,
  };
}

function gatewayOf(injection: Injection, tenant: string): Container {
  const { image, imagePullPolicy, port, host, ca, resources } = injection;
  const own = [
    { name: "EVE_PROXY_HOST", value: host },
    { name: "EVE_PROXY_PORT", value: String(port) },
    { name: "EVE_PROXY_ORG_ID", value: tenant },
    ...(ca === undefined
      ? []
      : [
          { name: "EVE_PROXY_CA_CERT", value: STAGED.cert },
          { name: "EVE_PROXY_CA_KEY", value: STAGED.key },
        ]),
  ];
  const probe = { httpGet: { path: "/readyz", port, scheme: "HTTP" }, timeoutSeconds: 2, successThreshold: 1 };
  return {
    name: GATEWAY,
    image,
    imagePullPolicy,
    args: ["run"],
    env: [...own, ...injection.env],
    ports: [{ name: GATEWAY, containerPort: port, protocol: "TCP" }],
    // An app is not begun before the way out is there.
    startupProbe: { ...probe, periodSeconds: 1, failureThreshold: 60 },
    readinessProbe: { ...probe, periodSeconds: 5, failureThreshold: 3 },
    livenessProbe: {
      ...probe,
      httpGet: { ...probe.httpGet, path: "/healthz" },
      periodSeconds: 10,
      failureThreshold: 6,
    },
    resources,
    securityContext: security(injection),
    volumeMounts: [
      { name: VOLUMES.data, mountPath: DATA_PATH },
      ...(ca === undefined ? [] : [{ name: VOLUMES.ca, mountPath: CA_PATH, readOnly: true }]),
      ...injection.volumeMounts.map((mount) => ({ ...mount })),
    ],
    ...COMMON,
  };
}

/** Names of Secrets that hold what only the gateway may know: no other container of a pod gets them. */
export function secretsOf(injection: Injection): ReadonlySet<string> {
  const names = new Set<string>();
  if (injection.ca !== undefined) names.add(injection.ca.secret);
  for (const found of secretNames([injection.env, injection.volumes])) names.add(found);
  return names;
}

/** Tells claims that the gateway writes to: what is in them is evidence of the others. */
export function claimsOf({ volumes }: Injection): readonly ((claim: string) => boolean)[] {
  return volumes.flatMap(({ name, persistentVolumeClaim: claim, ephemeral }) => {
    const ours: unknown = typeof claim === "object" && claim !== null ? Reflect.get(claim, "claimName") : undefined;
    return [
      ...(typeof ours === "string" ? [(other: string) => other === ours] : []),
      // Kubernetes calls it after the pod and the volume, and here any pod is meant.
      ...(ephemeral === undefined ? [] : [(other: string) => other.endsWith(`-${name}`)]),
    ];
  });
}

const MAX_DEPTH = 32;

/**
 * Every name of a Secret below a value, wherever Kubernetes has such a field: `secretName: x`, and `name` or `secretName`
 * in whatever is under a key that speaks of a secret (`secret`, `secretRef`, `secretKeyRef`, `nodePublishSecretRef`, …).
 */
export function* secretNames(value: unknown, depth = MAX_DEPTH): Generator<string> {
  if (typeof value !== "object" || value === null || depth === 0) return;
  if (Array.isArray(value)) {
    for (const item of value) yield* secretNames(item, depth - 1);
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    if (/secret/i.test(key)) {
      if (typeof item === "string") yield item;
      else if (typeof item === "object" && item !== null) {
        for (const name of ["name", "secretName"]) {
          const named: unknown = Reflect.get(item, name);
          if (typeof named === "string") yield named;
        }
      }
    }
    yield* secretNames(item, depth - 1);
  }
}

/** Whether a mount of another container lies where ours do. */
export function reachesOurs(mountPath: string): boolean {
  // Where it leads is for the runtime to find out, which may follow links in the image.
  if (mountPath.split("/").includes("..")) return true;
  const path = `/${mountPath
    .split("/")
    .filter((step) => step !== "" && step !== ".")
    .join("/")}`;
  return path === OUR_PATH || path.startsWith(`${OUR_PATH}/`) || OUR_PATH.startsWith(path === "/" ? "/" : `${path}/`);
}
