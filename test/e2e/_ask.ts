/** Requests through a gateway, and the certificate each was answered with. */
import http from "node:http";

export interface Sent {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** The loopback address to come from. */
  readonly from?: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** Null: what was no request at all is answered without one. */
  // biome-ignore lint/suspicious/noExplicitAny: what a certificate holds is what the tests are about
  readonly certificate: Record<string, any>;
}

export function through(port: number, { method, url, headers = {}, body, from }: Sent): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const Host = headers.Host ?? new URL(url).host;
    const length = body === undefined ? {} : { "Content-Length": String(Buffer.byteLength(body)) };
    const request = http.request(
      {
        host: "127.0.0.1",
        port,
        method,
        path: url,
        headers: { ...length, ...headers, Host },
        agent: false,
        ...(from === undefined ? {} : { localAddress: from }),
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => {
          const certificate = JSON.parse(String(response.headers["x-eve-decision-cert"] ?? "null"));
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text, certificate });
        });
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

/** What of a certificate does not depend on when, or by whose process, it was made. */
export function verdictOf({ status, certificate }: Answered): Readonly<Record<string, unknown>> {
  if (certificate === null) return { status };
  const { verdict, matched_pillar, matched_vector, reason, rule, policy_version, would, mode } = certificate;
  const { content_hash, content_bytes, forwarded_hash, agent } = certificate;
  const said = { verdict, matched_pillar, matched_vector, reason, rule, policy_version, would, mode };
  return { status, ...said, content_hash, content_bytes, forwarded_hash, agent };
}
