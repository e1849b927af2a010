/** An upstream of Node's: answers `/<bytes>` with so many, and tells its port on standard output. KEY and CERT are PEM. */
import { createSecureServer } from "node:http2";

const server = createSecureServer({ key: process.env.KEY, cert: process.env.CERT, maxSessionMemory: 1000 });
let sessions = 0;
server.on("session", () => {
  sessions++;
});
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  stream.respond({ ":status": 200, "x-sessions": String(sessions) });
  stream.end(Buffer.alloc(Number(headers[":path"].slice(1)), "a"));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
