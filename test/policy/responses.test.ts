import { describe, expect, test } from "bun:test";
import { compilePolicy } from "../../src/policy/program.ts";
import { ResponsePolicy, softenedTerms, typeAllowed } from "../../src/policy/responses.ts";

const compiled = (responses: string) =>
  compilePolicy([{ name: "p.yaml", text: `version: 1\ndefault: allow\n${responses}` }]);

function terms(responses: string, host = "a.example") {
  return new ResponsePolicy(compiled(responses).responses).of(host, 443, false);
}

describe("what is wrong in it is told with its place", () => {
  for (const [text, message] of [
    ["responses: { mode: sanitize }", "must be enforce, shadow or off"],
    ["responses: { secrets: sanitize }", "must be enforce, shadow or off"],
    ["responses: { max_bytes: -1 }", "must not be negative"],
    ["responses: { types: { allow: html } }", "must be a media type such as text/html or image/*"],
    ["responses: { hosts: [{ hosts: 'https://x', mode: off }] }", "is a URL"],
    ["responses: { host: [] }", "host"],
    ["mode: shadow\nresponses: { mode: enforce }", "has no place in a file of mode shadow"],
  ] as const) {
    test(text, () => expect(() => compiled(text)).toThrow(message));
  }
});

describe("what acts", () => {
  test("with no word of it: one vector, everything else is told", () => {
    const { attack, classes, limits } = terms("");
    expect([attack("705", "exfiltration-markup"), attack("701", "instruction-override")]).toEqual([
      "enforce",
      "shadow",
    ]);
    expect(new Set(Object.values(classes))).toEqual(new Set(["shadow"]));
    expect(limits).toBe("shadow");
  });
  test("where it is said: attacks and secrets, and personal data on request", () => {
    const { attack, classes } = terms("responses: { max_bytes: null }");
    expect(attack("701", "instruction-override")).toBe("enforce");
    expect(classes).toMatchObject({ secret: "enforce", canary: "enforce", personal: "shadow", health: "shadow" });
    expect(terms("responses: { personal: enforce }").classes.personal).toBe("enforce");
  });
  test("a mode is the most that anything below it comes to", () => {
    const { attack, classes } = terms("responses: { mode: shadow, attacks: enforce, secrets: off }");
    expect([attack("701", "x"), classes.secret, classes.canary]).toEqual(["shadow", "off", "shadow"]);
    expect(terms("responses: { mode: off, attacks: enforce }").attack("705", "x")).toBe("off");
  });
  test("vectors by number or name", () => {
    const { attack } = terms('responses: { vectors: { "701": off, planted-instruction: shadow } }');
    expect([attack("701", "instruction-override"), attack("704", "planted-instruction"), attack("702", "x")]).toEqual([
      "off",
      "shadow",
      "enforce",
    ]);
  });
  test("the first entry that names the host", () => {
    const text =
      "responses: { secrets: off, hosts: [{ hosts: [.b.example], mode: off }, { hosts: '*', secrets: enforce }] }";
    expect(terms(text).classes.secret).toBe("enforce");
    expect(terms(text, "x.b.example").attack("705", "x")).toBe("off");
    expect(terms(text).rule).toBe("responses.hosts[1]");
  });
  test("nothing, once it is softened", () => {
    const { attack, classes, limits } = softenedTerms(terms("responses: { mode: enforce }"));
    expect([attack("705", "x"), classes.secret, limits]).toEqual(["shadow", "shadow", "shadow"]);
  });
});

test("types: what is denied is denied, and of a list nothing else goes", () => {
  const said = { allow: ["text/*", "application/json"], deny: ["text/css"] };
  expect(["text/html", "application/json", "text/css", "image/png", ""].map((type) => typeAllowed(said, type))).toEqual(
    [true, true, false, false, false],
  );
  expect(typeAllowed({ allow: ["*/*"], deny: [] }, "")).toBe(true);
});

test("the starting policy that only observes enforces nothing of answers", () => {
  const { responses } = compilePolicy([{ name: "p.yaml", text: "version: 1\nextends: [observe]" }]);
  expect(new ResponsePolicy(responses).of("a.example", 443, false).attack("705", "x")).toBe("shadow");
});
