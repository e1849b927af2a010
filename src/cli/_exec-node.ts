/**
 * What `exec` has Node load first. Node before 24 (and 22 before 22.21) has no setting that sends fetch, http and https through a
 * proxy, and newer ones leave out agents that a program makes for itself. So connections are made by a CONNECT: those of
 * fetch through its default dispatcher, those of http and https where their agents open a connection, whoever made the
 * agent. What has been told of a proxy already keeps its own way, and what connects without an agent (raw sockets, the ws
 * package) is not caught.
 *
 * NO_PROXY is read as newer Nodes read it. Where their http and their fetch differ (subdomains of a plain name, ranges of
 * addresses) the entry that both have counts: whatever else it may mean, what it does not name goes through the gateway.
 */

/** The text of a CommonJS file for a proxy on that port of 127.0.0.1. */
export function nodePreload(port: number): string {
  return PRELOAD.replace("PROXY_PORT", String(port));
}

const PRELOAD = `// Written by sallyport exec: sends fetch, http and https through the gateway.
"use strict";
(() => {
  const { env, versions } = require("process");
  if (versions.bun || versions.deno) return;
  const PORT = PROXY_PORT;
  const http = require("http");
  const https = require("https");
  const net = require("net");
  const tls = require("tls");
  const request = http.request;

  const bareOf = (host) => String(host).replace(/^\\[(.*)\\]$/, "$1");
  const exceptions = (env.no_proxy || env.NO_PROXY || "").split(/[,\\s]+/).filter(Boolean).map((entry) => {
    const [, host, port] = (!net.isIPv6(entry) && /^(.+):([0-9]+)$/.exec(entry)) || [entry, entry, ""];
    return { host: bareOf(host).toLowerCase().replace(/^\\*\\./, "."), port };
  });
  const excepted = (given, to) => {
    const name = bareOf(given).toLowerCase();
    return exceptions.some(({ host, port }) =>
      (port === "" || port === String(to)) &&
      (host === "*" || host === name || (host.startsWith(".") && ("." + name).endsWith(host))));
  };

  const tunnel = (host, port, done) => {
    const bare = bareOf(host);
    const authority = (net.isIPv6(bare) ? "[" + bare + "]" : bare) + ":" + port;
    const headers = { Host: authority };
    const asked = request({ host: "127.0.0.1", port: PORT, method: "CONNECT", path: authority, headers, agent: false });
    asked.once("connect", (answer, socket, head) => {
      if (answer.statusCode !== 200) {
        socket.destroy();
        const said = answer.statusCode + " " + answer.statusMessage;
        done(Object.assign(new Error("sallyport answered CONNECT " + authority + " with " + said), { code: "ECONNREFUSED" }));
        return;
      }
      if (head.length > 0) socket.unshift(head);
      done(null, socket);
    });
    asked.once("error", done);
    asked.end();
  };

  const own = (agent, options) =>
    options === null || typeof options !== "object" || options.socketPath || options.socket ||
    (agent && agent.options && agent.options.proxyEnv) ||
    (Number(options.port) === PORT && (options.host === "127.0.0.1" || options.host === "localhost"));

  const through = (prototype, port, secure) => {
    const connect = prototype.createConnection;
    prototype.createConnection = function createConnection(options, done) {
      if (typeof done !== "function" || own(this, options)) return connect.apply(this, arguments);
      const host = options.host || "localhost";
      const to = options.port || port;
      if (excepted(host, to)) return connect.apply(this, arguments);
      tunnel(host, to, (error, socket) => {
        if (error) return done(error);
        if (!secure) return done(null, socket);
        try {
          const secured = connect.call(this, { ...options, socket }, done);
          if (secured) done(null, secured);
        } catch (thrown) {
          done(thrown);
        }
      });
      return undefined;
    };
  };
  through(http.Agent.prototype, 80, false);
  through(https.Agent.prototype, 443, true);

  const DISPATCHER = Symbol.for("undici.globalDispatcher.1");
  // Loads undici, which then sets its dispatcher.
  void globalThis.Headers;
  const direct = globalThis[DISPATCHER];
  const Agent = direct && direct.constructor;
  if (!Agent || Agent.name !== "Agent") return;
  const governed = new Agent({
    connect(options, done) {
      const secure = options.protocol === "https:";
      const { hostname } = options;
      tunnel(hostname, options.port || (secure ? 443 : 80), (error, socket) => {
        if (error || !secure) return done(error, socket);
        const bare = bareOf(hostname);
        const servername = options.servername || (net.isIP(bare) ? "" : bare);
        const secured = tls.connect({ socket, host: bare, servername, ALPNProtocols: ["http/1.1"] });
        secured.once("secureConnect", () => {
          secured.off("error", done);
          done(null, secured);
        });
        secured.once("error", done);
      });
    },
  });
  const { dispatch } = governed;
  governed.dispatch = function (options, handler) {
    const { hostname, protocol, port } = options && options.origin ? new URL(options.origin) : {};
    const free = hostname && excepted(hostname, port || (protocol === "https:" ? 443 : 80));
    return free ? direct.dispatch(options, handler) : dispatch.call(this, options, handler);
  };
  globalThis[DISPATCHER] = governed;
})();
`;
