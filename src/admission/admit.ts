/** One request of the API server, decided. Nothing here has an effect but its answer. */
import { quote } from "../words/quote.ts";
import { annotationRefusals, annotationsSince } from "./annotations.ts";
import { governContainer } from "./app-container.ts";
import { type Given, govern, withoutTrust } from "./govern.ts";
import type { Injection } from "./injection.ts";
import { ASK, GATEWAY, isOurName, REDIRECT, STAGE, STATUS } from "./names.ts";
import { difference } from "./patch.ts";
import { CONTAINER_LISTS, type Pod, podSchema } from "./pod.ts";
import { containerRefusals } from "./refusals.ts";
import type { AdmissionRequest, Did, Verdict } from "./review.ts";
import { guardedIn } from "./volumes.ts";

export interface Asking {
  readonly injection: Injection;
  readonly mark: string;
  /** Every pod that comes is governed, whatever its annotations say: it was chosen by its namespace. */
  readonly all: boolean;
  /** Nothing is mended any more: what is not governed by now is refused. */
  readonly last: boolean;
}

export function admit(request: AdmissionRequest, asking: Asking): Verdict {
  const { group, resource } = request.resource;
  if (group !== "" || resource !== "pods") return allow("not_ours");
  const about = `${request.operation} ${request.subResource ?? ""}`.trimEnd();
  if (about === "CREATE") return created(request, asking);
  if (about === "UPDATE") return updated(request, asking);
  if (about === "UPDATE ephemeralcontainers") return debugged(request, asking);
  if (about === "CONNECT exec" || about === "CONNECT attach") return entered(request);
  return allow("not_ours");
}

function created({ object, namespace = "" }: AdmissionRequest, asking: Asking): Verdict {
  const pod = podOf(object);
  if (typeof pod === "string") return refuse([pod]);
  const { injection, mark, last } = asking;
  const asked = askedFor(pod);
  if (typeof asked === "string") return refuse([asked]);
  const { always, never } = injection.namespaces;
  if (never.includes(namespace)) {
    return allow("not_asked", asked ? [`nothing in namespace ${quote(namespace)} is injected`] : []);
  }
  const forced = asking.all || always.includes(namespace);
  if (!forced && !asked) {
    if (!isInjected(pod) && pod.metadata?.annotations?.[STATUS] === undefined) return allow("not_asked");
    return refuse([
      `it looks as if it were injected, and does not ask for it; remove what is named ${GATEWAY}, or set ${ASK[0]}: "true"`,
    ]);
  }
  const tenant = tenantOf(pod, namespace, injection);
  if (typeof tenant !== "string") return refuse([tenant.problem]);
  const outcome = govern(pod, { injection, tenant, mark } satisfies Given);
  if ("refusals" in outcome) return refuse(outcome.refusals);
  const patch = difference(object, outcome.pod);
  if (last) {
    const left = patch.filter(({ path }) => path.startsWith("/spec"));
    if (left.length === 0) return allow("unchanged");
    const where = left.slice(0, 8).map(({ path }) => path);
    return refuse([`it was changed after it was governed, or never was: ${where.join(", ")}`]);
  }
  if (patch.length === 0) return allow("unchanged", outcome.warnings);
  return { allowed: true, patch, warnings: outcome.warnings, did: isInjected(pod) ? "governed" : "injected" };
}

/** Of a running pod images can be changed, and the gateway's would be the way out. Its security context cannot. */
function updated({ object, oldObject }: AdmissionRequest, { injection }: Asking): Verdict {
  const before = podOf(oldObject);
  const after = podOf(object);
  if (typeof before === "string") return refuse([before]);
  if (typeof after === "string") return refuse([after]);
  const problems: string[] = [];
  for (const list of ["initContainers", "containers"] as const) {
    for (const [index, { name, image }] of (before.spec[list] ?? []).entries()) {
      if (!isOurName(name)) continue;
      const now = after.spec[list]?.[index];
      if (now?.name !== name || now.image !== image)
        problems.push(`container ${quote(name)}: its image is not to be changed; make the pod anew`);
    }
  }
  if (isInjected(before)) {
    const fresh = annotationsSince(before.metadata?.annotations ?? {}, after.metadata?.annotations ?? {});
    problems.push(...annotationRefusals(fresh, injection));
  }
  return problems.length === 0 ? allow("unchanged") : refuse(problems);
}

