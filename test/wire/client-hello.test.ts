import { expect, test } from "bun:test";
import { connect as connectTcp, createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { readClientHello, UNRECOGNIZED_NAME_ALERT } from "../../src/wire/client-hello.ts";
import { bytesOf } from "./_transcript.ts";

function vector(width: 1 | 2 | 3, bytes: readonly number[]): number[] {
  const length = bytes.length;
  return [...[length >> 16, (length >> 8) & 255, length & 255].slice(3 - width), ...bytes];
}

function extension(type: number, data: readonly number[]): number[] {
  return [type >> 8, type & 255, ...vector(2, data)];
}

function name(host: string): number[] {
  return [0, ...vector(2, [...bytesOf(host)])];
}

function serverName(...entries: number[][]): number[] {
  return extension(0, vector(2, entries.flat()));
}

function alpn(...names: string[]): number[] {
  return extension(
    16,
    vector(
      2,
      names.flatMap((text) => vector(1, [...bytesOf(text)])),
    ),
  );
}

interface Parts {
  version?: number[];
  session?: number[];
  suites?: number[];
  compressions?: number[];
  extensions?: number[] | null;
  rest?: number[];
}

function message(parts: Parts): number[] {
  const { version = [3, 3], session = [], suites = [0x13, 1], compressions = [0], extensions = [], rest = [] } = parts;
  const random = Array.from({ length: 32 }, (_, i) => i);
  const tail = extensions === null ? [] : vector(2, extensions);
  const body = [
    ...version,
    ...random,
    ...vector(1, session),
    ...vector(2, suites),
    ...vector(1, compressions),
    ...tail,
  ];
  return [1, ...vector(3, [...body, ...rest])];
}

function record(fragment: readonly number[]): number[] {
  return [22, 3, 1, ...vector(2, fragment)];
}

function hello(...extensions: number[][]): Uint8Array {
  return Uint8Array.from(record(message({ extensions: extensions.flat() })));
}

const PLAIN = hello(serverName(name("a.test")));

const BAD: readonly (readonly [string, Uint8Array | number[]])[] = [
  ["two server names", hello(serverName(name("a.test"), name("b.test")))],
  ["server_name twice", hello(serverName(name("a.test")), serverName(name("a.test")))],
  ["any extension twice", hello(extension(77, []), extension(77, []))],
  ["an empty list of server names", hello(extension(0, [0, 0]))],
  ["an empty server_name", hello(extension(0, []))],
  ["an empty name", hello(serverName(name("")))],
  ["a name of another type", hello(serverName([1, ...vector(2, [97])]))],
  ["a name with NUL", hello(serverName(name("a.test\0.b.test")))],
  ["a name with a port", hello(serverName(name("a.test:443")))],
  ["a name with obs-text", hello(serverName(name("b\xfccher.test")))],
  ["a name that is a short address", hello(serverName(name("127.1")))],
  ["bytes behind the list of names", hello(extension(0, [...vector(2, name("a.test")), 0]))],
  ["an empty list of protocols", hello(alpn())],
  ["an empty protocol", hello(alpn(""))],
  ["a protocol longer than its list", hello(extension(16, [0, 2, 5, 97]))],
  ["an extension behind pre_shared_key", hello(extension(41, [0]), extension(77, []))],
  ["an extension longer than the hello", hello([0, 77, 0, 9, 1])],
  ["bytes behind the extensions", record(message({ rest: [0] }))],
  ["bytes behind the hello in its record", record([...message({}), 0])],
  ["another version", record(message({ version: [2, 0] }))],
  ["a session id of 33 bytes", record(message({ session: Array.from({ length: 33 }, () => 0) }))],
  ["no cipher suites", record(message({ suites: [] }))],
  ["half a cipher suite", record(message({ suites: [1, 2, 3] }))],
  ["no null compression", record(message({ compressions: [1] }))],
  ["a hello that is too short", record([1, 0, 0, 2, 3, 3])],
  ["a ServerHello", record([2, 0, 0, 2, 3, 3])],
  ["an empty record", [22, 3, 1, 0, 0]],
  ["a record over 16 KiB", [22, 3, 1, 0x40, 1]],
  ["a record of an unknown version", [22, 3, 5, 0, 1]],
  ["a hello over 64 KiB", [22, 3, 1, 0, 4, 1, 1, 0, 0]],
  ["an alert inside the hello", [...record(message({}).slice(0, 9)), 21, 3, 3]],
  ["257 records", Array.from({ length: 257 }, (_, i) => record([i === 0 ? 1 : 0])).flat()],
];

for (const [what, bytes] of BAD) {
  test(`readClientHello refuses ${what}`, () => {
    expect(readClientHello(Uint8Array.from(bytes)).kind).toBe("bad");
  });
}

test("readClientHello tells other protocols by their first bytes", () => {
  for (const text of ["GET / HTTP/1.1", "SSH-2.0", "\x16\x41", "\x80\x2e\x01", "\x17\x03\x03"]) {
    expect(readClientHello(bytesOf(text)).kind).toBe("not-tls");
  }
});

test("readClientHello asks for more until the last byte and then answers the same whatever follows", () => {
  for (let length = 0; length < PLAIN.length; length++) {
    expect(readClientHello(PLAIN.subarray(0, length)).kind).toBe("more");
  }
  const whole = readClientHello(PLAIN);
  expect(whole).toEqual({ kind: "hello", sni: "a.test", alpn: [], ech: false });
  expect(readClientHello(Uint8Array.of(...PLAIN, 20, 3, 3, 0, 1, 1))).toEqual(whole);
});

test("readClientHello joins a hello over records of one byte", () => {
  const records = message({ extensions: serverName(name("a.test")) }).map((byte) => record([byte]));
  expect(readClientHello(Uint8Array.from(records.flat()))).toEqual(readClientHello(PLAIN));
});

test("readClientHello normalises the name and keeps the order of protocols", () => {
  const read = readClientHello(hello(alpn("h2", "http/1.1", "\xff"), serverName(name("API.Example.COM"))));
  expect(read).toEqual({ kind: "hello", sni: "api.example.com", alpn: ["h2", "http/1.1", "\xff"], ech: false });
});

test("readClientHello reads a hello without extensions or without a name", () => {
  const bare = { kind: "hello", sni: null, alpn: [], ech: false } as const;
  expect(readClientHello(Uint8Array.from(record(message({ extensions: null }))))).toEqual(bare);
  expect(readClientHello(hello())).toEqual(bare);
});

test("readClientHello reports an encrypted hello and the older encrypted name", () => {
  for (const type of [0xfe0d, 0xffce]) {
    expect(readClientHello(hello(extension(type, [0])))).toMatchObject({ kind: "hello", ech: true });
  }
});

test("readClientHello reads what a real TLS client sends", async () => {
  const first = Promise.withResolvers<Uint8Array>();
  const server = createServer((socket) =>
    socket.once("data", (data) => first.resolve(typeof data === "string" ? bytesOf(data) : new Uint8Array(data))),
  );
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const socket = connectTls({ host: "127.0.0.1", port, servername: "real.test", ALPNProtocols: ["http/1.1"] });
  socket.on("error", () => {});
  expect(readClientHello(await first.promise)).toMatchObject({ kind: "hello", sni: "real.test", alpn: ["http/1.1"] });
  socket.destroy();
  server.close();
});

test("UNRECOGNIZED_NAME_ALERT makes a real TLS client fail with that alert", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(UNRECOGNIZED_NAME_ALERT));
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const tcp = connectTcp(port, "127.0.0.1");
  const failure = await new Promise<Error>((resolve) => {
    connectTls({ socket: tcp, servername: "other.test" }).on("error", resolve);
  });
  expect(failure.message).toMatch(/unrecognized.name/i);
  server.close();
});
