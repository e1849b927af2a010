/** Connections, listeners and dials in the clear. */
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { originalOf } from "../../src/runtime/_original.ts";
import type { Conn } from "../../src/runtime/contract.ts";
import { type Check, expect, faultOf, pair, same, scratch, turns, until, Watch, withPeer } from "./kit.ts";

export const connHalfCloseOfPeerLeavesWritingOpen: Check = async (runtime) => {
  const { conn, watch, peer, peerEvents } = await withPeer(runtime);
  let answer = "";
  peer.on("data", (bytes) => {
    answer += bytes;
  });
  peer.end("question");
  await until(() => watch.ends === 1, "end");
  same(watch.text(), "question", "data before end");
  expect(!conn.closed, "closed though only the peer has ended");
  conn.write("first ");
  await until(() => answer === "first ", "the answer after the peer's FIN");
  conn.write("second");
  conn.end();
  await until(() => peerEvents.includes("close"), "the peer's close");
  same(answer, "first second", "answer");
  await watch.closed();
  same(watch.error, null, "error of an orderly close");
};

export const connEndLeavesReadingOpen: Check = async (runtime) => {
  for (let round = 0; round < 20; round++) {
    const { conn, watch, peer, peerEvents } = await withPeer(runtime);
    conn.write("bye");
    conn.end();
    peer.resume();
    await until(() => peerEvents.includes("end"), "FIN at the peer");
    same(watch.closes, 0, "closes after our end alone");
    peer.write("still ");
    await until(() => watch.text() === "still ", "data after our FIN");
    peer.end("here");
    await watch.closed();
    same(watch.text(), "still here", "data");
    same(watch.ends, 1, "ends");
    same(watch.error, null, "error");
    expect(conn.closed, "not closed");
  }
};

/** A reset must never pass for an orderly end: a truncated answer would look whole. */
export const connPeerResetAfterOurEndIsNoEnd: Check = async (runtime) => {
  for (let round = 0; round < 20; round++) {
    const { conn, watch, peer, peerEvents } = await withPeer(runtime);
    peer.resume();
    conn.end();
    await until(() => peerEvents.includes("end"), "FIN at the peer");
    peer.write("part");
    if (round % 2 === 0) await until(() => watch.text() === "part", "data");
    peer.resetAndDestroy();
    await watch.closed();
    same(watch.ends, 0, "ends");
    expect(watch.error !== null, "a reset closed without an error");
  }
};

export const connCloseOnceAfterDestroy: Check = async (runtime) => {
  const { conn, watch, peerErrors, peerEvents, peer } = await withPeer(runtime);
  peer.resume();
  peer.on("end", () => peer.end());
  conn.destroy();
  expect(conn.closed, "closed is false after destroy");
  same(watch.closes, 0, "close called inside destroy");
  conn.destroy();
  conn.end();
  conn.reset();
  await watch.closed();
  same(watch.error, null, "error");
  await until(() => peerEvents.includes("close"), "the peer's close");
  same(peerErrors.join(), "", "the peer saw a reset");
};

export const connCloseOnceAfterReset: Check = async (runtime) => {
  const { conn, watch, peer, peerErrors, peerEvents } = await withPeer(runtime);
  peer.resume();
  conn.reset();
  expect(conn.closed, "closed is false after reset");
  conn.reset();
  await watch.closed();
  await until(() => peerEvents.includes("close"), "the peer's close");
  same(peerErrors.join(), "ECONNRESET", "what the peer saw");
};

export const connResetFromInsideDataStopsEverything: Check = async (runtime) => {
  const { watch, peer, peerErrors, peerEvents } = await withPeer(runtime, (own, conn) => {
    own.onData = () => conn.reset();
  });
  peer.resume();
  peer.write("x".repeat(300_000));
  await watch.closed();
  await until(() => peerEvents.includes("close"), "the peer's close");
  expect(peerErrors.length === 1, `the peer saw no reset: ${peerErrors.join()}`);
};

export const connPeerResetClosesOnceWithError: Check = async (runtime) => {
  const { conn, watch, peer } = await withPeer(runtime);
  peer.resetAndDestroy();
  await watch.closed();
  expect(watch.error !== null, "a reset closed without an error");
  expect(conn.closed, "not closed");
};

