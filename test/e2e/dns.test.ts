import { expect } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { testUnless, tool } from "../_skip.ts";
import { Gateway, until } from "./_gateway.ts";
import { exchange, proxied } from "./_raw.ts";

/** What a resolver cannot do without: its configuration, the hosts file, or a packet to port 53. */
const LOOKUP = /resolv\.conf|\/etc\/hosts|htons\(53\)|nscd/;

testUnless(
  tool("strace"),
  "a blocked host makes no DNS query: no system call of a resolver, while an allowed name makes one",
  async () => {
    const gateway = await Gateway.start({ EVE_PROXY_BLOCKED_HOSTS: "blocked.test" });
    const trace = join(gateway.folder, "trace");
    const calls = "trace=openat,connect,sendto,sendmsg,sendmmsg";
    const strace = spawn("strace", ["-f", "-qq", "-e", calls, "-o", trace, "-p", String(gateway.pid)]);
    try {
      const seen = () => (existsSync(trace) ? readFileSync(trace, "latin1") : "");
      // Attached as soon as a connection of ours shows up in the trace.
      await until(async () => {
        await exchange(gateway.port, proxied("GET", "http://a.blocked.test/attach"));
        return seen().includes("openat") || seen().includes("connect") || seen().includes("send");
      }, "tracing");
      for (let i = 0; i < 20; i++) {
        const answer = await exchange(gateway.port, proxied("GET", `http://n${i}.blocked.test/`));
        expect(answer.status).toBe(451);
      }
      expect(seen().match(LOOKUP)).toBeNull();
      await exchange(gateway.port, proxied("GET", "http://allowed.invalid/"));
      await until(() => LOOKUP.test(seen()), "tracing a lookup of an allowed name");
    } finally {
      strace.kill("SIGKILL");
      await gateway.stop();
    }
  },
  120_000,
);
