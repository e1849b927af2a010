import { expect, test } from "bun:test";
import { canonicalize } from "../../src/crypto/canonical.ts";
import { type Assigned, asciiJson, MAX_CERTIFICATE_BYTES, seal } from "../../src/evidence/certificate.ts";
import { readCertificate } from "../../src/evidence/read-certificate.ts";
import type { CertificateDraft } from "../../src/model/certificate.ts";
import { draft, withSignature } from "./_draft.ts";

const assigned: Assigned = {
  id: "cert_0123456789abcdef",
  orgId: "acme",
  timestamp: "2026-01-02T03:04:05.678Z",
  kid: "0123456789abcdef",
  algorithm: "HMAC-SHA256",
  chain: { id: "0123456789abcdef", outcomes: "0".repeat(64), prev: "0".repeat(64), seq: 7 },
};

const HOSTILE = [
  "",
  "plain",
  '"quotes" and \\backslashes\\',
  "\u0000\u0001\b\t\n\f\r\u001f\u007f",
  "</script>\u2028\u2029",
  "\ud800 alone, \udc00 too, \udc00\ud800 swapped",
  "the text \\ud800 itself",
  "\u{1f600}".repeat(100),
  "é".repeat(300),
  "日本語".repeat(200),
  "\u0000".repeat(5000),
  "\ud800".repeat(5000),
  `${"x".repeat(255)}\u{1f600}`,
  "__proto__",
];

function hostileDraft(text: string) {
  return draft({
    reason: text,
    agent: text,
    rule: text,
    caller: text,
    policy_version: text,
    matched_vector: text,
    addresses: Array.from({ length: 40 }, () => "2001:db8:1111:2222:3333:4444:5555:6666"),
    request: {
      door: "forward",
      method: "POST",
      scheme: "http",
      host: "h".repeat(255),
      port: 1,
      path: text,
      target_hash: "a",
    },
  });
}

test("seal writes RFC 8785 for every hostile string", () => {
  for (const text of HOSTILE) {
    const { text: signed } = seal(hostileDraft(text), assigned);
    expect(signed.isWellFormed()).toBe(true);
    expect(signed).toBe(canonicalize(JSON.parse(signed)));
  }
});

test("seal writes one certificate behind another as it writes it alone, whatever they have in common", () => {
  const chain = assigned.chain;
  const places: Assigned[] = [
    assigned,
    { ...assigned, id: "cert_fedcba9876543210", timestamp: "2026-01-02T03:04:05.679Z", chain: null },
    { ...assigned, chain: chain === null ? null : { ...chain, prev: "f".repeat(64), seq: 123_456_789 } },
    { ...assigned, orgId: "é", chain: null },
    { ...assigned, id: "cert_\u00e9" },
  ];
  const changes: Partial<CertificateDraft>[] = [
    {},
    { latency_ms: 1234.5678, content_bytes: null, content_hash: null },
    { latency_ms: 0, forwarded_hash: `sha256-${"a".repeat(64)}`, verdict: "sanitize" },
    { verdict: "allow", would: "block", mode: "shadow" },
    { reason: "ünïcode" },
    { reason: "\u007f" },
    { reason: '"\\\n' },
    { parent: "cert_00112233445566aa" },
    { parent: "cert_ffeeddccbbaa9988" },
    { request: null },
  ];
  // One name of the request for all, as where the same is asked again and again.
  const { request } = draft();
  const drafts = changes.map((change) => ({ ...draft(), request, ...change }));
  for (const place of places) {
    for (const made of drafts) {
      const { text, bytes, ascii } = seal(made, place);
      const first = { text, bytes: bytes.slice(), ascii };
      expect(new TextDecoder().decode(first.bytes)).toBe(text);
      expect(text).toBe(canonicalize(JSON.parse(text)));
      expect(ascii).toBe(/^[\x20-\x7e]*$/.test(text));
      const { content_hash, content_bytes, forwarded_hash, would, verdict, latency_ms, parent } = made;
      const told = { content_hash, content_bytes, forwarded_hash, would, verdict, parent, chain: place.chain };
      const timed = { latency_ms: Math.round(latency_ms * 1000) / 1000, timestamp: place.timestamp };
      expect(JSON.parse(text)).toMatchObject({ ...told, ...timed, certificate_id: place.id, org_id: place.orgId });
      // Behind itself, and behind one that has nothing in common with it.
      for (const between of [made, hostileDraft("other"), ...drafts]) {
        seal(between, assigned);
        const again = seal(made, place);
        expect({ text: again.text, bytes: again.bytes.slice(), ascii: again.ascii }).toEqual(first);
      }
    }
  }
});

