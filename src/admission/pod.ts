/**
 * What is looked at of a pod. Everything else in it is kept as it came: Kubernetes adds fields, and judges them itself.
 * The fields named here are read strictly: one of another kind than Kubernetes has is refused.
 */
import { z } from "zod";

const MOST = 512;
const text = z.string().max(65_536);
const number = z.int().min(0).max(4_294_967_295);

const profile = z.looseObject({ type: text.optional(), localhostProfile: text.optional() }).optional();
const selinux = z.looseObject({ type: text.optional(), user: text.optional(), role: text.optional() }).optional();

/** Of AppArmor. */
const confined = z.looseObject({ type: text.optional() }).optional();

const securityFields = {
  privileged: z.boolean().optional(),
  allowPrivilegeEscalation: z.boolean().optional(),
  runAsUser: number.optional(),
  runAsGroup: number.optional(),
  procMount: text.optional(),
  capabilities: z
    .looseObject({ add: z.array(text).max(MOST).optional(), drop: z.array(text).max(MOST).optional() })
    .optional(),
  windowsOptions: z.looseObject({}).optional(),
  seccompProfile: profile,
  seLinuxOptions: selinux,
  appArmorProfile: confined,
};

const variable = z.looseObject({
  name: text,
  value: text.optional(),
  valueFrom: z.looseObject({ fileKeyRef: z.looseObject({ volumeName: text.optional() }).optional() }).optional(),
});

const container = z.looseObject({
  name: text,
  image: text.optional(),
  restartPolicy: text.optional(),
  targetContainerName: text.optional(),
  env: z.array(variable).max(4096).optional(),
  volumeMounts: z
    .array(z.looseObject({ name: text, mountPath: text }))
    .max(MOST)
    .optional(),
  volumeDevices: z
    .array(z.looseObject({ name: text }))
    .max(MOST)
    .optional(),
  securityContext: z.looseObject(securityFields).optional(),
});

const containers = z.array(container).max(MOST);

export const podSchema = z.looseObject({
  metadata: z
    .looseObject({
      name: text.optional(),
      generateName: text.optional(),
      labels: z.record(text, text).optional(),
      annotations: z.record(text, z.string()).optional(),
    })
    .optional(),
  spec: z.looseObject({
    containers,
    initContainers: containers.optional(),
    ephemeralContainers: containers.optional(),
    volumes: z
      .array(
        z.looseObject({
          name: text,
          persistentVolumeClaim: z.looseObject({ claimName: text }).optional(),
          csi: z.looseObject({ driver: text }).optional(),
          hostPath: z.looseObject({ path: text, type: text.optional() }).optional(),
        }),
      )
      .max(MOST)
      .optional(),
    hostNetwork: z.boolean().optional(),
    hostPID: z.boolean().optional(),
    hostIPC: z.boolean().optional(),
    shareProcessNamespace: z.boolean().optional(),
    runtimeClassName: text.optional(),
    os: z.looseObject({ name: text }).optional(),
    dnsPolicy: text.optional(),
    hostnameOverride: text.optional(),
    dnsConfig: z
      .looseObject({
        nameservers: z.array(text).max(MOST).optional(),
        searches: z.array(text).max(MOST).optional(),
        options: z
          .array(z.looseObject({ name: text.optional(), value: text.optional() }))
          .max(MOST)
          .optional(),
      })
      .optional(),
    hostAliases: z.array(z.looseObject({})).max(MOST).optional(),
    securityContext: z
      .looseObject({
        runAsUser: number.optional(),
        runAsGroup: number.optional(),
        fsGroup: number.optional(),
        supplementalGroups: z.array(number).max(MOST).optional(),
        sysctls: z
          .array(z.looseObject({ name: text, value: text }))
          .max(MOST)
          .optional(),
        windowsOptions: z.looseObject({}).optional(),
        seccompProfile: profile,
        seLinuxOptions: selinux,
        appArmorProfile: confined,
      })
      .optional(),
  }),
});

export type Pod = z.output<typeof podSchema>;
export type PodSpec = Pod["spec"];
export type Container = z.output<typeof container>;
export type Variable = z.output<typeof variable>;

/** Where the API server names the lists of containers there are today. */
export const CONTAINER_LISTS = ["initContainers", "containers", "ephemeralContainers"] as const;