function debugged({ object, oldObject, namespace = "" }: AdmissionRequest, { injection, last }: Asking): Verdict {
  const before = podOf(oldObject);
  const after = podOf(object);
  if (typeof before === "string") return refuse([before]);
  if (typeof after === "string") return refuse([after]);
  if (!isInjected(before) || injection.namespaces.never.includes(namespace)) return allow("not_asked");
  const known = new Set((before.spec.ephemeralContainers ?? []).map(({ name }) => name));
  const fresh = (after.spec.ephemeralContainers ?? []).filter(({ name }) => !known.has(name));
  if (fresh.length === 0) return allow("unchanged");
  if (injection.apps.ephemeral === "refuse")
    return refuse(["ephemeral containers are not let into a pod whose way out is guarded (apps.ephemeral)"]);
  const problems = fresh
    .map(withoutTrust)
    .flatMap((one) => [...containerRefusals(one, injection), ...guardedIn(one, injection)]);
  if (problems.length > 0) return refuse(problems);
  const warnings: string[] = [];
  const ephemeralContainers = (after.spec.ephemeralContainers ?? []).map((one) => {
    if (known.has(one.name)) return one;
    // Kubernetes lets them mount what the pod has; what they trust they get as the others do.
    const governed = governContainer(withoutTrust(one), { injection, pod: after.spec.securityContext });
    warnings.push(...governed.warnings);
    return governed.container;
  });
  const patch = difference(after.spec.ephemeralContainers, ephemeralContainers, "/spec/ephemeralContainers");
  if (last && patch.length > 0)
    return refuse(["an ephemeral container was changed after it was governed, or never was"]);
  return { allowed: true, patch, warnings, did: patch.length === 0 ? "unchanged" : "governed" };
}

/** Inside the gateway's container one is the gateway. */
function entered({ object }: AdmissionRequest): Verdict {
  const container: unknown = object === null || object === undefined ? undefined : Reflect.get(object, "container");
  if (container === undefined) return allow("not_ours");
  if (typeof container !== "string") return refuse(["the container is not named by text"]);
  return isOurName(container)
    ? refuse([`nobody enters container ${quote(container)}: what runs there leaves unseen`])
    : allow("not_ours");
}

function podOf(object: unknown): Pod | string {
  const read = podSchema.safeParse(object);
  if (read.success) return read.data;
  return `the pod cannot be read: ${read.error.issues[0]?.path.join(".") || "pod"} is not what Kubernetes has there`;
}

function askedFor({ metadata }: Pod): boolean | string {
  let asked: boolean | null = null;
  for (const name of ASK) {
    const value = metadata?.annotations?.[name];
    if (value === undefined) continue;
    if (value !== "true" && value !== "false")
      return `annotation ${name}: ${quote(value)} is neither "true" nor "false"`;
    if (asked !== null && asked !== (value === "true")) return `annotations ${ASK.join(" and ")} say different things`;
    asked = value === "true";
  }
  return asked ?? false;
}

const PARTS: ReadonlySet<string> = new Set([GATEWAY, REDIRECT, STAGE]);

function isInjected({ spec }: Pod): boolean {
  return CONTAINER_LISTS.some((list) => (spec[list] ?? []).some(({ name }) => PARTS.has(name)));
}

function tenantOf({ metadata }: Pod, namespace: string, { tenant }: Injection): string | { readonly problem: string } {
  const settled = tenant.namespaces[namespace];
  for (const label of tenant.labels) {
    const value = metadata?.labels?.[label];
    if (value === undefined) continue;
    if (!/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(value)) {
      return { problem: `label ${label}: ${quote(value)} is no tenant` };
    }
    if (settled !== undefined && value !== settled) {
      return { problem: `label ${label}: pods of namespace ${quote(namespace)} are of tenant ${quote(settled)}` };
    }
    return value;
  }
  return settled ?? tenant.fallback;
}

function allow(did: Did, warnings: readonly string[] = []): Verdict {
  return { allowed: true, patch: [], warnings, did };
}

function refuse(problems: readonly string[]): Verdict {
  return { allowed: false, words: `sallyport cannot govern this pod: ${problems.join("; ")}` };
}