/** Deno does not tell it before something is written: whoever waits for an answer behind its FIN is missed when that comes. */
export const connPeerResetBehindItsEndIsSeenByWriting: Check = async (runtime) => {
  const { conn, watch, peer } = await withPeer(runtime);
  peer.end("question");
  await until(() => watch.ends === 1, "end");
  conn.write("first");
  await turns();
  peer.resetAndDestroy();
  for (let at = 0; watch.closes === 0 && at < 1_000; at++) {
    conn.write("more");
    await turns();
  }
  await watch.closed();
};

export const connPeerResetWhileWritingClosesOnce: Check = async (runtime) => {
  const { conn, watch, peer } = await withPeer(runtime);
  peer.pause();
  const block = new Uint8Array(256 * 1024);
  while (conn.write(block));
  peer.resetAndDestroy();
  await watch.closed();
  expect(watch.error !== null, "a reset closed without an error");
  same(watch.drains, 0, "drains");
};

export const connPeerResetWhilePausedIsSeenByWriteOrResume: Check = async (runtime) => {
  const { conn, watch, peer } = await withPeer(runtime);
  conn.pause();
  peer.resetAndDestroy();
  await turns();
  conn.resume();
  await watch.closed();
};

export const connWriteAfterCloseIsIgnored: Check = async (runtime) => {
  const { conn, watch } = await withPeer(runtime);
  conn.destroy();
  same(conn.write("late"), true, "a write nobody will drain");
  await watch.closed();
  same(conn.write(new Uint8Array(8)), true, "a write after close");
  conn.end();
  conn.pause();
  conn.resume();
  await turns();
  same(watch.closes, 1, "closes");
};

export const connWriteAfterEndIsIgnored: Check = async (runtime) => {
  const { conn, watch, peer, peerEvents } = await withPeer(runtime);
  let seen = "";
  peer.on("data", (bytes) => {
    seen += bytes;
  });
  conn.write("all");
  conn.end();
  same(conn.write("more"), true, "a write after end");
  conn.end();
  await until(() => peerEvents.includes("end"), "FIN");
  same(seen, "all", "bytes");
  peer.end();
  await watch.closed();
  same(watch.error, null, "error");
};

export const connEndFlushesEverythingWritten: Check = async (runtime) => {
  const { conn, watch, peer, peerEvents } = await withPeer(runtime);
  let seen = 0;
  peer.on("data", (bytes) => {
    seen += bytes.length;
  });
  const size = 8 * 1024 * 1024;
  conn.write("head");
  conn.write(new Uint8Array(size));
  conn.end();
  await until(() => peerEvents.includes("end"), "FIN");
  same(seen, size + 4, "bytes before FIN");
  peer.end();
  await watch.closed();
};

/** Far more than the kernel takes at once, so most of it leaves after the buffer is somebody else's. */
export const connSendLetsGoOfTheBuffer: Check = async (runtime) => {
  const { conn, watch, peer, peerEvents } = await withPeer(runtime);
  const buffer = new Uint8Array(64 * 1024 + 1);
  const rounds = 160;
  const counts = new Array<number>(256).fill(0);
  peer.on("data", (bytes) => {
    for (const byte of bytes as Uint8Array) counts[byte] = (counts[byte] ?? 0) + 1;
  });
  for (let round = 0; round < rounds; round++) {
    buffer.fill(round);
    conn.send(buffer, buffer.length - 1);
  }
  buffer.fill(255);
  conn.end();
  await until(() => peerEvents.includes("end"), "FIN");
  for (let round = 0; round < rounds; round++) same(counts[round], 64 * 1024, `bytes of round ${round}`);
  same(counts[255], 0, "bytes that were not sent");
  peer.end();
  await watch.closed();
};

export const connHandlerSwapInsideDataLosesNothing: Check = async (runtime) => {
  const second = new Watch();
  const { watch, peer } = await withPeer(runtime, (own, conn) => {
    own.onData = () => {
      conn.handler = second;
    };
  });
  const parts = ["a".repeat(70_000), "b".repeat(70_000), "c"];
  for (const part of parts) peer.write(part);
  await until(() => watch.received + second.received === 140_001, "every byte");
  expect(watch.chunks.length === 1, "the first handler was called after the swap");
  same(watch.text() + second.text(), parts.join(""), "bytes");
  peer.end();
  await until(() => second.ends === 1, "end at the new handler");
  same(watch.ends + watch.closes, 0, "calls of the old handler after the swap");
  peer.destroy();
};

