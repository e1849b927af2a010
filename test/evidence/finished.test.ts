import { expect, test } from "bun:test";
import { asciiJson, seal } from "../../src/evidence/certificate.ts";
import { Finished } from "../../src/evidence/finished.ts";
import { OutBuffer } from "../../src/wire/out-buffer.ts";
import { copied } from "../fuzz/_sent.ts";
import { draft, withSignature } from "./_draft.ts";

const ASSIGNED = {
  id: "cert_0123456789abcdef",
  orgId: "acme",
  timestamp: "2026-01-02T03:04:05.678Z",
  kid: "0123456789abcdef",
  algorithm: "HMAC-SHA256",
  chain: null,
} as const;

const SIGNATURE = `hmac-${"0f".repeat(32)}`;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

for (const reason of ["plain", "caf\u00e9 \u{1f600}", "DEL \u007f", '"quoted" \\ and\nmore']) {
  test(`Finished of ${JSON.stringify(reason)} is one object in the log, in the answer and in the header`, () => {
    const sealed = seal(draft({ reason }), ASSIGNED);
    const json = withSignature(sealed.text, SIGNATURE);
    const finished = new Finished(ASSIGNED.id, sealed.bytes, sealed.ascii, SIGNATURE);
    seal(draft({ reason: "another one in the same memory" }), ASSIGNED);
    expect(text(finished.line)).toBe(`${json}\n`);
    expect(finished.json).toBe(json);
    expect(finished.header).toBe(asciiJson(json));
    const sent = copied(new OutBuffer().text("before\r\n").block(finished));
    expect(text(sent)).toBe(`before\r\nX-EVE-Decision-Cert: ${asciiJson(json)}\r\n`);
    expect(finished.size).toBe(sent.length - "before\r\n".length);
  });
}
