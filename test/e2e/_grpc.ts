/** gRPC by those who did not write the gateway: a server and clients of grpc-js, with and without the gateway in between. */
import type { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { loadCa } from "../../src/crypto/ca.ts";
import { leafMinter } from "../../src/crypto/leaf.ts";

const same = (value: Buffer): Buffer => value;
const coded = {
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};

const methods = {
  unary: { path: "/test.Echo/Unary", requestStream: false, responseStream: false, ...coded },
  collect: { path: "/test.Echo/Collect", requestStream: true, responseStream: false, ...coded },
  split: { path: "/test.Echo/Split", requestStream: false, responseStream: true, ...coded },
  talk: { path: "/test.Echo/Talk", requestStream: true, responseStream: true, ...coded },
} satisfies grpc.ServiceDefinition;

export interface Echo extends grpc.Client {
  unary(value: Buffer, metadata: grpc.Metadata, done: grpc.requestCallback<Buffer>): grpc.ClientUnaryCall;
  collect(metadata: grpc.Metadata, done: grpc.requestCallback<Buffer>): grpc.ClientWritableStream<Buffer>;
  split(value: Buffer, metadata?: grpc.Metadata): grpc.ClientReadableStream<Buffer>;
  talk(metadata?: grpc.Metadata): grpc.ClientDuplexStream<Buffer, Buffer>;
}

const EchoClient = grpc.makeGenericClientConstructor(methods, "Echo");

/** A string in a field: of number `at`, whose tag may be a letter. */
export function field(at: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(at * 8 + 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  return Buffer.from([...out, rest]);
}

/** A certificate by the root in `folder`, for localhost. */
export async function leafOf(folder: string): Promise<{ cert: Buffer; key: Buffer }> {
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  const mint = await leafMinter(await loadCa({ certPem: read("ca.crt"), keyPem: read("ca.key") }, Date.now()), {
    now: Date.now,
  });
  const { cert, key } = await mint("localhost");
  return { cert: Buffer.from(cert), key: Buffer.from(key) };
}

/** What the server was told, call by call. */
export interface Heard {
  readonly method: string;
  readonly metadata: Readonly<Record<string, grpc.MetadataValue>>;
  readonly messages: Buffer[];
  cancelled: boolean;
}

type ServerCall = EventEmitter & Pick<grpc.ServerUnaryCall<Buffer, Buffer>, "metadata" | "sendMetadata">;

export class EchoServer {
  readonly heard: Heard[] = [];
  /** What `split` answers with. */
  parts: readonly Buffer[] = [];
  /** Makes `talk` end with this status at its first message. */
  hangUp: number | null = null;
  port = 0;
  readonly #server = new grpc.Server({ "grpc.max_receive_message_length": 64 * 1024 * 1024 });

  /** `leaf` null: without TLS. */
  static async start(leaf: { cert: Buffer; key: Buffer } | null): Promise<EchoServer> {
    const made = new EchoServer();
    made.#server.addService(methods, made.#handlers());
    const credentials =
      leaf === null
        ? grpc.ServerCredentials.createInsecure()
        : grpc.ServerCredentials.createSsl(null, [{ cert_chain: leaf.cert, private_key: leaf.key }]);
    made.port = await new Promise<number>((resolve, reject) =>
      made.#server.bindAsync("127.0.0.1:0", credentials, (error, port) => (error ? reject(error) : resolve(port))),
    );
    return made;
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #begin(method: string, call: ServerCall): Heard {
    const heard: Heard = { method, metadata: call.metadata.getMap(), messages: [], cancelled: false };
    this.heard.push(heard);
    call.on("cancelled", () => {
      heard.cancelled = true;
    });
    const initial = new grpc.Metadata();
    initial.set("x-initial", "yes");
    initial.set("x-bytes-bin", Buffer.from([0, 255, 7]));
    call.sendMetadata(initial);
    return heard;
  }

  #trailers(): grpc.Metadata {
    const trailers = new grpc.Metadata();
    trailers.set("x-trailing", "done");
    return trailers;
  }

  #handlers(): grpc.UntypedServiceImplementation {
    return {
      unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        this.#begin("unary", call).messages.push(call.request);
        done(null, call.request, this.#trailers());
      },
      collect: (call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        const { messages } = this.#begin("collect", call);
        call.on("data", (value: Buffer) => messages.push(value));
        call.on("error", () => {});
        call.on("end", () => done(null, Buffer.concat(messages), this.#trailers()));
      },
      split: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
        const heard: Heard = {
          method: "split",
          metadata: call.metadata.getMap(),
          messages: [call.request],
          cancelled: false,
        };
        this.heard.push(heard);
        call.on("cancelled", () => {
          heard.cancelled = true;
        });
        for (const part of this.parts) call.write(part);
        if (heard.metadata["x-stay"] === undefined) call.end(this.#trailers());
      },
      talk: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
        const heard = this.#begin("talk", call);
        call.on("data", (value: Buffer) => {
          heard.messages.push(value);
          if (this.hangUp !== null) {
            call.emit("error", Object.assign(new Error("no more"), { code: this.hangUp, details: "no more" }));
            return;
          }
          call.write(value);
        });
        call.on("error", () => {});
        call.on("end", () => call.end(this.#trailers()));
      },
    };
  }
}

export interface Told {
  readonly code: number;
  readonly details: string;
  readonly messages: Buffer[];
  readonly initial: Readonly<Record<string, grpc.MetadataValue>>;
  readonly trailing: Readonly<Record<string, grpc.MetadataValue>>;
}

/** A client; `root` null: without TLS; `proxy` null: straight. Its channel is its own. */
export function client(
  port: number,
  root: Buffer | null,
  proxy: number | null,
  options: grpc.ChannelOptions = {},
): Echo {
  const variable = "grpc_proxy";
  const before = process.env[variable];
  if (proxy === null) delete process.env[variable];
  else process.env[variable] = `http://127.0.0.1:${proxy}`;
  try {
    const credentials = root === null ? grpc.credentials.createInsecure() : grpc.credentials.createSsl(root);
    const settings = { "grpc.use_local_subchannel_pool": 1, "grpc.enable_retries": 0, ...options };
    return new EchoClient(`localhost:${port}`, credentials, settings) as unknown as Echo;
  } finally {
    if (before === undefined) delete process.env[variable];
    else process.env[variable] = before;
  }
}

/** How a call ends. `messages`: filled by whoever hears them. */
export function told(call: EventEmitter, messages: Buffer[] = []): Promise<Told> {
  return new Promise((resolve) => {
    let initial: Told["initial"] = {};
    call.on("metadata", (metadata: grpc.Metadata) => {
      initial = metadata.getMap();
    });
    call.on("error", () => {});
    if ("read" in call) call.on("data", (value: Buffer) => messages.push(value));
    call.on("status", ({ code, details, metadata }: grpc.StatusObject) =>
      resolve({ code, details, messages, initial, trailing: metadata.getMap() }),
    );
  });
}

export function unary(echo: Echo, value: Buffer, metadata = new grpc.Metadata()): Promise<Told> {
  return new Promise((resolve) => {
    const messages: Buffer[] = [];
    let ended: Told | null = null;
    let answered = false;
    const both = (): void => {
      if (ended !== null && answered) resolve(ended);
    };
    const call = echo.unary(value, metadata, (_, answer) => {
      if (answer !== undefined) messages.push(answer);
      answered = true;
      both();
    });
    void told(call, messages).then((end) => {
      ended = end;
      both();
    });
  });
}
