/** Every program that is measured, each at its leanest sane configuration: no access log, one worker, no cache. */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { output, which } from "./process.ts";

export const ROOT = resolve(import.meta.dirname, "../..");

export interface Upstream {
  /** host:port of the HTTP upstream. */
  readonly http: string;
  /** host:port of the tunnel peer. */
  readonly raw: string;
}

export interface Launch {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Asked until it is answered 200; null when there is no HTTP to ask and an accepted connection must do. */
  readonly ready: string | null;
}

export interface Peer {
  readonly name: string;
  readonly label: string;
  /** `absolute`: a forward proxy. `origin`: a reverse proxy. `none`: does not do HTTP. */
  readonly http: "absolute" | "origin" | "none";
  /** `connect`: tunnels by CONNECT. `plain`: forwards TCP to the raw upstream. */
  readonly tunnel: "connect" | "plain" | "none";
  /** Null when it can run here, else why not. */
  missing(): string | null;
  version(): string;
  launch(folder: string, port: number, upstream: Upstream): Launch;
}

const SECRET = "bench-only-hmac-key-of-40-bytes-00000000";

/** A forward proxy is ready when it has carried a request. */
const proxied = (upstream: Upstream) =>
  `GET http://${upstream.http}/ready HTTP/1.1\r\nHost: ${upstream.http}\r\nConnection: close\r\n\r\n`;

function needs(program: string, debian: string): string | null {
  return which(program) === null ? `\`${program}\` is not installed (apt-get install ${debian})` : null;
}