test("seal keeps a certificate within 4 KiB, in the log and in a header", () => {
  for (const text of HOSTILE) {
    const json = withSignature(seal(hostileDraft(text), assigned).text, `es256-${"A".repeat(86)}`);
    expect(new TextEncoder().encode(json).length).toBeLessThanOrEqual(MAX_CERTIFICATE_BYTES);
    expect(asciiJson(json).length).toBeLessThanOrEqual(MAX_CERTIFICATE_BYTES);
  }
});

test("seal cuts no address of a host, however little room other texts leave", () => {
  const addresses = Array.from({ length: 16 }, (_, i) => `2001:db8:1111:2222:3333:4444:5555:${6660 + i}`);
  for (const text of HOSTILE) {
    const hostile = { ...hostileDraft(text.repeat(40)), addresses };
    expect(JSON.parse(seal(hostile, assigned).text).addresses).toEqual(addresses);
  }
});

test("seal cuts reason and path to 256 bytes and agent to 128, between characters, with …", () => {
  for (const [unit, bytes] of [
    ["x", 1],
    ["é", 2],
    ["日", 3],
    ["\u{1f600}", 4],
  ] as const) {
    const long = unit.repeat(400);
    const base = draft({ reason: long, agent: long });
    const made = JSON.parse(seal(base, assigned).text);
    for (const [value, limit] of [
      [made.reason, 256],
      [made.agent, 128],
    ] as const) {
      expect(value).toBe(`${unit.repeat(Math.floor((limit - 3) / bytes))}…`);
    }
    const fits = unit.repeat(256 / bytes);
    expect(JSON.parse(seal(draft({ reason: fits }), assigned).text).reason).toBe(fits);
  }
});

test("asciiJson is printable ASCII and the same object", () => {
  for (const text of HOSTILE) {
    const sealed = seal(hostileDraft(text), assigned);
    const json = withSignature(sealed.text, "hmac-00");
    const header = asciiJson(json);
    expect(header).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(header)).toEqual(JSON.parse(json));
    expect(sealed.ascii).toBe(header === json);
  }
});

test("readCertificate recovers the signed bytes from the line, the header and a pretty print", () => {
  for (const text of HOSTILE) {
    const signed = seal(hostileDraft(text), assigned).text;
    const json = withSignature(signed, "hmac-00");
    const reordered = JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(json)).reverse()));
    for (const form of [json, asciiJson(json), JSON.stringify(JSON.parse(json), null, 2), reordered]) {
      expect(readCertificate(form)).toMatchObject({ signedText: signed });
    }
  }
});

test("readCertificate refuses a member that stands twice, escaped or nested too", () => {
  const json = withSignature(seal(draft(), assigned).text, "hmac-00");
  for (const twice of [
    json.replace('"verdict":"allow"', '"verdict":"block","verdict":"allow"'),
    json.replace('"verdict":"allow"', '"verdic\\u0074":"block","verdict":"allow"'),
    json.replace('"seq":7', '"seq":6,"seq":7'),
  ]) {
    expect(twice).not.toBe(json);
    expect(readCertificate(twice)).toMatchObject({ code: "duplicate_key" });
  }
});

