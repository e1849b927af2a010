/** What every container of a pod but ours is made into: told the way out and whom to trust on it, and kept from walking around it. */
import {
  BUNDLE_VARIABLES,
  EXTRA_ROOT_VARIABLES,
  javaOptions,
  joinedOptions,
  NO_PROXY_VARIABLES,
  PROXY_VARIABLES,
} from "../config/client-variables.ts";
import { quote } from "../words/quote.ts";
import type { Injection } from "./injection.ts";
import { TRUST_PATH, VOLUMES } from "./names.ts";
import type { Container, PodSpec, Variable } from "./pod.ts";

/** Each opens a way past a rule that knows the gateway by its user; dropped, nothing in the container gets them again. */
const DROPPED = ["SETUID", "SETGID", "NET_RAW", "NET_ADMIN"] as const;

/** What every container is given where there is a CA. */
export const TRUST_MOUNT = { name: VOLUMES.trust, mountPath: TRUST_PATH, readOnly: true } as const;

export interface Governed {
  readonly container: Container;
  readonly warnings: readonly string[];
}

/** `pod`: the pod's own securityContext, which holds where the container's is silent. */
export function governContainer(
  container: Container,
  { injection, pod }: { readonly injection: Injection; readonly pod: PodSpec["securityContext"] },
): Governed {
  const warnings: string[] = [];
  const mounts = container.volumeMounts ?? [];
  const volumeMounts = injection.ca === undefined ? mounts : [...mounts, TRUST_MOUNT];
  const governed = {
    ...container,
    env: environment(container, injection, warnings),
    ...(volumeMounts.length > 0 || container.volumeMounts !== undefined ? { volumeMounts } : {}),
    securityContext: securityOf(container, injection, pod),
  };
  return { container: governed, warnings };
}

function securityOf(
  { securityContext: own = {} }: Container,
  { apps }: Injection,
  pod: PodSpec["securityContext"] = {},
) {
  const drop = own.capabilities?.drop ?? [];
  const missing = drop.includes("ALL") ? [] : DROPPED.filter((name) => !drop.includes(name));
  return {
    ...own,
    allowPrivilegeEscalation: false,
    ...(own.runAsUser === undefined && pod.runAsUser === undefined ? { runAsUser: apps.uid } : {}),
    ...(own.runAsGroup === undefined && pod.runAsGroup === undefined ? { runAsGroup: apps.gid } : {}),
    // Left out, most nodes give none: and there are sockets that only this keeps a container from.
    ...(own.seccompProfile === undefined && pod.seccompProfile === undefined
      ? { seccompProfile: { type: "RuntimeDefault" } }
      : {}),
    capabilities: { ...own.capabilities, drop: [...drop, ...missing] },
  };
}

function environment({ name: container, env = [] }: Container, injection: Injection, warnings: string[]): Variable[] {
  const { port, ca } = injection;
  const noProxy = injection.noProxy.join(",");
  const url = `http://127.0.0.1:${port}`;
  const ours = new Map<string, string>();
  for (const name of PROXY_VARIABLES) for (const one of [name, name.toLowerCase()]) ours.set(one, url);
  for (const name of NO_PROXY_VARIABLES) ours.set(name, noProxy);
  ours.set("NODE_USE_ENV_PROXY", "1");
  if (ca !== undefined) {
    for (const name of BUNDLE_VARIABLES) ours.set(name, `${TRUST_PATH}/bundle.pem`);
    for (const name of EXTRA_ROOT_VARIABLES) ours.set(name, `${TRUST_PATH}/ca.crt`);
  }
  const java = javaOptions(port, { store: ca === undefined ? null : `${TRUST_PATH}/trust.p12`, noProxy });
  const given = env.filter(({ name }) => name === JAVA).at(-1);
  if (given?.valueFrom !== undefined) {
    warnings.push(
      `container ${quote(container)}: ${JAVA} is taken from elsewhere and stays: add the proxy and trust store to it`,
    );
  } else {
    const before = given?.value ?? "";
    ours.set(JAVA, before.endsWith(java) ? before : joinedOptions(before, java));
  }
  // An empty value is left out on the way, and what comes back must be what was sent.
  const kept = env.filter(({ name }) => !ours.has(name));
  return [...kept, ...[...ours].map(([name, value]) => (value === "" ? { name } : { name, value }))];
}

const JAVA = "JAVA_TOOL_OPTIONS";
