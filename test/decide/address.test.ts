import { describe, expect, test } from "bun:test";
import { type AddressClass, addressGuard, classifyAddress } from "../../src/decide/address.ts";
import { block } from "../../src/model/decision.ts";
import { type Cidr, parseCidr, parseIp } from "../../src/wire/ip.ts";

function classOf(text: string): AddressClass {
  const ip = parseIp(text);
  if (ip === null) throw new Error(`"${text}" is no address`);
  return classifyAddress(ip);
}

/** Every range with its first and last address, and the addresses just outside where those are of another class. */
const RANGES: [found: AddressClass, first: string, last: string, outside: [string, AddressClass][]][] = [
  ["unspecified", "0.0.0.0", "0.255.255.255", [["1.0.0.0", "public"]]],
  [
    "private",
    "10.0.0.0",
    "10.255.255.255",
    [
      ["9.255.255.255", "public"],
      ["11.0.0.0", "public"],
    ],
  ],
  [
    "cgnat",
    "100.64.0.0",
    "100.127.255.255",
    [
      ["100.63.255.255", "public"],
      ["100.128.0.0", "public"],
    ],
  ],
  [
    "loopback",
    "127.0.0.0",
    "127.255.255.255",
    [
      ["126.255.255.255", "public"],
      ["128.0.0.0", "public"],
    ],
  ],
  [
    "link_local",
    "169.254.0.0",
    "169.254.255.255",
    [
      ["169.253.255.255", "public"],
      ["169.255.0.0", "public"],
    ],
  ],
  [
    "private",
    "172.16.0.0",
    "172.31.255.255",
    [
      ["172.15.255.255", "public"],
      ["172.32.0.0", "public"],
    ],
  ],
  [
    "reserved",
    "192.0.0.0",
    "192.0.0.255",
    [
      ["191.255.255.255", "public"],
      ["192.0.1.0", "public"],
    ],
  ],
  [
    "documentation",
    "192.0.2.0",
    "192.0.2.255",
    [
      ["192.0.1.255", "public"],
      ["192.0.3.0", "public"],
    ],
  ],
  [
    "reserved",
    "192.31.196.0",
    "192.31.196.255",
    [
      ["192.31.195.255", "public"],
      ["192.31.197.0", "public"],
    ],
  ],
  [
    "reserved",
    "192.52.193.0",
    "192.52.193.255",
    [
      ["192.52.192.255", "public"],
      ["192.52.194.0", "public"],
    ],
  ],
  [
    "reserved",
    "192.88.99.0",
    "192.88.99.255",
    [
      ["192.88.98.255", "public"],
      ["192.88.100.0", "public"],
    ],
  ],
  [
    "private",
    "192.168.0.0",
    "192.168.255.255",
    [
      ["192.167.255.255", "public"],
      ["192.169.0.0", "public"],
    ],
  ],
  [
    "reserved",
    "192.175.48.0",
    "192.175.48.255",
    [
      ["192.175.47.255", "public"],
      ["192.175.49.0", "public"],
    ],
  ],
  [
    "benchmarking",
    "198.18.0.0",
    "198.19.255.255",
    [
      ["198.17.255.255", "public"],
      ["198.20.0.0", "public"],
    ],
  ],
  [
    "documentation",
    "198.51.100.0",
    "198.51.100.255",
    [
      ["198.51.99.255", "public"],
      ["198.51.101.0", "public"],
    ],
  ],
  [
    "documentation",
    "203.0.113.0",
    "203.0.113.255",
    [
      ["203.0.112.255", "public"],
      ["203.0.114.0", "public"],
    ],
  ],
  ["multicast", "224.0.0.0", "239.255.255.255", [["223.255.255.255", "public"]]],
  ["reserved", "240.0.0.0", "255.255.255.254", [["255.255.255.255", "broadcast"]]],
  ["metadata", "169.254.169.254", "169.254.169.254", [["169.254.169.255", "link_local"]]],
  ["metadata", "169.254.170.2", "169.254.170.2", [["169.254.170.3", "link_local"]]],
  ["metadata", "100.100.100.200", "100.100.100.200", [["100.100.100.199", "cgnat"]]],
  [
    "metadata",
    "168.63.129.16",
    "168.63.129.16",
    [
      ["168.63.129.15", "public"],
      ["168.63.129.17", "public"],
    ],
  ],
  ["metadata", "192.0.0.192", "192.0.0.192", [["192.0.0.191", "reserved"]]],
  ["unspecified", "::", "::", [["::1", "loopback"]]],
  [
    "transition",
    "::1.0.0.0",
    "::9.255.255.255",
    [
      ["::10.0.0.0", "private"],
      ["::2", "unspecified"],
    ],
  ],
  ["reserved", "100::", "100::ffff:ffff:ffff:ffff", []],
  ["reserved", "100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", []],
  ["transition", "2001:0:808:808::f7f7:f7f7", "2001:0:808:808:ffff:ffff:f7f7:f7f7", [["2001:1::", "reserved"]]],
  ["benchmarking", "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", [["2001:2:1::", "reserved"]]],
  ["reserved", "2001:3::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", [["2001:200::", "public"]]],
  [
    "documentation",
    "2001:db8::",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    [
      ["2001:db7:ffff::", "public"],
      ["2001:db9::", "public"],
    ],
  ],
  [
    "reserved",
    "2620:4f:8000::",
    "2620:4f:8000:ffff:ffff:ffff:ffff:ffff",
    [
      ["2620:4f:7fff::", "public"],
      ["2620:4f:8001::", "public"],
    ],
  ],
  [
    "documentation",
    "3fff::",
    "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
    [
      ["3ffe:ffff::", "public"],
      ["3fff:1000::", "public"],
    ],
  ],
  ["reserved", "4000::", "5fff:ffff::", [["3fff:ffff::", "public"]]],
  ["reserved", "5f00::", "5f00:ffff::", []],
  [
    "ula",
    "fc00::",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    [
      ["fbff:ffff::", "reserved"],
      ["fe00::", "reserved"],
    ],
  ],
  [
    "metadata",
    "fd00:ec2::254",
    "fd00:ec2::254",
    [
      ["fd00:ec1::254", "ula"],
      ["fd00:ec3::254", "ula"],
    ],
  ],
  ["metadata", "fd20:ce::254", "fd20:ce::254", [["fd20:ce::255", "ula"]]],
  ["link_local", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", [["fe7f:ffff::", "reserved"]]],
  ["site_local", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", [["febf:ffff::", "link_local"]]],
  ["multicast", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", [["feff:ffff::", "site_local"]]],
  ["public", "2000::", "2000:ffff::", [["1fff:ffff::", "reserved"]]],
];

describe("classifyAddress", () => {
  for (const [found, first, last, outside] of RANGES) {
    test(`${first} to ${last} is ${found}`, () => {
      expect(classOf(first)).toBe(found);
      expect(classOf(last)).toBe(found);
      for (const [address, other] of outside) expect(`${address} ${classOf(address)}`).toBe(`${address} ${other}`);
    });
  }

  const EMBEDDED: [string, (v4: string) => string, whenPublic: AddressClass][] = [
    ["v4-mapped", (v4) => `::ffff:${v4}`, "public"],
    ["v4-compatible", (v4) => `::${v4}`, "transition"],
    ["v4-translated", (v4) => `::ffff:0:${v4}`, "transition"],
    ["NAT64", (v4) => `64:ff9b::${v4}`, "public"],
    ["local NAT64, low", (v4) => `64:ff9b:1::${v4}`, "private"],
    [
      "local NAT64, split",
      (v4) => {
        const [a, b, c, d] = hex(v4);
        return `64:ff9b:1:${a}${b}:${`00${c}`}:${d}00::`;
      },
      "private",
    ],
    [
      "6to4",
      (v4) => {
        const [a, b, c, d] = hex(v4);
        return `2002:${a}${b}:${c}${d}::1`;
      },
      "transition",
    ],
    ["ISATAP", (v4) => `2606:4700::5efe:${v4}`, "public"],
    ["ISATAP, global", (v4) => `2606:4700::200:5efe:${v4}`, "public"],
    [
      "Teredo server",
      (v4) => {
        const [a, b, c, d] = hex(v4);
        return `2001:0:${a}${b}:${c}${d}::f7f7:f7f7`;
      },
      "transition",
    ],
    [
      "Teredo client",
      (v4) => {
        const [a, b, c, d] = hex(v4, 255);
        return `2001:0:808:808::${a}${b}:${c}${d}`;
      },
      "transition",
    ],
  ];
  for (const [name, embed, whenPublic] of EMBEDDED) {
    test(`${name}: at least as severe as what it embeds`, () => {
      expect(classOf(embed("8.8.8.8"))).toBe(whenPublic);
      expect(classOf(embed("127.0.0.1"))).toBe("loopback");
      expect(classOf(embed("169.254.169.254"))).toBe("metadata");
      expect(classOf(embed("192.168.1.1"))).toBe("private");
    });
  }
  test("just outside NAT64 nothing is public", () => {
    expect(classOf("64:ff9a:ffff::8.8.8.8")).toBe("reserved");
    expect(classOf("64:ff9b:2::8.8.8.8")).not.toBe("public");
    expect(classOf("64:ff9b:0:0:0:1:808:808")).not.toBe("public");
  });
});

function hex(v4: string, xor = 0): string[] {
  return v4.split(".").map((octet) => (Number(octet) ^ xor).toString(16).padStart(2, "0"));
}

describe("addressGuard", () => {
  const open = { checkAddress: () => null };
  const cidrs = (...texts: string[]): Cidr[] =>
    texts.map((text) => {
      const cidr = parseCidr(text);
      if (cidr === null) throw new Error(text);
      return cidr;
    });
  const vector = (allow: Cidr[], ...addresses: string[]) =>
    addressGuard({ allow, gate: open }).check(addresses, 443, "x.test")?.vector ?? null;

  test("one bad address among good ones refuses them all", () => {
    expect(vector([], "8.8.8.8", "1.1.1.1")).toBeNull();
    expect(vector([], "8.8.8.8", "10.0.0.1")).toBe("address_private");
    expect(vector([], ...Array.from({ length: 60 }, (_, i) => `8.8.4.${i}`), "127.0.0.1")).toBe("address_loopback");
  });

  test("says which address of which name is what", () => {
    const decision = addressGuard({ allow: [], gate: open }).check(["169.254.169.254"], 80, "x.test");
    expect(decision).toMatchObject({ verdict: "block", status: 451, pillar: "CoreGuard", vector: "address_metadata" });
    expect(decision?.reason).toBe("destination address x.test → 169.254.169.254 is metadata");
  });

  test("allowed networks let through what they cover, in either spelling, and nothing else", () => {
    const allow = cidrs("127.0.0.0/8", "::1/128");
    expect(vector(allow, "127.0.0.1", "::1")).toBeNull();
    expect(vector(allow, "::ffff:127.0.0.1")).toBeNull();
    expect(vector(allow, "10.0.0.1")).toBe("address_private");
    expect(vector(allow, "64:ff9b::7f00:1")).toBe("address_loopback");
    expect(vector(cidrs("0.0.0.0/0"), "169.254.169.254", "10.0.0.1")).toBeNull();
    expect(vector(cidrs("0.0.0.0/0"), "fd00:ec2::254")).toBe("address_metadata");
  });

  test("what is no address, and no address at all, are refused", () => {
    for (const text of ["", "x.test", "fe80::1%eth0", "0x7f.1", "127.1", "256.1.1.1"])
      expect(vector([], text)).toBe("address_invalid");
    expect(vector([])).toBe("address_none");
  });

  test("the gateway's own places and policy are asked about every address, allowed or not", () => {
    const allow = cidrs("0.0.0.0/0");
    const gate = {
      checkAddress: (address: string) => (address === "10.0.0.2" ? block("own", "loop", { status: 508 }) : null),
    };
    const policy = {
      deniedAddress: (address: string) => (address === "10.0.0.3" ? block("rule", "policy_deny") : null),
    };
    const guard = addressGuard({ allow, gate, policy });
    expect(guard.check(["10.0.0.1"], 80)).toBeNull();
    expect(guard.check(["10.0.0.1", "10.0.0.2"], 80)?.status).toBe(508);
    expect(guard.check(["10.0.0.1", "10.0.0.3"], 80)?.vector).toBe("policy_deny");
  });

  test("remembers a bounded number of addresses and stays right beyond it", () => {
    const guard = addressGuard({ allow: [], gate: open });
    for (let i = 0; i < 20_000; i++) expect(guard.check([`8.${(i >> 8) & 255}.${i & 255}.1`], 443)).toBeNull();
    expect(guard.check(["10.0.0.1"], 443)?.vector).toBe("address_private");
    expect(guard.check(["10.0.0.1"], 443)?.vector).toBe("address_private");
  });
});

describe("checkName, for a name that somebody else resolves", () => {
  const gate = { checkAddress: () => null };
  const guard = addressGuard({ allow: [], gate });
  const CASES: [string, string | null][] = [
    ["localhost", "address_loopback"],
    ["a.localhost", "address_loopback"],
    ["ip6-loopback", "address_loopback"],
    ["metadata.google.internal", "address_metadata"],
    ["metadata", "address_metadata"],
    ["localhost.example.com", null],
    ["notlocalhost", null],
    ["host.docker.internal", null],
    ["example.com", null],
  ];
  for (const [name, vector] of CASES) {
    test(`${name}: ${vector}`, () => expect(guard.checkName(name)?.vector ?? null).toBe(vector));
  }
  test("whoever allows loopback allows its names", () => {
    const allow = [parseCidr("127.0.0.0/8") as Cidr];
    const own = addressGuard({ allow, gate });
    expect(own.checkName("localhost")).toBeNull();
    expect(own.checkName("metadata")?.vector).toBe("address_metadata");
  });
});
