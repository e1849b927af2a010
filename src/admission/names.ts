/** Names in a pod that are ours: nobody else may use them, and a pod that has them is looked at twice. */

export const GATEWAY = "sallyport";
export const REDIRECT = "sallyport-redirect";
/** Puts the CA's key where only the gateway reads it, and what clients trust where they do. */
export const STAGE = "sallyport-trust";

/** Of containers and volumes: everything under it. */
export function isOurName(name: string): boolean {
  return name === GATEWAY || name.startsWith(`${GATEWAY}-`);
}

/** Asks for it, by the first that a pod has. The second is what the EVE Sidecar's injector reads. */
export const ASK = ["sallyport.dev/inject", "aegrail.io/inject"] as const;
/** Says which injection a pod was given. For people: nothing is decided by it. */
export const STATUS = "sallyport.dev/injected";

export const VOLUMES = {
  /** Ready for clients: roots, our CA, Java's store. */
  trust: "sallyport-trust",
  /** The CA as the cluster keeps it. */
  secret: "sallyport-ca-secret",
  /** The CA as the gateway reads it: in memory, its own. */
  ca: "sallyport-ca",
  /** What the gateway writes: evidence, unless that goes elsewhere. */
  data: "sallyport-data",
} as const;

/** Where they are mounted. */
export const TRUST_PATH = "/run/sallyport/trust";
export const SECRET_PATH = "/run/sallyport/ca-secret";
export const CA_PATH = "/run/sallyport/ca";
/** The gateway's working directory. */
export const DATA_PATH = "/var/lib/sallyport";
/** No container of a pod mounts anything at it, above it or below it. */
export const OUR_PATH = "/run/sallyport";
