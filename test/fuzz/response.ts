/** Responses: any split gives the same events, and what was read is written again as exactly one answer. */
import { bodyCodings } from "../../src/decide/decode.ts";
import { headerValues } from "../../src/model/headers.ts";
import { endToEnd, type ResponseHead, ResponseParser, statusLine, writeFields } from "../../src/wire/http1.ts";
import { sent } from "./_sent.ts";
import { response } from "./http1-grammar.ts";
import { bytesOf, demand, latin1, type Random } from "./random.ts";

const LIMITS = { maxHeaderBytes: 600, maxHeaders: 12 };

/** What a head said when it was told: the bytes behind it are somebody else's afterwards. */
type Told = Omit<ResponseHead, "fields"> & { block: string | null };

interface Reading {
  interim: Told[];
  head: Told | null;
  body: string;
  ends: number;
  trailers: readonly string[] | null;
  consumed: number;
  state: string;
}

function read(pieces: readonly Uint8Array[], method: string, limits = LIMITS): Reading {
  const reading: Reading = { interim: [], head: null, body: "", ends: 0, trailers: null, consumed: 0, state: "" };
  const parser = new ResponseParser(limits, {
    informational: (head) => reading.interim.push(tell(head)),
    head: (head) => {
      demand(reading.head === null, "two heads for one request", "");
      reading.head = tell(head);
    },
    body: (bytes) => {
      reading.body += latin1(bytes);
    },
    end: (trailers) => {
      reading.ends += 1;
      reading.trailers = trailers;
    },
  });
  parser.start(method);
  for (const piece of pieces) {
    if (parser.complete || parser.fault !== null) break;
    const used = parser.push(piece, 0);
    reading.consumed += used;
    demand(used === piece.length || parser.complete || parser.fault !== null, "a push that stopped early", piece);
    piece.fill(0x21);
  }
  const before = `${parser.started} ${parser.complete} ${parser.fault?.code}`;
  const fine = parser.eof();
  demand(fine === (parser.fault === null) && fine === (reading.ends === 1), "eof and end disagree", reading.body);
  reading.state = `${before} ${fine} ${parser.fault?.code}`;
  return reading;
}

function tell(head: ResponseHead): Told {
  const { status, reason, version, headers, contentLength, chunked, closeDelimited, keepAlive, fields } = head;
  const { upgrade, connection, bodyless, eventStream, plainJson } = head;
  const block = fields.block === null ? null : sent(fields.block);
  demand(block === null || block === writeFields(fields.list), "lines and fields differ", block ?? "");
  // Short for what the fields say, never another reading of them.
  const said = headerValues(headers, "content-type");
  demand(
    !plainJson || (said.length > 0 && said.every((type) => type === "application/json")),
    "plain of what type",
    "",
  );
  demand(!plainJson || JSON.stringify(bodyCodings(headers)) === "[]", "plain although it is coded", headers.join());
  const framing = { contentLength, chunked, closeDelimited, keepAlive, bodyless };
  return { status, reason, version, headers, ...framing, upgrade, connection, eventStream, plainJson, block };
}

/** True when an answer was read to its end. */
export function checkResponse(random: Random): boolean {
  const method = random.pick(["GET", "POST", "HEAD", "CONNECT"]);
  const plain = bytesOf(`${response(random)}${random.once(3) ? response(random) : ""}`);
  const bytes = random.once(3) ? random.mutate(plain) : plain;
  const whole = read([bytes.slice()], method);
  demand(
    JSON.stringify(read(random.split(bytes), method)) === JSON.stringify(whole),
    "chunked differs from whole",
    bytes,
  );
  if (whole.ends !== 1 || whole.head === null) return false;
  checkRewrite(whole, whole.head, method, bytes);
  return true;
}

function checkRewrite(reading: Reading, head: Told, method: string, input: Uint8Array): void {
  const { body } = reading;
  const fields = endToEnd(head.headers, head.connection, "response");
  const chunked = head.chunked && !head.bodyless;
  const length = head.contentLength === -1 ? "" : `Content-Length: ${head.contentLength}\r\n`;
  const extra = chunked ? "Transfer-Encoding: chunked\r\n" : head.closeDelimited ? "Connection: close\r\n" : length;
  const framed = chunked ? `${body === "" ? "" : `${body.length.toString(16)}\r\n${body}\r\n`}0\r\n\r\n` : body;
  const lined = writeFields(fields);
  const written = `${statusLine(head.status, head.reason)}${lined}${extra}\r\n`;
  const lines = written.split(/\r\n|\n|\r/).length;
  demand(lines === fields.length / 2 + (extra === "" ? 3 : 4), "a head with more lines than fields", input);
  const leaked = /^(?:transfer[-_]encoding|content[-_]length|connection|x-eve-[^:]*|te|upgrade)\s*:/im;
  demand(!leaked.test(lined), "a field leaked", input);
  const again = read([bytesOf(`${written}${framed}`)], method, { maxHeaderBytes: 4096, maxHeaders: 40 });
  demand(again.ends === 1 && again.body === body && again.interim.length === 0, "another body", input);
  demand(again.consumed === written.length + framed.length, "not one answer", input);
  const same = again.head?.status === head.status && again.head.reason === head.reason;
  demand(same && again.head?.bodyless === head.bodyless, "written and read differ", input);
}
