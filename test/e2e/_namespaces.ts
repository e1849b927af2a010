/** Two network namespaces on one wire: a host with programs and a gateway, and everything outside of it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { atTheEnd } from "../_at-the-end.ts";
import { tool } from "../_skip.ts";

const MAIN = resolve(import.meta.dir, "../../src/main.ts");
const PEER = join(import.meta.dir, "redirect/peer.py");
const PYTHON = "/usr/bin/python3";

export const GATEWAY = 900;
export const APP = 65_534;
/** Outside, behind the router. */
export const FAR4 = "192.0.2.1";
export const FAR6 = "2001:db8::1";
export const RESOLVER = "10.77.0.1";
export const PORT = 3128;

export type Attempt = readonly [kind: "tcp" | "udp" | "send" | "ping" | "sctp", host: string, port: number];

export const missing: string | null =
  process.platform !== "linux"
    ? "network namespaces are Linux's"
    : process.getuid?.() !== 0
      ? "root is needed for network namespaces"
      : (tool("ip") ??
        tool("setpriv") ??
        (spawnSync(PYTHON, ["-V"]).status === 0 ? null : `no ${PYTHON}`) ??
        refused());

function refused(): string | null {
  const name = `redirect-try-${process.pid}`;
  if (spawnSync("ip", ["netns", "add", name]).status !== 0) return "network namespaces cannot be made here";
  spawnSync("ip", ["netns", "del", name]);
  return null;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let made = 0;

export class Namespaces {
  readonly app = `redirect-app-${process.pid}-${++made}`;
  readonly #far = `redirect-far-${process.pid}-${made}`;
  readonly #children: ChildProcess[] = [];
  readonly #poured: ((count: number) => void)[] = [];
  #watched: string[] = [];
  #sentinel = 40_000;
  #forget = (): void => {};

  async start(): Promise<void> {
    const { app } = this;
    const far = this.#far;
    this.#forget = atTheEnd(() => this.close());
    for (const name of [app, far]) must(["ip", "netns", "add", name]);
    must(["ip", "link", "add", "wire0", "netns", app, "type", "veth", "peer", "name", "wire1", "netns", far]);
    for (const [name, device, last] of [
      [app, "wire0", 2],
      [far, "wire1", 1],
    ] as const) {
      must(["ip", "-n", name, "link", "set", "lo", "up"]);
      // One TCP on every kernel, in which a connection learns nothing from the one before: BBR waits seconds where it lost.
      must([
        ...inside(name),
        "sysctl",
        "-qw",
        "net.ipv4.tcp_congestion_control=reno",
        "net.ipv4.tcp_no_metrics_save=1",
      ]);
      must(["ip", "-n", name, "addr", "add", `10.77.0.${last}/24`, "dev", device]);
      must(["ip", "-n", name, "addr", "add", `fd77::${last}/64`, "dev", device, "nodad"]);
      must(["ip", "-n", name, "link", "set", device, "up"]);
    }
    must(["ip", "-n", far, "addr", "add", `${FAR4}/32`, "dev", "lo"]);
    must(["ip", "-n", far, "addr", "add", `${FAR6}/128`, "dev", "lo", "nodad"]);
    must(["ip", "-n", app, "route", "add", "default", "via", "10.77.0.1"]);
    must(["ip", "-n", app, "-6", "route", "add", "default", "via", "fd77::1"]);
    // UDP by address: a socket for all of them answers from another than it was asked at.
    const asked = [FAR4, FAR6, RESOLVER].flatMap((host) => [443, 53, 9999, 853].map((port) => `udp:${host}=${port}`));
    const services = ["tcp:80", "tcp:443", "tcp:8443", "tcp:53", "sink:9000", "ring:9001", "late:9002", ...asked];
    await this.#lines(far, ["serve", "far", ...services], 0, (line) => this.#poured.shift()?.(Number(line)));
    await this.#lines(app, ["serve", "gateway", `tcp:${PORT}`], GATEWAY);
    await this.#lines(app, ["serve", "own", "tcp:8000", "udp:8000"], APP);
    await this.#lines(far, ["watch"], 0, (line) => this.#watched.push(line));
  }

  close(): void {
    this.#forget();
    for (const child of this.#children) child.kill("SIGKILL");
    for (const name of [this.app, this.#far]) spawnSync("ip", ["netns", "del", name]);
  }

  /** Something of the gateway's user that listens on the host, until the end. */
  async serve(...wanted: readonly string[]): Promise<void> {
    await this.#lines(this.app, ["serve", "more", ...wanted], GATEWAY);
  }

  /** `sallyport redirect` on the host. */
  redirect(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return ended(["ip", "netns", "exec", this.app, process.execPath, MAIN, "redirect", ...args], env);
  }

  /** `sallyport redirect` on a host that has none of the tools. */
  withoutTools(args: readonly string[]): Promise<Ended> {
    const bare = 'mount -t tmpfs none /usr/sbin && mount -t tmpfs none /usr/local/sbin && exec "$@"';
    const inside = [process.execPath, MAIN, "redirect", ...args];
    return ended(["ip", "netns", "exec", this.app, "unshare", "--mount", "sh", "-c", bare, "sh", ...inside]);
  }

  /** `sallyport redirect` as nobody. */
  unprivileged(args: readonly string[]): Promise<Ended> {
    const who = ["setpriv", "--reuid", String(APP), "--regid", String(APP), "--clear-groups", "--"];
    return ended(["ip", "netns", "exec", this.app, ...who, process.execPath, MAIN, "redirect", ...args]);
  }

  /** A program on the host, as a user. What each attempt came to: who answered, or the name of an errno. */
  async attempts(uid: number, attempts: readonly Attempt[], mark = 0): Promise<string[]> {
    const done = await ended(this.#as(this.app, uid, ["try", JSON.stringify(attempts), String(mark)]));
    if (done.code !== 0) throw new Error(done.stderr);
    return JSON.parse(done.stdout) as string[];
  }

  /** Connections of an app, one after the other, for as long as `during` takes: who answered, and how many there were. */
  async hammered(host: string, during: () => Promise<void>): Promise<readonly [string[], number]> {
    let told = (_line: string): void => {};
    const last = new Promise<string>((settle) => {
      told = settle;
    });
    const { process } = await this.#lines(this.app, ["hammer", host, "80"], APP, (line) => told(line));
    await during();
    process.stdin?.end();
    return JSON.parse(await last) as [string[], number];
  }

  /** Bytes that arrive of so many that the gateway sends and closes behind, without waiting. */
  async poured(host: string, count: number): Promise<number> {
    const arrived = new Promise<number>((settle) => this.#poured.push(settle));
    const done = await ended(this.#as(this.app, GATEWAY, ["pour", host, "9000", String(count)]));
    if (done.code !== 0) throw new Error(done.stderr);
    return arrived;
  }

  /** So many bytes of an app for whoever does not take them yet, and its socket closed behind. */
  async left(host: string, count: number): Promise<void> {
    const done = await ended(this.#as(this.app, APP, ["pour", host, "9002", String(count)]));
    if (done.code !== 0) throw new Error(done.stderr);
  }

  /** From outside to the host. */
  async fromOutside(attempts: readonly Attempt[]): Promise<string[]> {
    const done = await ended(this.#as(this.#far, 0, ["try", JSON.stringify(attempts)]));
    return JSON.parse(done.stdout) as string[];
  }

  /** A connection of an app that is kept; each call says a word over it. */
  async held(host: string, port: number): Promise<{ first: string; again(): Promise<string> }> {
    const lines: string[] = [];
    let heard = (): void => {};
    const child = await this.#lines(this.app, ["hold", host, String(port)], APP, (line) => {
      lines.push(line);
      heard();
    });
    return {
      first: child.first,
      again: () =>
        new Promise((settle) => {
          heard = () => settle(JSON.parse(lines.shift() ?? '""') as string);
          child.process.stdin?.write("\n");
        }),
    };
  }

  /** IP packets that have come over the wire since the last call, link-local business left out: `17 192.0.2.1 443`. */
  async crossed(): Promise<string[]> {
    const port = ++this.#sentinel;
    const last = `[17,"10.77.0.1",${port}]`.replaceAll(",", ", ");
    await ended([
      "ip",
      "netns",
      "exec",
      this.app,
      "setpriv",
      "--reuid",
      String(GATEWAY),
      "--regid",
      String(GATEWAY),
      "--clear-groups",
      "--",
      PYTHON,
      PEER,
      "try",
      JSON.stringify([["send", "10.77.0.1", port]]),
    ]);
    while (!this.#watched.includes(last)) await new Promise<void>((turn) => setTimeout(turn, 5));
    const seen = this.#watched;
    this.#watched = [];
    return seen
      .filter((line) => line !== last)
      .map((line) => (JSON.parse(line) as (string | number)[]).join(" "))
      .filter((line) => !/^(?:0|58) f/.test(line));
  }

  /** Takes the rules of nft that have these words away; answers how many. */
  async without(words: string): Promise<number> {
    const listed = await this.told(["nft", "-a", "list", "table", "inet", "sallyport"]);
    let chain = "";
    let count = 0;
    for (const line of listed.split("\n")) {
      chain = /chain (\S+) \{/.exec(line)?.[1] ?? chain;
      const handle = line.includes(words) ? /# handle (\d+)/.exec(line)?.[1] : undefined;
      if (handle === undefined) continue;
      await this.told(["nft", "delete", "rule", "inet", "sallyport", chain, "handle", handle]);
      count++;
    }
    return count;
  }

  /** Text of a tool outside. */
  async toldOutside(command: readonly string[]): Promise<string> {
    return (await ended(["ip", "netns", "exec", this.#far, ...command])).stdout;
  }

  /** Text of a tool on the host. */
  async told(command: readonly string[]): Promise<string> {
    return (await ended(["ip", "netns", "exec", this.app, ...command])).stdout;
  }

  #as(name: string, uid: number, args: readonly string[]): string[] {
    const who = uid === 0 ? [] : ["setpriv", "--reuid", String(uid), "--regid", String(uid), "--clear-groups", "--"];
    return ["ip", "netns", "exec", name, ...who, PYTHON, PEER, ...args];
  }

  /** Resolves with its first line. */
  #lines(
    name: string,
    args: readonly string[],
    uid = 0,
    each: (line: string) => void = () => {},
  ): Promise<{ process: ChildProcess; first: string }> {
    const [program = "", ...rest] = this.#as(name, uid, args);
    const child = spawn(program, rest, { stdio: ["pipe", "pipe", "inherit"] });
    this.#children.push(child);
    let text = "";
    let first: string | null = null;
    return new Promise((settle, reject) => {
      child.on("exit", (code) => reject(new Error(`${args.join(" ")} ended: ${code}`)));
      child.stdout.on("data", (bytes) => {
        text += bytes;
        for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n")) {
          const line = text.slice(0, end);
          text = text.slice(end + 1);
          if (first !== null) each(line);
          else {
            first = JSON.parse(line) as string;
            settle({ process: child, first });
          }
        }
      });
    });
  }
}

const inside = (name: string): string[] => ["ip", "netns", "exec", name];

function must(command: readonly string[]): void {
  const [program = "", ...args] = command;
  const done = spawnSync(program, args, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command.join(" ")}: ${done.stderr}`);
}

function ended(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { env: { PATH: process.env.PATH ?? "", ...env }, timeout: 110_000 });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (bytes) => {
    stdout += bytes;
  });
  child.stderr.on("data", (bytes) => {
    stderr += bytes;
  });
  child.stdin.end();
  return new Promise((settle, reject) => {
    child.on("error", reject);
    child.on("close", (code) => settle({ code, stdout, stderr }));
  });
}
