/** What a pod says to the container runtime past Kubernetes. */
import { describe, expect, test } from "bun:test";
import { readInjection } from "../../src/admission/injection.ts";
import { type Anything, admitted, creating, INJECTION_TEXT, injectionWith, patched, recorded } from "./_review.ts";

const ALLOWED = "allowed: injected";
const words = (annotations: object, more = ""): string => {
  const review = creating(({ metadata }) => Object.assign(metadata.annotations, annotations));
  const verdict = admitted(review, { injection: injectionWith(more) });
  return verdict.allowed ? `allowed: ${verdict.did}` : verdict.words;
};

describe("an annotation", () => {
  test("that is for a runtime is refused with its name, a container's behind it or not", () => {
    for (const key of [
      "io.kubernetes.cri-o.Devices",
      "io.kubernetes.cri-o.Devices/agent",
      "devices.crio.io",
      "devices.crio.io/agent",
      "devices.crio.io.agent",
      "io.kubernetes.cri-o.userns-mode",
      "userns-mode.crio.io",
      "io.kubernetes.cri-o.seccompNotifierAction",
      "io.kubernetes.cri-o.cgroup2-mount-hierarchy-rw",
      "io.kubernetes.cri-o.LinkLogs",
      "io.kubernetes.cri-o.PlatformRuntimePath",
      "io.kubernetes.cri-o.tomorrow",
      "seccomp-profile.kubernetes.cri-o.io",
      "seccomp-profile.kubernetes.cri-o.io/POD",
      "seccomp-profile.crio.io/agent",
      "io.kubernetes.cri.container-type",
      "io.containers.trace-syscall",
      "io.containerd.runc.v2.options",
      "io.katacontainers.config.hypervisor.kernel_params",
      "dev.gvisor.flag.network",
      "run.oci.handler",
      "run.oci.hooks.stdout",
      "org.systemd.property.DeviceAllow",
      "org.criu.config",
      "bundle",
      "cdi.k8s.io/vendor-class",
      "devices.nri.io/container.agent",
      "mounts.nri.io",
      "devices.noderesource.dev/agent",
      "security.alpha.kubernetes.io/unsafe-sysctls",
    ])
      expect(words({ [key]: "/dev/vhost-vsock" })).toContain(`metadata.annotations: "${key}" is for the node's`);
  });

  test("that says how a container is not confined is refused", () => {
    const profile = "container.apparmor.security.beta.kubernetes.io/agent";
    for (const value of ["unconfined", "Unconfined", "", "tomorrow"])
      expect(words({ [profile]: value })).toContain(`"${profile}" is "${value}": a container is to be confined`);
    expect(words({ [profile]: "runtime/default" })).toBe(ALLOWED);
    expect(words({ [profile]: "localhost/ours" })).toBe(ALLOWED);
    for (const key of [
      "seccomp.security.alpha.kubernetes.io/pod",
      "container.seccomp.security.alpha.kubernetes.io/agent",
    ]) {
      for (const value of ["unconfined", "localhost/mine.json", "localhost/"])
        expect(words({ [key]: value })).toContain(`"${key}" is "${value}", which may let sockets past the rules`);
      for (const value of ["runtime/default", "docker/default"]) expect(words({ [key]: value })).toBe(ALLOWED);
      expect(words({ [key]: "localhost/mine.json" }, "apps: {seccompProfiles: [mine.json]}\n")).toBe(ALLOWED);
    }
  });

  test("that changes nobody's rights, or is for somebody else, is let be", () => {
    const fine = {
      "io.kubernetes.cri-o.ShmSize": "64Mi",
      "io.kubernetes.cri-o.UnifiedCgroup.agent": "memory.high=1",
      "io.kubernetes.cri-o.TrySkipVolumeSELinuxLabel": "true",
      "cpu-quota.crio.io": "disable",
      "cpu-shared.crio.io/agent": "enable",
      "cni.projectcalico.org/podIP": "10.1.2.3/32",
      "k8s.v1.cni.cncf.io/networks": "second",
      "example.com/bundle": "x",
      "kubernetes.io/description": "see cdi.k8s.io/x",
    };
    expect(words(fine)).toBe(ALLOWED);
    expect(words({ "io.kubernetes.cri-o.ShmSizes": "1" })).toContain("ShmSizes");
  });

  test("passes where the operator names it, and its neighbours do not", () => {
    const more = "apps: {annotations: [io.kubernetes.cri-o.Devices, org.criu.config]}\n";
    expect(words({ "io.kubernetes.cri-o.Devices/agent": "/dev/fuse", "org.criu.config": "x" }, more)).toBe(ALLOWED);
    expect(words({ "io.kubernetes.cri-o.DevicesMore": "/dev/fuse" }, more)).toContain("DevicesMore");
    for (const key of ["''", "'a b'", "'-x'", `'${"x".repeat(400)}'`])
      expect(() => readInjection("i", `${INJECTION_TEXT}apps: {annotations: [${key}]}\n`)).toThrow("key of an annot");
  });

  test("of which there are thousands is told a few times", () => {
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`run.oci.x${at}`, ""]));
    expect(words(many).split("metadata.annotations").length - 1).toBe(16);
  });
});

test("a pod that runs gets none of them later, and keeps what it had", () => {
  const updating = (before: object, after: object) => {
    const create = recorded("create");
    const pod: Anything = patched(create.request.object, admitted(create));
    const with_ = (annotations: object) => ({
      ...pod,
      metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, ...annotations } },
    });
    const review = recorded("update");
    Object.assign(review.request, { oldObject: with_(before), object: with_(after) });
    const verdict = admitted(review);
    return verdict.allowed ? verdict.did : verdict.words;
  };
  const devices = { "io.kubernetes.cri-o.Devices": "/dev/vhost-vsock" };
  expect(updating({}, devices)).toContain('"io.kubernetes.cri-o.Devices" is for the node');
  expect(updating({ "io.kubernetes.cri-o.Devices": "/dev/null" }, devices)).toContain("is for the node");
  expect(updating(devices, devices)).toBe("unchanged");
  expect(updating({}, { "example.com/x": "y" })).toBe("unchanged");
});

test("AppArmor is not taken off by the field either, of pod or container", () => {
  const armored = (place: "pod" | "container", type: string): string => {
    const review = creating(({ spec }) => {
      const target = place === "pod" ? spec : spec.containers[0];
      target.securityContext = { ...target.securityContext, appArmorProfile: { type, localhostProfile: "ours" } };
    });
    const verdict = admitted(review);
    return verdict.allowed ? `allowed: ${verdict.did}` : verdict.words;
  };
  for (const place of ["pod", "container"] as const) {
    for (const type of ["Unconfined", "", "tomorrow"])
      expect(armored(place, type)).toContain(`securityContext.appArmorProfile: "${type}"`);
    for (const type of ["RuntimeDefault", "Localhost"]) expect(armored(place, type)).toBe(ALLOWED);
  }
});
