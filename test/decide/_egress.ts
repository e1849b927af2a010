import { createHash } from "node:crypto";
import type { Destination, Egress, HeldBody } from "../../src/model/egress.ts";
import { parseIp } from "../../src/wire/ip.ts";

export function destination(host: string, port = 443): Destination {
  return { scheme: "https", host, port, literal: parseIp(host) !== null };
}

export function egress(parts: Partial<Egress> & { host?: string } = {}): Egress {
  const { host = "api.example.test", ...rest } = parts;
  return {
    door: "forward",
    phase: "request",
    caller: "sidecar.forward_proxy.egress",
    method: "POST",
    destination: destination(host),
    target: `https://${host}/v1/chat`,
    path: "/v1/chat",
    headers: ["Content-Type", "application/json"],
    upgrade: null,
    conflict: null,
    principal: { address: "127.0.0.1", port: 50000, agent: "agent-7", parentAgent: null },
    parent: null,
    block: null,
    coded: true,
    wordy: true,
    ...rest,
  };
}

export function body(content: string | Uint8Array): HeldBody {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex"), trailers: null };
}
