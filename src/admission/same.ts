/** Whether what a pod has under our names is what we put there: all of it, and nothing else but what the API server adds by itself. */

/** What the API server writes into what is left out, or leaves out when it is written, by key. An extra key with another value is somebody's. */
const DEFAULTS: Readonly<Record<string, readonly unknown[]>> = {
  terminationMessagePath: ["/dev/termination-log"],
  terminationMessagePolicy: ["File"],
  defaultMode: [0o644],
  protocol: ["TCP"],
  scheme: ["HTTP"],
  apiVersion: ["v1"],
  divisor: ["0"],
  procMount: ["Default"],
  type: [""],
  initialDelaySeconds: [0],
  value: [""],
  readOnly: [false],
  medium: [""],
  subPath: [""],
};

/** Where the API server mounts the token of the service account, into every container that is there when it does. */
const TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";

/** `there`: a container or volume of the pod. `ours`: what it must be. */
export function isSame(there: unknown, ours: unknown): boolean {
  return covers(there, ours, "");
}

function covers(there: unknown, ours: unknown, key: string): boolean {
  // Others may give it less to live on: that stops what leaves, and lets nothing out. LimitRanger does it by itself.
  if (key === "resources") return true;
  // AlwaysPullImages makes it so, and a pull brings the same image or none.
  if (key === "imagePullPolicy" && there === "Always") return true;
  if (Array.isArray(ours) || Array.isArray(there)) {
    if (!Array.isArray(ours) || !Array.isArray(there)) return false;
    const items = key === "volumeMounts" ? there.filter((mount) => !isToken(mount)) : there;
    return items.length === ours.length && ours.every((item, index) => covers(items[index], item, ""));
  }
  if (typeof ours !== "object" || ours === null) return there === ours;
  if (typeof there !== "object" || there === null) return false;
  for (const [name, item] of Object.entries(ours)) {
    const found: unknown = Reflect.get(there, name);
    // So is an empty list.
    if (found === undefined && Array.isArray(item) && item.length === 0) continue;
    if (found === undefined && (name === "resources" || (DEFAULTS[name] ?? []).includes(item))) continue;
    if (!Object.hasOwn(there, name) || !covers(found, item, name)) return false;
  }
  for (const [name, found] of Object.entries(there)) {
    if (Object.hasOwn(ours, name) || name === "resources") continue;
    if (name === "volumeMounts" && Array.isArray(found) && found.every(isToken)) continue;
    if (Array.isArray(found) && found.length === 0) continue;
    if (!(DEFAULTS[name] ?? []).includes(found)) return false;
  }
  return true;
}

function isToken(mount: unknown): boolean {
  if (typeof mount !== "object" || mount === null) return false;
  const keys = Object.keys(mount).every((key) => ["name", "mountPath", "readOnly"].includes(key));
  return (
    keys &&
    Reflect.get(mount, "mountPath") === TOKEN_PATH &&
    Reflect.get(mount, "readOnly") === true &&
    /^kube-api-access-[a-z0-9]{5}$/.test(String(Reflect.get(mount, "name")))
  );
}
