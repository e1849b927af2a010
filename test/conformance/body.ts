/** Every obligation of src/runtime/contract.ts as a named check: one body, run as a real process by each runtime. */
import * as ca from "./ca.ts";
import * as conn from "./conn.ts";
import * as files from "./files.ts";
import * as http from "./http.ts";
import * as inherited from "./inherited.ts";
import type { Check } from "./kit.ts";
import * as process from "./process.ts";
import * as redis from "./redis.ts";
import * as secure from "./secure.ts";
import * as serve from "./serve.ts";
import * as streamDecode from "./stream-decode.ts";
import * as tls from "./tls.ts";
import * as websocket from "./websocket.ts";

const { play, ...processChecks } = process;

export { play };
export const checks: Readonly<Record<string, Check>> = {
  ...conn,
  ...inherited,
  ...tls,
  ...secure,
  ...ca,
  ...http,
  ...redis,
  ...files,
  ...streamDecode,
  ...processChecks,
  ...serve,
  ...websocket,
};
