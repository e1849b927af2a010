import { describe, expect, test } from "bun:test";
import { readPort, readPorts, readResolvers, readWayOut, resolversIn } from "../../src/redirect/read.ts";

describe("readPorts", () => {
  test("refuses what is no port, and what stands twice", () => {
    for (const bad of ["", "0", "65536", "080", "80,", "80-", "-80", "90-80", "80-90-100", "http", "1e3", "+80", "8 0"])
      expect(readPorts(bad)).toBeString();
    expect(readPorts("80,443,80")).toBe("port 80 stands twice");
    expect(readPorts("8000-8010,8005")).toBe("port 8005 stands twice");
    expect(readPorts(Array(65).fill("80").join(","))).toBe("more than 64 ports");
  });

  test("takes ports and ranges in any order", () => {
    expect(readPorts("443, 80,8000-8010")).toEqual([
      { from: 80, to: 80 },
      { from: 443, to: 443 },
      { from: 8000, to: 8010 },
    ]);
    expect(readPort("65535")).toBe(65_535);
  });
});

describe("readWayOut", () => {
  const told = (text: string) => {
    const way = readWayOut(text);
    return typeof way === "string"
      ? null
      : `${way.to.text} ${way.ports.map(({ from, to }) => `${from}-${to}`).join(",")}`;
  };

  test("refuses what is no network, and everything", () => {
    for (const bad of [
      "",
      "host",
      "10.0.0.0/33",
      "10.0.0.1:",
      "10.0.0.1:0",
      "[fd00::1",
      "[fd00::1]443",
      "[]:443",
      "10.0.0.1:80:81",
    ])
      expect(readWayOut(bad)).toBeString();
    for (const all of ["0.0.0.0/0", "::/0", "[::/0]:443", "0.0.0.0/0:443"])
      expect(readWayOut(all)).toContain("everywhere");
  });

  test("takes networks and addresses, with ports and without", () => {
    expect(told("10.0.0.0/8")).toBe("10.0.0.0/8 ");
    expect(told("10.96.0.1:443,6443")).toBe("10.96.0.1/32 443-443,6443-6443");
    expect(told("10.0.0.0/8:8000-8010")).toBe("10.0.0.0/8 8000-8010");
    expect(told("fd00::/8")).toBe("fd00::/8 ");
    expect(told("fd00::/8:443")).toBe("fd00::/8 443-443");
    expect(told("[fd00::1]:443")).toBe("fd00::1/128 443-443");
    expect(told("[fd00::/8]")).toBe("fd00::/8 ");
    // Its one reading: a bare IPv6 address has no port.
    expect(told("fd00::1:443")).toBe("fd00::1:443/128 ");
  });
});

describe("resolvers", () => {
  test("readResolvers refuses networks and names", () => {
    for (const bad of ["", "10.0.0.0/8", "dns.google", "10.0.0.53,"]) expect(readResolvers(bad)).toBeString();
    expect(readResolvers("none")).toEqual([]);
  });

  test("resolversIn reads a resolv.conf, once each", () => {
    const text =
      "# nameserver 9.9.9.9\nsearch a b\nnameserver 10.0.0.53\n nameserver\tfe80::1%eth0\nnameserver 10.0.0.53\nnameserver x\n";
    expect(resolversIn(text).map((one) => one.text)).toEqual(["10.0.0.53/32", "fe80::1/128"]);
  });
});
