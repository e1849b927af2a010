/** An HTTPS upstream of a CA of its own, and `sallyport exec` in front of it. */
import { spawn, spawnSync } from "node:child_process";
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCa } from "../../src/crypto/ca.ts";
import { leafMinter } from "../../src/crypto/leaf.ts";
import { leashed } from "../_at-the-end.ts";
import { program } from "./_process.ts";

export interface Executed {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly folder: string;
}

/** What `--json` writes, as far as tests look at it. */
export interface Told {
  readonly exit_code: number;
  readonly sandboxed: boolean;
  readonly hosts: readonly {
    readonly host: string;
    readonly port: number;
    readonly reached: boolean;
    readonly tunnels: number;
    readonly requests: number;
    readonly vetoed: number;
    readonly failed: number;
  }[];
  readonly vetoes: readonly {
    readonly host: string;
    readonly verdict: string;
    readonly count: number;
    readonly reason: string;
    readonly enforced: boolean;
  }[];
  readonly unread: readonly { readonly host: string; readonly why: string; readonly count: number }[];
  readonly certificates: number;
  readonly evidence: { readonly folder: string; readonly verify: string | null };
}

type Env = Readonly<Record<string, string>>;

export class ExecRig {
  readonly root = mkdtempSync(join(tmpdir(), "sallyport-exec-"));
  /** Method, path and body of each request that arrived. */
  readonly heard: string[] = [];
  url = "";
  /** The same without TLS. */
  plainUrl = "";
  port = 0;
  #servers: readonly (http.Server | https.Server)[] = [];
  #runs = 0;

  /** Files below `files` are served as they are, everything else is answered with what was heard. */
  async start(): Promise<void> {
    mkdirSync(join(this.root, "files"));
    const [path = "", ...rest] = program();
    const init = [...rest, "ca", "init", "--dir", this.root, "--name", "upstream"];
    const { status, stderr } = spawnSync(path, init, { cwd: this.root, encoding: "utf8", timeout: 110_000 });
    if (status !== 0) throw new Error(stderr);
    const at = (name: string) => readFileSync(join(this.root, name), "utf8");
    const ca = await loadCa({ certPem: at("ca.crt"), keyPem: at("ca.key") }, Date.now());
    const { cert, key } = await (await leafMinter(ca, { now: Date.now }))("localhost");
    const answer: http.RequestListener = (request, response) => {
      let body = "";
      request.on("data", (bytes) => {
        body += bytes;
      });
      request.on("end", () => {
        this.heard.push(`${request.method} ${request.url} ${body}`);
        const file = join(this.root, "files", (request.url ?? "").split("?")[0] ?? "");
        if (file.includes("/files/") && statSync(file, { throwIfNoEntry: false })?.isFile()) {
          createReadStream(file).pipe(response);
          return;
        }
        const known = request.url?.startsWith("/echo") === true;
        response.writeHead(known ? 200 : 404, { "content-type": "text/plain" });
        response.end(known ? `heard ${request.method} ${request.url} ${body}` : "no such file");
      });
    };
    const server = https.createServer({ cert, key }, answer);
    const plain = http.createServer(answer);
    this.#servers = [server, plain];
    await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", () => resolve()));
    this.plainUrl = `http://localhost:${(plain.address() as AddressInfo).port}`;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    this.port = (server.address() as AddressInfo).port;
    this.url = `https://localhost:${this.port}`;
  }

  close(): void {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
    rmSync(this.root, { recursive: true });
  }

  /** The arguments of an `exec` with evidence of its own, before `--`. */
  begin(options: readonly string[], env: Env): { command: string[]; env: Record<string, string>; folder: string } {
    const folder = join(this.root, `run-${this.#runs++}`);
    const { PATH = "", DENO_DIR = "" } = process.env;
    const given = {
      PATH,
      DENO_DIR,
      HOME: this.root,
      LANG: "C.UTF-8",
      DENO_NO_UPDATE_CHECK: "1",
      EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8",
      EVE_PROXY_UPSTREAM_CA: join(this.root, "ca.crt"),
      ...env,
    };
    return { command: [...program(), "exec", "--evidence", folder, ...options], env: given, folder };
  }

  async exec(command: readonly string[], env: Env = {}, options: readonly string[] = []): Promise<Executed> {
    const { command: ours, env: given, folder } = this.begin(options, env);
    const [path = "", ...args] = [...ours, "--", ...command];
    const child = leashed(spawn(path, args, { cwd: this.root, env: given, stdio: ["ignore", "pipe", "pipe"] }));
    const timer = setTimeout(() => child.kill("SIGKILL"), 110_000);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    clearTimeout(timer);
    return { status, stdout, stderr, folder };
  }

  /** As `exec`, with what the summary says for programs. */
  async told(
    command: readonly string[],
    env: Env = {},
    options: readonly string[] = [],
  ): Promise<Executed & { told: Told }> {
    const json = join(this.root, `summary-${this.#runs}.json`);
    const executed = await this.exec(command, env, [...options, "--json", json]);
    return { ...executed, told: JSON.parse(readFileSync(json, "utf8")) as Told };
  }
}
