/** What the checks share: a handler that polices the calling rules, certificates, peers, and conditions to wait for. */
import { execFileSync, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Conn, ConnHandler, Listener, Runtime } from "../../src/runtime/contract.ts";

export type Check = (runtime: Runtime) => Promise<void>;

export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

export function same<T>(actual: T, wanted: T, what: string): void {
  if (actual !== wanted) throw new Error(`${what}: ${JSON.stringify(actual)} is not ${JSON.stringify(wanted)}`);
}

export async function faultOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if ((error as Error).name === "Fault" && typeof code === "string") return code;
    throw new Error(`not a Fault: ${error}`);
  }
  throw new Error("it did not fail");
}

/** Waits for a condition; the limit is only there so that a failure has a name. */
export async function until(condition: () => boolean, what: string, limitMs = 60_000): Promise<void> {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > limitMs) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Lets everything that is ready happen. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Records a connection and fails it on an overlapping call, a call after `close`, a second `end` or `close`. */
export class Watch implements ConnHandler {
  readonly chunks: Uint8Array[] = [];
  received = 0;
  ends = 0;
  drains = 0;
  closes = 0;
  error: Error | null = null;
  broken = "";
  onData: (bytes: Uint8Array) => void = () => {};
  onEnd: () => void = () => {};
  onDrain: () => void = () => {};
  keep = true;
  #inside = "";

  data(bytes: Uint8Array): void {
    this.#call("data", () => {
      if (this.ends > 0) this.broken ||= "data after end";
      if (bytes.constructor !== Uint8Array) this.broken ||= "data is not a plain Uint8Array";
      this.received += bytes.length;
      if (this.keep) this.chunks.push(bytes);
      this.onData(bytes);
    });
  }
  end(): void {
    this.#call("end", () => {
      this.ends++;
      if (this.ends > 1) this.broken ||= "end twice";
      this.onEnd();
    });
  }
  drain(): void {
    this.#call("drain", () => {
      this.drains++;
      this.onDrain();
    });
  }
  close(error: Error | null): void {
    this.#call("close", () => {
      this.closes++;
      this.error = error;
    });
  }

  #call(name: string, run: () => void): void {
    if (this.#inside !== "") this.broken ||= `${name} inside ${this.#inside}`;
    if (this.closes > 0) this.broken ||= `${name} after close`;
    this.#inside = name;
    run();
    this.#inside = "";
  }

  text(): string {
    return Buffer.concat(this.chunks).toString("latin1");
  }

  async closed(): Promise<void> {
    await until(() => this.closes > 0, "close");
    await turns();
    same(this.closes, 1, "closes");
    same(this.broken, "", "calling rules");
  }
}

export interface Pair {
  readonly client: Conn;
  readonly clientWatch: Watch;
  readonly server: Conn;
  readonly serverWatch: Watch;
  readonly listener: Listener;
}

/** Both ends through the runtime under test. */
export async function pair(runtime: Runtime): Promise<Pair> {
  const serverWatch = new Watch();
  let server: Conn | null = null;
  const listener = await runtime.listen({ host: "127.0.0.1", port: 0 }, (conn) => {
    conn.handler = serverWatch;
    server = conn;
  });
  const clientWatch = new Watch();
  const client = await runtime.dial({ address: "127.0.0.1", port: listener.port }, clientWatch).conn;
  await until(() => server !== null, "accept");
  await listener.close();
  return { client, clientWatch, server: server as unknown as Conn, serverWatch, listener };
}

/** One accepted connection of the runtime under test and an independent peer that it did not make. */
export async function withPeer(
  runtime: Runtime,
  prepare: (watch: Watch, conn: Conn) => void = () => {},
): Promise<{ conn: Conn; watch: Watch; peer: net.Socket; peerErrors: string[]; peerEvents: string[] }> {
  const watch = new Watch();
  let accepted: Conn | null = null;
  const listener = await runtime.listen({ host: "127.0.0.1", port: 0 }, (conn) => {
    conn.handler = watch;
    prepare(watch, conn);
    accepted = conn;
  });
  const peer = net.connect({ host: "127.0.0.1", port: listener.port, allowHalfOpen: true });
  const peerErrors: string[] = [];
  const peerEvents: string[] = [];
  peer.on("error", (error: NodeJS.ErrnoException) => peerErrors.push(error.code ?? error.message));
  peer.on("end", () => peerEvents.push("end"));
  peer.on("close", () => peerEvents.push("close"));
  await until(() => accepted !== null, "accept");
  await listener.close();
  return { conn: accepted as unknown as Conn, watch, peer, peerErrors, peerEvents };
}

/**
 * Runs openssl with nothing to read, beside what goes on in this process. What it says goes to a file: of a pipe Deno 2.9.6
 * at times reads nothing, and tells of no end either (in a process that has done much else; strace shows no read).
 */
export async function openssl(
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly said: string }> {
  const path = join(scratch(), "said");
  const file = openSync(path, "w");
  const child = spawn("openssl", args, { stdio: ["ignore", file, "ignore"] });
  const code = await new Promise<number | null>((resolve) => child.on("exit", resolve));
  closeSync(file);
  return { code, said: readFileSync(path, "latin1") };
}

export function scratch(): string {
  return mkdtempSync(join(tmpdir(), "sallyport-conformance-"));
}

export interface Leaf {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  readonly pem: string;
  issue(name: string, alternatives: string, days?: number): Leaf;
  /** A certificate with exactly these extensions, a line each. */
  certify(name: string, extensions: string, days?: number): Leaf;
}

/** A certificate authority made by the openssl command: independent of everything under test. */
export function authority(): Authority {
  const dir = scratch();
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { cwd: dir, stdio: ["ignore", "ignore", "ignore"] });
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const constraints = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
    "-days",
    "2",
    "-subj",
    "/CN=check root",
    ...constraints,
  );
  const certify = (name: string, extensions: string, days = 2): Leaf => {
    openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    writeFileSync(join(dir, `${name}.ext`), extensions);
    const sign = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", String(days)];
    openssl("x509", "-req", "-in", `${name}.csr`, "-out", `${name}.crt`, ...sign, "-extfile", `${name}.ext`);
    return {
      cert: readFileSync(join(dir, `${name}.crt`), "utf8"),
      key: readFileSync(join(dir, `${name}.key`), "utf8"),
    };
  };
  return {
    pem: readFileSync(join(dir, "ca.crt"), "utf8"),
    certify,
    issue: (name, alternatives, days) =>
      certify(
        name,
        `basicConstraints=CA:FALSE\n${alternatives === "" ? "" : `subjectAltName=${alternatives}\n`}`,
        days,
      ),
  };
}

let shared: Authority | null = null;
export function sharedAuthority(): Authority {
  shared ??= authority();
  return shared;
}
