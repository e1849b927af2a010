import { describe, expect, test } from "bun:test";
import { deflateSync, gzipSync, type Zippable, zipSync, zlibSync } from "fflate";
import {
  type Inner,
  type InnerOpaque,
  type InnerText,
  innerTexts,
  mayHoldTexts,
} from "../../src/content/inner-texts.ts";
import { spentMs } from "../_spent.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes as Uint8Array).toString("base64");
const json = (data: unknown): Uint8Array => encode(JSON.stringify({ data }));

const SAID = "the blue heron waits at the second bridge until nightfall";
const FILL = "A report on sales by region, with notes on every product. ".repeat(20);
const WHOLE = `${FILL}${SAID} ${FILL}`;

function open(body: Uint8Array): { texts: InnerText[]; opaque: InnerOpaque[]; bomb: boolean; turns: number } {
  const found: Inner[] = [...innerTexts(body)].map((each) =>
    each !== null && each !== "bomb" && each.kind === "text" ? { ...each, bytes: each.bytes.slice() } : each,
  );
  return {
    texts: found.filter((each): each is InnerText => each !== null && each !== "bomb" && each.kind === "text"),
    opaque: found.filter((each): each is InnerOpaque => each !== null && each !== "bomb" && each.kind === "opaque"),
    bomb: found.includes("bomb"),
    turns: found.filter((each) => each === null).length,
  };
}

const views = (body: Uint8Array): string[] =>
  open(body)
    .texts.filter(({ bytes }) => decode(bytes).includes(SAID))
    .map(({ view }) => view);

const paragraph = (text: string): string => `<w:p><w:r><w:t>${text}</w:t></w:r></w:p>`;
const document = (text: string): Uint8Array =>
  zipSync({
    "[Content_Types].xml": encode("<Types/>"),
    "word/document.xml": encode(`<?xml version="1.0"?><w:document><w:body>${paragraph(text)}</w:body></w:document>`),
  });

function multipart(...parts: (string | Uint8Array)[]): Uint8Array {
  const list = parts.flatMap((part) => [
    encode('--BB\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'),
    typeof part === "string" ? encode(part) : part,
    encode("\r\n"),
  ]);
  return new Uint8Array(Buffer.concat([...list, encode("--BB--\r\n")]));
}

function tar(text: string): Uint8Array {
  const data = Buffer.from(text);
  const head = Buffer.alloc(512);
  head.write("a.txt");
  head.write(`${data.length.toString(8).padStart(11, "0")}\0`, 124);
  head.write("ustar\0", 257);
  return new Uint8Array(
    Buffer.concat([head, data, Buffer.alloc((512 - (data.length % 512)) % 512), Buffer.alloc(1024)]),
  );
}

