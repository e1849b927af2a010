/**
 * Which clients of this host trust the CA, tried: each is made to ask a server on loopback that shows a leaf of it. Whether
 * it does is told by the server: a client that does not trust a certificate sends no request. Then it is shown a leaf of a
 * CA that nobody knows, because one that takes this, too, verifies nothing.
 */
import type { CaFiles } from "../crypto/ca.ts";
import { messageOf } from "../errors.ts";
import type { Conn, ConnHandler, Runtime, TlsIdentity } from "../runtime/contract.ts";
import { CLIENTS, type Client, withoutProxies } from "./_doctor-clients.ts";
import type { Finding } from "./_doctor-needs.ts";
import { findProgram } from "./_proc.ts";

const ABOUT = "trust";
const HOST = "127.0.0.1";
/** Of one run of one client. */
const RUN_MS = 12_000;
/** All of them are over then; who was not tried is said. */
const ALL_MS = 30_000;
const AT_ONCE = 4;
/** A program that was killed may leave others of its own, which hold on to what it says. */
const GRACE_MS = 500;

/** What came of one client: `silent`: it never came to the server. */
type Tried = "trusts" | "refuses" | "silent" | "verifies nothing" | "absent";

export async function trust(runtime: Runtime, ca: CaFiles | null, clients = CLIENTS): Promise<Finding[]> {
  if (ca === null) return [];
  const directory = await runtime.makeTempDirectory().catch(() => null);
  try {
    const { createCa } = await import("../crypto/ca.ts");
    const [ours, nobodys] = await Promise.all([
      leafOf(runtime, ca),
      createCa({ commonName: "nobody", days: 1, key: "P-256" }, runtime.now()).then((made) => leafOf(runtime, made)),
    ]);
    if (directory === null) throw new Error("no temporary directory can be made");
    return await ask(runtime, { ours, nobodys, directory, clients, over: runtime.monotonic() + ALL_MS });
  } catch (thrown) {
    return [{ state: "note", about: ABOUT, detail: `cannot be tried: ${messageOf(thrown)}` }];
  } finally {
    if (directory !== null) await runtime.remove(directory).catch(() => {});
  }
}

async function leafOf(runtime: Runtime, files: CaFiles): Promise<TlsIdentity> {
  const [{ loadCa }, { leafMinter }] = await Promise.all([import("../crypto/ca.ts"), import("../crypto/leaf.ts")]);
  const now = (): number => runtime.now();
  const mint = await leafMinter(await loadCa(files, now()), { now });
  return mint(HOST);
}

interface Asking {
  readonly ours: TlsIdentity;
  readonly nobodys: TlsIdentity;
  readonly directory: string;
  readonly clients: readonly Client[];
  /** Of `monotonic`. */
  readonly over: number;
}

async function ask(runtime: Runtime, asking: Asking): Promise<Finding[]> {
  const results = new Map<Client, Tried>();
  const waiting = [...asking.clients];
  const worker = async (): Promise<void> => {
    for (let client = waiting.shift(); client !== undefined; client = waiting.shift())
      if (runtime.monotonic() < asking.over) results.set(client, await tried(runtime, client, asking));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const named = (wanted: Tried): Client[] => asking.clients.filter((client) => results.get(client) === wanted);
  const list = (some: readonly Client[]): string => some.map(({ name }) => name).join(", ");
  const trusting = named("trusts");
  const findings: Finding[] = [];
  if (trusting.length > 0)
    findings.push({
      state: "ok",
      about: ABOUT,
      detail: `the CA is trusted, with this environment, by ${list(trusting)}`,
    });
  for (const { name, fix } of named("refuses"))
    findings.push({ state: "note", about: ABOUT, detail: `${name} does not trust the CA with this environment`, fix });
  for (const { name } of named("verifies nothing")) {
    const detail = `${name} takes any certificate with this environment, a forged one too`;
    findings.push({ state: "warn", about: ABOUT, detail, fix: "unset what turns verification off" });
  }
  const untold = [...named("silent"), ...asking.clients.filter((client) => !results.has(client))];
  if (untold.length > 0) findings.push({ state: "note", about: ABOUT, detail: `could not be tried: ${list(untold)}` });
  if (findings.length === 0)
    findings.push({ state: "note", about: ABOUT, detail: "no client that is known here is on the PATH" });
  return findings;
}

async function tried(runtime: Runtime, client: Client, { ours, nobodys, directory, over }: Asking): Promise<Tried> {
  const path = await findProgram(runtime, client.program);
  if (path === null || stub(runtime, path)) return "absent";
  const first = await shown(runtime, { client, path, directory, over, identity: ours });
  if (first !== "trusts") return first;
  return (await shown(runtime, { client, path, directory, over, identity: nobodys })) === "trusts"
    ? "verifies nothing"
    : first;
}

/** Of macOS: where the developer tools are not installed, these ask the user to install them. */
function stub({ platform }: Pick<Runtime, "platform">, path: string): boolean {
  return platform === "darwin" && /^\/usr\/bin\/(?:python3|git|java|keytool)$/.test(path);
}

interface Showing {
  readonly client: Client;
  readonly path: string;
  readonly directory: string;
  readonly identity: TlsIdentity;
  readonly over: number;
}

async function shown(runtime: Runtime, { client, path, directory, identity, over }: Showing): Promise<Tried> {
  const timeLeft = Math.min(RUN_MS, over - runtime.monotonic());
  if (timeLeft <= 0) return "silent";
  const seen = { asked: false };
  const came: Conn[] = [];
  const accept = (conn: Conn): void => {
    came.push(conn);
    answer(runtime, conn, { identity, seen });
  };
  const listener = await runtime.listen({ host: HOST, port: 0 }, accept);
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const url = `https://${HOST}:${listener.port}/`;
    const own = `${directory}/${client.name.replace(" ", "-")}`;
    await runtime.makeDirectory(own);
    const env = { ...withoutProxies(runtime.env), ...client.env?.(url, own) };
    const options = { env, input: "", maxBytes: 4096, timeoutMs: timeLeft };
    const running = runtime.capture([path, ...client.args(url, own)], options);
    const done = await Promise.race([
      running,
      new Promise<null>((late) => {
        timer = setTimeout(() => late(null), timeLeft + GRACE_MS);
      }),
    ]);
    running.catch(() => {});
    if (seen.asked) return "trusts";
    // One that was killed had not said no.
    if (done === null || typeof done === "string" || done.code === null) return "silent";
    if (came.length > 0) return "refuses";
    return done.code === client.absent ? "absent" : "silent";
  } finally {
    clearTimeout(timer);
    for (const conn of came) conn.destroy();
    await listener.close();
  }
}

interface Answering {
  readonly identity: TlsIdentity;
  readonly seen: { asked: boolean };
}

const REPLY = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/** One request and its answer; what is sent is not kept. */
function answer(runtime: Runtime, conn: Conn, { identity, seen }: Answering): void {
  let secured: Conn | null = null;
  let waiting = false;
  const reply = (): void => {
    secured?.write(REPLY);
    secured?.end();
  };
  const handler: ConnHandler = {
    data() {
      seen.asked = true;
      waiting = true;
      reply();
    },
    end: () => secured?.end(),
    drain() {},
    close() {},
  };
  const securing = runtime.secureServer(conn, { identity, alpn: null }, handler);
  conn.handler = securing.feed;
  securing.conn.then(
    (made) => {
      secured = made;
      if (waiting) reply();
    },
    () => conn.destroy(),
  );
}
