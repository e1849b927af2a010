/** What a refusal over HTTP/2 ends, and what a client that is still uploading sees of it: curl and Node's client. */
import { afterEach, beforeAll, describe, expect } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import type { ClientHttp2Session, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { join } from "node:path";
import { allow, block } from "../../src/model/decision.ts";
import { testUnless, tool } from "../_skip.ts";
import { scratch } from "../conformance/kit.ts";
import { HOST, Intercepted, type Roots, roots } from "./_intercepted.ts";
import { until } from "./_rig.ts";

const missing = tool("openssl") ?? tool("curl") ?? nghttp2();
const UPLOAD = 5 * 1024 * 1024;

function nghttp2(): string | null {
  return spawnSync("curl", ["-V"]).stdout.includes("nghttp2") ? null : "curl without nghttp2";
}

describe("a refusal over HTTP/2", () => {
  let known: Roots;
  let file = "";
  let made: Intercepted;

  beforeAll(() => {
    if (missing !== null) return;
    known = roots();
    file = join(scratch(), "upload");
    writeFileSync(file, Buffer.alloc(UPLOAD, "a"));
  });
  afterEach(() => made.stop());

  async function start(h2Sever: "stream" | "connection"): Promise<void> {
    const serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void => {
      stream.on("error", () => {});
      stream.resume();
      if (headers[":path"] === "/wait") return;
      stream.respond({ ":status": 200 });
      stream.end("heard");
    };
    made = await Intercepted.start(known, serve, { h2Sever });
    made.rig.decide = ({ phase, path }) =>
      phase === "request" && path === "/no" ? block("planted", "706", { pillar: "128" }) : allow("test");
  }

  async function curl(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const bundle = join(scratch(), "roots.pem");
    writeFileSync(bundle, known.ours.pem);
    const child = spawn(
      "curl",
      [
        ...[
          "-sS",
          "-i",
          "--http2",
          "--max-time",
          "60",
          "--proxy",
          `http://127.0.0.1:${made.rig.port}`,
          "--cacert",
          bundle,
        ],
        ...["--suppress-connect-headers", ...args, `https://${HOST}:${made.port}/yes`],
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    let [out, err] = ["", ""];
    child.stdout.on("data", (text) => {
      out += text;
    });
    child.stderr.on("data", (text) => {
      err += text;
    });
    const code = await new Promise<number>((resolve) => child.on("close", (status) => resolve(status ?? -1)));
    return { code, out, err };
  }

  function ask(session: ClientHttp2Session, path: string): Promise<number> {
    return new Promise((resolve) => {
      const stream = session.request({ ":path": path });
      let status = 0;
      stream.on("response", (fields) => {
        status = Number(fields[":status"]);
      });
      stream.resume();
      stream.on("error", () => {});
      stream.on("close", () => resolve(status));
    });
  }

  testUnless(missing, "is read by a client that is still uploading", async () => {
    await start("stream");
    // Vetoed by name, before a byte of the body was asked for.
    const { code, out, err } = await curl(
      "--data-binary",
      `@${file}`,
      "-H",
      "Host: other.example.test",
      "-H",
      "Expect:",
    );
    expect([code, err]).toEqual([0, ""]);
    expect(out).toStartWith("HTTP/2 451");
    expect(JSON.parse(out.slice(out.indexOf("\r\n\r\n")))).toMatchObject({ status: "BLOCK", vector: "host_mismatch" });
  });

  testUnless(missing, "ends although the upload does not", async () => {
    await start("stream");
    const session = await made.session();
    const stream = session.request({ ":path": "/yes", ":method": "POST", ":authority": "other.example.test" });
    let [status, said, closed] = [0, "", false];
    stream.on("response", (fields) => {
      status = Number(fields[":status"]);
    });
    stream.on("data", (text) => {
      said += text;
    });
    stream.on("error", () => {});
    stream.on("close", () => {
      closed = true;
    });
    stream.write("never all of it");
    await until(() => said.endsWith("}\n"), "the answer");
    expect(status).toBe(451);
    made.rig.advance(1_000);
    await until(() => closed, "the end of the stream");
    expect(await ask(session, "/yes")).toBe(200);
  });

  testUnless(missing, "ends its stream alone", async () => {
    await start("stream");
    const session = await made.session();
    expect([await ask(session, "/no"), await ask(session, "/yes")]).toEqual([451, 200]);
  });

  testUnless(missing, "ends the connection where the setting says so, with what else is under way on it", async () => {
    await start("connection");
    const session = await made.session();
    let closed = false;
    session.on("close", () => {
      closed = true;
    });
    const other = ask(session, "/wait");
    expect(await ask(session, "/yes")).toBe(200);
    expect(closed).toBe(false);
    expect(await ask(session, "/no")).toBe(451);
    await until(() => closed, "the end of the connection");
    expect(await other).toBe(0);
  });
});
