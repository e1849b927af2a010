import { expect, test } from "bun:test";
import { formatIp, inCidr, parseCidr, parseIp, unmap } from "../../src/wire/ip.ts";

const REFUSED = [
  ...[
    "",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.4.",
    ".1.2.3.4",
    "1..3.4",
    "256.1.1.1",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.00",
  ],
  ...["0x1.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.-4", "+1.2.3.4", "1.2.3.4/32", "1,2,3,4", "2130706433", "１.2.3.4"],
  ...[
    ":",
    ":::",
    "1:",
    ":1",
    "1:2",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "1:::2",
    "12345::",
    "g::",
    "::1:",
  ],
  ...["1:2:3:4:5:6:7::8", "::1:2:3:4:5:6:7:8", "[::1]", "fe80::1%eth0", "::1.2.3", "::1.2.3.4.5", "::01.2.3.4"],
  ...["1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4:5", "::ffff:1.2.3.4 ", `${"0".repeat(45)}::`],
];

for (const text of REFUSED) {
  test(`parseIp refuses ${JSON.stringify(text)}`, () => {
    expect(parseIp(text)).toBeNull();
  });
}

const CANONICAL: readonly (readonly [string, string])[] = [
  ["0.0.0.0", "0.0.0.0"],
  ["255.255.255.255", "255.255.255.255"],
  ["::", "::"],
  ["0:0:0:0:0:0:0:1", "::1"],
  ["0000::0001", "::1"],
  ["2001:DB8::A", "2001:db8::a"],
  ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
  ["1:0:0:2:3:0:0:4", "1::2:3:0:0:4"],
  ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
  ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
  ["::ffff:169.254.169.254", "169.254.169.254"],
  ["::FFFF:a9fe:a9fe", "169.254.169.254"],
  ["::fffe:1.2.3.4", "::fffe:102:304"],
  ["::1.2.3.4", "::102:304"],
];

for (const [text, canonical] of CANONICAL) {
  test(`formatIp writes ${text} as ${canonical}`, () => {
    const ip = parseIp(text);
    expect(ip === null ? null : formatIp(ip)).toBe(canonical);
  });
}

test("unmap leaves an address that is not v4-mapped as it is", () => {
  const ip = parseIp("::fffe:1.2.3.4");
  expect(ip).not.toBeNull();
  if (ip !== null) expect(unmap(ip)).toBe(ip);
});

for (const text of [
  "10.0.0.0/33",
  "10.0.0.0/",
  "10.0.0.0/08",
  "10.0.0.0/-1",
  "10.0.0.0/8/8",
  "10/8",
  "::/129",
  "/8",
  "a/8",
]) {
  test(`parseCidr refuses ${text}`, () => {
    expect(parseCidr(text)).toBeNull();
  });
}

test("parseCidr clears host bits and unmaps", () => {
  expect(parseCidr("10.9.8.7/8")?.text).toBe("10.0.0.0/8");
  expect(parseCidr("fe80::1/10")?.text).toBe("fe80::/10");
  expect(parseCidr("::ffff:10.0.0.1/104")?.text).toBe("10.0.0.0/8");
  expect(parseCidr("192.0.2.1")?.text).toBe("192.0.2.1/32");
});

const MEMBERS: readonly (readonly [string, string, boolean])[] = [
  ["172.15.255.255", "172.16.0.0/12", false],
  ["172.16.0.0", "172.16.0.0/12", true],
  ["172.31.255.255", "172.16.0.0/12", true],
  ["172.32.0.0", "172.16.0.0/12", false],
  ["::ffff:172.16.0.1", "172.16.0.0/12", true],
  ["fe7f::1", "fe80::/10", false],
  ["febf::1", "fe80::/10", true],
  ["fec0::1", "fe80::/10", false],
  ["1.2.3.4", "0.0.0.0/0", true],
  ["1.2.3.4", "::/0", false],
  ["::1", "0.0.0.0/0", false],
  ["::1", "::1/128", true],
  ["::2", "::1/128", false],
  ["169.254.169.254", "::ffff:169.254.0.0/112", true],
];

for (const [address, network, member] of MEMBERS) {
  test(`inCidr: ${address} is ${member ? "" : "not "}in ${network}`, () => {
    const ip = parseIp(address);
    const cidr = parseCidr(network);
    expect(ip !== null && cidr !== null && inCidr(ip, cidr)).toBe(member);
    expect(cidr).not.toBeNull();
  });
}
