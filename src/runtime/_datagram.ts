/** One datagram to a Unix socket, through libc: neither runtime has such sockets. What systemd's notifications are sent by. */
import { Fault } from "../errors.ts";

/** socket(2), sendto(2) and close(2). */
export interface DatagramCalls {
  socket(family: number, type: number, protocol: number): number;
  /** What did not fit or had no reader is -1. */
  sendto(fd: number, data: Uint8Array, flags: number, address: Uint8Array, addressLength: number): number;
  close(fd: number): void;
}

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
/** A reader that does not read must not hold us; without one no signal is wanted. */
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** sun_path of sockaddr_un. */
const MAX_PATH = 108;

const encoder = new TextEncoder();

/** Throws Fault `notify_failed`. Linux alone: elsewhere the structure and the numbers are others. */
export function sendDatagram(calls: DatagramCalls, path: string, text: string): void {
  const name = encoder.encode(path);
  const abstract = name[0] === 0x40;
  // An abstract name begins with NUL and ends where the length says; a path is ended by NUL.
  const address = new Uint8Array(2 + name.length + (abstract ? 0 : 1));
  if (name.length <= (abstract ? 1 : 0) || address.length - 2 > MAX_PATH || name.includes(0))
    throw failed(path, "not the name of a socket");
  new Uint16Array(address.buffer, 0, 1)[0] = AF_UNIX;
  address.set(name, 2);
  if (abstract) address[2] = 0;
  const fd = calls.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw failed(path, "no socket");
  const data = encoder.encode(text);
  const sent = calls.sendto(fd, data, MSG_DONTWAIT | MSG_NOSIGNAL, address, address.length);
  calls.close(fd);
  if (sent !== data.length) throw failed(path, "nobody takes it");
}

function failed(path: string, why: string): Fault {
  return new Fault("notify_failed", `cannot notify "${path}": ${why}`);
}
