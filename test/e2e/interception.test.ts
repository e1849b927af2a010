/** Real clients through interception: what they send and get is what it is without a gateway, and an attack inside is 451. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pythonWith, testUnless, tool } from "../_skip.ts";
import { sha256 } from "./_gateway.ts";
import { ATTACK, ended, endToEnd, inside, intercepting, NodeUpstream, type Place } from "./_inside.ts";
import { type Ran, run } from "./_run.ts";

const noTools = tool("openssl") ?? tool("node");
let place: Place;
let upstream: NodeUpstream;
let files: { json: string; large: string; attack: string };
let go = "";

interface Ask {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly file?: string;
}

/** As a client tells it. */
interface Told {
  readonly status?: number;
  readonly version?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly trailers?: object;
  readonly bytes?: number;
  readonly sha256?: string;
  readonly text?: string;
  readonly error?: string;
}

beforeAll(async () => {
  if (noTools !== null) return;
  place = await intercepting();
  upstream = await NodeUpstream.start(place.authority);
  const put = (name: string, bytes: string | Uint8Array): string => {
    const path = join(place.authority.folder, name);
    writeFileSync(path, bytes);
    return path;
  };
  files = {
    json: put("json", JSON.stringify({ model: "m", messages: [{ role: "user", content: "Wie spät ist es? 😀" }] })),
    large: put("large", Buffer.alloc(3_000_000, "\0\u0001binary\u00ff\n", "latin1")),
    attack: put("attack", JSON.stringify({ model: "m", messages: [{ role: "user", content: ATTACK }] })),
  };
  if (tool("go") === null) {
    go = join(place.authority.folder, "go-clients");
    const built = spawnSync("go", ["build", "-o", go, "."], {
      cwd: join(import.meta.dirname, "clients/go"),
      encoding: "utf8",
    });
    if (built.status !== 0) throw new Error(built.stderr);
  }
}, 120_000);

afterAll(async () => {
  if (noTools === null) await ended(place, upstream);
}, 120_000);

const FIELDS = {
  "X-Second": 'Two  spaces, "quoted"; and marks',
  "x-first": "1",
  Cookie: "session=abc; theme=dark; lang=de",
  Authorization: "Bearer none-of-your-business",
  "X-Empty": "",
};
const JSON_TYPE = { "Content-Type": "application/json" };
const ask = (method: string, path: string, headers: Ask["headers"] = {}, file?: string): Ask =>
  file === undefined ? { method, path, headers } : { method, path, headers, file };

const asks = (): readonly Ask[] => [
  ask("GET", "/fields?q=a%20b&c=%2Fd&e=", FIELDS),
  ask("POST", "/v1/x", { ...JSON_TYPE, "X-Trace": "1" }, files.json),
  ask("PUT", "/large", { "Content-Type": "application/octet-stream" }, files.large),
  ask("HEAD", "/bytes?n=12345"),
  ask("GET", "/nothing"),
  ask("GET", "/same", { "If-None-Match": '"one"' }),
  ask("GET", "/missing"),
  ask("DELETE", "/fields"),
  ask("GET", "/gzip", { "Accept-Encoding": "gzip" }),
  ask("GET", "/pieces"),
  ask("GET", "/bytes?n=3000000"),
];

type Client = (job: { proxy: string; requests: readonly Ask[] }) => Promise<Told[]>;

