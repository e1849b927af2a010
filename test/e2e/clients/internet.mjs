// What stands outside in the lab: DNS, HTTP, TLS with HTTP inside, and plain TCP and UDP that answer anything. Each thing that
// arrives is a line of JSON on the standard output.
//   node internet.mjs CERT KEY RESOLVER NAMES    NAMES: {"allowed.test": ["203.0.113.10"], …}; an address after "next:" comes from the second answer on
import dgram from "node:dgram";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";

const [, , cert, key, resolver, names] = process.argv;
const table = JSON.parse(names);
const asked = new Map();
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const plain = (address) => (address ?? "").replace(/^::ffff:/, "");

function heard(kind) {
  return (request, response) => {
    let body = "";
    request.on("data", (bytes) => {
      body += bytes;
    });
    request.on("end", () => {
      const { method, url, headers } = request;
      const sni = request.socket.servername ?? null;
      say({
        kind,
        at: plain(request.socket.localAddress),
        port: request.socket.localPort,
        method,
        url,
        host: headers.host,
        sni,
        body,
      });
      response.end(`${kind} ${headers.host}\n`);
    });
  };
}

const listening = [];
const listen = (server, port, host = "::") =>
  listening.push(new Promise((resolve) => server.listen({ port, host, ipv6Only: false }, resolve)));
const tcp = net.createServer((socket) => {
  say({ kind: "tcp", at: plain(socket.localAddress), port: socket.localPort });
  socket.on("data", (bytes) =>
    say({
      kind: "tcp-data",
      at: plain(socket.localAddress),
      port: socket.localPort,
      text: bytes.toString("latin1").slice(0, 200),
    }),
  );
  socket.on("error", () => {});
  socket.write("220 raw\r\n");
});
listen(http.createServer(heard("http")), 80);
listen(http.createServer(heard("http")), 8080);
listen(https.createServer({ cert: readFileSync(cert), key: readFileSync(key) }, heard("https")), 443);
for (const port of [22, 5432]) listen(net.createServer(tcp.listeners("connection")[0]), port);

function udp(port, host, answer) {
  const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.on("message", (bytes, from) => {
    say({ kind: "udp", at: host, port, text: bytes.toString("latin1").slice(0, 200) });
    const reply = answer?.(bytes);
    if (reply !== undefined) socket.send(reply, from.port, from.address);
  });
  listening.push(new Promise((resolve) => socket.bind(port, host, resolve)));
}

// One question, its answer of that type, no compression but the pointer to the question.
function dns(query) {
  let at = 12;
  const labels = [];
  while (query[at] !== 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + query[at]));
    at += query[at] + 1;
  }
  const name = labels.join(".").toLowerCase();
  const type = query.readUInt16BE(at + 1);
  const count = (asked.get(`${name} ${type}`) ?? 0) + 1;
  asked.set(`${name} ${type}`, count);
  const all = table[name] ?? [];
  const later = all.filter((each) => each.startsWith("next:")).map((each) => each.slice(5));
  const now = count > 1 && later.length > 0 ? later : all.filter((each) => !each.startsWith("next:"));
  const found = now.filter((each) => each.includes(":") === (type === 28));
  const head = Buffer.from(query.subarray(0, 12));
  head.writeUInt16BE(all.length === 0 ? 0x8183 : 0x8180, 2);
  head.writeUInt16BE(found.length, 6);
  head.writeUInt32BE(0, 8);
  const records = found.map((each) => {
    const data = type === 28 ? ipv6(each) : Buffer.from(each.split(".").map(Number));
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(type, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(0, 6);
    record.writeUInt16BE(data.length, 10);
    return Buffer.concat([record, data]);
  });
  return Buffer.concat([head, query.subarray(12, at + 5), ...records]);
}

function ipv6(text) {
  const [left, right] = text.split("::");
  const groups = (part) =>
    part === undefined || part === "" ? [] : part.split(":").map((each) => Number.parseInt(each, 16));
  const all = [...groups(left), ...new Array(8 - groups(left).length - groups(right).length).fill(0), ...groups(right)];
  const bytes = Buffer.alloc(16);
  for (const [i, group] of all.entries()) bytes.writeUInt16BE(group, i * 2);
  return bytes;
}

udp(53, resolver, dns);
const everywhere = Object.values(table)
  .flat()
  .map((each) => each.replace("next:", ""));
for (const address of new Set(everywhere)) {
  if (address === resolver || address.startsWith("127.") || address === "::1") continue;
  udp(443, address, () => Buffer.from("quic"));
  udp(53, address, dns);
}
await Promise.all(listening);
say({ kind: "ready" });
