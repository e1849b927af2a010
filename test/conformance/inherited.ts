/** A listening socket that was handed over. The kernel makes them here: neither runtime gives its own away. */
import { closeSync, openSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import type { Runtime } from "../../src/runtime/contract.ts";
import { type Check, expect, faultOf, same, scratch, Watch } from "./kit.ts";

const CALLS = {
  x64: { socket: 41, bind: 49, listen: 50, getsockname: 51, fcntl: 72, dup: 32, close: 3 },
  arm64: { socket: 198, bind: 200, listen: 201, getsockname: 204, fcntl: 25, dup: 23, close: 57 },
} as const;
const INET = 2;
const INET6 = 10;
const STREAM = 1;
const DATAGRAM = 2;
const F_GETFD = 1;

function kernel(runtime: Runtime) {
  const { platform, arch } = runtime;
  if (platform !== "linux" || (arch !== "x64" && arch !== "arm64")) return null;
  const call = (name: keyof (typeof CALLS)["x64"], ...args: (number | Uint8Array)[]): number => {
    const answer = runtime.systemCall(CALLS[arch][name], ...args);
    expect(answer >= 0, `${name}: errno ${-answer}`);
    return answer;
  };
  /** On loopback, IPv6's for INET6; `any`: on every address. */
  const bound = (family: number, type: number, any = false): number => {
    const fd = call("socket", family, type, 0);
    const address = new Uint8Array(family === INET ? 16 : 28);
    address[0] = family;
    if (!any && family === INET) address.set([127, 0, 0, 1], 4);
    if (!any && family === INET6) address[23] = 1;
    call("bind", fd, address, address.length);
    return fd;
  };
  const listening = (family: number, any = false): number => {
    const fd = bound(family, STREAM, any);
    call("listen", fd, 16);
    return fd;
  };
  return { call, bound, listening };
}

const answering = (conn: Parameters<Parameters<Runtime["listen"]>[1]>[0]): void => {
  conn.handler = new Watch();
  conn.write(`${conn.localAddress} ${conn.localPort}`);
  conn.end();
};

async function told(host: string, port: number): Promise<string> {
  const peer = net.connect({ host, port });
  let text = "";
  peer.setEncoding("latin1").on("data", (bytes) => {
    text += bytes;
  });
  await new Promise((resolve) => peer.once("close", resolve));
  return text;
}

export const listenTakesASocketThatWasHandedOver: Check = async (runtime) => {
  const kernelOf = kernel(runtime);
  if (kernelOf === null) return;
  const { call, listening } = kernelOf;
  const six = runtime.localAddresses().includes("::1");
  for (const [family, any, address, hosts] of [
    [INET, false, "127.0.0.1", ["127.0.0.1"]],
    [INET, true, "0.0.0.0", ["127.0.0.1"]],
    ...(six
      ? ([
          [INET6, false, "::1", ["::1"]],
          [INET6, true, "::", ["::1", "127.0.0.1"]],
        ] as const)
      : []),
  ] as const) {
    const fd = listening(family, any);
    // As a parent keeps it.
    const kept = call("dup", fd);
    const listener = await runtime.listen({ host: "198.51.100.1", port: 1, redirected: true, fd }, answering);
    same(listener.address, address, "address");
    expect(listener.port > 1024, `port ${listener.port}`);
    for (const host of hosts) same(await told(host, listener.port), `${host} ${listener.port}`, `answer by ${host}`);
    same(call("fcntl", fd, F_GETFD) & 1, 1, "close-on-exec");
    await listener.close();
    // What waits in it now is for whoever takes it next.
    const waiting = told(hosts[0], listener.port);
    const again = await runtime.listen({ host: "", port: 0, redirected: true, fd: kept }, answering);
    same(again.port, listener.port, "port of the same socket");
    same(await waiting, `${hosts[0]} ${listener.port}`, "answer to who came in between");
    await again.close();
  }
};

export const listenRefusesADescriptorThatIsNoListeningTcpSocket: Check = async (runtime) => {
  const kernelOf = kernel(runtime);
  if (kernelOf === null) return;
  const { call, bound } = kernelOf;
  const unix = call("socket", 1, STREAM, 0);
  const path = new TextEncoder().encode(join(scratch(), "socket"));
  const name = new Uint8Array(2 + path.length + 1);
  name[0] = 1;
  name.set(path, 2);
  call("bind", unix, name, name.length);
  call("listen", unix, 16);
  const cases: readonly (readonly [string, number])[] = [
    ["a Unix socket", unix],
    ["a datagram socket", bound(INET, DATAGRAM)],
    ["a socket that does not listen", bound(INET, STREAM)],
    ["a socket that was never bound", call("socket", INET, STREAM, 0)],
    ["a file", openSync(join(scratch(), "file"), "w")],
    ["nothing", 1000],
  ];
  for (const [what, fd] of cases) {
    same(await faultOf(runtime.listen({ host: "127.0.0.1", port: 0, fd }, () => {})), "listen_failed", what);
    if (fd === 1000) continue;
    // It stays the caller's, as it was.
    expect(call("fcntl", fd, F_GETFD) >= 0, `${what} is open still`);
    // Deno remembers a file by its descriptor: closed behind its back, the next file of that number is closed with it.
    if (what === "a file") closeSync(fd);
    else call("close", fd);
  }
};
