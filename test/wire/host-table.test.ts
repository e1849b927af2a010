import { expect, test } from "bun:test";
import { normalizeHost } from "../../src/wire/authority.ts";
import { HostTable } from "../../src/wire/host-table.ts";

const table = new HostTable([
  ["evil.com", 1],
  ["deep.a.evil.com", 2],
  ["10.0.0.1", 3],
  ["test", 5],
  ["2001:db8::1", 6],
]);

test.each(["notevil.com", "evil.com.example", "com", "l.com", "", "2001:db8::2", "9.0.0.1", "110.0.0.1"])(
  "HostTable does not find %j",
  (host) => {
    expect(table.find(host)).toBeNull();
  },
);

test.each([
  ["evil.com", "evil.com", 1],
  ["a.evil.com", "evil.com", 1],
  ["x.y.z.evil.com", "evil.com", 1],
  ["deep.a.evil.com", "deep.a.evil.com", 2],
  ["more.deep.a.evil.com", "deep.a.evil.com", 2],
  ["10.0.0.1", "10.0.0.1", 3],
  ["a.test", "test", 5],
  ["2001:db8::1", "2001:db8::1", 6],
] as const)("HostTable finds %j", (host, suffix, value) => {
  expect(table.find(host)).toEqual({ host: suffix, value });
});

test("HostTable is empty without entries", () => {
  const empty = new HostTable<number>([]);
  expect([empty.size, empty.find("a.test")]).toEqual([0, null]);
});

test("no suffix of a literal, and nothing that a name below a literal would end in, is a canonical host", () => {
  for (const host of ["1", "0.1", "0.0.1", "a.10.0.0.1"]) expect(normalizeHost(host)).toBeNull();
});
