/** What of a pod would leave by the node, or by another resolver: each is refused, and what stands next to it is not. */
import { describe, expect, test } from "bun:test";
import { fieldsOf } from "../_kubernetes.ts";
import { type Anything, admitted, creating, INJECTION_TEXT, injectionWith, recorded } from "./_review.ts";

const words = (review: Anything, more = ""): string => {
  const verdict = admitted(review, { injection: injectionWith(more) });
  return verdict.allowed ? `allowed: ${verdict.did}` : verdict.words;
};
const ALLOWED = "allowed: injected";
const volume = (more: object) => creating(({ spec }) => spec.volumes.push({ name: "more", ...more }));
const spec = (change: object) => creating((pod) => Object.assign(pod.spec, change));
const container = (change: object, list = "containers") => creating((pod) => Object.assign(pod.spec[list][0], change));

describe("volumes", () => {
  const MAY = {
    configMap: { name: "c" },
    secret: { secretName: "s" },
    emptyDir: {},
    projected: { sources: [] },
    downwardAPI: { items: [] },
    persistentVolumeClaim: { claimName: "c" },
    ephemeral: { volumeClaimTemplate: { spec: {} } },
    image: { reference: "model:1" },
  };

  test("of every kind there is but these are refused", () => {
    const kinds = fieldsOf("io.k8s.api.core.v1.Volume").filter((key) => key !== "name");
    expect(kinds.length).toBeGreaterThan(25);
    for (const kind of [...kinds, "tomorrow", "NFS", "__proto__x"]) {
      if (kind === "hostPath" || kind === "csi" || kind in MAY) continue;
      for (const source of [{ server: "203.0.113.9", path: "/" }, {}]) {
        expect(words(volume({ [kind]: source }))).toContain(`volumes: "more" is of kind "${kind}"`);
      }
    }
    for (const [kind, source] of Object.entries(MAY)) expect(words(volume({ [kind]: source }))).toBe(ALLOWED);
    expect(words(volume({}))).toBe(ALLOWED);
  });

  test("with a second kind beside a harmless one are refused", () => {
    expect(words(volume({ emptyDir: {}, nfs: { server: "203.0.113.9", path: "/" } }))).toContain('of kind "nfs"');
  });

  test("of CSI pass by their driver alone", () => {
    const csi = (driver: unknown) => volume({ csi: { driver, volumeAttributes: { server: "203.0.113.9" } } });
    expect(words(csi("nfs.csi.k8s.io"))).toContain('is mounted by "nfs.csi.k8s.io"');
    const more = "apps: {csiDrivers: [secrets-store.csi.k8s.io]}\n";
    expect(words(csi("secrets-store.csi.k8s.io"), more)).toBe(ALLOWED);
    expect(words(csi("nfs.csi.k8s.io"), more)).toContain('is mounted by "nfs.csi.k8s.io"');
    expect(words(csi(""), more)).toContain("is mounted by");
    for (const other of [undefined, null, 1])
      expect(words(csi(other), more)).toContain("is not what Kubernetes has there");
  });

  test("by which the gateway's evidence is read, are refused: a claim that Kubernetes calls after the pod", () => {
    const from = INJECTION_TEXT.replace(
      /^volumes:$/m,
      "volumes:\n  - {name: sallyport-data, ephemeral: {volumeClaimTemplate: {spec: {}}}}",
    );
    const claim = (claimName: string) => {
      const verdict = admitted(volume({ persistentVolumeClaim: { claimName } }), {
        injection: injectionWith("", from),
      });
      return verdict.allowed ? ALLOWED : verdict.words;
    };
    expect(claim("victim-7c9d5b8f4d-x7k2p-sallyport-data")).toContain("keeps its evidence");
    expect(claim("sallyport-data")).toBe(ALLOWED);
    expect(claim("data")).toBe(ALLOWED);
  });

  test("of ours are not had as a device, as a file of variables, nor covered by a roundabout mount", () => {
    for (const list of ["containers", "initContainers"]) {
      expect(words(container({ volumeDevices: [{ name: "sallyport-data", devicePath: "/dev/x" }] }, list))).toContain(
        "volumeDevices",
      );
      const key = { volumeName: "sallyport-ca", path: "ca.key", key: "K" };
      expect(words(container({ env: [{ name: "K", valueFrom: { fileKeyRef: key } }] }, list))).toContain(
        'env: "K" is read from "sallyport-ca"',
      );
      const mount = { name: "scratch", mountPath: "/run/x/../sallyport/trust" };
      expect(words(container({ volumeMounts: [mount] }, list))).toContain("hides or opens what is ours");
    }
    const fine = { volumeName: "scratch", path: "x", key: "K" };
    expect(words(container({ env: [{ name: "K", valueFrom: { fileKeyRef: fine } }] }))).toBe(ALLOWED);
    expect(words(container({ volumeDevices: [{ name: "disk", devicePath: "/dev/x" }] }))).toBe(ALLOWED);
  });
});