export const connPauseHoldsDataBackAndResumeDelivers: Check = async (runtime) => {
  const { conn, watch, peer } = await withPeer(runtime);
  conn.pause();
  const size = 48 * 1024 * 1024;
  let blocked = false;
  peer.write(new Uint8Array(size), () => {
    blocked = true;
  });
  await turns(200);
  same(watch.received, 0, "bytes delivered while paused");
  expect(!blocked, "48 MiB went into a paused connection");
  watch.keep = false;
  conn.resume();
  await until(() => watch.received === size, "all bytes after resume");
  conn.destroy();
  await watch.closed();
};

export const connPauseFromInsideDataHolds: Check = async (runtime) => {
  const { conn, watch, peer } = await withPeer(runtime, (own, at) => {
    own.keep = false;
    own.onData = () => at.pause();
  });
  const size = 4 * 1024 * 1024;
  peer.write(new Uint8Array(size));
  let calls = 0;
  while (watch.received < size) {
    const before = watch.received;
    await until(() => watch.received > before || watch.received === size, "progress after resume");
    await turns(3);
    calls++;
    expect(calls < 100_000, "no end");
    const now = watch.received;
    await turns(3);
    same(watch.received, now, "bytes delivered while paused");
    conn.resume();
  }
  conn.destroy();
  await watch.closed();
};

export const connEndThatCameWhilePausedIsDeliveredAfterTheBytes: Check = async (runtime) => {
  for (const size of [0, 1, 60_000, 3_000_000]) {
    for (const eager of [false, true]) {
      const { conn, watch, peer } = await withPeer(runtime, (own, at) => {
        at.pause();
        if (!eager) return;
        own.onData = () => {
          at.pause();
          setTimeout(() => at.resume(), 3);
        };
      });
      peer.end(new Uint8Array(size));
      await turns(50);
      same(watch.received, 0, "bytes delivered while paused");
      conn.resume();
      await until(() => watch.ends === 1, `the end after ${size} bytes${eager ? ", paused after each" : ""}`);
      same(watch.received, size, "bytes before the end");
      conn.end();
      peer.resume();
      await watch.closed();
    }
  }
};

export const connBackPressureBoundsMemoryAndDrains: Check = async (runtime) => {
  const { conn, watch, peer } = await withPeer(runtime);
  peer.pause();
  const block = new Uint8Array(64 * 1024);
  const total = 64 * 1024 * 1024;
  const bound = 16 * 1024 * 1024;
  let sent = 0;
  let peak = 0;
  let seen = 0;
  const pump = (): void => {
    while (sent < total) {
      sent += block.length;
      const room = conn.write(block);
      peak = Math.max(peak, sent - seen);
      if (!room) return;
    }
    conn.end();
  };
  watch.onDrain = pump;
  const before = runtime.memory();
  pump();
  await turns(100);
  expect(sent < bound, `${sent} bytes were accepted though nobody reads`);
  expect(runtime.memory() - before < 2 * bound, "memory grew though nobody reads");
  peer.on("data", (bytes) => {
    seen += bytes.length;
  });
  peer.resume();
  await until(() => seen === total, "all bytes at the peer");
  expect(watch.drains > 0, "no drain");
  expect(peak < bound, `${peak} bytes were under way at once`);
  peer.end();
  await watch.closed();
};

export const connDrainOnlyAfterFalse: Check = async (runtime) => {
  const { conn, watch, peer } = await withPeer(runtime);
  peer.resume();
  for (let round = 0; round < 50; round++) {
    const before = watch.drains;
    if (!conn.write("x".repeat(120_000))) {
      await until(() => watch.drains === before + 1, "drain after false");
    } else {
      await turns(3);
      same(watch.drains, before, "drain after true");
    }
  }
  conn.destroy();
  await watch.closed();
};

