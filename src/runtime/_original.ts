/**
 * Where a connection was going before the kernel redirected it here: netfilter's SO_ORIGINAL_DST, read through libc because no
 * runtime has it. Without a rule that changed the destination the kernel either names the local address again or has no
 * entry, and both say the same: it was made to us.
 */
import type { Original } from "../model/conn.ts";

/** getsockopt(2): 0 when it filled `value`, whose room `length[0]` tells and which it shortens. */
export type GetSockOpt = (fd: number, level: number, name: number, value: Uint8Array, length: Uint32Array) => number;

const SOL_IP = 0;
const SOL_IPV6 = 41;
/** The same number in both families (linux/netfilter_ipv4.h, netfilter_ipv6/ip6_tables.h). */
const SO_ORIGINAL_DST = 80;

/** Room for a sockaddr_in6, the longest of the two; overwritten by each call, which is over before the next begins. */
const value = new Uint8Array(28);
const length = new Uint32Array(1);

/** Names of libc, the likeliest first: musl's carries the machine. */
export function libcNames(platform: string, arch: string): readonly string[] {
  if (platform === "darwin") return ["libSystem.B.dylib"];
  return ["libc.so.6", `libc.musl-${arch === "arm64" || arch === "aarch64" ? "aarch64" : "x86_64"}.so.1`, "libc.so"];
}

interface Here {
  readonly localAddress: string;
  readonly localPort: number;
}

/** Null: it was made to us. `localAddress` is canonical, so what has a colon came by IPv6. */
export function originalOf(get: GetSockOpt, fd: number, { localAddress, localPort }: Here): Original | null {
  const six = localAddress.includes(":");
  length[0] = value.length;
  if (get(fd, six ? SOL_IPV6 : SOL_IP, SO_ORIGINAL_DST, value, length) !== 0) return null;
  const { address, port } = addressIn(value, six);
  return port === localPort && address === localAddress ? null : { address, port };
}

/** What a sockaddr_in or sockaddr_in6 says, its address as the runtimes write it (RFC 5952), so that it can be compared with theirs. */
export function addressIn(bytes: Uint8Array, six: boolean): Original {
  const port = ((bytes[2] as number) << 8) | (bytes[3] as number);
  return { address: six ? ipv6(bytes) : `${bytes[4]}.${bytes[5]}.${bytes[6]}.${bytes[7]}`, port };
}

function ipv6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 8; i < 24; i += 2) groups.push(((bytes[i] as number) << 8) | (bytes[i + 1] as number));
  let start = 0;
  let longest = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > longest) {
      start = i;
      longest = end - i;
    }
    if (end > i) i = end;
  }
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  return longest === 1 ? text(0, 8) : `${text(0, start)}::${text(start + longest, 8)}`;
}
