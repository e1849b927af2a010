import { describe, expect, test } from "bun:test";
import { inspectBytes } from "../../src/detect/pillar128.ts";

const MARKUP = "<img src=q onerror=alert(7)><script>alert(7)</script>";
const seen = (text: string) => inspectBytes(new TextEncoder().encode(text));

function rotated(text: string, by: number): string {
  return text.replace(/[a-z]/g, (letter) => String.fromCharCode(((letter.charCodeAt(0) - 97 + by) % 26) + 97));
}

describe("markup that runs", () => {
  test("is found as it is", () => {
    expect(seen(MARKUP)).toMatchObject({ pillar: "128", view: "plain" });
  });

  for (let by = 1; by < 26; by++) {
    test(`is found rotated by ${by}, between ordinary words`, () => {
      expect(seen(`Here is what the page says: ${rotated(MARKUP, by)} and so on`)).toMatchObject({
        pillar: "128",
        view: `rot${by}`,
      });
    });
  }

  test("is found mirrored, and drawn with digits", () => {
    const mirrored = MARKUP.replace(/[a-z]/g, (letter) => String.fromCharCode(219 - letter.charCodeAt(0)));
    expect(seen(mirrored)).toMatchObject({ pillar: "128", view: "atbash" });
    expect(seen("<1mg src=q 0n3rr0r=al3r7(7)><5cr1p7>a1ert(7)</5cr1p7>")).toMatchObject({ pillar: "128" });
  });

  test("the address of a page in itself is found rotated, mirrored and drawn", () => {
    const address = "data:text/html;base64,PGI+aGVsbG8gZnJpZW5kczwvYj4=";
    const mirrored = address.replace(/[a-z]/g, (letter) => String.fromCharCode(219 - letter.charCodeAt(0)));
    for (const text of [
      rotated(address, 13),
      rotated(address, 5),
      mirrored,
      "d4t4:t3xt/html;ba5e64,PGI+aGVsbG8gZnJpZW5kczwvYj4=",
    ])
      expect(seen(`See: ${text} for more`)).toMatchObject({ vector: "713" });
    expect(seen("See data:image/png;base64,iVBORw0KGgoAAAANSUhEUg and time:next/week for more")).toBeNull();
  });

  test("the place of a rotated tag is told", () => {
    const text = `${"word ".repeat(200)}${rotated(MARKUP, 13)}`;
    const found = seen(text);
    if (found === null || found === "exhausted") throw new Error("not found");
    expect(found.start).toBeGreaterThanOrEqual(700);
    expect(found.end).toBeLessThanOrEqual(text.length);
  });
});

test("calls and tags of ordinary code are no cipher", () => {
  for (const text of [
    "print(value) and total(7) of <table> with <strong>words</strong>",
    "const x1 = call3(a1, b2); <h1>Title</h1> <a4 size> v2(beta) u8(string)",
    "The file (see page 4) was moved: done(7), and <nyereg> is a name.",
  ])
    expect(seen(text)).toBeNull();
});
