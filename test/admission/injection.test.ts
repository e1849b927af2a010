import { describe, expect, test } from "bun:test";
import { readInjection } from "../../src/admission/injection.ts";
import { INJECTION_TEXT, injectionWith } from "./_review.ts";

const LEAST = "version: 1\nimage: sallyport:1\n";
const problem = (text: string): string => {
  try {
    readInjection("injection.yaml", text);
    return "";
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
};

describe("an injection that is no good is refused, with the place", () => {
  const cases: [string, string, string][] = [
    ["nothing", "", "injection"],
    ["no image", "version: 1\n", "image"],
    ["another version", "version: 2\nimage: a\n", "injection.yaml:1:10: version"],
    ["a word that nobody obeys", `${LEAST}sidecars: native\n`, 'unknown key "sidecars"'],
    ["a word that nobody obeys, further in", `${LEAST}apps: {allowRoots: true}\n`, 'unknown key "allowRoots"'],
    ["a key twice", `${LEAST}image: b\n`, "a key is given twice"],
    ["the gateway as root", `${LEAST}uid: 0\n`, "uid"],
    ["apps as the gateway", `${LEAST}apps: {uid: 64128}\n`, "apps.uid is the gateway's uid"],
    ["apps in the gateway's group", `${LEAST}apps: {gid: 64128}\n`, "apps.gid is the gateway's gid"],
    ["a way out to no network", `${LEAST}redirect: {except: [10.0.0.0]}\n`, "must be a CIDR"],
    ["a way out to half a network", `${LEAST}redirect: {except: [10.0.0.0/33]}\n`, "must be a CIDR"],
    ["a way out by an option", `${LEAST}redirect: {except: ["--all"]}\n`, "must be a CIDR"],
    [
      "a setting that the injection makes",
      `${LEAST}env: [{name: EVE_PROXY_ORG_ID, value: x}]\n`,
      "is set by the injection itself",
    ],
    [
      "another user's way in",
      `${LEAST}env: [{name: EVE_PROXY_TRANSPARENT, value: "0"}]\n`,
      "is set by the injection itself",
    ],
    ["a volume of the pod's own name", `${LEAST}volumes: [{name: data, emptyDir: {}}]\n`, "must begin with sallyport-"],
    [
      "a volume twice",
      `${LEAST}volumes: [{name: sallyport-a, emptyDir: {}}, {name: sallyport-a, emptyDir: {}}]\n`,
      "stands twice",
    ],
    [
      "a mount of no volume",
      `${LEAST}volumeMounts: [{name: sallyport-a, mountPath: /a}]\n`,
      "there is no volume sallyport-a",
    ],
    ["a directory of the node with ..", `${LEAST}apps: {hostPaths: [/var/../etc]}\n`, "without .."],
    ["a namespace always and never", `${LEAST}namespaces: {always: [kube-system]}\n`, "is in always and in never"],
    ["a tenant that no label could say", `${LEAST}tenant: {fallback: "a b"}\n`, "must be what a label can hold"],
  ];
  for (const [name, text, said] of cases) test(name, () => expect(problem(text)).toContain(said));
});

test("the least that can be said is enough, and nothing in it is open", () => {
  expect(readInjection("injection.yaml", LEAST)).toMatchObject({
    sidecar: "native",
    uid: 64128,
    gid: 64128,
    redirect: { except: [], allTcp: true },
    apps: {
      uid: 10001,
      gid: 10001,
      allowRoot: false,
      hostPaths: [],
      runtimeClasses: [],
      allowDns: false,
      ephemeral: "refuse",
    },
    namespaces: { always: [], never: ["kube-system"] },
  });
  expect(problem(INJECTION_TEXT)).toBe("");
  expect(
    injectionWith('redirect: {except: [10.0.0.0/8, "fd00::/8:443", "10.0.0.1/32:80,443-445"]}\n', LEAST).redirect
      .except,
  ).toHaveLength(3);
});
