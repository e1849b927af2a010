/** Requests: any split gives the same events, and what was read is written again as exactly one message. */
import { formatAuthority } from "../../src/wire/authority.ts";
import {
  endToEnd,
  LineMemo,
  type RequestHead,
  RequestParser,
  requestLines,
  writeFields,
} from "../../src/wire/http1.ts";
import { sent } from "./_sent.ts";
import { request } from "./http1-grammar.ts";
import { bytesOf, demand, latin1, type Random } from "./random.ts";

const LIMITS = { maxHeaderBytes: 600, maxHeaders: 12 };

/** What a head said when it was told: the bytes behind it are somebody else's afterwards. */
type Told = Omit<RequestHead, "fields" | "to" | "destination"> & { block: string | null };

interface Message {
  head: Told;
  body: string;
  trailers: readonly string[] | null;
  ended: boolean;
}

interface Reading {
  messages: Message[];
  state: string;
}

function read(pieces: readonly Uint8Array[], limits = LIMITS, memo = new LineMemo()): Reading {
  const messages: Message[] = [];
  const last = (): Message => messages[messages.length - 1] as Message;
  const parser = new RequestParser(
    limits,
    {
      head: (head) => messages.push({ head: tell(head), body: "", trailers: null, ended: false }),
      body: (bytes) => {
        last().body += latin1(bytes);
      },
      end: (trailers) => {
        last().trailers = trailers;
        last().ended = true;
      },
    },
    memo,
  );
  let consumed = 0;
  let tunnel = false;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length && parser.fault === null && !tunnel; ) {
      const used = parser.push(piece, at);
      at += used;
      consumed += used;
      demand(used > 0 || parser.fault !== null, "a push without progress", latin1(piece));
      demand(at === piece.length || parser.complete || parser.fault !== null, "a push that stopped early", piece);
      if (parser.complete) {
        tunnel = last().head.form === "authority" || last().head.upgrade !== null;
        if (!tunnel) parser.next();
      }
    }
    piece.fill(0x21);
  }
  return { messages, state: `${consumed} ${parser.fault?.code ?? ""} ${parser.started} ${parser.complete}` };
}

function tell(head: RequestHead): Told {
  const { method, target, version, form, scheme, host, port, literal, path } = head;
  const { headers, contentLength, chunked, keepAlive, expectContinue, coded, wordy, upgrade, connection, fields } =
    head;
  const { agent, parentAgent } = head;
  const block = fields.block === null ? null : sent(fields.block);
  demand(block === null || block === writeFields(fields.list), "lines and fields differ", block ?? "");
  const line = { method, target, version, form, scheme, host, port, literal, path };
  return {
    ...line,
    headers,
    contentLength,
    chunked,
    keepAlive,
    expectContinue,
    coded,
    wordy,
    upgrade,
    connection,
    agent,
    parentAgent,
    block,
  };
}

/** Remembers across inputs, as one door does across its connections. */
const remembering = new LineMemo();

/** True when at least one message was read. */
export function checkRequest(random: Random): boolean {
  let text = request(random);
  while (random.once(3)) text += request(random);
  const plain = bytesOf(text);
  const bytes = random.once(3) ? random.mutate(plain) : plain;
  const whole = read([bytes.slice()]);
  demand(
    JSON.stringify(read(random.split(bytes), LIMITS, remembering)) === JSON.stringify(whole),
    "chunked differs from whole",
    bytes,
  );
  for (const { head } of whole.messages) {
    const lengths = head.headers.filter(
      (name, i) => i % 2 === 0 && /^(?:content[-_]length|transfer[-_]encoding)$/i.test(name),
    );
    demand(lengths.length <= 1, "a message with two lengths", bytes);
    const hosts = head.headers.filter((name, i) => i % 2 === 0 && /^host$/i.test(name));
    demand(hosts.length === 1 || (hosts.length === 0 && head.version === 10), "not one Host", bytes);
  }
  for (const message of whole.messages) if (message.ended && message.head.host !== "") checkRewrite(message, bytes);
  return whole.messages.some((message) => message.ended);
}

function checkRewrite({ head, body }: Message, input: Uint8Array): void {
  const { method, host, form } = head;
  const port = head.port === 0 ? null : head.port;
  const authority = formatAuthority(host, port);
  const target = form === "authority" ? authority : head.path;
  const fields = endToEnd(head.headers, head.connection, "request");
  const framing = body === "" ? "" : `Content-Length: ${body.length}\r\n`;
  const written = `${requestLines(method, target, authority)}${writeFields(fields)}${framing}\r\n`;
  // Not left to the parser under test: the lines there are, counted as the most lenient reader would.
  const lines = written.split(/\r\n|\n|\r/);
  demand(lines.length === fields.length / 2 + (body === "" ? 4 : 5), "a head with more lines than fields", input);
  demand(
    !/^(?:transfer[-_]encoding|connection|x-eve-[^:]*|expect|te|upgrade)\s*:/im.test(written),
    "a field leaked",
    input,
  );
  demand(
    (written.match(/^(?:host|content[-_]length)\s*:/gim) ?? []).length === (body === "" ? 1 : 2),
    "framing",
    input,
  );
  const limits = { maxHeaderBytes: 4096, maxHeaders: 40 };
  const again = read([bytesOf(`${written}${body}`)], limits);
  const [message] = again.messages;
  demand(again.messages.length === 1 && message?.ended === true && message.body === body, "not one message", input);
  const second = (message as Message).head;
  const same =
    second.method === method && second.target === target && second.host === host && second.port === head.port;
  demand(same && !second.chunked && second.connection.length === 0, "written and read differ", input);
  demand(Math.max(0, second.contentLength) === body.length, "another length", input);
  demand(JSON.stringify(endToEnd(second.headers, [], "request")) === JSON.stringify(fields), "other fields", input);
}