function lines({ status, stdout, stderr }: Ran): Told[] {
  expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
  return Buffer.from(stdout, "latin1")
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/** A program that takes its job on the standard input. */
const scripted =
  (command: () => readonly string[], byEnv = false): Client =>
  async ({ proxy, requests }) => {
    const env: Record<string, string> = byEnv && proxy !== "" ? { HTTPS_PROXY: proxy } : {};
    const job = { proxy, base: upstream.url, ca: place.bundle, requests };
    return lines(await run(command(), env, JSON.stringify(job)));
  };

/** All requests by one curl, so that it keeps its connection; a part for each in the output. */
const curl =
  (version: string): Client =>
  async ({ proxy, requests }) => {
    const args = requests.flatMap(({ method, path, headers, file }, i) => [
      ...(i === 0 ? [] : ["--next"]),
      ...["-sS", "-i", "--cacert", place.bundle, version, "--suppress-connect-headers", "--max-time", "50"],
      ...(proxy === "" ? ["--noproxy", "*"] : ["--proxy", proxy]),
      ...(method === "HEAD" ? ["-I"] : ["-X", method]),
      ...Object.entries(headers).flatMap(([name, value]) => ["-H", value === "" ? `${name};` : `${name}: ${value}`]),
      ...(file === undefined ? [] : ["--data-binary", `@${file}`]),
      ...["-w", "\n==%{response_code}==%{errormsg}==\n", `${upstream.url}${path}`],
    ]);
    const { stdout } = await run(["curl", ...args]);
    return stdout
      .split(/(?<=\n==\d+==.*==\n)/)
      .filter((part) => part !== "")
      .map((part) => {
        const cut = part.lastIndexOf("\n==");
        const error = /==\d+==(.*)==\n$/.exec(part)?.[1] ?? "";
        const raw = part.slice(0, cut).replace(/^HTTP\/[\d.]+ 100[\s\S]*?\r\n\r\n/, "");
        const end = raw.indexOf("\r\n\r\n");
        const [first = "", ...rest] = raw.slice(0, end).split("\r\n");
        const body = raw.slice(end + 4);
        const headers = rest.map((line): [string, string] => [
          line.slice(0, line.indexOf(":")),
          line.slice(line.indexOf(":") + 1).trim(),
        ]);
        return {
          status: Number(first.split(" ")[1] ?? 0),
          version: first.split(" ")[0] ?? "",
          headers,
          bytes: body.length,
          sha256: sha256(Buffer.from(body, "latin1")),
          text: body.length < 8192 ? body : "",
          ...(error === "" ? {} : { error }),
        };
      });
  };

const node = (kind: string) => scripted(() => ["node", join(import.meta.dirname, "clients/through.mjs"), kind]);
const python = (kind: string, module: string) => {
  const found = pythonWith(module);
  const script = join(import.meta.dirname, "clients/through.py");
  return { missing: found.missing, client: scripted(() => [found.python ?? "", script, kind]) };
};

interface Tried {
  readonly missing: string | null;
  readonly client: Client;
  readonly version: string;
  /** Go sends fields in an order that is another each time. */
  readonly shuffles?: boolean;
}

const CLIENTS: Readonly<Record<string, Tried>> = {
  "curl --http1.1": { missing: tool("curl"), client: curl("--http1.1"), version: "1.1" },
  "curl --http2": { missing: tool("curl"), client: curl("--http2"), version: "2.0" },
  "Node's fetch (undici)": { missing: null, client: node("undici"), version: "1.1" },
  "undici with allowH2": { missing: null, client: node("undici-h2"), version: "2.0" },
  "Python requests": { ...python("requests", "requests"), version: "1.1" },
  "Python httpx": { ...python("httpx", "httpx"), version: "1.1" },
  "Python httpx with http2": { ...python("httpx-h2", "httpx, h2"), version: "2.0" },
  "Python aiohttp": { ...python("aiohttp", "aiohttp"), version: "1.1" },
  "Go net/http, HTTP/1.1": { missing: tool("go"), client: scripted(() => [go, "h1"], true), version: "1.1" },
  "Go net/http, HTTP/2": {
    missing: tool("go"),
    client: scripted(() => [go, "h2"], true),
    version: "2.0",
    shuffles: true,
  },
};

/**
 * What a client tells without what is of one connection, and without what the gateway adds. `Trailer`, which announces
 * trailers, ends at the gateway; the trailers themselves pass.
 */
function received({ headers = [], ...told }: Told): object {
  const fields = headers
    .filter(([name]) => !/^(x-eve-.*|connection|keep-alive|transfer-encoding|content-length|trailer)$/i.test(name))
    .map(([name, value]) => `${name}: ${value}`);
  return { ...told, fields };
}

const marked = ({ headers = [] }: Told): string | undefined =>
  headers.find(([name]) => name.toLowerCase() === "x-eve-decision-cert")?.[1];

for (const [name, { missing, client, version, shuffles = false }] of Object.entries(CLIENTS)) {
  describe(name, () => {
    testUnless(
      noTools ?? missing,
      `${name}: what is clean arrives and is answered as without the gateway`,
      async () => {
        upstream.forget();
        const direct = await client({ proxy: "", requests: asks() });
        const arrived = upstream.seen.map((one) => endToEnd(one, shuffles));
        expect(upstream.seen.map((one) => one.version)).toEqual(asks().map(() => version));
        upstream.forget();
        const through = await client({ proxy: place.gateway.url, requests: asks() });
        expect(upstream.seen.map((one) => endToEnd(one, shuffles))).toEqual(arrived);
        expect(through.map(received)).toEqual(direct.map(received));
        // And it was no tunnel nobody looked into.
        for (const told of through) expect(marked(told)).toContain('"verdict":"allow"');
        const tunnels = new Map(inside(place.gateway).tunnels.map((one) => [one.certificate_id, one]));
        for (const told of through) {
          const { parent, phase } = JSON.parse(marked(told) ?? "null");
          expect(phase).toBe("request");
          expect(tunnels.get(parent)).toMatchObject({ verdict: "allow" });
        }
      },
      120_000,
    );

    testUnless(
      noTools ?? missing,
      `${name}: an attack is 451, none of it arrives, and the next request is served`,
      async () => {
        upstream.forget();
        const requests = [
          ask("GET", "/before"),
          ask("POST", "/v1/x", JSON_TYPE, files.attack),
          ask("POST", "/v1/x", JSON_TYPE, files.json),
        ];
        const [before, veto, after] = await client({ proxy: place.gateway.url, requests });
        expect(before?.status).toBe(200);
        expect(veto).toMatchObject({ status: 451 });
        expect(after?.status).toBe(200);
        expect(upstream.seen.map(({ method, url }) => `${method} ${url}`)).toEqual(["GET /before", "POST /v1/x"]);
        const said = JSON.parse(veto?.text ?? "null");
        expect(said).toMatchObject({ status: "BLOCK", pillar: "128", vector: "701" });
        const { tunnels, requests: written } = inside(place.gateway);
        const line = written.find((one) => one.certificate_id === said.certificate.certificate_id);
        expect(line).toMatchObject({ verdict: "block", matched_pillar: "128", phase: "request" });
        expect(tunnels.find((one) => one.certificate_id === line?.parent)).toMatchObject({ verdict: "allow" });
      },
      120_000,
    );
  });
}

for (const version of ["--http1.1", "--http2"]) {
  testUnless(
    noTools ?? tool("curl"),
    `curl ${version} that waits for 100-continue gets it from the gateway, and the upstream is asked nothing`,
    async () => {
      upstream.forget();
      const base = ["-sS", "-v", "--max-time", "20", "--expect100-timeout", "15", "--cacert", place.bundle, version];
      const sent = ["-H", "Expect: 100-continue", "-T", files.large, `${upstream.url}/expected`];
      const began = performance.now();
      const { status, stdout, stderr } = await run(["curl", ...base, "--proxy", place.gateway.url, ...sent]);
      expect({ status, stdout }).toEqual({ status: 0, stdout: '{"served":"/expected"}' });
      expect(stderr).toMatch(/^< HTTP\/[12.]+ 100/m);
      // Not because curl gave up waiting.
      expect(performance.now() - began).toBeLessThan(15_000);
      expect(upstream.seen).toMatchObject([{ bytes: 3_000_000 }]);
      expect(upstream.seen[0]?.headers.map((name) => name.toLowerCase())).not.toContain("expect");
    },
    120_000,
  );
}
