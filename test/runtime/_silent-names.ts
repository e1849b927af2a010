/** Run in a mount namespace whose only name server is 127.0.0.9, which hears and never answers. Prints what was in time. */
import dgram from "node:dgram";
import { gzipSync } from "node:zlib";
import { runtime } from "#runtime";

const server = dgram.createSocket("udp4");
await new Promise<void>((resolve) => server.bind(53, "127.0.0.9", resolve));
let asked = 0;
let enough: () => void = () => {};
const heard = new Promise<void>((resolve) => {
  enough = resolve;
});
let ended = 0;
// Two questions a name at once at the least.
server.on("message", () => {
  asked += 1;
  if (asked >= 2) enough();
});
for (let i = 0; i < 200; i++) void runtime.resolve(`n${i}.example.com`).catch(() => (ended += 1));
await heard;
const info = await runtime.stat("/");
const bytes = await runtime.readFile("/etc/resolv.conf");
const decoded = await runtime.decode("gzip", gzipSync("body"), 100);
console.log(JSON.stringify({ info: info?.directory, read: bytes.length > 0, decoded: decoded.length, ended }));
process.exit(0);
