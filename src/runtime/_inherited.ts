/**
 * A listening socket that somebody else opened for us. Both runtimes listen on any descriptor they are given: on a file they
 * fail late, on a socket that was never bound they take a port of the kernel's choice, and Bun does not say which. So the
 * kernel is asked first what it is.
 */
import { Fault } from "../errors.ts";
import { AF_INET, AF_INET6, callsOf, SOCK_STREAM, SOL_SOCKET } from "../model/linux.ts";
import { addressIn } from "./_original.ts";
import type { Listener, Runtime } from "./contract.ts";

const F_SETFD = 2;
const FD_CLOEXEC = 1;
const IPPROTO_TCP = 6;
const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;
const SO_PROTOCOL = 38;
const SO_DOMAIN = 39;

/** Where `fd` listens, which no child is given from now on. Throws Fault `listen_failed` when it is not a TCP socket that does, `unsupported` where nobody can tell. */
export function takeInherited(
  { arch, systemCall }: Pick<Runtime, "arch" | "systemCall">,
  fd: number,
): Pick<Listener, "address" | "port"> {
  const refuse = (why: string): Fault => new Fault("listen_failed", `cannot listen on descriptor ${fd}: ${why}`);
  const calls = callsOf(arch);
  if (calls === null) throw new Fault("unsupported", `cannot take a socket that was handed over on ${arch}`);
  const option = (name: number): number => {
    const value = new Int32Array(1);
    const length = new Uint8Array(Uint32Array.of(4).buffer);
    const answer = systemCall(calls.getsockopt, fd, SOL_SOCKET, name, new Uint8Array(value.buffer), length);
    // EBADF and ENOTSOCK are what a wrong number leads to.
    if (answer < 0)
      throw refuse(answer === -9 ? "it is not open" : answer === -88 ? "it is no socket" : `errno ${-answer}`);
    return value[0] as number;
  };
  const family = option(SO_DOMAIN);
  if (family !== AF_INET && family !== AF_INET6) throw refuse("it is a socket of neither IPv4 nor IPv6");
  // Multipath TCP is another protocol, on which nobody can be asked where a connection was going.
  if (option(SO_TYPE) !== SOCK_STREAM || option(SO_PROTOCOL) !== IPPROTO_TCP) throw refuse("it is a socket of no TCP");
  if (option(SO_ACCEPTCONN) === 0) throw refuse("it does not listen");
  const value = new Uint8Array(28);
  const length = new Uint8Array(Uint32Array.of(value.length).buffer);
  const answer = systemCall(calls.getsockname, fd, value, length);
  if (answer < 0) throw refuse(`errno ${-answer}`);
  // Bun does it itself; under Deno a child would keep the port.
  systemCall(calls.fcntl, fd, F_SETFD, FD_CLOEXEC);
  return addressIn(value, family === AF_INET6);
}
