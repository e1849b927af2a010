/**
 * A pod and an internet in network namespaces, joined by one wire: what leaves the pod is seen packet by packet. The gateway
 * and the application share the pod's namespace, as containers of a pod do, and differ in their group and user.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atTheEnd, leashed } from "../_at-the-end.ts";
import { tool } from "../_skip.ts";
import { KEY } from "./_gateway.ts";
import { follow } from "./_inside.ts";
import { type Env, program, until } from "./_process.ts";

/** The gateway's group, which the redirect leaves alone. It stays root otherwise, so that it can read this checkout wherever it lies. */
export const GATEWAY_GROUP = 7777;
/** The application's. */
export const APP = 65534;
export const PORT = 3128;
export const RESOLVER = "203.0.113.53";
/** Where the gateway may go. */
export const ALLOWED = { v4: "203.0.113.10", v6: "2001:db8::10" };
/** Where nothing may ever arrive. */
export const EVIL = { v4: "203.0.113.66", v6: "2001:db8::66" };

/** The other end of the wire. */
export const ROUTER = { v4: "10.199.0.1", v6: "fd99::1" };

const NAMES: Readonly<Record<string, readonly string[]>> = {
  "allowed.test": [ALLOWED.v4, ALLOWED.v6],
  "only4.test": [ALLOWED.v4],
  "only6.test": [ALLOWED.v6],
  "evil.test": [EVIL.v4, EVIL.v6],
  "rebind.test": [ALLOWED.v4, "next:127.0.0.1"],
};

export interface Arrival {
  readonly kind: string;
  readonly at?: string;
  readonly port?: number;
  readonly host?: string;
  readonly sni?: string | null;
  readonly url?: string;
  readonly body?: string;
  readonly text?: string;
}

export interface Packet {
  readonly kind: "packet";
  readonly proto: number;
  readonly to: string;
  readonly port: number;
}

const IGMP = 2;
const ICMPV6 = 58;

