import { expect, test } from "bun:test";
import { HostTable } from "../../src/wire/host-table.ts";

const table = new HostTable([
  ["evil.com", 1],
  ["deep.a.evil.com", 2],
  ["10.0.0.1", 3],
  ["0.0.1", 4],
  ["test", 5],
  ["2001:db8::1", 6],
]);

test.each([
  ["notevil.com", false],
  ["evil.com.example", false],
  ["com", false],
  ["l.com", false],
  ["", false],
  ["2001:db8::2", true],
  ["9.0.0.1", true],
] as const)("HostTable does not find %j", (host, literal) => {
  expect(table.find(host, literal)).toBeNull();
});

test.each([
  ["evil.com", false, "evil.com", 1],
  ["a.evil.com", false, "evil.com", 1],
  ["x.y.z.evil.com", false, "evil.com", 1],
  ["deep.a.evil.com", false, "deep.a.evil.com", 2],
  ["more.deep.a.evil.com", false, "deep.a.evil.com", 2],
  ["10.0.0.1", true, "10.0.0.1", 3],
  ["a.test", false, "test", 5],
  ["2001:db8::1", true, "2001:db8::1", 6],
] as const)("HostTable finds %j", (host, literal, suffix, value) => {
  expect(table.find(host, literal)).toEqual({ host: suffix, value });
});

test("HostTable is empty without entries", () => {
  const empty = new HostTable<number>([]);
  expect([empty.size, empty.find("a.test", false)]).toEqual([0, null]);
});
