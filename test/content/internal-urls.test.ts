import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { outcomeOf, readUrls, SSRF_CORPUS, ssrfRows } from "../../scripts/eval/ssrf.ts";
import { findInternalUrls, internalUrlFinding } from "../../src/content/internal-urls.ts";
import { classifyName, METADATA } from "../../src/wire/address-class.ts";
import { testUnless } from "../_skip.ts";
import { spentMs } from "../_spent.ts";

const found = (text: string) => findInternalUrls(text).map((each) => each.found);

describe("findInternalUrls finds", () => {
  const CASES: [string, string][] = [
    ["http://10.1.2.3/x", "private"],
    ["see https://192.168.0.9:8443.", "private"],
    ["HTTP://LOCALHOST", "loopback"],
    ["http://localhost./a", "loopback"],
    ["http://a.b.localhost:3000/", "loopback"],
    ["http://[::1]:80/", "loopback"],
    ["http://[0:0:0:0:0:FFFF:7F00:0001]/", "loopback"],
    ["http://[::ffff:10.0.0.1]", "private"],
    ["http://[64:ff9b::a9fe:a9fe]/", "metadata"],
    ["http://[2002:7f00:1::]/", "loopback"],
    ["http://[2001:4860::5efe:10.0.0.1]/", "private"],
    ["http://[fe80::1%25eth0]/", "link_local"],
    ["http://[fd12::1]/", "ula"],
    ["http://0251.0376.0251.0376/", "metadata"],
    ["http://0xa9.0xFE.43518/", "metadata"],
    ["http://10.1/", "private"],
    ["http://3232235777", "private"],
    ["http://①⑨②.①⑥⑧.⓪.①/", "private"],
    ["http://１０。０．0｡1/", "private"],
    ["http://𝟣𝟢.𝟢.𝟢.𝟣/", "private"],
    ["http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "loopback"],
    ["http://lo\u200bcal\u00adhost/", "loopback"],
    ["http://%6c%6f%63alhost/", "loopback"],
    ["http://%2531%2530.0.0.1/", "private"],
    ["http%3A%2F%2F10.0.0.1%2Fadmin", "private"],
    ["http:\\\\10.0.0.1\\x", "private"],
    ["http:/10.0.0.1/", "private"],
    ["http:////10.0.0.1/", "private"],
    ["http://good.test@10.0.0.1/", "private"],
    ["http://10.0.0.1@good.test/", "private"],
    ["http://u:p@[::1]/", "loopback"],
    ["http://10.0.0.1.nip.io/", "private"],
    ["http://app-10-0-0-1.sslip.io", "private"],
    ["gopher://127.0.0.1:6379/_x", "loopback"],
    ["http://metadata.google.internal/x", "metadata"],
    ['{"url":"http:\\/\\/169.254.169.254\\/"}', "metadata"],
    ["curl 169.254.169.254/latest", "metadata"],
    ["http://100.64.0.1/", "cgnat"],
    ["http://0/", "unspecified"],
  ];
  for (const [text, kind] of CASES)
    test(`${JSON.stringify(text)} is ${kind}`, () => expect(found(text)).toEqual([kind] as never));

  test("each of several, where it stands", () => {
    const text = "a http://10.0.0.1/ b https://example.com/ c http://[::1]:9/";
    expect(findInternalUrls(text).map(({ start, end }) => text.slice(start, end))).toEqual([
      "http://10.0.0.1",
      "http://[::1]:9",
    ]);
  });
  test("a finding says what and where, not the text", () => {
    const [url] = findInternalUrls("http://169.254.169.254/");
    if (url === undefined) throw new Error("not found");
    const finding = internalUrlFinding(url, { where: "body", start: 1, end: 2 });
    expect(finding).toMatchObject({
      vector: "ssrf_url",
      name: "internal-url-metadata",
      severity: "critical",
      where: "body",
    });
  });
});

describe("a metadata service is found without a scheme before it", () => {
  const places = METADATA.networks.map((network) => network.replace(/^(.*)::\/32$/, "$1::254").replace(/\/\d+$/, ""));
  const asked = [...places, ...METADATA.names, "fd00:ec2::23", "FD00:EC2:0:0:0:0:0:254", "Metadata.Goog"];
  test.each(asked)("%s", (place) => {
    const text = `curl -s ${place}/latest`;
    const [url, ...more] = findInternalUrls(text);
    expect([url?.found, text.slice(url?.start, url?.end), more]).toEqual(["metadata", place, []]);
  });

  test("all that the guard of addresses knows", () => {
    for (const place of ["169.254.170.23", "169.254.42.42", "168.63.129.16", "100.100.100.200", "fd00:ec2::254"])
      expect(asked).toContain(place);
    for (const name of METADATA.names) expect(classifyName(name)).toBe("metadata");
  });
});

describe("findInternalUrls lets be", () => {
  const CASES = [
    "config.metadata.google = key; metadata.google = key; metadata.goog_id = 1",
    "1169.254.42.42 or 168.63.129.160 or 192.0.0.1",
    "fd00:ec:2::254 and fd00:ec20::1",
    "the metadata of an instance-data file",
    "https://example.com/a?b=10.0.0.1",
    "https://8.8.8.8/dns-query",
    "http://134744072/",
    "https://localhost.example.com/",
    "http://notlocalhost/",
    "version 10.0.0.1 of the library",
    "10.0.0.1",
    "https://user@example.com:8080/",
    "http://[2606:4700::1111]/",
    "http://192.0.2.1/ in the documentation",
    "https://1.1.1.1.nip.io/",
    "https://example.com/10.0.0.1",
    "https://",
    "http:// localhost",
    "metadata.google.internals",
    "",
  ];
  for (const text of CASES) test(JSON.stringify(text), () => expect(found(text)).toEqual([]));

  test("long hostile texts, quickly", () => {
    const started = spentMs();
    for (const piece of ["http://", "http:/", "%3a", "http://a@", "http://1.", "[:", "http://%25"]) {
      findInternalUrls(piece.repeat(200_000 / piece.length));
    }
    // Linear takes tens of milliseconds, quadratic minutes.
    expect(spentMs() - started).toBeLessThan(5000);
  });
});

describe("no spelling of an inside address reaches a dial unchecked", () => {
  const HOSTS = [
    ...[
      "0x7f.1",
      "017700000001",
      "0x7f000001",
      "127.1",
      "127.0.0.1.",
      "127.0.0.1..",
      "0177.0.0.01",
      "1.0x7f",
      "00",
      "0",
    ],
    ...[
      "%31%32%37.0.0.1",
      "127%2e0.0.1",
      "127.0.0.1%00",
      "127.0.0.1%20",
      "a@127.0.0.1",
      "127.0.0.1@a",
      "127.0.0.1\\@a",
      "a\\@127.0.0.1",
    ],
    ...[
      "[::1]",
      "[::]",
      "[::ffff:127.0.0.1]",
      "[::127.0.0.1]",
      "[64:ff9b::7f00:1]",
      "[64:ff9b:1::127.0.0.1]",
      "[2002:7f00:1::]",
    ],
    ...[
      "[2001::7f00:1:0:0]",
      "[2001:0:808:808::80ff:fffe]",
      "[2606:4700::5efe:7f00:1]",
      "[2606:4700::200:5efe:10.0.0.1]",
      "[fe80::1%25lo]",
      "[fe80::1%lo]",
      "[::1%00]",
    ],
    ...[
      "[fd00:ec2::254]",
      "[0:0:0:0:0:ffff:a9fe:a9fe]",
      "[::ffff:0:169.254.169.254]",
      "[ff02::1]",
      "[::1",
      "::1",
      "[127.0.0.1]",
      "[0x7f.1]",
    ],
    ...["localhost", "LOCALHOST", "localhost.", "a.localhost", "metadata.google.internal", "METADATA.google.internal."],
  ];
  for (const host of HOSTS) {
    test(host, () => {
      expect(["refused", "guarded"]).toContain(outcomeOf("GET", `http://${host}/`));
      expect(["refused", "guarded"]).toContain(outcomeOf("CONNECT", `${host}:443`));
    });
  }
  test("usual places are not refused", () => {
    expect(outcomeOf("GET", "http://example.com/")).toBe("resolve");
    expect(outcomeOf("CONNECT", "8.8.8.8:443")).toBe("open");
    expect(outcomeOf("CONNECT", "[2606:4700::1111]:443")).toBe("open");
  });

  testUnless(
    existsSync(SSRF_CORPUS) ? null : `no ${SSRF_CORPUS}`,
    "every spelling of the corpus is refused or checked",
    () => {
      const rows = ssrfRows(readUrls(SSRF_CORPUS));
      expect(rows.length).toBeGreaterThan(3);
      for (const { expect: name, total, absolute, connect, inText } of rows) {
        expect([name, absolute, connect]).toEqual([name, total, total]);
        if (name.startsWith("block")) expect([name, inText]).toEqual([name, total]);
      }
    },
  );
});