/** A program in the pod that is spoken with. */
export interface Talking {
  readonly stdout: string;
  say(text: string): void;
  /** Resolves to everything it said. */
  ended(): Promise<string>;
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Why there is no lab on this machine, or null. */
export const noLab: string | null =
  process.platform !== "linux"
    ? "network namespaces are Linux's"
    : process.getuid?.() !== 0
      ? "not root"
      : (tool("ip") ??
        tool("iptables") ??
        tool("ip6tables") ??
        tool("setpriv") ??
        tool("curl") ??
        tool("openssl") ??
        tool("python3") ??
        unmakeable());

function unmakeable(): string | null {
  const name = `splab-try-${process.pid}`;
  const made = spawnSync("ip", ["netns", "add", name], { encoding: "utf8" });
  spawnSync("ip", ["netns", "del", name]);
  return made.status === 0 ? null : `network namespaces cannot be made here: ${made.stderr.trim()}`;
}

function must(command: string, ...args: string[]): void {
  const done = spawnSync(command, args, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${done.stderr}`);
}

let labs = 0;

export class Lab {
  readonly arrivals: Arrival[] = [];
  readonly packets: Packet[] = [];
  readonly folder: string;
  readonly pod: string;
  readonly net: string;
  /** PEM: roots of the servers outside, for the gateway and for clients that go without one. */
  readonly roots: string;
  readonly #children: ChildProcess[] = [];
  #gateway: ChildProcess | null = null;
  readonly #forget = atTheEnd(() => this.stop());
  gatewayStderr = "";

  private constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "sallyport-lab-"));
    chmodSync(this.folder, 0o755);
    const name = `splab-${process.pid}-${labs++}`;
    this.pod = `${name}p`;
    this.net = `${name}n`;
    this.roots = join(this.folder, "root.crt");
  }

  static async start(): Promise<Lab> {
    const lab = new Lab();
    try {
      lab.#wire();
      lab.#certificates();
      await lab.#internet();
      return lab;
    } catch (error) {
      lab.stop();
      throw error;
    }
  }

  #wire(): void {
    const { pod, net } = this;
    must("ip", "netns", "add", pod);
    must("ip", "netns", "add", net);
    must("ip", "-n", pod, "link", "add", "eth0", "type", "veth", "peer", "name", "wire", "netns", net);
    for (const [space, link] of [
      [pod, "eth0"],
      [net, "wire"],
    ] as const) {
      must("ip", "-n", space, "link", "set", "lo", "up");
      must("ip", "-n", space, "link", "set", link, "up");
    }
    must("ip", "-n", pod, "addr", "add", "10.199.0.2/24", "dev", "eth0");
    must("ip", "-n", net, "addr", "add", "10.199.0.1/24", "dev", "wire");
    must("ip", "-n", pod, "-6", "addr", "add", "fd99::2/64", "dev", "eth0", "nodad");
    must("ip", "-n", net, "-6", "addr", "add", "fd99::1/64", "dev", "wire", "nodad");
    must("ip", "-n", pod, "route", "add", "default", "via", "10.199.0.1");
    must("ip", "-n", pod, "-6", "route", "add", "default", "via", "fd99::1");
    for (const address of [RESOLVER, ALLOWED.v4, EVIL.v4])
      must("ip", "-n", net, "addr", "add", `${address}/32`, "dev", "lo");
    for (const address of [ALLOWED.v6, EVIL.v6])
      must("ip", "-n", net, "-6", "addr", "add", `${address}/128`, "dev", "lo", "nodad");
    // Who may ping without a capability: everybody, as Docker and containerd have it.
    must("ip", "netns", "exec", pod, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647");
    // What `ip netns exec` puts over /etc for whoever it runs.
    mkdirSync(`/etc/netns/${pod}`, { recursive: true });
    writeFileSync(`/etc/netns/${pod}/resolv.conf`, `nameserver ${RESOLVER}\noptions timeout:1 attempts:1\n`);
  }

  #certificates(): void {
    const openssl = (...args: string[]) => must("openssl", ...args);
    const at = (name: string) => join(this.folder, name);
    const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl(
      "req",
      "-x509",
      ...ec,
      "-keyout",
      at("root.key"),
      "-out",
      this.roots,
      "-days",
      "2",
      "-subj",
      "/CN=lab root",
    );
    const san = `subjectAltName=${Object.keys(NAMES)
      .map((name) => `DNS:${name}`)
      .join(",")},IP:${EVIL.v4},IP:${ALLOWED.v4}`;
    openssl("req", ...ec, "-keyout", at("leaf.key"), "-out", at("leaf.csr"), "-subj", "/CN=lab", "-addext", san);
    openssl(
      ...["x509", "-req", "-in", at("leaf.csr"), "-CA", this.roots, "-CAkey", at("root.key"), "-CAcreateserial"],
      ...["-out", at("leaf.crt"), "-days", "2", "-copy_extensions", "copy"],
    );
    chmodSync(this.roots, 0o644);
  }

  async #internet(): Promise<void> {
    const clients = join(import.meta.dirname, "clients");
    const leaf = [join(this.folder, "leaf.crt"), join(this.folder, "leaf.key")];
    const outside = this.#outside("node", join(clients, "internet.mjs"), ...leaf, RESOLVER, JSON.stringify(NAMES));
    const tap = this.#outside("python3", join(clients, "wire-tap.py"), "wire");
    let ready = 0;
    follow(outside, (line) => {
      if (line.kind === "ready") ready++;
      else this.arrivals.push(line as unknown as Arrival);
    });
    follow(tap, (line) => {
      if (line.kind === "ready") ready++;
      else this.packets.push(line as unknown as Packet);
    });
    await until(() => ready === 2, "the internet is up");
  }

  #outside(...command: string[]): ChildProcess {
    const child = spawn("ip", ["netns", "exec", this.net, ...command], { stdio: ["ignore", "pipe", "inherit"] });
    this.#children.push(child);
    return leashed(child);
  }

  /** Starts the gateway in the pod and waits until it is ready. */
  async gateway(env: Env = {}, policy?: string, before: readonly string[] = []): Promise<void> {
    const [path = "", ...args] = program();
    const audit = join(this.folder, "audit");
    mkdirSync(audit, { recursive: true });
    const given: Env = {
      PATH: process.env.PATH,
      HOME: this.folder,
      DENO_DIR: process.env.DENO_DIR,
      DENO_NO_UPDATE_CHECK: "1",
      EVE_PROXY_HOST: "::",
      EVE_PROXY_PORT: String(PORT),
      EVE_PROXY_ALLOW_ADDRESSES: "203.0.113.0/24,2001:db8::/32",
      EVE_PROXY_BLOCKED_HOSTS: `evil.test,${EVIL.v4},${EVIL.v6}`,
      EVE_PROXY_AUDIT_PATH: join(audit, "events.jsonl"),
      EVE_PROXY_UPSTREAM_CA: this.roots,
      EVE_PROXY_ENFORCE_TIMEOUT: "20",
      JWT_SECRET_KEY: KEY,
      ...env,
    };
    if (policy !== undefined) {
      writeFileSync(join(this.folder, "policy.yaml"), policy);
      Object.assign(given, { EVE_PROXY_POLICY: join(this.folder, "policy.yaml") });
    }
    const kept = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Record<
      string,
      string
    >;
    const group = ["setpriv", "--regid", String(GATEWAY_GROUP), "--clear-groups", "--"];
    const command = ["netns", "exec", this.pod, ...group, ...before, path, ...args, "run"];
    const child = leashed(spawn("ip", command, { cwd: this.folder, env: kept, stdio: ["ignore", "ignore", "pipe"] }));
    this.#gateway = child;
    this.gatewayStderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.gatewayStderr += text;
    });
    const url = `http://127.0.0.1:${PORT}/readyz`;
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`the gateway ended: ${this.gatewayStderr}`);
      return (
        (await this.inPod(["curl", "-s", "-o", "/dev/null", "-m", "2", "-w", "%{http_code}", url])).stdout === "200"
      );
    }, "the gateway is ready");
  }

  async endGateway(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#gateway;
    this.#gateway = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
    // `ip netns exec` and setpriv become the program: this is its own process.
    child.kill(signal);
    await gone;
  }

  /** Runs the program under test with these arguments, in the pod as root. */
  ours(args: readonly string[], env: Env = {}): Promise<Ran> {
    return this.inPod([...program(), ...args], { DENO_DIR: process.env.DENO_DIR, ...env });
  }

  /** A CA for interception; what tells the gateway of it, and its certificate for clients. */
  async ca(): Promise<{ readonly EVE_PROXY_CA_CERT: string; readonly EVE_PROXY_CA_KEY: string }> {
    const dir = join(this.folder, "ours");
    mkdirSync(dir);
    const made = await this.ours(["ca", "init", "--dir", dir]);
    if (made.status !== 0) throw new Error(made.stderr);
    return { EVE_PROXY_CA_CERT: join(dir, "ca.crt"), EVE_PROXY_CA_KEY: join(dir, "ca.key") };
  }

  /** Runs it in the pod as root, with nothing taken away. */
  inPod(command: readonly string[], env: Env = {}): Promise<Ran> {
    return this.#run(["netns", "exec", this.pod, ...command], env);
  }

  /** Runs it in the pod as the application: another user and group, no capability, no way to get one. */
  app(command: readonly string[], env: Env = {}): Promise<Ran> {
    return this.#run(this.#bare(command), env);
  }

  /** As `app`, while it goes on. */
  talking(command: readonly string[]): Talking {
    const child = spawn("ip", this.#bare(command), { stdio: ["pipe", "pipe", "inherit"] });
    this.#children.push(child);
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    const ended = new Promise<string>((resolve) => child.once("close", () => resolve(stdout)));
    return {
      get stdout() {
        return stdout;
      },
      say: (text) => void child.stdin.write(text),
      ended: () => ended,
    };
  }

  #bare(command: readonly string[]): string[] {
    const user = ["--reuid", String(APP), "--regid", String(APP), "--clear-groups"];
    const bare = ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"];
    return ["netns", "exec", this.pod, "setpriv", ...user, ...bare, ...command];
  }

  #run(args: readonly string[], env: Env): Promise<Ran> {
    const given = { PATH: process.env.PATH ?? "", HOME: this.folder, ...env };
    return new Promise((resolve, reject) => {
      const child = spawn("ip", args, {
        env: given as Record<string, string>,
        stdio: ["ignore", "pipe", "pipe"],
        timeout: 110_000,
      });
      let stdout = "";
      let stderr = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text;
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text;
      });
      child.once("error", reject);
      child.once("close", (status) => resolve({ status, stdout, stderr }));
    });
  }

  /** Whatever left the pod before this was called has been told when it resolves. */
  async settled(): Promise<void> {
    const mark = `mark ${crypto.randomUUID()}`;
    const group = ["setpriv", "--regid", String(GATEWAY_GROUP), "--clear-groups", "--"];
    await this.inPod([...group, "bash", "-c", `echo -n "${mark}" > /dev/udp/${ALLOWED.v4}/443`]);
    await until(() => this.arrivals.some(({ text }) => text === mark), "the mark outside");
  }

  /** What was sent to the place where nothing may arrive. */
  async escaped(): Promise<(Packet | Arrival)[]> {
    await this.settled();
    const evil = new Set<string>([...Object.values(EVIL), ...Object.values(ROUTER)]);
    // The router is found by ICMPv6, without which there is no IPv6; what begins with 224 to 239 is for a group, and
    // who is on the wire may take what is for loopback.
    const packets = this.packets.filter(
      ({ to, proto }) =>
        (evil.has(to) && !(to === ROUTER.v6 && proto === ICMPV6)) ||
        (/^2(2[4-9]|3\d)\./.test(to) && proto !== IGMP) ||
        /^127\.|^::1$/.test(to),
    );
    // Its resolver may be asked for any name.
    const arrivals = this.arrivals.filter(
      (each) => evil.has(each.at ?? "") || (each.at !== RESOLVER && /evil/.test(JSON.stringify(each))),
    );
    return [...packets, ...arrivals];
  }

  forget(): void {
    this.arrivals.length = 0;
    this.packets.length = 0;
  }

  audit(): Record<string, unknown>[] {
    const file = join(this.folder, "audit/events.jsonl");
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  stop(): void {
    this.#forget();
    this.#gateway?.kill("SIGKILL");
    for (const child of this.#children) child.kill("SIGKILL");
    for (const space of [this.pod, this.net]) spawnSync("ip", ["netns", "del", space]);
    rmSync(`/etc/netns/${this.pod}`, { recursive: true, force: true });
    rmSync(this.folder, { recursive: true, force: true });
  }
}