describe("a text inside", () => {
  const wide = new Uint8Array(Buffer.from(`\ufeff${WHOLE}`, "utf16le"));
  const shapes: readonly (readonly [string, Uint8Array, string])[] = [
    ["base64 in JSON", json(base64(WHOLE)), "base64"],
    ["base64 of URLs", json(Buffer.from(WHOLE).toString("base64url")), "base64"],
    [
      "base64 with its slashes escaped",
      encode(`{"data":"${base64(gzipSync(encode(WHOLE))).replaceAll("/", "\\/")}"}`),
      "base64 > gzip",
    ],
    ["base64 in lines, in JSON", json(`see:\n\n${base64(WHOLE).replace(/.{76}/g, "$&\r\n")}`), "base64"],
    [
      "base64 in lines, in mail",
      encode(`To: a\r\n\r\n${base64(gzipSync(encode(WHOLE))).replace(/.{76}/g, "$&\r\n")}`),
      "base64 > gzip",
    ],
    ["base64 in a form", encode(`a=1&b=${encodeURIComponent(base64(document(WHOLE)))}`), "base64 > zip > markup"],
    ["a data URL", json(`data:text/plain;charset=utf-8;base64,${base64(WHOLE)}`), "base64"],
    ["UTF-16 in a data URL", json(`data:text/plain;charset=utf-16;base64,${base64(wide)}`), "base64 > utf-16"],
    ["base64 of base64 of base64", json(base64(base64(base64(WHOLE)))), "base64 > base64 > base64"],
    ["gzip", gzipSync(encode(WHOLE)), "gzip"],
    ["gzip in base64", json(base64(gzipSync(encode(WHOLE)))), "base64 > gzip"],
    ["zlib in base64", json(base64(zlibSync(encode(WHOLE)))), "base64 > zlib"],
    ["the second member of gzip", new Uint8Array([...gzipSync(encode(FILL)), ...gzipSync(encode(WHOLE))]), "gzip"],
    ["tar in gzip", json(base64(gzipSync(tar(WHOLE)))), "base64 > gzip > tar"],
    ["a ZIP file", zipSync({ "a.txt": encode(WHOLE) }), "zip"],
    ["a stored file of a ZIP file", zipSync({ "a.txt": encode(WHOLE) }, { level: 0 }), "zip"],
    ["a ZIP file in a ZIP file", zipSync({ "b.zip": zipSync({ "a.txt": encode(WHOLE) }) }), "zip > zip"],
    ["a file of a form", multipart("nothing", gzipSync(encode(WHOLE))), "gzip"],
    ["the second archive of a form", multipart(zipSync({ a: encode(FILL) }), zipSync({ a: encode(WHOLE) })), "zip"],
    ["a document of a form", multipart(document(WHOLE)), "zip > markup"],
    [
      "a document in JSON",
      json({ file_data: `data:application/octet-stream;base64,${base64(document(WHOLE))}` }),
      "base64 > zip > markup",
    ],
    [
      "XML with its letters as numbers",
      encode(`<a>${[...WHOLE].map((c) => `&#${c.charCodeAt(0)};`).join("")}</a>`),
      "markup",
    ],
    ["RTF", encode(`{\\rtf1\\ansi\\b ${SAID.slice(0, 9)}\\b0 ${SAID.slice(9)}}`), "rtf"],
    ["RTF in hex", encode(`{\\rtf1 ${[...SAID].map((c) => `\\'${c.charCodeAt(0).toString(16)}`).join("")}}`), "rtf"],
  ];
  for (const [name, body, view] of shapes) {
    test(`of ${name} is found`, () => {
      expect(mayHoldTexts(body)).toBe(true);
      expect(views(body)).toContain(view);
    });
  }

  test("of a part of a word processor's document is whole where its runs split words", () => {
    const split = SAID.replace(/.{7}/g, '$&</w:t></w:r><w:proofErr w:type="x"/><w:r><w:rPr><w:b/></w:rPr><w:t>');
    expect(views(json(base64(document(split))))).toEqual(["base64 > zip > markup"]);
  });

  test("of cells and paragraphs stands in lines of its own", () => {
    const cells = "<sst><si><t>4000</t></si><si><t>1234</t></si></sst>";
    const body = zipSync({ "xl/sharedStrings.xml": encode(cells) });
    expect(open(body).texts.map(({ bytes }) => decode(bytes).trim())).toContain("4000\n1234");
  });

  test("of an attribute, a comment and a name of a file is told", () => {
    const body = zipSync({
      [`${SAID} 1.xml`]: encode(`<a title="${SAID} 2"><!-- ${SAID} 3 --><![CDATA[${SAID} 4]]></a>`),
    });
    const told = open(body)
      .texts.map(({ bytes }) => decode(bytes))
      .join("\n");
    for (const n of [1, 2, 3, 4]) expect(told).toContain(`${SAID} ${n}`);
  });

  test("that is longer than a piece is told whole, and no phrase is cut", () => {
    const next = (i: number) => `${(i * 7919) % 100_003} `;
    let text = "";
    for (let i = 0; text.length < 2_500_000; i++) text += next(i);
    const at = [1_048_570, 2_097_000, text.length];
    for (const [i, place] of at.entries()) text = `${text.slice(0, place)} ${SAID} ${i} ${text.slice(place)}`;
    const told = open(json(base64(gzipSync(encode(text))))).texts.map(({ bytes }) => decode(bytes));
    for (const i of at.keys()) expect(told.some((piece) => piece.includes(`${SAID} ${i}`))).toBe(true);
    expect(Math.max(...told.map(({ length }) => length))).toBeLessThanOrEqual(1024 * 1024);
  });

  test("of a tape archive is told with the names of its members, and without its programs", () => {
    const noise = Buffer.from(Array.from({ length: 5120 }, (_, i) => (i * i * 7919) >> 5));
    const body = gzipSync(new Uint8Array(Buffer.concat([tar(WHOLE).subarray(0, -1024), noise, tar(`more: ${SAID}`)])));
    const told = open(body)
      .texts.map(({ bytes }) => decode(bytes))
      .join("");
    expect(told.split(SAID).length).toBe(3);
    expect(told).toStartWith("a.txt\n");
    expect(told.length).toBeLessThan(WHOLE.length + 600);
  });

  test("at any place of a body is found, whatever the words before it", () => {
    const run = base64(gzipSync(encode(WHOLE)));
    for (let before = 0; before < 200; before++) {
      expect(views(encode(`{"a":"${"word ".repeat(60).slice(0, before)}: ${run}"}`))).toEqual(["base64 > gzip"]);
    }
  });
});

describe("nothing is inside", () => {
  const bodies: readonly (readonly [string, Uint8Array])[] = [
    ["words", json(WHOLE)],
    [
      "source",
      encode(`export function aVeryLongNameOfSomethingThatGoesOnAndOnForMoreThanSixtyFourCharacters(): void {}`),
    ],
    ["a path", json(`/home/user/projects/${"directory/".repeat(12)}file.ts`)],
    ["digests", json("0123456789abcdef".repeat(8))],
    [
      "a picture in base64",
      json(
        base64(
          new Uint8Array(
            Buffer.concat([
              Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13]),
              Buffer.alloc(900, 0xa7),
            ]),
          ),
        ),
      ),
    ],
    ["numbers", encode(JSON.stringify(Array.from({ length: 300 }, (_, i) => Math.sin(i))))],
    ["nothing", new Uint8Array(0)],
  ];
  for (const [name, body] of bodies) {
    test(`of ${name}`, () => {
      expect(mayHoldTexts(body)).toBe(false);
      expect(open(body)).toMatchObject({ texts: [], opaque: [], bomb: false });
    });
  }
});

/** One entry, with fields of its header set: offsets of local header and of directory. */
function patched(
  entries: Zippable,
  patches: readonly (readonly [mark: 1 | 3, offset: number, value: number])[],
): Uint8Array {
  const bytes = zipSync(entries);
  for (const [mark, offset, value] of patches) {
    const at = Buffer.from(bytes).indexOf(Buffer.from([0x50, 0x4b, mark, mark + 1]));
    bytes[at + offset] = value;
  }
  return bytes;
}

describe("what cannot be read is told", () => {
  const names = (body: Uint8Array) => open(body).opaque.map(({ name }) => name);
  const entry = { "a.txt": encode(WHOLE) };

  test("by its kind", () => {
    const pdf = encode(`%PDF-1.7\n%\u00e2\u00e3\n1 0 obj\n<<>>\n${FILL}`);
    expect(names(pdf)).toEqual(["pdf-document"]);
    expect(names(json(base64(pdf)))).toEqual(["pdf-document"]);
    expect(names(multipart(pdf))).toEqual(["pdf-document"]);
    expect(names(zipSync({ "a.pdf": pdf }))).toEqual(["pdf-document"]);
    const ole = new Uint8Array([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ...new Uint8Array(600)]);
    expect(names(json(base64(ole)))).toEqual(["ole-document"]);
    const seven = new Uint8Array([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c, ...new Uint8Array(600).fill(7)]);
    expect(names(multipart(seven))).toEqual(["packed-archive"]);
  });

  test("an archive with a password, in the header or the directory", () => {
    expect(names(patched(entry, [[3, 6, 1]]))).toContain("encrypted-archive");
    expect(names(patched(entry, [[1, 8, 1]]))).toContain("encrypted-archive");
  });

  test("an archive packed in another way", () => {
    expect(
      names(patched({ "a.txt": Uint8Array.from({ length: 900 }, (_, i) => (i * 7919) >> 3) }, [[3, 8, 12]])),
    ).toContain("packed-archive");
  });

  test("an archive that is cut off, and one that lists what is not there", () => {
    const packed = zipSync({ "a.txt": encode(Array.from({ length: 3000 }, (_, i) => (i * 7919) % 10_007).join(" ")) });
    expect(names(packed.subarray(0, packed.length >> 1))).toEqual(["damaged-archive"]);
    const two = zipSync({ ...entry, "b.txt": encode(FILL) });
    two[Buffer.from(two).lastIndexOf(Buffer.from([0x50, 0x4b, 3, 4])) + 2] = 9;
    expect(names(two)).toEqual(["damaged-archive"]);
    expect(names(gzipSync(encode(WHOLE)).subarray(0, 60))).toEqual(["damaged-archive"]);
  });

  test("something packed again and again", () => {
    let packed = encode(WHOLE);
    for (let i = 0; i < 9; i++) packed = gzipSync(packed);
    expect(names(packed)).toEqual(["deep-archive"]);
    let run = WHOLE;
    for (let i = 0; i < 9; i++) run = base64(run);
    expect(names(json(run))).toEqual(["deep-archive"]);
  });
});

describe("two readings of an archive are both read", () => {
  test("deflated, but said to be stored, and the other way round", () => {
    expect(views(patched({ "a.txt": encode(WHOLE) }, [[3, 8, 0]]))).toEqual(["zip"]);
    expect(
      views(
        patched({ "a.txt": encode(WHOLE) }, [
          [3, 6, 1],
          [1, 8, 0],
        ]),
      ),
    ).toEqual(["zip"]);
  });

  test("of a name given twice both texts", () => {
    const first = zipSync({ a: encode(FILL) });
    const second = zipSync({ a: encode(WHOLE) });
    expect(views(new Uint8Array([...first, ...second]))).toEqual(["zip"]);
    expect(views(new Uint8Array([...second, ...first]))).toEqual(["zip"]);
  });

  test("deflated in blocks of nothing first", () => {
    const blocks = new Uint8Array(5 * 400);
    for (let at = 0; at < blocks.length; at += 5) blocks.set([0, 0, 0, 0xff, 0xff], at);
    const packed = gzipSync(encode(WHOLE));
    const body = new Uint8Array([
      ...packed.subarray(0, 10),
      ...blocks,
      ...deflateSync(encode(WHOLE)),
      ...packed.subarray(-8),
    ]);
    expect(views(body)).toEqual(["gzip"]);
  });
});

describe("a bomb", () => {
  test("is told, and nothing more is made of it", () => {
    const zeros = new Uint8Array(20 * 1024 * 1024).fill(0x61);
    for (const body of [
      gzipSync(zeros),
      zipSync({ a: zeros }),
      json(base64(zipSync({ a: zeros }))),
      zipSync({ "a.zip": zipSync({ a: zeros }) }),
    ]) {
      const { bomb, texts } = open(body);
      expect(bomb).toBe(true);
      expect(texts.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThan(8 * 1024 * 1024);
    }
  }, 20_000);

  test("of headers that share one text is told", () => {
    const text = deflateSync(encode("0123456789abcdef ".repeat(40_000)));
    const header = new Uint8Array(30);
    header.set([0x50, 0x4b, 3, 4, 20, 0, 0, 0, 8, 0]);
    // Each header is followed by the same packed text, reached over the headers behind it by the length of a field.
    const count = 600;
    const bytes = new Uint8Array(count * 30 + text.length);
    for (let i = 0; i < count; i++) {
      header[28] = ((count - 1 - i) * 30) & 0xff;
      header[29] = ((count - 1 - i) * 30) >> 8;
      bytes.set(header, i * 30);
    }
    bytes.set(text, count * 30);
    expect(open(bytes).bomb).toBe(true);
  }, 20_000);

  test("is no honest archive of many files", () => {
    const files = Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [`src/file-${i}.ts`, encode(`${i} ${FILL}`)]),
    );
    const read = open(zipSync(files));
    expect(read).toMatchObject({ bomb: false, opaque: [] });
    expect(read.texts.length).toBe(1001);
  });
});

