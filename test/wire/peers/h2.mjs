// Node's client over HTTP/2 without TLS: `node h2.mjs URL` prints ok.
import { connect } from "node:http2";

// Node refuses streams of its own above 10 MB a session, and these bodies come to 12.
const session = connect(process.argv[2], { maxSessionMemory: 100 });
session.on("error", (error) => {
  console.error(error);
  process.exit(1);
});

function once(i) {
  return new Promise((resolve, reject) => {
    const body = Buffer.alloc(1 + i * i * 11, i);
    const stream = session.request({
      ":method": "POST",
      ":path": "/echo",
      te: "trailers",
      authorization: "Bearer none",
    });
    const parts = [];
    let trailers = null;
    stream.on("trailers", (fields) => {
      trailers = fields;
    });
    stream.on("data", (part) => parts.push(part));
    stream.on("error", reject);
    stream.on("end", () => {
      if (!Buffer.concat(parts).equals(body)) reject(new Error(`another body: ${i}`));
      else if (trailers?.["x-done"] !== "1") reject(new Error(`no trailers: ${i}`));
      else resolve();
    });
    stream.end(body);
  });
}

await Promise.all(Array.from({ length: 150 }, (_, i) => once(i)));
await new Promise((resolve) => session.ping(() => resolve()));
await new Promise((resolve) => session.close(resolve));
console.log("ok");
