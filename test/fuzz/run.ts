/** `bun test/fuzz/run.ts [count] [target] [seed]`: every parser of bytes against `count` inputs (default 20,000). */
import { checkTar, checkTarText, checkZip } from "./archives.ts";
import { checkAuthority } from "./authority.ts";
import { checkForm, checkMultipart, checkRtf } from "./bodies.ts";
import { checkCertificate } from "./certificate.ts";
import { checkClientHello } from "./client-hello.ts";
import { checkGrpc, checkProtobuf } from "./grpc.ts";
import { checkH2, checkHpack } from "./h2.ts";
import { checkGraphQl, checkJson } from "./json.ts";
import { Random } from "./random.ts";
import { checkRequest } from "./request.ts";
import { checkResponse } from "./response.ts";
import { checkAmazon, checkLines, checkSse } from "./streams.ts";
import { checkExtensions, checkInflate, checkWebSocket } from "./websocket.ts";

export const TARGETS: Readonly<Record<string, (random: Random) => boolean>> = {
  request: checkRequest,
  response: checkResponse,
  authority: checkAuthority,
  "client-hello": checkClientHello,
  certificate: checkCertificate,
  websocket: checkWebSocket,
  "websocket-inflate": checkInflate,
  "websocket-extensions": checkExtensions,
  grpc: checkGrpc,
  protobuf: checkProtobuf,
  h2: checkH2,
  hpack: checkHpack,
  sse: checkSse,
  lines: checkLines,
  "amazon-stream": checkAmazon,
  tar: checkTar,
  "tar-text": checkTarText,
  zip: checkZip,
  form: checkForm,
  multipart: checkMultipart,
  rtf: checkRtf,
  json: checkJson,
  graphql: checkGraphQl,
};

/** Each input has a seed of its own, so a failure is repeated by `run.ts 1 <target> <seed>`. Answers how many were read. */
export function fuzz(target: string, count: number, seed: number): number {
  const check = TARGETS[target];
  if (check === undefined) throw new Error(`no fuzz target ${JSON.stringify(target)}`);
  let read = 0;
  for (let i = 0; i < count; i++) {
    try {
      if (check(new Random(seed + i))) read += 1;
    } catch (thrown) {
      throw new Error(`target ${target}, seed ${seed + i}`, { cause: thrown });
    }
  }
  return read;
}

if (import.meta.main) {
  const [count = "20000", only, seed = "1"] = process.argv.slice(2);
  for (const target of only === undefined ? Object.keys(TARGETS) : [only]) {
    const start = performance.now();
    const read = fuzz(target, Number(count), Number(seed));
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(
      `${target}: ${count} inputs, ${read} read, ${Number(count) - read} refused or unfinished, ${seconds} s`,
    );
  }
}