function write(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function sallyport(name: string, label: string, missing: () => string | null, command: () => readonly string[]): Peer {
  return {
    name,
    label,
    http: "absolute",
    tunnel: "connect",
    missing,
    version: () =>
      output([...command(), "version"])
        .trim()
        .split("\n")[0] ?? "",
    launch: (folder, port) => ({
      command: [...command(), "run"],
      env: {
        EVE_PROXY_HOST: "127.0.0.1",
        EVE_PROXY_PORT: String(port),
        EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8",
        EVE_PROXY_AUDIT_PATH: join(folder, "audit.jsonl"),
        JWT_SECRET_KEY: SECRET,
        ...(process.env.DENO_DIR === undefined ? {} : { DENO_DIR: process.env.DENO_DIR }),
      },
      ready: "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    }),
  };
}

export const SALLYPORT_ENV = { JWT_SECRET_KEY: SECRET };
const BUILT = join(ROOT, "dist/sallyport");
const binary = { path: BUILT };
const MAIN = join(ROOT, "src/main.ts");
const BUN = join(ROOT, "node_modules/.bin/bun");
const DENO = join(ROOT, "node_modules/.bin/deno");
const compiled = existsSync(BUILT);

/** A copy for this run, so that a build meanwhile does not change what is measured. */
export function keepBinary(folder: string): void {
  if (!compiled) return;
  binary.path = join(folder, "sallyport");
  copyFileSync(BUILT, binary.path);
}

function noMain(): string | null {
  return existsSync(MAIN) ? null : "src/main.ts does not exist";
}

function nginx(
  name: string,
  label: string,
  block: (port: number, upstream: Upstream) => string,
  stream: boolean,
): Peer {
  const module = "/usr/lib/nginx/modules/ngx_stream_module.so";
  return {
    name,
    label,
    http: stream ? "none" : "origin",
    tunnel: stream ? "plain" : "none",
    missing: () =>
      needs("nginx", "nginx") ?? (stream && !existsSync(module) ? "apt-get install libnginx-mod-stream" : null),
    version: () => output(["nginx", "-v"]).trim().replace("nginx version: ", ""),
    launch: (folder, port, upstream) => {
      const load = stream ? `load_module ${module};\n` : "";
      const config = `${load}user root;\nworker_processes 1;\nworker_rlimit_nofile 65536;\ndaemon off;\npid ${folder}/nginx.pid;\nerror_log stderr crit;\nevents { worker_connections 20480; multi_accept on; }\n${block(port, upstream)}`;
      return {
        command: ["nginx", "-e", "stderr", "-p", folder, "-c", write(folder, "nginx.conf", config)],
        env: {},
        ready: stream ? null : `GET /ready HTTP/1.1\r\nHost: ${upstream.http}\r\nConnection: close\r\n\r\n`,
      };
    },
  };
}

const nginxHttp = nginx(
  "nginx",
  "nginx reverse proxy",
  (port, upstream) => `http {
  access_log off; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  keepalive_requests 100000000; client_body_buffer_size 128k; tcp_nodelay on;
  upstream u { server ${upstream.http}; keepalive 1024; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${port} backlog=4096;
    location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; }
    location /sse { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; } } }`,
  false,
);

const nginxStream = nginx(
  "nginx-stream",
  "nginx stream (TCP forwarder)",
  (port, upstream) => `stream { server { listen 127.0.0.1:${port} backlog=4096; proxy_pass ${upstream.raw}; } }`,
  true,
);

/** `listening`: what follows http_port. `more`: lines in front of who may use it. */
export function squidConfig(listening: string, more = ""): string {
  return `http_port ${listening}
workers 1
cache deny all
cache_mem 0 MB
access_log none
cache_log /dev/null
cache_store_log none
pid_filename none
coredump_dir /tmp
visible_hostname bench
shutdown_lifetime 0 seconds
max_filedescriptors 16384
pinger_enable off
via off
forwarded_for delete
${more}http_access allow localhost
http_access deny all
`;
}

const squid: Peer = {
  name: "squid",
  label: "squid",
  http: "absolute",
  tunnel: "connect",
  missing: () => needs("squid", "squid"),
  version: () => (output(["squid", "-v"]).split("\n")[0] ?? "").replace("Squid Cache: Version", "Squid"),
  launch: (folder, port, upstream) => {
    // Squid drops root for its own user, which must be able to reach the folder.
    output(["chmod", "755", folder]);
    const config = squidConfig(`127.0.0.1:${port}`);
    return {
      command: ["squid", "-N", "-f", write(folder, "squid.conf", config)],
      env: {},
      ready: proxied(upstream),
    };
  },
};

const tinyproxy: Peer = {
  name: "tinyproxy",
  label: "tinyproxy",
  http: "absolute",
  tunnel: "connect",
  missing: () => needs("tinyproxy", "tinyproxy"),
  version: () => output(["tinyproxy", "-v"]).trim(),
  launch: (folder, port, upstream) => ({
    command: [
      "tinyproxy",
      "-d",
      "-c",
      write(
        folder,
        "tinyproxy.conf",
        `Port ${port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 6000\nAllow 127.0.0.1\nLogLevel Critical\nLogFile "/dev/null"\nDisableViaHeader Yes\n`,
      ),
    ],
    env: {},
    ready: proxied(upstream),
  }),
};

const mitmproxy: Peer = {
  name: "mitmproxy",
  label: "mitmproxy (mitmdump)",
  http: "absolute",
  tunnel: "connect",
  missing: () => needs("mitmdump", "mitmproxy"),
  version: () => (output(["mitmdump", "--version"]).split("\n")[0] ?? "").trim(),
  launch: (folder, port, upstream) => ({
    command: [
      "mitmdump",
      "--quiet",
      "--listen-host",
      "127.0.0.1",
      "--listen-port",
      String(port),
      "--set",
      `confdir=${folder}`,
      "--set",
      "flow_detail=0",
      // Tunnels are passed through, as every other peer does; without this it would open the TLS.
      "--ignore-hosts",
      `^127\\.0\\.0\\.1:${upstream.raw.split(":")[1]}$`,
    ],
    env: {},
    ready: proxied(upstream),
  }),
};

const installing = new Map<string, string | null>();
const goFolder = { path: "" };

/** Where `go install` puts binaries for this run. */
export function installInto(folder: string): void {
  goFolder.path = folder;
}

/** Path of a Go program: on the PATH already, or installed now from the module proxy into the run's own folder. */
function goProgram(program: string, module: string): string | null {
  const known = which(program);
  if (known !== null) return known;
  const built = join(goFolder.path, program);
  if (!installing.has(program)) {
    let why: string | null = null;
    try {
      if (which("go") === null) throw new Error("no Go toolchain");
      output(["go", "install", `${module}@latest`], { GOBIN: goFolder.path });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const reason = /\b(4\d\d [A-Z][a-z]+|no Go toolchain|checksum[^\n]*)/.exec(text)?.[0] ?? text.slice(0, 160);
      why = `\`go install ${module}@latest\` failed: ${reason}`;
    }
    installing.set(program, why);
  }
  return existsSync(built) ? built : null;
}

const smokescreen: Peer = {
  name: "smokescreen",
  label: "smokescreen",
  http: "absolute",
  tunnel: "connect",
  missing: () =>
    goProgram("smokescreen", "github.com/stripe/smokescreen") === null ? (installing.get("smokescreen") ?? "?") : null,
  version: () => output([goProgram("smokescreen", "") ?? "", "--version"]).trim(),
  launch: (_folder, port, upstream) => ({
    command: [
      goProgram("smokescreen", "") ?? "",
      "--listen-ip",
      "127.0.0.1",
      "--listen-port",
      String(port),
      "--unsafe-allow-private-ranges",
      "--allow-range",
      "127.0.0.0/8",
    ],
    env: { GOMAXPROCS: "1" },
    ready: proxied(upstream),
  }),
};

const pipelock: Peer = {
  name: "pipelock",
  label: "pipelock",
  http: "absolute",
  tunnel: "connect",
  missing: () =>
    goProgram("pipelock", "github.com/luckyPipewrench/pipelock/cmd/pipelock") === null
      ? (installing.get("pipelock") ?? "?")
      : null,
  version: () => output([goProgram("pipelock", "") ?? "", "version"]).trim(),
  launch: (folder, port, upstream) => ({
    command: [
      goProgram("pipelock", "") ?? "",
      "run",
      "--config",
      write(
        folder,
        "pipelock.yaml",
        `mode: balanced\nfetch_proxy:\n  listen: "127.0.0.1:${port}"\nforward_proxy:\n  enabled: true\ninternal: []\n`,
      ),
    ],
    env: { GOMAXPROCS: "1" },
    ready: proxied(upstream),
  }),
};

export const PEERS: readonly Peer[] = [
  nginxHttp,
  nginxStream,
  sallyport(
    "sallyport",
    compiled ? "**sallyport** (Bun, compiled)" : "**sallyport** (Bun, from source)",
    () => (compiled ? null : noMain()),
    () => (compiled ? [binary.path] : [BUN, MAIN]),
  ),
  sallyport(
    "sallyport-deno",
    "**sallyport** (Deno, from source)",
    () => noMain() ?? (existsSync(DENO) ? null : "deno is not installed (npm ci)"),
    () => [DENO, "run", "-A", "--config", join(ROOT, "deno.json"), MAIN],
  ),
  squid,
  tinyproxy,
  mitmproxy,
  smokescreen,
  pipelock,
];

/** A folder of its own for one start of one peer. */
export function folderFor(base: string, name: string, round: number): string {
  const folder = join(base, `${name}-${round}`);
  mkdirSync(join(folder, "tmp"), { recursive: true });
  return folder;
}
