/**
 * Run in namespaces of its own, as root, with a resolv.conf that nobody else reads: `bun|deno run -A FILE ADAPTER`. Its server
 * of names answers every name but `slow…`. Prints what came first.
 */
import { createSocket } from "node:dgram";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { gzipSync } from "node:zlib";
import type { Runtime } from "../../src/runtime/contract.ts";

const { runtime }: { runtime: Runtime } = await import(process.argv[2] as string);

/** Answers A of whatever is asked with `address`, and AAAA with nothing. */
async function serve(host: string, address: number[]): Promise<void> {
  const server = createSocket("udp4");
  server.on("message", (question, from) => {
    let end = 12;
    while (question[end] !== 0) end += 1 + (question[end] as number);
    if (question.subarray(13, 17).toString() === "slow") return;
    const isA = question.readUInt16BE(end + 1) === 1;
    const head = [...question.subarray(0, 2), 0x81, 0x80, 0, 1, 0, isA ? 1 : 0, 0, 0, 0, 0];
    const answer = isA ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...address] : [];
    server.send(Uint8Array.from([...head, ...question.subarray(12, end + 5), ...answer]), from.port, from.address);
  });
  await new Promise<void>((listening) => server.bind(53, host, () => listening()));
}

const asks = (host: string): void =>
  writeFileSync("/etc/resolv.conf", `nameserver ${host}\noptions timeout:2 attempts:1\n`);
asks("127.0.0.1");
await serve("127.0.0.1", [192, 0, 2, 1]);
await serve("127.0.0.2", [192, 0, 2, 2]);

let settled = 0;
for (let i = 0; i < 8 * availableParallelism(); i++)
  runtime.resolve(`slow${i}.test`).then(
    () => settled++,
    () => settled++,
  );
const [first] = await runtime.resolve("quick.test");
const decoded = await runtime.decode("gzip", gzipSync("whole"), 100);
const before = settled;
asks("127.0.0.2");
const [moved] = await runtime.resolve("other.test");
console.log(
  JSON.stringify({ before, first: first?.address, decoded: new TextDecoder().decode(decoded), moved: moved?.address }),
);
process.exit(0);
