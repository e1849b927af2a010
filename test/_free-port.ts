/** A port for what must be told one before it listens, or for what nobody shall listen on. */
import { readFileSync } from "node:fs";
import net from "node:net";

const FIRST = 20_000;

/**
 * Free when this resolves, and below those that the kernel hands out by itself: between now and its use, no connection and
 * no listener of another process, however many there are, is given it.
 */
export async function freePort(): Promise<number> {
  const end = ephemeralFrom();
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (end - FIRST));
    if ((await isFree(port, "0.0.0.0")) && (await isFree(port, "127.0.0.1"))) return port;
  }
}

function isFree(port: number, host: string): Promise<boolean> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

function ephemeralFrom(): number {
  let first = 32_768;
  try {
    first = Number(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/)[0]);
  } catch {
    // No Linux: there they begin at 49152.
  }
  // Somebody has made nearly all of them the kernel's: then no port is safer than another.
  return first > FIRST + 1000 ? first : 60_000;
}
