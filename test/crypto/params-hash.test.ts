import { expect, test } from "bun:test";
import { portableDigest as digest } from "../../src/crypto/digest.ts";
import { paramsHash } from "../../src/crypto/params-hash.ts";
import { questionWith } from "../_question.ts";

const question = questionWith({
  org: "acme",
  agent: "planner",
  host: "api.test",
  path: "/v1",
  query: [["a", "b"]],
  headers: [["X-One", "1"]],
});

test("any change of a question is another hash", () => {
  const credential = { kind: "bearer", issuer: null, fingerprint: `hmac-${"0".repeat(32)}` };
  const others = [
    { org: "other" },
    { caller: "x" },
    { agent: null },
    { parentAgent: "boss" },
    { phase: "tunnel" as const },
    { door: "connect" },
    { method: "PUT" },
    { scheme: "http" as const },
    { host: "api.test2" },
    { port: 444 },
    { path: "/v1/" },
    { query: [["a", "c"]] as const },
    { headers: [["X-One", credential]] as const },
    { trailers: [["X-One", "1"]] as const },
    { upgrade: "websocket" as const },
  ];
  const hashes = others.map((other) => paramsHash({ ...question, ...other }, null, digest));
  hashes.push(
    paramsHash(question, null, digest),
    paramsHash(question, "00", digest),
    paramsHash(question, "01", digest),
  );
  expect(new Set(hashes).size).toBe(hashes.length);
  for (const hash of hashes) expect(hash).toMatch(/^sha256-[0-9a-f]{64}$/);
});

test("it is the documented one", () => {
  const canonical =
    '{"agent":"planner","bodySha256":null,"caller":"sidecar.forward_proxy.egress","door":"forward",' +
    '"headers":[["X-One","1"]],"host":"api.test","method":"POST","org":"acme","parentAgent":null,"path":"/v1",' +
    '"phase":"request","port":443,"query":[["a","b"]],"scheme":"https","trailers":[],"upgrade":null,"v":1}';
  expect(paramsHash(question, null, digest)).toBe(`sha256-${digest.sha256(canonical)}`);
});

test("text without bytes has no hash", () => {
  expect(() => paramsHash({ ...question, path: "/\ud800" }, null, digest)).toThrow(TypeError);
});