test("readCertificate accepts unknown members and signs them too", () => {
  const extra = JSON.stringify({
    ...JSON.parse(withSignature(seal(draft(), assigned).text, "hmac-00")),
    zone: { b: 1, a: 2 },
  });
  const read = readCertificate(extra);
  if ("code" in read) throw new Error(read.detail);
  expect(read.signedText).toEndWith('"would":null,"zone":{"a":2,"b":1}}');
});

test("readCertificate answers everything with a problem, never an exception", () => {
  const json = withSignature(seal(draft(), assigned).text, "hmac-00");
  const wrong = [
    "",
    "{",
    "null",
    "[]",
    "1",
    '"x"',
    "\ufeff{}",
    "{}",
    '{"v":1}',
    "[".repeat(60_000),
    `{"a":${"[".repeat(9000)}${"]".repeat(9000)}}`,
  ];
  for (const name of Object.keys(JSON.parse(json))) {
    if (["addresses", "agent", "would", "rule", "parent", "request"].includes(name)) continue;
    wrong.push(JSON.stringify({ ...JSON.parse(json), [name]: { not: "this" } }));
  }
  for (const seq of [-1, 1.5, 2 ** 53, "1", null]) wrong.push(json.replace('"seq":7', `"seq":${JSON.stringify(seq)}`));
  wrong.push(json.replace('"reason":"', '"reason":"\\ud800'), json.replace('"v":1', '"v":2'));
  const accepted = wrong.filter((text) => !("code" in readCertificate(text)));
  // Members that no verifier relies on may have any form: they are signed, and that is all.
  expect(
    accepted.map((text) => Object.entries(JSON.parse(text)).find(([, v]) => (v as { not?: 1 })?.not)?.[0]),
  ).toEqual(["attestation_hash", "content_bytes", "forwarded_hash", "policy_version"]);
});

/** For every member two values that a certificate tells apart; a member that is added has to say here what it may be. */
const VARIANTS = {
  verdict: ["allow", "block"],
  would: [null, "block"],
  mode: ["enforce", "shadow"],
  reason: ["a", "b"],
  matched_pillar: [null, "128"],
  matched_vector: [null, "706"],
  caller: ["a", "b"],
  latency_ms: [1, 2],
  content_hash: [null, "sha256-00"],
  content_bytes: [null, 5],
  forwarded_hash: [null, "sha256-00"],
  phase: ["request", "tunnel"],
  parent: [null, "cert_0123456789abcdef"],
  rule: [null, "r"],
  policy_version: [null, "v"],
  attestation_hash: [null, "h"],
  agent: [null, "a"],
  addresses: [null, ["192.0.2.1"]],
  request: [null, draft().request],
  recovered: [undefined, { torn_hash: "00", torn_bytes: 1 }],
} satisfies { readonly [K in keyof Required<CertificateDraft>]: readonly [CertificateDraft[K], CertificateDraft[K]] };

for (const member of Object.keys(VARIANTS) as (keyof typeof VARIANTS)[]) {
  test(`seal tells a certificate's own ${member}, however alike the one before it was`, () => {
    const base = draft();
    for (const value of [...VARIANTS[member], ...VARIANTS[member]]) {
      const sealed = seal({ ...base, [member]: value } as CertificateDraft, assigned);
      expect(JSON.parse(sealed.text)[member]).toEqual(value as never);
    }
  });
}

for (const [member, one, other] of [
  ["kid", "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"],
  ["algorithm", "HMAC-SHA256", "Ed25519"],
  ["orgId", "a", "b"],
] as const) {
  test(`seal tells each certificate's ${member}`, () => {
    const base = draft();
    const name = member === "orgId" ? "org_id" : member;
    for (const value of [one, other, one]) {
      expect(JSON.parse(seal(base, { ...assigned, [member]: value }).text)[name]).toBe(value);
    }
  });
}