export const connOneWriteOf64MegabytesArrivesWhole: Check = async (runtime) => {
  const { client, clientWatch, server, serverWatch } = await pair(runtime);
  const bytes = new Uint8Array(64 * 1024 * 1024);
  for (let at = 0; at < bytes.length; at += 4096) bytes[at] = at >> 12;
  const hasher = runtime.hasher();
  serverWatch.keep = false;
  serverWatch.onData = (chunk) => hasher.update(chunk);
  client.write(bytes);
  client.end();
  await until(() => serverWatch.ends === 1, "end");
  same(serverWatch.received, bytes.length, "length");
  same(hasher.hex(), runtime.sha256(bytes), "content");
  server.end();
  await clientWatch.closed();
  await serverWatch.closed();
};

export const connStringsAreLatin1: Check = async (runtime) => {
  const { client, server, serverWatch } = await pair(runtime);
  let all = "";
  for (let byte = 0; byte < 256; byte++) all += String.fromCharCode(byte);
  const body = Uint8Array.from({ length: 256 }, (_, byte) => 255 - byte);
  const long = all.repeat(200);
  client.write(all);
  client.write("ascii");
  client.write(body);
  client.write(long);
  client.write("é");
  client.write("");
  client.write(new Uint8Array(0));
  client.end();
  await until(() => serverWatch.ends === 1, "end");
  const flipped = Buffer.from(body).toString("latin1");
  same(serverWatch.text(), `${all}ascii${flipped}${long}é`, "bytes");
  server.end();
};

export const connDataBelongsToTheReceiver: Check = async (runtime) => {
  const { client, server, serverWatch } = await pair(runtime);
  let sent = "";
  for (let round = 0; round < 200; round++) {
    const text = String.fromCharCode(97 + (round % 26)).repeat(997);
    sent += text;
    client.write(text);
    if (round % 10 === 0) await turns(1);
  }
  client.end();
  await until(() => serverWatch.ends === 1, "end");
  same(serverWatch.text(), sent, "bytes kept from earlier calls");
  server.end();
};

export const connAddressesOfBothEnds: Check = async (runtime) => {
  const { client, server, listener } = await pair(runtime);
  same(client.remotePort, listener.port, "client's remote port");
  same(server.localPort, listener.port, "server's local port");
  same(server.remotePort, client.localPort, "server's remote port");
  same(
    `${client.remoteAddress} ${server.remoteAddress} ${server.localAddress}`,
    "127.0.0.1 127.0.0.1 127.0.0.1",
    "addresses",
  );
  client.destroy();
  server.destroy();
  same(server.remoteAddress, "127.0.0.1", "address after close");
  same(client.alpn, null, "alpn in the clear");
};

export const connMappedAddressIsCanonical: Check = async (runtime) => {
  let seen = "";
  const listener = await runtime.listen({ host: "::", port: 0 }, (conn) => {
    conn.handler = new Watch();
    seen = `${conn.remoteAddress} ${conn.localAddress}`;
    conn.destroy();
  });
  const watch = new Watch();
  await runtime.dial({ address: "127.0.0.1", port: listener.port }, watch).conn;
  await until(() => seen !== "", "accept");
  same(seen, "127.0.0.1 127.0.0.1", "addresses of an IPv4 peer on an IPv6 listener");
  await listener.close();
};

export const dialIpv6Literal: Check = async (runtime) => {
  if (!runtime.localAddresses().includes("::1")) return;
  const listener = await runtime.listen({ host: "::1", port: 0 }, (conn) => {
    conn.handler = new Watch();
    conn.write(conn.remoteAddress);
    conn.end();
  });
  const watch = new Watch();
  watch.onEnd = () => undefined;
  const conn = await runtime.dial({ address: "::1", port: listener.port }, watch).conn;
  await until(() => watch.ends === 1, "end");
  same(watch.text(), "::1", "address");
  conn.end();
  await listener.close();
};

export const dialRefusedRejectsAndTellsTheHandlerNothing: Check = async (runtime) => {
  const listener = await runtime.listen({ host: "127.0.0.1", port: 0 }, () => {});
  await listener.close();
  const watch = new Watch();
  same(await faultOf(runtime.dial({ address: "127.0.0.1", port: listener.port }, watch).conn), "dial_failed", "code");
  await turns();
  same(watch.closes + watch.ends + watch.received, 0, "calls of a connection that never was");
};

