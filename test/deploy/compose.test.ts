/**
 * The compose file, read by the library that docker compose reads it with, and what its services run, run here. Containers
 * themselves are not: there is no daemon.
 */
import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BUNDLE_VARIABLES, EXTRA_ROOT_VARIABLES } from "../../src/config/client-variables.ts";
import { testUnless, tool } from "../_skip.ts";
import { Gateway } from "../e2e/_gateway.ts";
import { program, ROOT } from "../e2e/_process.ts";

const PLACE = join(ROOT, "deploy/compose");
const GIVEN: Readonly<Record<string, string>> = {
  SALLYPORT_IMAGE: `registry.example/sallyport@sha256:${"0".repeat(64)}`,
  RESOLVER: "192.0.2.53",
  AGENT_IMAGE: "agent",
};
const folder = mkdtempSync(join(tmpdir(), "sallyport-compose-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Service {
  readonly image: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly network_mode?: string;
  readonly user?: string;
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly volumes?: readonly { readonly source: string; readonly target: string; readonly read_only?: boolean }[];
}

/** compose-go is told of no environment by its own command, so what is interpolated is put in here. */
function read(change: (text: string) => string = (text) => text) {
  const place = mkdtempSync(join(folder, "project-"));
  cpSync(PLACE, place, { recursive: true });
  const text = readFileSync(join(PLACE, "compose.yaml"), "utf8").replace(
    /\$\{(\w+)(?::[-?]([^}]*))?\}/g,
    (_, name, otherwise) => GIVEN[name] ?? otherwise,
  );
  writeFileSync(join(place, "compose.yaml"), change(text));
  return spawnSync("compose-go", ["-format", "json", join(place, "compose.yaml")], { encoding: "utf8" });
}

const missing = tool("compose-go") ?? tool("curl");
function services(): Readonly<Record<string, Service>> {
  const { status, stdout, stderr } = read();
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return JSON.parse(stdout).services;
}

testUnless(missing, "compose reads it, and refuses it with a misspelt key or a value of another type", () => {
  services();
  expect(read((text) => text.replace("cap_drop:", "cap_drops:")).stderr).toContain("cap_drops");
  expect(read((text) => text.replace("read_only: true", "read_only: [true]")).stderr).toContain("read_only");
});

testUnless(
  missing,
  "nobody has a capability but the redirect, and only the gateway has its user and its secrets",
  () => {
    const { "make-ca": _ca, "make-key": _key, ...running } = services();
    for (const [name, { cap_drop, cap_add, security_opt, read_only, volumes = [], network_mode }] of Object.entries(
      running,
    )) {
      expect({ name, cap_drop, security_opt }).toEqual({
        name,
        cap_drop: ["ALL"],
        security_opt: ["no-new-privileges:true"],
      });
      expect(cap_add ?? []).toEqual(name === "redirect" ? ["NET_ADMIN"] : []);
      if (name !== "agent") expect({ name, read_only }).toEqual({ name, read_only: true });
      const secret = volumes.filter(({ source }) => source === "secrets");
      expect(secret.map((volume) => volume.read_only)).toEqual(name === "gateway" || name === "trust" ? [true] : []);
      if (name !== "net" && name !== "trust")
        expect({ name, network_mode }).toEqual({ name, network_mode: "service:net" });
    }
    // Its command does not look whether services that are named are there.
    const kept = ["secrets", "trust", "evidence"];
    for (const { network_mode = "", depends_on = {}, volumes = [] } of Object.values(running)) {
      for (const { source } of volumes) expect(kept).toContain(source);
      for (const name of [...Object.keys(depends_on), ...network_mode.split("service:").slice(1)])
        expect(Object.keys(running)).toContain(name);
    }
    expect(running.agent?.user).toBe("10001:10001");
    expect(running.redirect?.command).toContain("65532");
  },
);

