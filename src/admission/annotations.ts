/**
 * What a pod says past Kubernetes to the container runtime of its node, which may obey it: devices, users, other seccomp
 * profiles. Of what is addressed to a runtime or its plugins nothing is let in that is not named here or by the operator.
 */
import { quote } from "../words/quote.ts";
import type { Injection } from "./injection.ts";

/** Addressed to CRI-O, containerd, runc, crun, Kata, gVisor, or to plugins of theirs (NRI, CDI). */
const BEGIN: readonly string[] = [
  ...["io.kubernetes.cri-o.", "io.kubernetes.cri.", "io.containers.", "io.containerd.", "io.katacontainers."],
  ...["run.oci.", "org.systemd.property.", "org.criu.", "dev.gvisor.", "cdi.k8s.io/", "module.wasm.image/"],
  // Of the sysctls that have been fields since.
  "security.alpha.kubernetes.io/",
];
/** A container's name may follow behind a slash or a dot. */
const WITHIN: readonly string[] = [".crio.io", ".cri-o.io", ".nri.io", ".nri.containerd.io", ".noderesource.dev"];
const WHOLE: ReadonlySet<string> = new Set(["bundle"]);

/** CRI-O's that change processors, sizes and modes, and nobody's rights, in their older and newer spelling. */
const HARMLESS: readonly string[] = [
  ...["ShmSize", "umask", "UnifiedCgroup", "PodLinuxOverhead", "PodLinuxResources", "DisableFIPS"].map(
    (name) => `io.kubernetes.cri-o.${name}`,
  ),
  "io.kubernetes.cri-o.TrySkipVolumeSELinuxLabel",
  ...["shm-size", "umask", "unified-cgroup", "pod-linux-overhead", "pod-linux-resources", "disable-fips"].map(crio),
  ...["try-skip-volume-selinux-label", "skip-gomaxprocs"].map(crio),
  ...["cpu-load-balancing", "cpu-quota", "irq-load-balancing", "cpu-c-states", "cpu-freq-governor", "cpu-shared"].map(
    crio,
  ),
];

/** Once fields were not there yet; a runtime may still read them. */
const SECCOMP: readonly string[] = [
  "seccomp.security.alpha.kubernetes.io/",
  "container.seccomp.security.alpha.kubernetes.io/",
];
const APPARMOR = "container.apparmor.security.beta.kubernetes.io/";
const LOCAL = "localhost/";

const MOST = 16;

export type Annotations = Readonly<Record<string, string>>;

/** Empty: none of them gives the pod what no rule holds. */
export function annotationRefusals(annotations: Annotations, { apps }: Injection): readonly string[] {
  const found: string[] = [];
  for (const [key, value] of Object.entries(annotations)) {
    if (found.length === MOST) break;
    const problem = problemOf(key, value, apps);
    if (problem !== null) found.push(`metadata.annotations: ${quote(key)} ${problem}`);
  }
  return found;
}

/** Of a pod that runs: what it did not have before. Its sandbox is made anew with them when the node starts again. */
export function annotationsSince(before: Annotations, after: Annotations): Annotations {
  return Object.fromEntries(
    Object.entries(after).filter(([key, value]) => !Object.hasOwn(before, key) || before[key] !== value),
  );
}

function problemOf(key: string, value: string, { annotations, seccompProfiles }: Injection["apps"]): string | null {
  if (isOneOf(key, annotations)) return null;
  if (SECCOMP.some((name) => key.startsWith(name))) {
    if (value === "runtime/default" || value === "docker/default") return null;
    if (value.startsWith(LOCAL) && seccompProfiles.includes(value.slice(LOCAL.length))) return null;
    return `is ${quote(value)}, which may let sockets past the rules; remove it (apps.seccompProfiles)`;
  }
  if (key.startsWith(APPARMOR)) {
    if (value === "runtime/default" || value.startsWith(LOCAL)) return null;
    return `is ${quote(value)}: a container is to be confined; remove it`;
  }
  const addressed =
    BEGIN.some((name) => key.startsWith(name)) || WITHIN.some((name) => key.includes(name)) || WHOLE.has(key);
  if (!addressed || isOneOf(key, HARMLESS)) return null;
  return "is for the node's container runtime, which may give by it what no rule holds; remove it (apps.annotations)";
}

/** Itself, or with a container's name behind it. */
function isOneOf(key: string, names: readonly string[]): boolean {
  return names.some((name) => key === name || key.startsWith(`${name}/`) || key.startsWith(`${name}.`));
}

function crio(name: string): string {
  return `${name}.crio.io`;
}
