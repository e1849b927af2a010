/**
 * Sockets as a program in C has them, over system calls: the runtimes have no raw sockets, no TTL of a connect, no errno
 * of a send.
 */
import { Fault } from "../errors.ts";
import { AF_INET, AF_INET6, type CallName, callsOf, SOL_SOCKET } from "../model/linux.ts";
import type { Runtime } from "../runtime/contract.ts";
import type { Ip } from "../wire/ip.ts";

/** Negated: what a call answers. */
export const ERRNO = {
  EPERM: 1,
  EACCES: 13,
  EPROTONOSUPPORT: 93,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ECONNREFUSED: 111,
  EINPROGRESS: 115,
} as const;

export const STREAM = 1;
export const DATAGRAM = 2;
export const RAW = 3;
export const AF_PACKET = 17;
/** SOCK_NONBLOCK and SOCK_CLOEXEC. */
const FLAGS = 0o2004000;
const SO_ERROR = 4;
const SO_REUSEPORT = 15;
const SO_BINDTODEVICE = 25;
const SO_ATTACH_FILTER = 26;
const SO_MARK = 36;
const SO_TIMESTAMPING = 37;
/** SOF_TIMESTAMPING_TX_SCHED, _SOFTWARE and _OPT_TSONLY. */
const AT_INTERFACE = 0x910;
const POLLOUT = 4;
/** Whatever is asked for. */
const POLLERR = 8;
const PROT_READ = 1;
const MAP_PRIVATE = 2;

/**
 * A packet filter (bpf(4), socket(7)): load the type of the interface (SKF_AD_HATYPE), nothing if it is loopback's
 * (ARPHRD_LOOPBACK, 772), else the whole packet. An instruction: code, two jumps, an operand.
 */
const NOT_LOOPBACK = instructions(
  [0x28, 0, 0, 0xffff_f01c],
  [0x15, 0, 1, 772],
  [0x06, 0, 0, 0],
  [0x06, 0, 0, 0xffff_ffff],
);

export interface Endpoint {
  readonly ip: Ip;
  readonly port: number;
}

type Arguments = readonly (number | Uint8Array)[];

/** Every call answers as the kernel does: a value, or an errno negated. */
export class Sockets {
  readonly #runtime: Pick<Runtime, "systemCall">;
  readonly #numbers: Readonly<Record<CallName, number>>;

  /** Throws Fault `unsupported` on another kind of machine. */
  constructor(runtime: Pick<Runtime, "systemCall" | "platform" | "arch">) {
    const calls = callsOf(runtime.arch);
    if (runtime.platform !== "linux" || calls === null)
      throw new Fault("unsupported", `cannot try on ${runtime.platform} ${runtime.arch}`);
    this.#runtime = runtime;
    this.#numbers = calls;
  }

