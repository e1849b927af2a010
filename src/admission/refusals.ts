/** What of a pod cannot be governed. Each line names the field and what to do: it is shown to whoever made the pod. */
import { quote } from "../words/quote.ts";
import type { Injection } from "./injection.ts";
import { GATEWAY, isOurName } from "./names.ts";
import { nameRefusals, probeRefusals } from "./network.ts";
import { CONTAINER_LISTS, type Container, type PodSpec } from "./pod.ts";
import { reachesOurs } from "./sidecar.ts";
import { volumeRefusals } from "./volumes.ts";

/**
 * Capabilities that may be asked for. All others change rules, addresses, users or other processes, or contain what
 * does: with SETUID a process becomes the gateway's user, with NET_RAW its packets pass no rule, with BPF, PERFMON,
 * SYS_ADMIN, SYS_PTRACE or SYS_MODULE it becomes whatever it likes.
 */
const HARMLESS: ReadonlySet<string> = new Set([
  ...["AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "IPC_LOCK", "KILL", "MKNOD", "NET_BIND_SERVICE"],
  ...["SETFCAP", "SETPCAP", "SYS_CHROOT", "SYS_NICE"],
]);

/** Of the pod's network, those that no packet finds another way by: ping_group_range would let ICMP out. */
const HARMLESS_SYSCTLS: ReadonlySet<string> = new Set([
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.tcp_wmem",
]);

const MOST_WORDS = 16;

/** `spec` without our parts. Empty: it can be governed. */
export function refusalsOf(spec: PodSpec, injection: Injection): readonly string[] {
  const found: string[] = [];
  const { apps, uid, gid } = injection;
  if (spec.hostNetwork === true) found.push("hostNetwork: its packets would leave by the node's rules; remove it");
  if (spec.hostPID === true) found.push("hostPID: processes of the node leave by the node's rules; remove it");
  if (spec.hostIPC === true) found.push("hostIPC: processes of the node leave by the node's rules; remove it");
  if (spec.shareProcessNamespace === true) {
    found.push("shareProcessNamespace: the gateway's process would stand open to the others; remove it");
  }
  if (spec.os !== undefined && spec.os.name !== "linux")
    found.push("os.name: only Linux has the rules of the redirect");
  const { runtimeClassName: runtime } = spec;
  if (runtime !== undefined && runtime !== "" && !apps.runtimeClasses.includes(runtime)) {
    found.push(
      `runtimeClassName: nobody has said that ${quote(runtime)} keeps the rules of the redirect (apps.runtimeClasses)`,
    );
  }
  found.push(...nameRefusals(spec, apps.allowDns));
  const pod = spec.securityContext;
  if (pod !== undefined) {
    found.push(...identity("securityContext", pod, injection), ...confinement("securityContext", pod, injection));
    const groups = [...(pod.supplementalGroups ?? []), ...(pod.fsGroup === undefined ? [] : [pod.fsGroup])];
    if (groups.includes(gid)) found.push(`securityContext: ${gid} is the gateway's group; take another`);
    for (const { name } of pod.sysctls ?? []) {
      // The kernel reads either spelling.
      if (!HARMLESS_SYSCTLS.has(name.replaceAll("/", ".")))
        found.push(`securityContext.sysctls: ${quote(name)} is not to be set here`);
    }
    if (pod.windowsOptions !== undefined)
      found.push("securityContext.windowsOptions: only Linux has the rules of the redirect");
  }
  found.push(...unknownContainers(spec));
  found.push(...volumeRefusals(spec, injection));
  for (const list of CONTAINER_LISTS) {
    for (const container of spec[list] ?? []) found.push(...containerRefusals(container, injection));
  }
  if (apps.uid === uid) found.push("the injection gives apps the gateway's uid");
  return found.slice(0, MOST_WORDS);
}

/** A list of containers that Kubernetes has not had so far would be one that nobody governs. */
function unknownContainers(spec: PodSpec): string[] {
  const known = new Set<string>(CONTAINER_LISTS);
  return Object.entries(spec).flatMap(([key, value]) =>
    !known.has(key) && Array.isArray(value) && value.some(isContainer)
      ? [`${quote(key)}: a list of containers that this version of the webhook does not know`]
      : [],
  );
}

function isContainer(item: unknown): boolean {
  if (typeof item !== "object" || item === null) return false;
  // An image that is no text is one that is mounted.
  return "command" in item || "securityContext" in item || ("image" in item && typeof item.image === "string");
}

/** What of one container cannot be mended. */
export function containerRefusals(container: Container, injection: Injection): readonly string[] {
  const { name, securityContext: own, restartPolicy } = container;
  const found: string[] = [];
  const say = (what: string): void => void found.push(`container ${quote(name)}: ${what}`);
  if (isOurName(name))
    say(`this name is ours, and it is not what ${GATEWAY} puts there; remove it, or take another name`);
  if (container.targetContainerName !== undefined && isOurName(container.targetContainerName)) {
    say("targetContainerName: it would stand in the gateway's processes");
  }
  if (restartPolicy !== undefined && !["Always", "Never", "OnFailure"].includes(restartPolicy)) {
    say(`restartPolicy ${quote(restartPolicy)} is not known here`);
  }
  for (const { name: volume, mountPath } of container.volumeMounts ?? []) {
    if (isOurName(volume)) say(`volumeMounts: ${quote(volume)} is a volume of ours`);
    else if (reachesOurs(mountPath)) say(`volumeMounts: ${quote(mountPath)} hides or opens what is ours`);
  }
  for (const { name: volume } of container.volumeDevices ?? []) {
    if (isOurName(volume)) say(`volumeDevices: ${quote(volume)} is a volume of ours`);
  }
  for (const { name: variable, valueFrom } of container.env ?? []) {
    const volume = valueFrom?.fileKeyRef?.volumeName ?? "";
    if (isOurName(volume)) say(`env: ${quote(variable)} is read from ${quote(volume)}, a volume of ours`);
  }
  for (const problem of probeRefusals(container)) say(problem);
  if (own === undefined) return found;
  if (own.privileged === true) say("privileged: no rule holds it; remove it");
  if (own.procMount !== undefined && own.procMount !== "Default") say("procMount: /proc must stay masked");
  if (own.windowsOptions !== undefined) say("windowsOptions: only Linux has the rules of the redirect");
  for (const asked of own.capabilities?.add ?? []) {
    // Runtimes read them in any case, and some with their prefix.
    const capability = asked.toUpperCase().replace(/^CAP_/, "");
    if (!HARMLESS.has(capability))
      say(`capabilities.add: with ${quote(asked)} the gateway could be walked around; remove it`);
  }
  for (const problem of identity("securityContext", own, injection)) say(problem);
  for (const problem of confinement("securityContext", own, injection)) say(problem);
  return found;
}

/** What Pod Security "baseline" lets a container be in SELinux. */
const CONFINED: readonly string[] = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

/** Without seccomp there are families of sockets that no rule of the network sees, such as AF_VSOCK. */
function confinement(
  where: string,
  {
    seccompProfile,
    seLinuxOptions,
    appArmorProfile,
  }: Pick<NonNullable<Container["securityContext"]>, "seccompProfile" | "seLinuxOptions" | "appArmorProfile">,
  { apps }: Injection,
): string[] {
  const found: string[] = [];
  if (seccompProfile !== undefined && seccompProfile.type !== "RuntimeDefault") {
    const { type: kind = "", localhostProfile: file = "" } = seccompProfile;
    if (kind !== "Localhost")
      found.push(`${where}.seccompProfile: ${quote(kind)} lets sockets past the rules; remove it`);
    else if (!apps.seccompProfiles.includes(file)) {
      found.push(
        `${where}.seccompProfile: nobody has said that ${quote(file)} keeps sockets to the rules (apps.seccompProfiles)`,
      );
    }
  }
  const { type = "", user = "", role = "" } = seLinuxOptions ?? {};
  if (!CONFINED.includes(type) || user !== "" || role !== "") {
    found.push(`${where}.seLinuxOptions: a domain of its own is not confined as a container's; remove it`);
  }
  const { type: armor = "RuntimeDefault" } = appArmorProfile ?? {};
  if (armor !== "RuntimeDefault" && armor !== "Localhost") {
    found.push(`${where}.appArmorProfile: ${quote(armor)}: a container is to be confined; remove it`);
  }
  return found;
}

function identity(
  where: string,
  { runAsUser, runAsGroup }: { readonly runAsUser?: number | undefined; readonly runAsGroup?: number | undefined },
  { uid, gid, apps }: Injection,
): string[] {
  const found: string[] = [];
  // In the kernel a number past 32 bits, or the last of them, is another one.
  for (const [field, value] of [
    ["runAsUser", runAsUser],
    ["runAsGroup", runAsGroup],
  ] as const) {
    if (value !== undefined && value > 2_147_483_647) found.push(`${where}.${field}: ${value} is no id`);
  }
  if (runAsUser === uid) found.push(`${where}.runAsUser: ${uid} is the gateway's; take another`);
  if (runAsGroup === gid) found.push(`${where}.runAsGroup: ${gid} is the gateway's; take another`);
  if (runAsUser === 0 && !apps.allowRoot) {
    found.push(
      `${where}.runAsUser: root writes the resolver's files that the gateway reads, too; take another (apps.allowRoot)`,
    );
  }
  return found;
}
