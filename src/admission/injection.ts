/**
 * What is put into a pod, and what a pod may not have beside it: one file, which the chart writes. Read strictly, because
 * a word that nobody obeys would be a way out.
 */
import { z } from "zod";
import { Fault } from "../errors.ts";
import { readTree } from "../policy/tree.ts";
import { parseCidr } from "../wire/ip.ts";
import { quote } from "../words/quote.ts";
import { GATEWAY, isOurName } from "./names.ts";

const MOST = 64;
const label = z
  .string()
  .regex(/^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/, {
    error: "must be the key of a label, such as sallyport.dev/tenant",
  });
const namespace = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "must be the name of a namespace");
const resource = z.string().regex(/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/, "must be the name of an object");
const tenant = z.string().regex(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/, "must be what a label can hold");
/** Of a user or group; root is neither the gateway's nor what is forced on anybody. */
const id = z.int().min(1).max(2_147_483_647);
const port = z.int().min(1).max(65_535);
const absolute = z
  .string()
  .max(1024)
  .regex(/^\/[^\0]*$/, "must be an absolute path")
  .refine((path) => !path.includes("//") && !path.split("/").includes(".."), "must be a path without .. and //");
const secretKey = z.string().regex(/^[-._a-zA-Z0-9]{1,253}$/, "must be the key of a Secret");

/** `CIDR` or `CIDR:ports`; behind the slash a colon is no part of an address. */
const except = z
  .string()
  .max(256)
  .regex(
    /^[0-9a-fA-F.:]+\/[0-9]{1,3}(?::[0-9]{1,5}(?:-[0-9]{1,5})?(?:,[0-9]{1,5}(?:-[0-9]{1,5})?)*)?$/,
    "must be a CIDR, with ports or without: 10.96.0.0/12 or fd00::1/128:443",
  )
  .refine((text) => parseCidr(text.replace(/(\/[0-9]+):.*$/, "$1")) !== null, "must be a CIDR");

/** As Kubernetes has them; the API server judges them when the pod is made. */
const variable = z.looseObject({
  name: z
    .string()
    .max(256)
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be the name of a variable"),
});
const volume = z.looseObject({
  name: z
    .string()
    .max(63)
    .refine((name) => name.startsWith(`${GATEWAY}-`), `must begin with ${GATEWAY}-: it is no volume of the pod's own`),
});
const mount = z.looseObject({
  name: z.string().max(63).refine(isOurName, `must begin with ${GATEWAY}-`),
  mountPath: absolute,
});

