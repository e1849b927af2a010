/**
 * A pod made into one that nothing leaves but through its gateway. What is there under our names and is ours is taken out
 * and put in again, so that a pod is governed the same however often it comes; what only pretends stays, and is refused
 * for its name.
 */
import { annotationRefusals } from "./annotations.ts";
import { governContainer, TRUST_MOUNT } from "./app-container.ts";
import type { Injection } from "./injection.ts";
import { STATUS } from "./names.ts";
import type { Container, Pod, PodSpec } from "./pod.ts";
import { refusalsOf } from "./refusals.ts";
import { isSame } from "./same.ts";
import { type Parts, partsOf } from "./sidecar.ts";

export type Outcome =
  | { readonly pod: Pod; readonly warnings: readonly string[] }
  | { readonly refusals: readonly string[] };

export interface Given {
  readonly injection: Injection;
  /** Whose pod it is, for certificates. */
  readonly tenant: string;
  /** Of the injection, for people. */
  readonly mark: string;
}

export function govern(pod: Pod, { injection, tenant, mark }: Given): Outcome {
  const parts = partsOf(injection, tenant);
  const { bare, found } = withoutOurs(pod.spec, parts);
  const ours = <T extends Named>(list: readonly T[]): T[] =>
    list.map((one) => (found.get(one) as T | undefined) ?? one);
  const refusals = [...annotationRefusals(pod.metadata?.annotations ?? {}, injection), ...refusalsOf(bare, injection)];
  if (refusals.length > 0) return { refusals };
  const warnings: string[] = [];
  const governed = (container: Container): Container => {
    const one = governContainer(container, { injection, pod: bare.securityContext });
    warnings.push(...one.warnings);
    return one.container;
  };
  const { metadata } = pod;
  const volumes = [...(bare.volumes ?? []), ...ours(parts.volumes)];
  const spec: PodSpec = {
    ...bare,
    // Before anything of the pod's own runs, the rules stand.
    initContainers: [...ours(parts.first), ...(bare.initContainers ?? []).map(governed)],
    containers: [...bare.containers.map(governed), ...ours(parts.last)],
    ...(bare.ephemeralContainers === undefined ? {} : { ephemeralContainers: bare.ephemeralContainers.map(governed) }),
    ...(volumes.length > 0 || pod.spec.volumes !== undefined ? { volumes } : {}),
  };
  const annotations = { ...metadata?.annotations, [STATUS]: mark };
  return { pod: { ...pod, metadata: { ...metadata, annotations }, spec }, warnings };
}

/** `found`: by what we put there, what is there of it; the API server may have written more into it. */
function withoutOurs(
  spec: PodSpec,
  { first, last, volumes }: Parts,
): { readonly bare: PodSpec; readonly found: Found } {
  const found: Found = new Map();
  const without = <T extends Named>(there: readonly T[], ours: readonly Named[]): T[] =>
    there.filter((item) => {
      // One of each: a second of the same name is somebody's.
      const one = ours.find((each) => each.name === item.name && !found.has(each));
      if (one === undefined || !isSame(item, one)) return true;
      found.set(one, item);
      return false;
    });
  const { initContainers, ephemeralContainers } = spec;
  const bare = {
    ...spec,
    containers: without(spec.containers, last).map(withoutTrust),
    ...(initContainers === undefined ? {} : { initContainers: without(initContainers, first).map(withoutTrust) }),
    ...(ephemeralContainers === undefined ? {} : { ephemeralContainers: ephemeralContainers.map(withoutTrust) }),
    ...(spec.volumes === undefined ? {} : { volumes: without(spec.volumes, volumes) }),
  };
  return { bare, found };
}

interface Named {
  readonly name: string;
}
type Found = Map<Named, Named>;

/** Without what it may have been given before; anything like it that is not it stays, and is refused for its name. */
export function withoutTrust(container: Container): Container {
  const { volumeMounts } = container;
  if (volumeMounts === undefined) return container;
  return { ...container, volumeMounts: volumeMounts.filter((mount) => !isSame(mount, TRUST_MOUNT)) };
}
