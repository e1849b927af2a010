/** Which volumes a pod may have. What the node mounts from elsewhere leaves by the node's rules: no kind is let in that is not named here. */
import { quote } from "../words/quote.ts";
import type { Injection } from "./injection.ts";
import { isOurName } from "./names.ts";
import type { PodSpec } from "./pod.ts";
import { claimsOf, secretNames, secretsOf } from "./sidecar.ts";

/** Kinds that the pod cannot point at a host with. The server of a claim is in its PersistentVolume or StorageClass. */
const KINDS: ReadonlySet<string> = new Set([
  ...["configMap", "secret", "emptyDir", "projected", "downwardAPI", "persistentVolumeClaim", "ephemeral", "image"],
  // These are looked at further.
  ...["hostPath", "csi"],
]);

/** `spec` without our parts. */
export function volumeRefusals(spec: PodSpec, injection: Injection): readonly string[] {
  const found: string[] = [];
  const { apps } = injection;
  const claims = claimsOf(injection);
  for (const volume of spec.volumes ?? []) {
    const { name, hostPath, csi, persistentVolumeClaim: claim } = volume;
    const say = (what: string): void => void found.push(`volumes: ${quote(name)} ${what}`);
    if (isOurName(name)) say("is a name of ours; take another");
    for (const kind of Object.keys(volume)) {
      if (kind !== "name" && !KINDS.has(kind)) {
        say(`is of kind ${quote(kind)}: the node mounts it past the gateway; take a persistentVolumeClaim`);
      }
    }
    if (csi !== undefined && !apps.csiDrivers.includes(csi.driver)) {
      say(`is mounted by ${quote(csi.driver)}, from wherever the pod says (apps.csiDrivers)`);
    }
    if (claim !== undefined && claims.some((ours) => ours(claim.claimName))) {
      say("is where the gateway keeps its evidence; take another claim");
    }
    if (hostPath === undefined) continue;
    const { path, type = "" } = hostPath;
    if (["Socket", "CharDevice", "BlockDevice"].includes(type)) {
      say(`is a ${type} of the node, which is a way around the gateway`);
    } else if (!apps.hostPaths.some((allowed) => isWithin(path, allowed))) {
      say(`is the node's ${quote(path)}, where its sockets and processes are to be had (apps.hostPaths)`);
    }
  }
  return [...found, ...guardedIn(spec, injection)];
}

/** Whoever reads the gateway's keys signs in its name, and is any server to whoever trusts its CA. */
export function guardedIn(value: unknown, injection: Injection): readonly string[] {
  const guarded = secretsOf(injection);
  return [...new Set(secretNames(value))]
    .filter((name) => guarded.has(name))
    .map((name) => `Secret ${quote(name)}: only the gateway may have it`);
}

function isWithin(path: string, directory: string): boolean {
  if (path.split("/").includes("..")) return false;
  const base = directory.endsWith("/") ? directory : `${directory}/`;
  return path === directory || `${path}/`.startsWith(base);
}
