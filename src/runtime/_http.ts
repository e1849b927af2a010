/** The client for the gateway's own services: node:http with agents of its own, which read no proxy variables. */
import { Buffer } from "node:buffer";
import http from "node:http";
import https from "node:https";
import { Fault, messageOf } from "../errors.ts";
import { joined } from "./_decode.ts";
import { publicRoots } from "./_trust.ts";
import type { HttpClient, HttpClientOptions, HttpReply } from "./contract.ts";

interface Call {
  readonly url: URL;
  readonly options: https.RequestOptions;
  readonly payload: Uint8Array | null;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/** Thrown inside only: a kept connection that the server had closed meanwhile. */
class StaleConnection extends Error {}

export function httpClient(options: HttpClientOptions): HttpClient {
  const pool = {
    keepAlive: true,
    maxSockets: options.maxSockets,
    maxFreeSockets: options.maxSockets,
    scheduling: "lifo",
  } as const;
  const plain = new http.Agent(pool);
  // Made when first needed: reading the roots takes milliseconds that a plain client should not spend.
  let secure: https.RequestOptions | null = null;
  const secureOptions = (): https.RequestOptions => {
    if (secure !== null) return secure;
    // `ca` is always given: the default store may have been given roots that only upstreams may chain to.
    const identity = {
      rejectUnauthorized: true,
      minVersion: "TLSv1.2",
      ca: options.ca ?? [...publicRoots()],
      ...(options.cert === undefined ? {} : { cert: options.cert }),
      ...(options.key === undefined ? {} : { key: options.key }),
    } as const;
    secure = { ...identity, agent: new https.Agent({ ...pool, ...identity }) };
    return secure;
  };

  return {
    async send(url, method, headers, body, maxBytes, signal) {
      const target = new URL(url);
      const tls = target.protocol === "https:";
      if (!tls && target.protocol !== "http:") {
        throw new Fault("unsupported", `"${target.protocol}" is not a scheme this client speaks`);
      }
      const payload = typeof body === "string" ? Buffer.from(body) : body;
      const sent: Record<string, string> = { ...headers };
      if (payload !== null) sent["content-length"] = String(payload.length);
      const request: https.RequestOptions = { method, headers: sent, ...(tls ? secureOptions() : { agent: plain }) };
      const call: Call = { url: target, options: request, payload, maxBytes, signal };
      for (let attempt = 0; ; attempt++) {
        try {
          return await exchange(call);
        } catch (error) {
          // No byte of an answer came on a reused connection: the services this client talks to are safe to ask again.
          if (!(error instanceof StaleConnection)) throw error;
          if (attempt > options.maxSockets)
            throw new Fault("upstream_closed", `${target.host} closes every connection`);
        }
      }
    },
    close() {
      plain.destroy();
      if (secure?.agent instanceof https.Agent) secure.agent.destroy();
      secure = null;
    },
  };
}

function exchange(call: Call): Promise<HttpReply> {
  const { url, signal } = call;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(aborted(signal));
      return;
    }
    const request = (url.protocol === "https:" ? https : http).request(url, call.options);
    const fail = (error: Error): void => {
      signal.removeEventListener("abort", onAbort);
      reject(error);
    };
    const onAbort = (): void => {
      fail(aborted(signal));
      request.destroy();
    };
    signal.addEventListener("abort", onAbort);
    let answered = false;
    request.on("error", (error: NodeJS.ErrnoException) => {
      if (request.reusedSocket && !answered && (error.code === "ECONNRESET" || error.code === "EPIPE")) {
        fail(new StaleConnection());
      } else {
        fail(new Fault("dial_failed", `${url.host} cannot be asked: ${messageOf(error)}`, { cause: error }));
      }
    });
    request.on("response", (response) => {
      answered = true;
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > call.maxBytes) {
          fail(new Fault("upstream_malformed", `the answer of ${url.host} is over ${call.maxBytes} bytes`));
          request.destroy();
          return;
        }
        chunks.push(chunk);
      });
      response.on("end", () => {
        if (!response.complete) return;
        signal.removeEventListener("abort", onAbort);
        void joined(chunks, length).then((body) =>
          resolve({ status: response.statusCode ?? 0, headers: fold(response.headers), body }),
        );
      });
      const broken = (error?: Error): void =>
        fail(new Fault("upstream_closed", `the answer of ${url.host} broke off`, { cause: error }));
      response.on("error", broken);
      response.on("aborted", broken);
      response.on("close", () => {
        if (!response.complete) broken();
      });
    });
    if (call.payload === null) request.end();
    else request.end(call.payload);
  });
}

function fold(headers: http.IncomingHttpHeaders): Record<string, string> {
  const folded: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) folded[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return folded;
}

function aborted(signal: AbortSignal): Fault {
  return new Fault("upstream_timeout", "the request was given up", { cause: signal.reason });
}