  #call(name: CallName, ...args: Arguments): number {
    return this.#runtime.systemCall(this.#numbers[name], ...args);
  }

  open(family: 4 | 6, type: number, protocol = 0): number {
    return this.#call("socket", family === 4 ? AF_INET : AF_INET6, type | FLAGS, protocol);
  }

  /** Protocol 0: it hears nothing. */
  openPacket(): number {
    return this.#call("socket", AF_PACKET, RAW | FLAGS, 0);
  }

  close(fd: number): void {
    this.#call("close", fd);
  }

  /** What is sent goes as far as this host and its next hop, and no farther. */
  keepNear(fd: number, family: 4 | 6): number {
    return family === 4 ? this.#set(fd, [0, 2], 1) : this.#set(fd, [41, 16], 1);
  }

  reusePort(fd: number): number {
    return this.#set(fd, [SOL_SOCKET, SO_REUSEPORT], 1);
  }

  /** It no longer hears what comes by loopback: neither what is of this host, nor what this host refuses. */
  deafToLoopback(fd: number): number {
    const filter = this.#mapped(NOT_LOOPBACK);
    if (filter < 0) return filter;
    // struct sock_fprog: how many instructions, and where they are.
    const program = new Uint8Array(16);
    const view = new DataView(program.buffer);
    view.setUint16(0, NOT_LOOPBACK.length / 8, true);
    view.setBigUint64(8, BigInt(filter), true);
    return this.#call("setsockopt", fd, SOL_SOCKET, SO_ATTACH_FILTER, program, program.length);
  }

  /** Address of memory with these bytes in it, until the process ends: bytes of ours have no address to write down. */
  #mapped(bytes: Uint8Array): number {
    const fd = this.#call("memfd_create", new Uint8Array(1), 1);
    if (fd < 0) return fd;
    const written = this.#call("write", fd, bytes, bytes.length);
    const address = written < 0 ? written : this.#call("mmap", 0, bytes.length, PROT_READ, MAP_PRIVATE, fd, 0);
    this.close(fd);
    return address;
  }

  mark(fd: number, mark: number): number {
    return this.#set(fd, [SOL_SOCKET, SO_MARK], mark);
  }

  #set(fd: number, [level, option]: readonly [number, number], value: number): number {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    return this.#call("setsockopt", fd, level, option, bytes, 4);
  }

  /** What it sends is reported when an interface takes it. */
  report(fd: number): number {
    return this.#set(fd, [SOL_SOCKET, SO_TIMESTAMPING], AT_INTERFACE);
  }

  /** Whether a report came, or an error, which is one of a packet that left. */
  reported(fd: number, waitMs: number): boolean {
    const events = this.#poll(fd, 0, waitMs);
    return events > 0 && (events & POLLERR) !== 0;
  }

  /** 0: connected; null: no answer in that time. */
  connect(fd: number, to: Endpoint, waitMs: number): number | null {
    const address = addressOf(to);
    const begun = this.#call("connect", fd, address, address.length);
    if (begun !== -ERRNO.EINPROGRESS) return begun;
    const ready = this.#poll(fd, POLLOUT, waitMs);
    if (ready <= 0) return ready === 0 ? null : ready;
    const error = new Uint8Array(4);
    const length = new Uint8Array([4, 0, 0, 0]);
    const asked = this.#call("getsockopt", fd, SOL_SOCKET, SO_ERROR, error, length);
    return asked < 0 ? asked : -new DataView(error.buffer).getInt32(0, true);
  }

  /** What of `events` is so, errors too; 0 when nothing was in that time. */
  #poll(fd: number, events: number, waitMs: number): number {
    const poll = new Uint8Array(8);
    const view = new DataView(poll.buffer);
    view.setInt32(0, fd, true);
    view.setInt16(4, events, true);
    const time = new Uint8Array(16);
    new DataView(time.buffer).setBigInt64(0, BigInt(Math.floor(waitMs / 1000)), true);
    new DataView(time.buffer).setBigInt64(8, BigInt(waitMs % 1000) * 1_000_000n, true);
    const ready = this.#call("ppoll", poll, 1, time, 0, 0);
    return ready <= 0 ? ready : view.getInt16(6, true);
  }

  send(fd: number, bytes: Uint8Array, to: Endpoint): number {
    const address = addressOf(to);
    return this.#call("sendto", fd, bytes, bytes.length, 0, address, address.length);
  }

  bind(fd: number, to: Endpoint): number {
    const address = addressOf(to);
    return this.#call("bind", fd, address, address.length);
  }

  /** To an IPv6 address that need not be this host's (IPV6_FREEBIND), which takes no capability. */
  bindAnywhere(fd: number, to: Endpoint): number {
    const freed = this.#set(fd, [41, 78], 1);
    return freed < 0 ? freed : this.bind(fd, to);
  }

  /** What it sends leaves by that interface; without a capability since Linux 5.7. */
  bindToDevice(fd: number, name: string): number {
    const bytes = new TextEncoder().encode(name);
    return this.#call("setsockopt", fd, SOL_SOCKET, SO_BINDTODEVICE, bytes, bytes.length);
  }

  /** 0 where nobody knows. */
  localPort(fd: number): number {
    const end = this.localEnd(fd, 4);
    return typeof end === "number" ? 0 : end.port;
  }

  localEnd(fd: number, family: 4 | 6): Endpoint | number {
    const address = new Uint8Array(28);
    const length = new Uint8Array([28, 0, 0, 0]);
    const answer = this.#call("getsockname", fd, address, length);
    if (answer < 0) return answer;
    const bytes = family === 4 ? address.slice(4, 8) : address.slice(8, 24);
    return { ip: { family, bytes }, port: new DataView(address.buffer).getUint16(2) };
  }

  /** Real, effective and saved; of this thread alone. */
  becomeGroup(gid: number): number {
    return this.#call("setresgid", gid, gid, gid);
  }

  becomeUser(uid: number): number {
    return this.#call("setresuid", uid, uid, uid);
  }

  leaveGroups(): number {
    return this.#call("setgroups", 0, 0);
  }
}

function instructions(...all: readonly (readonly [number, number, number, number])[]): Uint8Array {
  const bytes = new Uint8Array(all.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [at, [code, yes, no, operand]] of all.entries()) {
    view.setUint16(at * 8, code, true);
    view.setUint8(at * 8 + 2, yes);
    view.setUint8(at * 8 + 3, no);
    view.setUint32(at * 8 + 4, operand, true);
  }
  return bytes;
}

/** sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)). */
function addressOf({ ip, port }: Endpoint): Uint8Array {
  const bytes = new Uint8Array(ip.family === 4 ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ip.family === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  bytes.set(ip.bytes, ip.family === 4 ? 4 : 8);
  return bytes;
}
