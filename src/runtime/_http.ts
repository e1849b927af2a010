/** The client for the gateway's own services: node:http with an agent of its own, which reads no proxy variables. */
import { Buffer } from "node:buffer";
import http from "node:http";
import https from "node:https";
import { Fault, messageOf } from "../errors.ts";
import type { HttpClient, HttpClientOptions, HttpReply } from "./contract.ts";

export function httpClient(options: HttpClientOptions): HttpClient {
  const common = {
    keepAlive: true,
    maxSockets: options.maxSockets,
    maxFreeSockets: options.maxSockets,
    scheduling: "lifo",
  } as const;
  const plain = new http.Agent(common);
  const secure = new https.Agent({
    ...common,
    rejectUnauthorized: true,
    minVersion: "TLSv1.2",
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    ...(options.cert === undefined ? {} : { cert: options.cert }),
    ...(options.key === undefined ? {} : { key: options.key }),
  });

  function send(
    url: string,
    method: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array | string | null,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<HttpReply> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(aborted(signal));
        return;
      }
      const target = new URL(url);
      const tls = target.protocol === "https:";
      if (!tls && target.protocol !== "http:") {
        reject(new Fault("unsupported", `"${target.protocol}" is not a scheme this client speaks`));
        return;
      }
      const payload = typeof body === "string" ? Buffer.from(body) : body;
      const sent: Record<string, string> = { ...headers };
      if (payload !== null || (method !== "GET" && method !== "HEAD"))
        sent["content-length"] = String(payload?.length ?? 0);
      // The https agent is told the material again: one runtime reads it from the request only.
      const request = (tls ? https : http).request(target, {
        method,
        headers: sent,
        agent: tls ? secure : plain,
        ...(tls && options.ca !== undefined ? { ca: options.ca } : {}),
        ...(tls && options.cert !== undefined ? { cert: options.cert } : {}),
        ...(tls && options.key !== undefined ? { key: options.key } : {}),
      });
      const onAbort = (): void => {
        request.destroy();
        finish(() => reject(aborted(signal)));
      };
      const finish = (act: () => void): void => {
        signal.removeEventListener("abort", onAbort);
        act();
      };
      signal.addEventListener("abort", onAbort);
      request.on("error", (error: Error) =>
        finish(() =>
          reject(new Fault("dial_failed", `${method} ${target.host} failed: ${messageOf(error)}`, { cause: error })),
        ),
      );
      request.on("response", (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        let whole = false;
        response.on("data", (chunk: Buffer) => {
          length += chunk.length;
          if (length > maxBytes) {
            request.destroy();
            finish(() =>
              reject(new Fault("upstream_malformed", `the answer of ${target.host} is over ${maxBytes} bytes`)),
            );
            return;
          }
          chunks.push(chunk);
        });
        response.on("end", () => {
          whole = response.complete;
          if (!whole) return;
          const folded: Record<string, string> = {};
          for (const [name, value] of Object.entries(response.headers)) {
            if (value !== undefined) folded[name] = Array.isArray(value) ? value.join(", ") : value;
          }
          finish(() =>
            resolve({ status: response.statusCode ?? 0, headers: folded, body: new Uint8Array(Buffer.concat(chunks)) }),
          );
        });
        response.on("error", (error: Error) =>
          finish(() =>
            reject(
              new Fault("upstream_closed", `the answer of ${target.host} broke off: ${messageOf(error)}`, {
                cause: error,
              }),
            ),
          ),
        );
        response.on("close", () => {
          if (!whole) finish(() => reject(new Fault("upstream_closed", `the answer of ${target.host} broke off`)));
        });
      });
      if (payload === null) request.end();
      else request.end(payload);
    });
  }

  return {
    send,
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

function aborted(signal: AbortSignal): Fault {
  return new Fault("upstream_timeout", "the request was given up", { cause: signal.reason });
}