export const dialCancelRejectsAndClosesWhatArrives: Check = async (runtime) => {
  let accepted = 0;
  const peers: Watch[] = [];
  const listener = await runtime.listen({ host: "127.0.0.1", port: 0 }, (conn) => {
    accepted++;
    const peer = new Watch();
    peers.push(peer);
    peer.onEnd = () => conn.end();
    conn.handler = peer;
  });
  const watch = new Watch();
  const dialing = runtime.dial({ address: "127.0.0.1", port: listener.port }, watch);
  dialing.cancel();
  dialing.cancel();
  same(await faultOf(dialing.conn), "dial_failed", "code");
  await turns(50);
  if (accepted > 0) await until(() => peers.every((peer) => peer.closes === 1), "the late connection's close");
  same(watch.closes + watch.received, 0, "handler calls");
  await listener.close();
};

export const dialCancelAfterTheConnectionIsThereDoesNothing: Check = async (runtime) => {
  const listener = await runtime.listen({ host: "127.0.0.1", port: 0 }, (conn) => {
    conn.handler = new Watch();
    conn.write("hello");
  });
  const watch = new Watch();
  const dialing = runtime.dial({ address: "127.0.0.1", port: listener.port }, watch);
  const conn = await dialing.conn;
  dialing.cancel();
  await until(() => watch.text() === "hello", "data");
  expect(!conn.closed, "cancel closed a connection that had been handed out");
  conn.destroy();
  await watch.closed();
  await listener.close();
};