/** Milliseconds of the processor: how long others had it says nothing. */
function longestTurn(body: Uint8Array): number {
  let longest = 0;
  let from = spentMs();
  for (const _ of innerTexts(body)) {
    const now = spentMs();
    longest = Math.max(longest, now - from);
    from = now;
  }
  return longest;
}

describe("hostile bodies", () => {
  test("hand the loop back, and none takes long", () => {
    const size = 2 * 1024 * 1024;
    const fill = (text: string) => encode(text.repeat(Math.ceil(size / text.length)));
    const starts = new Uint8Array(size);
    for (let at = 0; at < size; at += 4) starts.set([0x50, 0x4b, 3, 4], at);
    const marks = new Uint8Array(size);
    for (let at = 0; at + 7 <= size; at += 7) marks.set([13, 10, 13, 10, 0x1f, 0x8b, 8], at);
    const bodies = [
      fill("P"),
      fill("\n"),
      fill("&"),
      fill("<&#"),
      fill("\n\nPK\u0003\u0004"),
      starts,
      fill(`${"A".repeat(70)} `),
      fill(`${"A".repeat(70)}\\/`),
      marks,
    ];
    for (const body of bodies) {
      // Of three: the first is compiled meanwhile, and garbage of earlier tests may be collected.
      const gaps = [1, 2, 3].map(() => longestTurn(body));
      expect(Math.min(...gaps)).toBeLessThan(50);
    }
  }, 60_000);

  test("of chance are never thrown at", () => {
    let state = 5;
    const next = () => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return state >> 8;
    };
    const seeds = [document(WHOLE), gzipSync(encode(WHOLE)), json(base64(document(WHOLE))), multipart(document(WHOLE))];
    for (let round = 0; round < 1500; round++) {
      const body = (seeds[round % seeds.length] as Uint8Array).slice();
      for (let n = next() % 6; n >= 0; n--) body[next() % body.length] = next() & 0xff;
      const cut = body.subarray(next() % 40, body.length - (next() % 40));
      for (const inner of innerTexts(cut))
        if (inner !== null && inner !== "bomb") expect(inner.end).toBeLessThanOrEqual(cut.length);
    }
  });
});

test("the end of an archive that is cut within a block is told", () => {
  const whole = tar(`${"x".repeat(600)} ${SAID}`);
  const cut = whole.subarray(0, Buffer.from(whole).indexOf(SAID) + SAID.length);
  expect(cut.length % 512).not.toBe(0);
  const told = open(gzipSync(cut)).texts.map(({ bytes }) => decode(bytes));
  expect(told.join("\n")).toContain(SAID);
});