describe("names", () => {
  const dns = (dnsConfig: object, more = "") => words(spec({ dnsConfig }), more);
  const ANY = "apps: {allowDns: true}\n";

  test("an option is a word and a number, whoever may say where names lead", () => {
    for (const more of ["", ANY]) {
      for (const option of [
        { name: "ndots", value: "5\nnameserver 203.0.113.9" },
        { name: "ndots", value: "5\n" },
        { name: "ndots", value: "5\r" },
        { name: "ndots", value: "5 timeout:1" },
        { name: "ndots", value: "123456" },
        { name: "ndots\nnameserver 203.0.113.9" },
        { name: "ndots\n" },
        { name: "" },
        { value: "5" },
        { name: "x".repeat(33) },
        { name: "ndots", value: "5", other: "x" },
      ]) {
        expect(dns({ options: [{ name: "edns0" }, option] }, more)).toContain("dnsConfig.options");
      }
      expect(dns({ options: [{ name: "ndots", value: 5 }] }, more)).toContain("is not what Kubernetes has there");
      expect(dns({ options: [{ name: "ndots", value: "2" }, { name: "single-request-reopen" }] }, more)).toBe(ALLOWED);
      expect(dns({ tomorrow: ["x"] }, more)).toContain('dnsConfig.tomorrow: "tomorrow" is not known here');
    }
  });

  test("where they may be said, they are addresses and domains all the same", () => {
    for (const server of ["10.0.0.1\nnameserver 203.0.113.9", "10.0.0.1 ", "dns.example", "", "10.0.0.1\n"]) {
      expect(dns({ nameservers: [server] }, ANY)).toContain("dnsConfig.nameservers");
    }
    for (const search of ["a\nnameserver 203.0.113.9", "a b", "", "a..b", "a\n", `${"a.".repeat(127)}b`]) {
      expect(dns({ searches: [search] }, ANY)).toContain("dnsConfig.searches");
    }
    const searches = ["svc.cluster.local", "example.", ".", "_x.example"];
    expect(dns({ nameservers: ["10.0.0.1", "fd00::1"], searches }, ANY)).toBe(ALLOWED);
  });

  test("of its own, the pod has none", () => {
    expect(words(spec({ hostnameOverride: "api.openai.com" }))).toContain("hostnameOverride");
    expect(words(spec({ hostnameOverride: "api.openai.com" }), ANY)).toBe(ALLOWED);
  });
});

describe("probes and hooks", () => {
  const host = "203.0.113.9";
  const HANDLERS = [
    { httpGet: { host, port: 80, path: "/x" } },
    { tcpSocket: { host, port: 443 } },
    { grpc: { host, port: 443 } },
    { tomorrow: { to: [{ host }] } },
  ];

  test("with a host are refused, in every container", () => {
    for (const list of ["containers", "initContainers"]) {
      for (const handler of HANDLERS) {
        for (const probe of ["livenessProbe", "readinessProbe", "startupProbe"]) {
          expect(words(container({ [probe]: handler }, list))).toContain(`${probe}: its host`);
        }
        for (const hook of ["postStart", "preStop"]) {
          expect(words(container({ lifecycle: { [hook]: handler } }, list))).toContain("lifecycle: its host");
        }
      }
    }
  });

  test("with none are let be", () => {
    const header = { name: "Host", value: "app.example" };
    const change = {
      livenessProbe: { httpGet: { port: 80, httpHeaders: [header] } },
      readinessProbe: { tcpSocket: { port: 80 } },
      startupProbe: { grpc: { port: 80, service: "host" } },
      lifecycle: { preStop: { sleep: { seconds: 1 } }, postStart: { exec: { command: ["host", "x"] } } },
    };
    expect(words(container(change))).toBe(ALLOWED);
  });
});

test("profiles of seccomp are the runtime's, or one that is named", () => {
  const profile = (seccompProfile: object) => container({ securityContext: { seccompProfile } });
  const more = "apps: {seccompProfiles: [profiles/strict.json]}\n";
  const strict = { type: "Localhost", localhostProfile: "profiles/strict.json" };
  expect(words(profile({ type: "RuntimeDefault" }))).toBe(ALLOWED);
  expect(words(profile(strict))).toContain("apps.seccompProfiles");
  expect(words(profile(strict), more)).toBe(ALLOWED);
  for (const other of [
    { ...strict, localhostProfile: "any.json" },
    { type: "Localhost" },
    { type: "Unconfined" },
    {},
  ]) {
    expect(words(profile(other), more)).toContain("securityContext.seccompProfile");
    const pod = spec({ securityContext: { seccompProfile: other } });
    expect(words(pod, more)).toContain("securityContext.seccompProfile");
  }
});

test("an ephemeral container has no other way", () => {
  const debug = recorded("debug");
  const before = creating(() => {}).request.object;
  const running = structuredClone(before);
  running.spec.initContainers.unshift({ name: "sallyport", image: "x" });
  const after = structuredClone(running);
  after.spec.ephemeralContainers = [{ name: "d", image: "d", volumeDevices: [{ name: "sallyport-ca" }] }];
  const review = { ...debug, request: { ...debug.request, object: after, oldObject: running } };
  expect(words(review, "apps: {ephemeral: govern}\n")).toContain("volumeDevices");
});