testUnless(
  missing,
  "what its services run works: CA, key, trust, redirect, a gateway that denies by default, its health check",
  async () => {
    const all = services();
    const at = (path: string): string => join(folder, "root", path);
    /** A container's paths as folders of this machine, by the volumes it has. */
    const mapped = (name: string, text: string): string => {
      for (const { source, target } of all[name]?.volumes ?? [])
        if (text === target || text.startsWith(`${target}/`)) return at(source) + text.slice(target.length);
      return text.startsWith("/tmp") ? at(text) : text;
    };
    for (const each of ["secrets", "trust", "evidence", "tmp"]) mkdirSync(at(each), { recursive: true });
    const run = (name: string, change: (command: string[]) => string[] = (command) => command) => {
      const { entrypoint, command = [], environment = {} } = all[name] ?? { entrypoint: [] };
      expect(entrypoint).toEqual(["/usr/bin/sallyport"]);
      const [path = "", ...before] = program();
      const args = change(command.map((word) => mapped(name, word)));
      const env = {
        PATH: process.env.PATH ?? "",
        HOME: folder,
        DENO_DIR: process.env.DENO_DIR ?? folder,
        ...environment,
      };
      const { status, stderr, stdout } = spawnSync(path, [...before, ...args], { encoding: "utf8", env });
      expect({ name, status, stderr: status === 0 ? "" : stderr }).toEqual({ name, status: 0, stderr: "" });
      return stdout + stderr;
    };
    run("make-ca");
    run("make-key");
    run("trust");
    expect(readdirSync(at("trust")).sort()).toEqual(["bundle.pem", "ca.crt", "trust.p12"]);
    expect(statSync(at("trust/bundle.pem")).mode & 0o044).toBe(0o044);
    const { JAVA_TOOL_OPTIONS: java = "", ...paths } = all.agent?.environment ?? {};
    const [, store = ""] =
      /^-Djavax\.net\.ssl\.trustStore=(\S+) -Djavax\.net\.ssl\.trustStoreType=PKCS12$/.exec(java) ?? [];
    for (const path of [store, ...Object.values(paths)]) expect(statSync(mapped("agent", path)).isFile()).toBe(true);
    // The same options, without leave to change this machine's rules.
    const rules = run("redirect", ([verb, , ...options]) => [verb ?? "", "print", ...options]);
    expect(rules).toContain("192.0.2.53");
    expect(rules).not.toContain("IPv6 is refused");

    const env = Object.fromEntries(
      Object.entries(all.gateway?.environment ?? {}).map(([name, value]) => [name, mapped("gateway", value)]),
    );
    const gateway = await Gateway.start({
      ...env,
      EVE_PROXY_PORT: "0",
      EVE_PROXY_POLICY: join(PLACE, "policy.yaml"),
      JWT_SECRET_KEY: undefined,
    });
    try {
      const asked = ["-s", "-i", "-m", "40", "-x", gateway.url, "http://example.com/"];
      const answer = spawnSync("curl", asked, { encoding: "utf8" }).stdout;
      expect(answer).toStartWith("HTTP/1.1 451");
      expect(answer).toContain("policy_deny");
      const [path = "", ...before] = program();
      const [kind, own, ...check] = all.gateway?.healthcheck?.test ?? [];
      expect([kind, own]).toEqual(["CMD", "/usr/bin/sallyport"]);
      const health = { PATH: process.env.PATH ?? "", EVE_PROXY_HOST: "::", EVE_PROXY_PORT: String(gateway.port) };
      expect(spawnSync(path, [...before, ...check], { env: health }).status).toBe(0);
    } finally {
      await gateway.stop();
    }
  },
  120_000,
);

test("every variable that has to be given is one that docs/install.md names", () => {
  const text = readFileSync(join(PLACE, "compose.yaml"), "utf8");
  const page = readFileSync(join(ROOT, "docs/install.md"), "utf8");
  const asked = [...text.matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name ?? "");
  expect(asked).toEqual(Object.keys(GIVEN));
  for (const name of asked) expect(page).toContain(`${name}=`);
});

test("the agent is told whom to trust by every variable that is known", () => {
  const text = readFileSync(join(PLACE, "compose.yaml"), "utf8");
  const told = (file: string) =>
    [...text.matchAll(/^ +(\w+): \/run\/sallyport\/trust\/(.*)$/gm)].flatMap(([, name, to]) =>
      to === file ? [name] : [],
    );
  expect(told("bundle.pem")).toEqual([...BUNDLE_VARIABLES, "npm_config_cafile"]);
  expect(told("ca.crt")).toEqual([...EXTRA_ROOT_VARIABLES]);
});
