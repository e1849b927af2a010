/** What this runtime can do, tried on loopback: the kernel's answer about redirected connections, TLS towards clients. */
import type { Config } from "../config/config.ts";
import { messageOf } from "../errors.ts";
import type { Conn, ConnHandler, Runtime } from "../runtime/contract.ts";
import type { Finding } from "./_doctor-needs.ts";

const HOST = "127.0.0.1";
const TRIED_MS = 3_000;

/** Whether redirected connections can be told from others; without that they are answered as if made to the gateway. */
export async function transparent(runtime: Runtime, config: Pick<Config, "transparent"> | null): Promise<Finding> {
  const about = "transparent";
  if (config?.transparent === false) return { state: "note", about, detail: "turned off: EVE_PROXY_TRANSPARENT is 0" };
  try {
    const listening = await runtime.listen({ host: HOST, port: 0, redirected: true }, (conn) => conn.destroy());
    await listening.close();
    return { state: "ok", about, detail: "the kernel tells where a redirected connection was going" };
  } catch (thrown) {
    if (runtime.platform !== "linux") {
      const detail = `connections are redirected on Linux, and this is ${runtime.platform}`;
      return { state: "note", about, detail, fix: "clients need proxy settings here" };
    }
    const detail = `the kernel cannot be asked where a redirected connection was going: ${messageOf(thrown)}`;
    const fix = runtime.name === "deno" ? "deno run --allow-ffi" : "run the binary, which needs no more";
    return { state: "warn", about, detail, fix };
  }
}

/** TLS towards a client with HTTP/2 offered, as interception shows it: a certificate of our own, taken by ourselves. */
export async function tls(runtime: Runtime): Promise<Finding> {
  const about = "TLS";
  try {
    const alpn = await handshake(runtime);
    if (alpn === "h2") {
      const detail = `towards clients works on ${runtime.name} ${runtime.version}, with HTTP/2`;
      return { state: "ok", about, detail };
    }
    const detail = `towards clients works on ${runtime.name} ${runtime.version}, without HTTP/2`;
    return { state: "note", about, detail, fix: "run the binary, which is made with Bun" };
  } catch (thrown) {
    const detail = `towards clients fails on ${runtime.name} ${runtime.version}: ${messageOf(thrown)}`;
    return { state: "warn", about, detail, fix: "run the binary, which is made with Bun" };
  }
}

const QUIET: ConnHandler = { data() {}, end() {}, drain() {}, close() {} };

/** The protocol that both ends settled on. */
async function handshake(runtime: Runtime): Promise<string | null> {
  const [{ createCa, loadCa }, { leafMinter }] = await Promise.all([
    import("../crypto/ca.ts"),
    import("../crypto/leaf.ts"),
  ]);
  const now = (): number => runtime.now();
  const files = await createCa({ commonName: "sallyport doctor", days: 1, key: "P-256" }, now());
  const mint = await leafMinter(await loadCa(files, now()), { now });
  const identity = await mint("doctor.test");
  const served: Conn[] = [];
  const listener = await runtime.listen({ host: HOST, port: 0 }, (conn) => {
    const securing = runtime.secureServer(conn, { identity, alpn: "h2" }, QUIET);
    conn.handler = securing.feed;
    served.push(conn);
    securing.conn.catch(() => conn.destroy());
  });
  const dialing = runtime.dial(
    {
      address: HOST,
      port: listener.port,
      tls: { serverName: "doctor.test", extraRoots: files.certPem, alpn: ["h2", "http/1.1"] },
    },
    QUIET,
  );
  const timer = setTimeout(() => dialing.cancel(), TRIED_MS);
  try {
    const conn = await dialing.conn;
    const { alpn } = conn;
    conn.destroy();
    return alpn;
  } finally {
    clearTimeout(timer);
    for (const conn of served) conn.destroy();
    await listener.close();
  }
}
