/**
 * The process that tries to get out, as a user that may not. What it does is fit for a host in production: no packet goes
 * farther than the next hop (TTL 1), the addresses are of documentation networks, the gateway gets connections without a
 * byte in them, and a port is bound and never listened on.
 */
import { messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { type Ip, parseIp } from "../wire/ip.ts";
import { textOf } from "./_proc.ts";
import { byInterfaces, echo6, inNameOf } from "./_redirect-roundabout.ts";
import { DATAGRAM, type Endpoint, ERRNO, RAW, Sockets, STREAM } from "./_redirect-sockets.ts";

export type Attempt =
  | { readonly kind: "tcp" | "udp"; readonly to: string; readonly port: number }
  /** ICMP echo by a datagram socket; a packet of a protocol that nobody has, by a raw one. */
  | { readonly kind: "echo" | "raw"; readonly to: string }
  | { readonly kind: "frames" }
  /** UDP as if `from` had asked; UDP to `to`, which is loopback, by the other interfaces. */
  | { readonly kind: "in-name-of"; readonly from: string }
  | { readonly kind: "by-interfaces"; readonly to: string }
  | { readonly kind: "mark"; readonly mark: number }
  | { readonly kind: "bind"; readonly to: string; readonly port: number }
  /** The last one: there is no way back. */
  | { readonly kind: "become"; readonly uid: number | null; readonly gid: number | null };

export interface Plan {
  /** Null: as who it is. */
  readonly as: { readonly uid: number; readonly gid: number } | null;
  readonly gatewayPort: number;
  readonly attempts: readonly Attempt[];
}

export interface Outcome {
  /** What the kernel answered, 0 or more when it did it; null when nothing came. */
  readonly answer: number | null;
  /** Of `tcp`: whether it was the gateway's port that took it. Of `bind`: whether somebody listens there. */
  readonly gateway?: boolean;
  /** Of `bind`: whether somebody listens on that port by either family. */
  readonly started?: boolean;
  /** Of a `tcp` that was refused: whether from outside of this host; null when nobody can tell. */
  readonly outside?: boolean | null;
  /** Of `echo` by IPv6, which is answered as if sent when it was dropped: whether it left; null when nobody can tell. */
  readonly left?: boolean | null;
  /** The socket was not even given. */
  readonly noSocket?: true;
}

const WAIT_MS = 1_500;
/** For a refusal that came before. */
const AGAIN_MS = 400;
/** Below those of net.ipv4.ip_local_port_range, as it is by default. */
const FIRST_PORT = 12_000;
const PORTS = 20_000;
const PORTS_TRIED = 3;
/** For experiments (RFC 3692). */
const PROTOCOL = 253;

/** `argument`: the Plan. Prints the outcomes, or why there are none as `{ problem }`. */
export async function runProbe(runtime: Runtime, argument: string): Promise<number> {
  try {
    const plan = JSON.parse(argument) as Plan;
    const sockets = new Sockets(runtime);
    // Since Linux 6.14 a filter on TCP needs CAP_NET_ADMIN: they are made before it is given up.
    const deaf = plan.attempts.map((attempt) => (attempt.kind === "tcp" ? deafSocket(sockets, attempt.to) : null));
    if (plan.as !== null) {
      const { uid, gid } = plan.as;
      for (const answer of [sockets.leaveGroups(), sockets.becomeGroup(gid), sockets.becomeUser(uid)])
        if (answer < 0) throw new Error(`cannot become user ${uid} (errno ${-answer})`);
    }
    const outcomes: Outcome[] = [];
    for (const [at, attempt] of plan.attempts.entries())
      outcomes.push(await attempted(runtime, sockets, { attempt, plan, deaf: deaf[at] ?? null }));
    runtime.stdout(JSON.stringify(outcomes));
  } catch (thrown) {
    runtime.stdout(JSON.stringify({ problem: messageOf(thrown) }));
  }
  return 0;
}

interface Trying {
  readonly attempt: Attempt;
  readonly plan: Plan;
  readonly deaf: number | null;
}

async function attempted(runtime: Runtime, sockets: Sockets, { attempt, plan, deaf }: Trying): Promise<Outcome> {
  switch (attempt.kind) {
    case "become": {
      const { uid, gid } = attempt;
      const group = gid === null ? 0 : sockets.becomeGroup(gid);
      return { answer: group < 0 || uid === null ? group : sockets.becomeUser(uid) };
    }
    case "frames":
      return using(sockets, sockets.openPacket(), () => 0);
    case "in-name-of":
      return inNameOf(sockets, { ip: ipOf(attempt.from), port: someUnusedPort(runtime) });
    case "by-interfaces":
      return byInterfaces(runtime, sockets, ipOf(attempt.to));
    case "mark":
      return using(sockets, sockets.open(4, STREAM), (fd) => sockets.mark(fd, attempt.mark));
    case "bind": {
      const to = { ip: ipOf(attempt.to), port: attempt.port };
      const outcome = using(sockets, sockets.open(to.ip.family, STREAM), (fd) => {
        sockets.reusePort(fd);
        return sockets.bind(fd, to);
      });
      const [four, six] = [await listened(runtime, 4, attempt.port), await listened(runtime, 6, attempt.port)];
      return { ...outcome, gateway: to.ip.family === 4 ? four : six, started: four || six };
    }
    case "tcp":
      return connected(runtime, sockets, {
        to: ipOf(attempt.to),
        port: attempt.port,
        gatewayPort: plan.gatewayPort,
        deaf,
      });
    case "udp":
      return sent(sockets, {
        to: ipOf(attempt.to),
        port: attempt.port,
        type: DATAGRAM,
        protocol: 0,
        bytes: new Uint8Array(1),
      });
    case "echo": {
      const to = ipOf(attempt.to);
      if (to.family === 6) return echo6(sockets, to);
      const echo = new Uint8Array(8);
      echo[0] = 8;
      return sent(sockets, { to, port: 0, type: DATAGRAM, protocol: 1, bytes: echo });
    }
    case "raw":
      return sent(sockets, { to: ipOf(attempt.to), port: 0, type: RAW, protocol: PROTOCOL, bytes: new Uint8Array(8) });
  }
}

function ipOf(text: string): Ip {
  const ip = parseIp(text);
  if (ip === null) throw new Error(`no address: ${text}`);
  return ip;
}

function using(sockets: Sockets, fd: number, act: (fd: number) => number): Outcome {
  if (fd < 0) return { answer: fd, noSocket: true };
  const answer = act(fd);
  sockets.close(fd);
  return { answer };
}

interface Sending {
  readonly to: Ip;
  readonly port: number;
  readonly type: number;
  readonly protocol: number;
  readonly bytes: Uint8Array;
}

function sent(sockets: Sockets, { to, port, type, protocol, bytes }: Sending): Outcome {
  return using(sockets, sockets.open(to.family, type, protocol), (fd) => {
    const near = sockets.keepNear(fd, to.family);
    return near < 0 ? near : sockets.send(fd, bytes, { ip: to, port });
  });
}

interface Connecting {
  readonly to: Ip;
  readonly port: number;
  readonly gatewayPort: number;
  readonly deaf: number | null;
}

async function connected(
  runtime: Runtime,
  sockets: Sockets,
  { to, port, gatewayPort, deaf }: Connecting,
): Promise<Outcome> {
  let outcome: Outcome = { answer: null };
  for (let tries = 0; tries < PORTS_TRIED; tries++) {
    const fd = sockets.open(to.family, STREAM);
    if (fd < 0) return { answer: fd, noSocket: true };
    try {
      leaveFrom(runtime, sockets, { fd, family: to.family });
      const near = sockets.keepNear(fd, to.family);
      const answer = near < 0 ? near : sockets.connect(fd, { ip: to, port }, WAIT_MS);
      if (answer === -ERRNO.ECONNREFUSED) return { answer, outside: refusedOutside(sockets, deaf, { ip: to, port }) };
      if (answer !== 0) return { answer };
      outcome = { answer, gateway: await taken(runtime, sockets.localPort(fd), gatewayPort) };
      if (outcome.gateway === true) return outcome;
    } finally {
      sockets.close(fd);
    }
  }
  return outcome;
}

/**
 * From a port that the kernel gives nobody by itself: where many connections are redirected to the one port, it would
 * have to change ours on the way, and the gateway's end could not be known again.
 */
function leaveFrom(
  runtime: Runtime,
  sockets: Sockets,
  { fd, family }: { readonly fd: number; readonly family: 4 | 6 },
): void {
  const port = someUnusedPort(runtime);
  sockets.bind(fd, { ip: { family, bytes: new Uint8Array(family === 4 ? 4 : 16) }, port });
}

function someUnusedPort(runtime: Runtime): number {
  return FIRST_PORT + (Number.parseInt(runtime.randomHex(2), 16) % PORTS);
}

/** Null where the kernel gives none. Whose socket it is does not matter to the rules, as long as it is not the gateway's. */
function deafSocket(sockets: Sockets, to: string): number | null {
  const { family } = ipOf(to);
  const fd = sockets.open(family, STREAM);
  if (fd < 0) return null;
  if (sockets.deafToLoopback(fd) >= 0 && sockets.keepNear(fd, family) >= 0) return fd;
  sockets.close(fd);
  return null;
}

/** A refusal of this host comes by loopback, and one from outside does not: a socket that is deaf to loopback tells them apart. */
function refusedOutside(sockets: Sockets, deaf: number | null, to: Endpoint): boolean | null {
  if (deaf === null) return null;
  const answer = sockets.connect(deaf, to, AGAIN_MS);
  sockets.close(deaf);
  if (answer === null) return false;
  return answer === -ERRNO.ECONNREFUSED ? true : null;
}

/** Whether the connection from that port of ours ends at the gateway's: both ends are in the same tables of sockets. */
async function taken(runtime: Runtime, from: number, gatewayPort: number): Promise<boolean> {
  for (const { local, remote } of await tcpSockets(runtime, ["tcp", "tcp6"]))
    if (local === gatewayPort && remote === from) return true;
  return false;
}

const LISTENING = "0A";
/** Loopback, where traffic is redirected to, and every address. A listener of IPv6 may take IPv4 as well, and mostly does. */
const TAKES = {
  4: ["0100007F", "00000000", "0000000000000000FFFF00000100007F", "0".repeat(32)],
  6: ["00000000000000000000000001000000", "0".repeat(32)],
} as const;

async function listened(runtime: Runtime, family: 4 | 6, port: number): Promise<boolean> {
  const found = await tcpSockets(runtime, family === 4 ? ["tcp", "tcp6"] : ["tcp6"]);
  const takes: readonly string[] = TAKES[family];
  return found.some(({ at, local, state }) => local === port && state === LISTENING && takes.includes(at));
}

async function tcpSockets(
  runtime: Runtime,
  tables: readonly string[],
): Promise<{ at: string; local: number; remote: number; state: string }[]> {
  const sockets = [];
  for (const table of tables) {
    for (const line of (await textOf(runtime, `/proc/net/${table}`)).split("\n").slice(1)) {
      const [, local = "", remote = "", state = ""] = line.trim().split(/ +/, 4);
      sockets.push({ at: local.split(":", 1)[0] ?? "", local: portOf(local), remote: portOf(remote), state });
    }
  }
  return sockets;
}

function portOf(hex: string): number {
  return Number.parseInt(hex.slice(hex.indexOf(":") + 1), 16);
}
