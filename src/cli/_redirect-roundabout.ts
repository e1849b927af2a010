/** Packets that look like this host's own business and are not: the rules leave that alone. */
import type { Runtime } from "../runtime/contract.ts";
import type { Ip } from "../wire/ip.ts";
import { textOf } from "./_proc.ts";
import type { Outcome } from "./_redirect-probe.ts";
import { DATAGRAM, type Endpoint, ERRNO, type Sockets } from "./_redirect-sockets.ts";

/** Of interfaces; one that leads outside is enough. */
const MOST_DEVICES = 16;
/** Nobody listens there (RFC 863). */
const DISCARD = 9;
const ICMPV6 = 58;
const REPORT_MS = 500;

/** `from` is of IPv6. Asked as if by it, to ourselves; what goes back to it would then be an answer. */
export function inNameOf(sockets: Sockets, from: Endpoint): Outcome {
  return using(sockets, from.ip.family, (mine) =>
    using(sockets, from.ip.family, (theirs) => {
      const { family } = from.ip;
      const ready = firstRefusal(
        () => sockets.keepNear(mine, family),
        // No packet: the kernel chooses which of our addresses it would be.
        () => sockets.connect(mine, from, 0) ?? 0,
        () => sockets.keepNear(theirs, family),
        () => sockets.bindAnywhere(theirs, from),
      );
      if (ready < 0) return { answer: ready };
      const here = sockets.localEnd(mine, family);
      if (typeof here === "number") return { answer: here };
      const asked = sockets.send(theirs, new Uint8Array(1), here);
      return { answer: asked < 0 ? asked : sockets.send(mine, new Uint8Array(1), from) };
    }),
  );
}

/** To loopback, by every interface that is not loopback. */
export async function byInterfaces(runtime: Runtime, sockets: Sockets, loopback: Ip): Promise<Outcome> {
  const answers: number[] = [];
  for (const name of (await devices(runtime)).slice(0, MOST_DEVICES)) {
    const { answer } = using(sockets, loopback.family, (fd) => {
      const ready = firstRefusal(
        () => sockets.keepNear(fd, loopback.family),
        () => sockets.bindToDevice(fd, name),
      );
      return { answer: ready < 0 ? ready : sockets.send(fd, new Uint8Array(1), { ip: loopback, port: DISCARD }) };
    });
    answers.push(answer ?? 0);
  }
  const sent = answers.find((answer) => answer >= 0);
  // One that is down or leads nowhere says nothing about the others.
  const refused = answers.find((answer) => answer === -ERRNO.EPERM || answer === -ERRNO.EACCES);
  return { answer: sent ?? refused ?? answers[0] ?? -ERRNO.ENETUNREACH };
}

/**
 * By ICMPv6 the kernel answers as if it had sent what it dropped: so it is asked for a report from the interface, and
 * whether it gives any at all is seen of an echo to ourselves.
 */
export function echo6(sockets: Sockets, to: Ip): Outcome {
  const tried = echoed(sockets, to);
  if ((tried.answer ?? -1) < 0 || tried.left === true) return tried;
  const loopback: Ip = { family: 6, bytes: Uint8Array.of(...new Uint8Array(15), 1) };
  return { ...tried, left: echoed(sockets, loopback).left === true ? false : null };
}

function echoed(sockets: Sockets, to: Ip): Outcome {
  const fd = sockets.open(6, DATAGRAM, ICMPV6);
  if (fd < 0) return { answer: fd, noSocket: true };
  const echo = new Uint8Array(8);
  echo[0] = 128;
  const ready = firstRefusal(
    () => sockets.keepNear(fd, 6),
    () => sockets.report(fd),
  );
  const answer = ready < 0 ? ready : sockets.send(fd, echo, { ip: to, port: 0 });
  const left = answer >= 0 && sockets.reported(fd, REPORT_MS);
  sockets.close(fd);
  return { answer, left };
}

function using(sockets: Sockets, family: 4 | 6, act: (fd: number) => Outcome): Outcome {
  const fd = sockets.open(family, DATAGRAM);
  if (fd < 0) return { answer: fd, noSocket: true };
  const outcome = act(fd);
  sockets.close(fd);
  return outcome;
}

function firstRefusal(...steps: readonly (() => number)[]): number {
  for (const step of steps) {
    const answer = step();
    if (answer < 0) return answer;
  }
  return 0;
}

async function devices(runtime: Runtime): Promise<string[]> {
  const names: string[] = [];
  for (const line of (await textOf(runtime, "/proc/net/dev")).split("\n").slice(2)) {
    const name = line.slice(0, Math.max(0, line.lastIndexOf(":"))).trim();
    if (name !== "" && name !== "lo") names.push(name);
  }
  return names;
}