export const injectionSchema = z.strictObject({
  version: z.literal(1),
  /** The image of the gateway and of what prepares its way, best by digest. */
  image: z.string().regex(/^[!-~]{1,512}$/, "must be the name of an image"),
  imagePullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent"),
  /** `native`: an init container that stays (Kubernetes 1.29 and newer). `classic`: one container more. */
  sidecar: z.enum(["native", "classic"]).default("native"),
  /** Who the gateway is: the one user whose packets leave. Nobody else may be it. */
  uid: id.default(64_128),
  gid: id.default(64_128),
  port: port.default(3128),
  /** Where the gateway listens; `::` is both families, which needs IPv6 in the node's kernel. */
  host: z.enum(["::", "0.0.0.0"]).default("::"),
  redirect: z
    .strictObject({
      except: z.array(except).max(MOST).default([]),
      /** False leaves TCP to ports other than 80 and 443 alone: nobody decides about it. */
      allTcp: z.boolean().default(true),
    })
    .prefault({}),
  /** Secret with the CA in the pod's namespace, and the names it has there: TLS is intercepted. */
  ca: z
    .strictObject({ secret: resource, cert: secretKey.default("ca.crt"), key: secretKey.default("ca.key") })
    .optional(),
  noProxy: z
    .array(z.string().regex(/^[A-Za-z0-9.:_/*[\]-]{1,256}$/, "must be a host"))
    .max(MOST)
    .default([]),
  /** Of the gateway, after ours. */
  env: z.array(variable).max(256).default([]),
  volumes: z.array(volume).max(MOST).default([]),
  volumeMounts: z.array(mount).max(MOST).default([]),
  resources: z.looseObject({}).prefault({
    requests: { cpu: "50m", memory: "96Mi" },
    limits: { memory: "512Mi" },
  }),
  /** What is forced on every other container of the pod, and what is refused unless it is named here. */
  apps: z
    .strictObject({
      /** Given to a container that names none: what its image says cannot be seen from here. */
      uid: id.default(10_001),
      gid: id.default(10_001),
      /** Root writes the pod's /etc/hosts and resolv.conf, which the gateway reads, too. */
      allowRoot: z.boolean().default(false),
      /** Directories of the node that may be mounted, with what is below them. */
      hostPaths: z.array(absolute).max(MOST).default([]),
      /** Drivers whose volumes a pod may write down itself (`csi`), wherever they mount from. */
      csiDrivers: z.array(resource).max(MOST).default([]),
      /** Profiles of the node, as `localhostProfile` names them. */
      seccompProfiles: z
        .array(z.string().regex(/^[!-~]{1,512}$/, "must be the name of a profile"))
        .max(MOST)
        .default([]),
      /** Keys that are for a node's container runtime, itself or followed by `/` or `.` and a container's name. */
      annotations: z
        .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,316}$/, "must be the key of an annotation"))
        .max(MOST)
        .default([]),
      runtimeClasses: z.array(resource).max(MOST).default([]),
      /** Whether a pod may say what names resolve to. */
      allowDns: z.boolean().default(false),
      ephemeral: z.enum(["refuse", "govern"]).default("refuse"),
    })
    .prefault({}),
  tenant: z
    .strictObject({
      /** Labels of the pod that name it, the first that is there. */
      labels: z.array(label).max(8).default(["sallyport.dev/tenant"]),
      /** By namespace; there a label may say nothing else. */
      namespaces: z.record(namespace, tenant).default({}),
      fallback: tenant.default("default"),
    })
    .prefault({}),
  namespaces: z
    .strictObject({
      /** Every pod there is injected, whatever its annotations say. */
      always: z.array(namespace).max(1024).default([]),
      /** No pod there is. */
      never: z.array(namespace).max(1024).default(["kube-system"]),
    })
    .prefault({}),
});

/** What is put into pods. */
export type Injection = z.output<typeof injectionSchema>;

const RESERVED = /^(?:EVE_PROXY_(?:HOST|PORT|ORG_ID|CA_CERT|CA_KEY|TRANSPARENT)(?:_FILE)?)$/;

/** `name`: of the file, for messages. Throws Fault `config_invalid` with every problem, one a line. */
export function readInjection(name: string, text: string): Injection {
  const tree = readTree(name, text);
  if (typeof tree === "string") throw invalid(tree);
  if (tree.problems.length > 0) throw invalid(tree.problems.join("\n"));
  const read = injectionSchema.safeParse(tree.value);
  if (!read.success) {
    const problems = read.error.issues.map((issue) => {
      const path = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
      const what =
        issue.code === "unrecognized_keys"
          ? `unknown key ${issue.keys.map((key) => quote(key)).join(", ")}`
          : issue.message;
      return `${tree.at(path)}: ${path.join(".") || "injection"}: ${what}`;
    });
    throw invalid(problems.join("\n"));
  }
  const problems = contradictions(read.data);
  if (problems.length > 0) throw invalid(problems.map((problem) => `${name}: ${problem}`).join("\n"));
  return read.data;
}

function contradictions({ uid, gid, apps, env, volumes, volumeMounts, namespaces }: Injection): string[] {
  const problems: string[] = [];
  if (apps.uid === uid) problems.push("apps.uid is the gateway's uid: everything would leave as the gateway");
  if (apps.gid === gid) problems.push("apps.gid is the gateway's gid");
  for (const { name } of env) {
    if (RESERVED.test(name)) problems.push(`env: ${name} is set by the injection itself`);
  }
  const known = new Set<string>();
  for (const { name } of volumes) {
    if (known.has(name)) problems.push(`volumes: ${name} stands twice`);
    known.add(name);
  }
  for (const { name } of volumeMounts) if (!known.has(name)) problems.push(`volumeMounts: there is no volume ${name}`);
  for (const name of namespaces.always) {
    if (namespaces.never.includes(name)) problems.push(`namespaces: ${name} is in always and in never`);
  }
  return problems;
}

function invalid(message: string): Fault {
  return new Fault("config_invalid", `the injection is no good:\n${message}`);
}
