/**
 * Linux's numbers of system calls and of what they take (x64: arch/x86/entry/syscalls/syscall_64.tbl, arm64:
 * include/uapi/asm-generic/unistd.h), for the two kinds of machine there are builds for. Both are little-endian.
 */

export const CALLS = {
  x64: {
    write: 1,
    close: 3,
    mmap: 9,
    socket: 41,
    connect: 42,
    sendto: 44,
    bind: 49,
    getsockname: 51,
    setsockopt: 54,
    getsockopt: 55,
    fcntl: 72,
    setgroups: 116,
    setresuid: 117,
    setresgid: 119,
    statfs: 137,
    adjtimex: 159,
    ppoll: 271,
    memfd_create: 319,
  },
  arm64: {
    write: 64,
    close: 57,
    mmap: 222,
    socket: 198,
    connect: 203,
    sendto: 206,
    bind: 200,
    getsockname: 204,
    setsockopt: 208,
    getsockopt: 209,
    fcntl: 25,
    setgroups: 159,
    setresuid: 147,
    setresgid: 149,
    statfs: 43,
    adjtimex: 171,
    ppoll: 73,
    memfd_create: 279,
  },
} as const;

export type CallName = keyof (typeof CALLS)["x64"];

/** Null: nobody has looked the numbers of this machine up. */
export function callsOf(arch: string): Readonly<Record<CallName, number>> | null {
  return arch === "x64" || arch === "arm64" ? CALLS[arch] : null;
}

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOL_SOCKET = 1;
