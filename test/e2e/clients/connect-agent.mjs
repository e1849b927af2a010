// What the agents of npm that go by this name do: CONNECT, then TLS on that socket.
import http from "node:http";
import https from "node:https";
import tls from "node:tls";

export class HttpsProxyAgent extends https.Agent {
  constructor(proxy) {
    super({ keepAlive: false });
    this.proxy = new URL(proxy);
  }

  createConnection(options, done) {
    const { host, port, ca } = options;
    const path = `${host}:${port}`;
    const { hostname, port: at } = this.proxy;
    http
      .request({ host: hostname, port: at, method: "CONNECT", path, headers: { Host: path }, agent: false })
      .on("connect", (answer, socket) => {
        if (answer.statusCode !== 200) done(new Error(`CONNECT: ${answer.statusCode}`));
        else
          done(null, tls.connect({ socket, servername: options.servername || host, ca, ALPNProtocols: ["http/1.1"] }));
      })
      .on("error", done)
      .end();
  }
}