export const dialFirstBytesOfAServerThatSpeaksFirst: Check = async (runtime) => {
  const server = net.createServer((socket) => socket.end("banner"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const port = (server.address() as net.AddressInfo).port;
  for (let round = 0; round < 20; round++) {
    const watch = new Watch();
    const conn = await runtime.dial({ address: "127.0.0.1", port }, watch).conn;
    await until(() => watch.ends === 1, "end");
    same(watch.text(), "banner", "data");
    conn.end();
    await watch.closed();
  }
  server.close();
};

export const listenPortTakenIsRefused: Check = async (runtime) => {
  const first = await runtime.listen({ host: "127.0.0.1", port: 0 }, () => {});
  same(await faultOf(runtime.listen({ host: "127.0.0.1", port: first.port }, () => {})), "listen_failed", "plain");
  const sharing = runtime.listen({ host: "127.0.0.1", port: first.port, reusePort: true }, () => {});
  same(await faultOf(sharing), "listen_failed", "reusePort on a port that is not shared");
  await first.close();
  const again = await runtime.listen({ host: "127.0.0.1", port: first.port }, () => {});
  await again.close();
};

export const listenReusePortSpreads: Check = async (runtime) => {
  const counts = [0, 0];
  const take = (at: number) => (conn: Conn) => {
    counts[at] = (counts[at] ?? 0) + 1;
    conn.handler = new Watch();
    conn.destroy();
  };
  const first = await runtime.listen({ host: "127.0.0.1", port: 0, reusePort: true }, take(0));
  const second = await runtime.listen({ host: "127.0.0.1", port: first.port, reusePort: true }, take(1));
  for (let round = 0; round < 20; round++) {
    const dials = Array.from({ length: 10 }, () => {
      const watch = new Watch();
      return runtime.dial({ address: "127.0.0.1", port: first.port }, watch).conn.then(async (conn) => {
        conn.end();
        await watch.closed();
      });
    });
    await Promise.all(dials);
  }
  same((counts[0] ?? 0) + (counts[1] ?? 0), 200, "connections");
  expect(Math.min(...counts) > 40, `not spread: ${counts.join("/")}`);
  await first.close();
  await second.close();
};

export const listenCloseKeepsAcceptedConnections: Check = async (runtime) => {
  const { client, clientWatch, server, listener } = await pair(runtime);
  same(
    await faultOf(runtime.dial({ address: "127.0.0.1", port: listener.port }, new Watch()).conn),
    "dial_failed",
    "dial",
  );
  server.write("alive");
  await until(() => clientWatch.text() === "alive", "data after the listener's close");
  await listener.close();
  client.destroy();
  server.destroy();
};

export const listenOnAnAddressThatIsNotOursIsRefused: Check = async (runtime) => {
  same(await faultOf(runtime.listen({ host: "198.51.100.1", port: 0 }, () => {})), "listen_failed", "code");
};

export const listenUnixIsPrivateAndRoundTrips: Check = async (runtime) => {
  const path = join(scratch(), "door.sock");
  const serverWatch = new Watch();
  let server: Conn | null = null;
  const listener = await runtime.listenUnix(path, (conn) => {
    conn.handler = serverWatch;
    server = conn;
    serverWatch.onData = (bytes) => conn.write(bytes);
    serverWatch.onEnd = () => conn.end();
  });
  same(statSync(path).mode & 0o777, 0o600, "mode");
  same(await faultOf(runtime.listenUnix(path, () => {})), "listen_failed", "second bind");
  const watch = new Watch();
  const conn = await runtime.dial({ path }, watch).conn;
  conn.write("ping");
  conn.end();
  await watch.closed();
  await serverWatch.closed();
  same(watch.text(), "ping", "echo");
  same(`${conn.remoteAddress}${(server as unknown as Conn).remoteAddress}`, "", "addresses");
  const another = new Watch();
  const aborted = await runtime.dial({ path }, another).conn;
  aborted.reset();
  await another.closed();
  await listener.close();
  expect(!existsSync(path), "the socket file is still there");
};

export const dialUnixFailuresAreDialFailed: Check = async (runtime) => {
  const dir = scratch();
  writeFileSync(join(dir, "file"), "");
  same(await faultOf(runtime.dial({ path: join(dir, "none") }, new Watch()).conn), "dial_failed", "missing");
  same(await faultOf(runtime.dial({ path: join(dir, "file") }, new Watch()).conn), "dial_failed", "not a socket");
};

/** What was really redirected is told by the kernel alone, in a network namespace: test/e2e/transparent.test.ts. */
export const listenKnowsWhatWasMadeToIt: Check = async (runtime) => {
  for (const host of ["127.0.0.1", "::1"]) {
    const originals: unknown[] = [];
    const listener = await runtime.listen({ host, port: 0, redirected: true }, (conn, original) => {
      conn.handler = new Watch();
      originals.push(original);
      conn.end();
    });
    const descriptors = () => (existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0);
    const before = descriptors();
    for (let i = 0; i < 20; i++) {
      const peer = net.connect({ host, port: listener.port });
      await new Promise((resolve) => peer.resume().once("close", resolve));
    }
    await until(() => originals.length === 20, "twenty connections");
    expect(
      originals.every((original) => original === null),
      `a connection made to ${host} passes for a redirected one: ${JSON.stringify(originals[0])}`,
    );
    await until(() => descriptors() <= before, "the descriptors that were asked are closed");
    await listener.close();
  }
};

export const originalReadsWhatTheKernelFills: Check = async () => {
  const filled = (family: number, at: string) => (_fd: number, level: number, name: number, value: Uint8Array) => {
    same(`${level} ${name}`, family === 4 ? "0 80" : "41 80", "option");
    value.set([0, 0, 0x1f, 0x90]);
    if (family === 4) value.set(at.split(".").map(Number), 4);
    else for (let i = 0; i < 8; i++) value.set([0, 0], 8 + i * 2);
    if (family === 6) {
      const groups = at.split(":").map((group) => Number.parseInt(group, 16));
      for (const [i, group] of groups.entries()) value.set([group >> 8, group & 255], 8 + i * 2);
    }
    return 0;
  };
  const four = originalOf(filled(4, "203.0.113.9"), 3, { localAddress: "127.0.0.1", localPort: 3128 });
  same(JSON.stringify(four), JSON.stringify({ address: "203.0.113.9", port: 8080 }), "of IPv4");
  same(originalOf(filled(4, "10.0.0.1"), 3, { localAddress: "10.0.0.1", localPort: 8080 }), null, "of our own place");
  same(
    originalOf(() => -1, 3, { localAddress: "10.0.0.1", localPort: 8080 }),
    null,
    "where the kernel knows nothing",
  );
  const groups = ["0", "1", "db8", "ffff", "a0"];
  for (let seed = 0; seed < 3000; seed++) {
    const long = Array.from(
      { length: 8 },
      (_, i) => groups[(seed * 7 + i * i * (seed % 11) + (seed >> i)) % 5] as string,
    );
    if (seed % 3 === 0) long.fill("0", seed % 7, (seed % 7) + 2);
    const text = long.join(":");
    const wanted = new URL(`http://[${text}]/`).hostname.slice(1, -1);
    const six = originalOf(filled(6, text), 3, { localAddress: "::1", localPort: 3128 });
    same(six?.address, wanted, `of ${text}`);
  }
};
